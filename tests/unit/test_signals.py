"""Signals and the event loop."""

import asyncio
import os
import signal

import pytest
from narthex.server import loop_factory
from narthex.signals import Signals


@pytest.mark.parametrize("name", ["uvloop", "asyncio"])
def test_a_signal_between_two_runs_of_the_loop(name):
    loop = loop_factory(name)()
    with Signals() as signals:
        stopping = []
        signals.watch(loop, lambda: stopping.append(signals.name))
        loop.run_until_complete(asyncio.sleep(0))
        os.kill(os.getpid(), signal.SIGTERM)
        loop.run_until_complete(asyncio.wait_for(signals.asked.wait(), 10))
        assert signals.name == "SIGTERM"
        assert stopping == ["SIGTERM"]
    loop.close()
