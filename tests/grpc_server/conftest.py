"""Servers made in the tests' own process, on asyncio's loop and on uvloop, and clients of them."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import uvloop
from grpc_objects import PATIENCE


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request) -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Runs a coroutine to its end on a new loop, as a program does, within a time limit."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop

    def run(main: Coroutine[Any, Any, Any]) -> Any:
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(asyncio.wait_for(main, PATIENCE * 2))

    return run


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Every server's thread ends with it."""
    yield
    for thread in threading.enumerate():
        if thread.name == "narthex-server":
            thread.join(PATIENCE)
            assert not thread.is_alive()
