"""A thread in the server under stress that counts what is there: on a UNIX socket, so that counting is no request.

Each connection says one line, which command, and reads one JSON object. STRESS_PROBE is the socket's path.
"""

import asyncio
import contextlib
import ctypes
import faulthandler
import gc
import io
import json
import os
import signal
import socket
import sys
import threading
from collections import Counter
from concurrent.futures import Future
from pathlib import Path
from typing import Any

# Longer than any handler here keeps the loop busy.
LOOP_PATIENCE = 10.0


def start(loop: asyncio.AbstractEventLoop) -> None:
    """Starts the thread, and lets SIGUSR2 write all threads' stacks to stderr."""
    faulthandler.register(signal.SIGUSR2, all_threads=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.environ["STRESS_PROBE"])
    listener.listen()
    threading.Thread(target=_serve, args=(listener, loop), name="stress-probe", daemon=True).start()


def _serve(listener: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
    while True:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(ConnectionError):
            command = connection.makefile("rb").readline().decode().strip()
            answer = {"count": _count, "tasks": _tasks, "objects": _objects}[command](loop)
            connection.sendall(json.dumps(answer).encode())


def _on_loop(loop: asyncio.AbstractEventLoop, function: Any) -> Any:
    """Runs a function where tasks do not come and go meanwhile."""
    future: Future[Any] = Future()

    def run() -> None:
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)

    loop.call_soon_threadsafe(run)
    return future.result(LOOP_PATIENCE)


def _names(loop: asyncio.AbstractEventLoop) -> list[str]:
    return [getattr(task.get_coro(), "__qualname__", repr(task.get_coro())) for task in asyncio.all_tasks(loop)]


def _count(loop: asyncio.AbstractEventLoop) -> dict[str, Any]:
    """Tasks, threads and memory, after all garbage has gone."""
    tasks = Counter(_on_loop(loop, lambda: _names(loop)))
    # Twice: what the first run's finalizers let go of is found by the second.
    gc.collect()
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    return {
        "tasks": dict(tasks),
        "threads": dict(Counter(thread.name for thread in threading.enumerate())),
        "blocks": sys.getallocatedblocks(),
        "anonymous": _anonymous(),
    }


def _anonymous() -> int:
    """The process's own memory in bytes: what is mapped from files comes and goes with the page cache."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Anonymous:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("the kernel does not say how much memory is anonymous")


def _tasks(loop: asyncio.AbstractEventLoop) -> list[str]:
    """Where each task waits."""

    def stacks() -> list[str]:
        found = []
        for task in asyncio.all_tasks(loop):
            text = io.StringIO()
            task.print_stack(file=text)
            found.append(text.getvalue())
        return found

    return _on_loop(loop, stacks)


def _objects(_: asyncio.AbstractEventLoop) -> dict[str, int]:
    """How many objects there are of each type, to say what has grown."""
    counted = Counter(f"{type(thing).__module__}.{type(thing).__qualname__}" for thing in gc.get_objects())
    return dict(counted.most_common(200))
