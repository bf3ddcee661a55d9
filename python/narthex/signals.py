"""SIGTERM and SIGINT: the first asks for a stop, the second ends the process at once.

Before anything is served there is nothing to bring to an end, so the first one also interrupts the user's code that is being
loaded, wherever it is.

The handlers are Python's plain ones, so that the second signal also gets through while the event loop is kept busy by the
application; the loop's own handler beside them is what wakes the loop from its sleep, whichever thread the signal meets.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Generator
from types import FrameType
from typing import Any, Final, Self

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
"""Those that ask for a stop."""
_EXIT_SIGNALLED: Final = 128


class Interrupted(KeyboardInterrupt):
    """A signal stopped the loading of the user's code. As for Ctrl-C, ``except Exception`` lets it pass."""


class Signals:
    """Takes the signals over when it is entered, and puts the handlers of before back when it is left."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        """Set on the loop once a signal has asked for a stop."""
        self._first: signal.Signals | None = None
        self._interrupting = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: Callable[[], object] | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def name(self) -> str:
        """The name of the signal that asked: ``SIGTERM``."""
        return self._first.name if self._first is not None else ""

    @property
    def exit_code(self) -> int:
        """What a process exits with that this signal ended, as shells have it."""
        return _EXIT_SIGNALLED + self._first if self._first is not None else 0

    @contextlib.contextmanager
    def interrupting(self) -> Generator[None]:
        """Within it a signal raises ``Interrupted``. Code that swallows that does not swallow the signal."""
        self._interrupting = True
        try:
            if self._first is not None:
                raise Interrupted
            yield
        finally:
            self._interrupting = False

    def watch(self, loop: asyncio.AbstractEventLoop, stopping: Callable[[], object]) -> None:
        """Has a signal wake the loop; one that has come already counts.

        ``stopping`` is called by the first one at once, also where the loop is kept from noticing.
        """
        for number in SIGNALS:
            loop.add_signal_handler(number, self._ask, signal.Signals(number))
            # Again: the loop has put its own in the place, and the user's code may have done so.
            signal.signal(number, self._on_signal)
        self._loop, self._stopping = loop, stopping
        if self._first is not None:
            self.asked.set()

    def _ask(self, number: signal.Signals) -> None:
        if self._first is None:
            self._first = number
        self.asked.set()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._first is not None:
            # Not a log line: this may interrupt the writing of one.
            os.write(2, b"Ended at once by a second signal\n")
            os._exit(_EXIT_SIGNALLED + number)
        self._first = signal.Signals(number)
        if self._loop is not None and not self._loop.is_closed():
            # The loop's own handler is not told of a signal that meets it between two runs.
            self._loop.call_soon_threadsafe(self.asked.set)
            if self._stopping is not None:
                self._stopping()
        if self._interrupting:
            raise Interrupted
