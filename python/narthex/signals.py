"""SIGTERM and SIGINT: the first asks for a stop, the second ends the process at once.

The handlers are Python's plain ones, so that the second signal also gets through while the event loop is kept busy by the
application; the loop's own handler beside them is what wakes the loop from its sleep, whichever thread the signal meets.
"""

import asyncio
import os
import signal
from types import FrameType
from typing import Any, Final, Self

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_EXIT_SIGNALLED: Final = 128


class Signals:
    """Puts the handlers of before back when it is left."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        """Set on the loop once a signal has asked for a stop."""
        self._first: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._before = {number: signal.getsignal(number) for number in _SIGNALS}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def name(self) -> str:
        """The name of the signal that asked: ``SIGTERM``."""
        return self._first.name if self._first is not None else ""

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Takes the signals over. Until then they do what they did: Ctrl-C interrupts the imports of the start-up."""
        for number in _SIGNALS:
            loop.add_signal_handler(number, self.asked.set)
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._first is not None:
            # Not a log line: this may interrupt the writing of one.
            os.write(2, b"Ended at once by a second signal\n")
            os._exit(_EXIT_SIGNALLED + number)
        self._first = signal.Signals(number)
