"""Waiting for what happens elsewhere and tells nobody: files, programs that are not ours, what the kernel shows."""

import threading
import time


def until(happened, what="it did not happen in time", timeout=20.0):
    """Asks again and again."""
    pause, deadline = threading.Event(), time.monotonic() + timeout
    while not happened():
        assert time.monotonic() < deadline, what
        pause.wait(0.01)
