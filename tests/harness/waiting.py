"""Waiting for what happens elsewhere and tells nobody: files, programs that are not ours, what the kernel shows."""

import threading


def until(happened, what="it did not happen in time", timeout=20.0):
    """Asks again and again."""
    pause = threading.Event()
    for _ in range(int(timeout / 0.01)):
        if happened():
            return
        pause.wait(0.01)
    raise AssertionError(what)
