"""The log lines of Narthex's own Python half, on stderr, in the form uvicorn made usual: ``INFO:     message``.

Only the logger ``narthex`` and those below it are touched, never the root: the application's logging is its own. An
application that configures the logger ``narthex`` itself keeps what it configured. The native half writes its lines itself,
in the same form.
"""

import logging
import os
import sys
from typing import Final, TextIO

TRACE: Final = 5
LOGGER: Final = logging.getLogger("narthex")
ERRORS: Final = logging.getLogger("narthex.error")
"""Where exceptions of the user's code are told; ``narthex.error`` is the native half's name for it too."""

_LEVELS: Final = {
    "critical": logging.CRITICAL,
    "error": logging.ERROR,
    "warning": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
    "trace": TRACE,
}
_COLORS: Final = {TRACE: 34, logging.DEBUG: 36, logging.INFO: 32, logging.WARNING: 33, logging.ERROR: 31}
_PREFIX_WIDTH: Final = 10


class LineFormatter(logging.Formatter):
    """``LEVEL:`` padded to one width, then the message; the level in colour on a terminal."""

    def __init__(self, *, color: bool) -> None:
        super().__init__("%(message)s")
        self._color = color

    def format(self, record: logging.LogRecord) -> str:
        """The line, followed by the traceback if the record has one."""
        prefix = f"{record.levelname}:"
        padding = " " * max(1, _PREFIX_WIDTH - len(prefix))
        if self._color:
            prefix = f"\x1b[{_COLORS.get(record.levelno, 91)}m{record.levelname}\x1b[0m:"
        return prefix + padding + super().format(record)


class _Handler(logging.StreamHandler[TextIO]):
    """Ours, so that it is recognised; its stream is looked up for each line, as stderr may be replaced."""

    def emit(self, record: logging.LogRecord) -> None:
        # Python has None for a stream that was closed, and an application may put it there.
        if sys.stderr is not None:
            self.stream = sys.stderr
            super().emit(record)


def use_color() -> bool:
    """Whether stderr is a terminal whose user did not ask for plain text."""
    return sys.stderr is not None and sys.stderr.isatty() and "NO_COLOR" not in os.environ


def configure(level: str) -> None:
    """Sets the logger up, before anything of the user's is imported."""
    logging.addLevelName(TRACE, "TRACE")
    handler = _Handler(sys.stderr)
    handler.setFormatter(LineFormatter(color=use_color()))
    for old in [known for known in LOGGER.handlers if isinstance(known, _Handler)]:
        LOGGER.removeHandler(old)
    LOGGER.addHandler(handler)
    LOGGER.setLevel(_LEVELS[level])
    LOGGER.propagate = False


def reconfigure() -> None:
    """Undoes what a ``dictConfig`` of the application did in passing.

    With ``disable_existing_loggers``, which is its default, it silences every logger that it does not name.
    """
    if any(isinstance(handler, _Handler) for handler in LOGGER.handlers):
        LOGGER.disabled = False
        for name, logger in logging.root.manager.loggerDict.items():
            if name.startswith("narthex.") and isinstance(logger, logging.Logger):
                logger.disabled = False
