"""An application whose process ends, or is asked to, while it is busy."""

import asyncio
import atexit
import os
import signal
import sys
import threading
import time
from pathlib import Path

import grpc
from asgi_common import answer, query

EVENTS = Path(os.environ["NX_EVENTS"])


def tell(event):
    with EVENTS.open("a") as events:
        events.write(event + "\n")


def busy(path):
    """Holds this thread until the file is there, after making one that tells so."""
    path.with_suffix(".busy").touch()
    while not path.exists():
        pass


def at_exit():
    # Longer than the standby's tick, with other threads in the way.
    time.sleep(0.05)
    tell("at exit")


def on_signal(number, frame):
    tell("signal")
    busy(EVENTS.with_name("release"))
    tell("signal over")


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        atexit.register(at_exit)
        signal.signal(signal.SIGUSR1, on_signal)
        threading.Thread(target=spin, daemon=True).start()
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        tell("shutdown")
        await send({"type": "lifespan.shutdown.complete"})
        return
    await HANDLERS[scope["path"]](scope, send)


def spin():
    """A daemon thread that is in the midst of Python whenever the process ends."""
    while True:
        sum(range(1000))


async def blocks(scope, send):
    busy(Path(query(scope, "file")))
    await answer(send, b"blocked")


async def never_returns(scope, send):
    """In Python, or asleep; it takes its cancellation, if it ever comes, for nothing."""
    how = query(scope, "how")
    if how == "sleeps deaf":
        # As if the signal had come after Python's last look at signals, before the call that sleeps: nothing interrupts that.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    tell("never returns")
    while True:
        if how.startswith("sleeps"):
            time.sleep(3600)


async def never_ends(scope, send):
    """Gives way to others again and again, and refuses to be cancelled; then it keeps the loop."""
    tell("never ends")
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        tell("cancelled")
        while True:
            pass


async def exits_afterwards(scope, send):
    """Has the process end from outside any call, right after the standby had the reactor."""
    busy(Path(query(scope, "file")))
    asyncio.get_running_loop().call_soon(sys.exit, 5)
    await answer(send, b"")


async def hello(scope, send):
    await answer(send, b"hello")


HANDLERS = {
    "/": hello,
    "/blocks": blocks,
    "/never-returns": never_returns,
    "/never-ends": never_ends,
    "/exits-afterwards": exits_afterwards,
}


def Block(request, context):
    """On a lane."""
    path = Path(request.decode())
    path.with_suffix(".busy").touch()
    while not path.exists():
        time.sleep(0.001)
    return b"blocked"


def register(server):
    handlers = {"Block": grpc.unary_unary_rpc_method_handler(Block)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Endings", handlers),))
