"""Descriptors 0 to 2, which a supervisor may have closed.

A process without them gives their numbers to the next files and sockets it opens, and whatever writes to stderr by its number
then writes into those. So the missing ones are opened, on the null device, before anything else is.
"""

import os
import sys
from typing import Final, TextIO

DESCRIPTORS: Final = range(3)
"""stdin, stdout and stderr. They are the application's too, so Narthex never closes them."""


def open_missing() -> None:
    """Opens what is missing, and gives Python the streams that it did not make without their descriptors."""
    for descriptor in DESCRIPTORS:
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free number is taken, which is this one.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    # `print` passes over a stream that is None; most other code raises.
    if sys.stdout is None:
        sys.stdout = _writing_to(1)
    if sys.stderr is None:
        sys.stderr = _writing_to(2)


def _writing_to(descriptor: int) -> TextIO:
    return open(descriptor, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)
