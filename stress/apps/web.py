"""The ASGI application under load. Its answers say which request they are for, so that none can be another's."""

import asyncio
import ctypes
import os
import time
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

import narthex
import probe

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Handler = Callable[[Message, dict[str, str], Receive, Send], Awaitable[None]]

TEXT = (b"content-type", b"text/plain")
LENGTH = b"content-length"
PATTERN = bytes(range(256)) * 256
# Holds the interpreter, where ctypes.CDLL would let it go.
HOLDING = ctypes.PyDLL(None)

ROUTES: dict[str, Handler] = {}
_released = asyncio.Event()


class PlannedError(Exception):
    """Raised on purpose; the log may have it."""


class PlannedExit(BaseException):
    """The same, outside of Exception."""


RAISED: dict[str, Callable[[], BaseException]] = {
    "Exception": lambda: PlannedError("planned"),
    "BaseException": lambda: PlannedExit("planned"),
    "SystemExit": lambda: SystemExit("planned"),
    "KeyboardInterrupt": lambda: KeyboardInterrupt("planned"),
    "CancelledError": lambda: asyncio.CancelledError("planned"),
    "GeneratorExit": lambda: GeneratorExit("planned"),
}


async def app(scope: Message, receive: Receive, send: Send) -> None:
    """Calls the route of the path's first segment."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    query = dict(parse_qsl(scope["query_string"].decode()))
    await ROUTES[scope["path"].split("/", 2)[1]](scope, query, receive, send)


async def lifespan(receive: Receive, send: Send) -> None:
    """Starts the probe."""
    await receive()
    probe.start(asyncio.get_running_loop())
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


def route(handler: Handler) -> Handler:
    """Registers under the function's name."""
    ROUTES[handler.__name__.replace("_", "-")] = handler
    return handler


async def answer(send: Send, body: bytes, status: int = 200) -> None:
    """A response of one piece."""
    headers = [TEXT, (LENGTH, b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def body_of(receive: Receive) -> bytes | None:
    """The whole body; none if the client has left before its end."""
    pieces: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        pieces.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(pieces)


async def gone(receive: Receive) -> None:
    """Waits until the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


@route
async def number(scope: Message, query: dict[str, str], receive: Receive, send: Send) -> None:
    """Answers with the number in the path."""
    await answer(send, scope["path"].rpartition("/")[2].encode())


@route
async def slow(scope: Message, query: dict[str, str], receive: Receive, send: Send) -> None:
    """Answers with the number in the path, after a while."""
    await asyncio.sleep(float(query["ms"]) / 1000)
    await answer(send, scope["path"].rpartition("/")[2].encode())


@route
async def checksum(scope: Message, query: dict[str, str], receive: Receive, send: Send) -> None:
    """Answers with the body's length and checksum."""
    body = await body_of(receive)
    if body is not None:
        await answer(send, b"%d %d" % (len(body), zlib.crc32(body)))


@route
async def mirror(scope: Message, query: dict[str, str], receive: Receive, send: Send) -> None:
    """Sends each piece back as it arrives."""
    await send({"type": "http.response.start", "status": 200, "headers": [TEXT]})
    while (message := await receive())["type"] != "http.disconnect":
        more = message.get("more_body", False)
        await send({"type": "http.response.body", "body": message.get("body", b""), "more_body": more})
        if not more:
            return


@route
async def stream(scope: Message, query: dict[str, str], receive: Receive, send: Send) -> None:
    """Streams ``count`` pieces of ``size`` bytes."""
    await send({"type": "http.response.start", "status": 200, "headers": [TEXT]})
    piece = PATTERN[: int(query["size"])]
    for _ in range(int(query["count"])):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body"})


@route
async def endless(scope: Message, query: dict[str, str], receive: Receive, send: Send) -> None:
    """Streams until nobody is there."""
    await send({"type": "http.response.start", "status": 200, "headers": [TEXT]})
    while True:
        try:
            await send({"type": "http.response.body", "body": PATTERN, "more_body": True})
        except narthex.ClientDisconnected:
            return
        # A client that reads everything must not keep the loop from the others.
        await asyncio.sleep(0)


@route
async def reads_nothing(scope: Message, query: dict[str, str], receive: Receive, send: Send) -> None:
    """Answers after a while without a look at the body."""
    await asyncio.sleep(float(query["ms"]) / 1000)
    await answer(send, b"not read")


@route
async def until_gone(scope: Message, query: dict[str, str], receive: Receive, send: Send) -> None:
    """Never answers; ends when the client has left."""
    await gone(receive)


@route
async def after_leaving(scope: Message, query: dict[str, str], receive: Receive, send: Send) -> None:
    """Goes on when the client has left: works, sends in vain, returns late."""
    await gone(receive)
    await asyncio.sleep(0.02)
    try:
        await answer(send, b"too late")
    except OSError:
        await asyncio.sleep(0.02)


@route
async def never(scope: Message, query: dict[str, str], receive: Receive, send: Send) -> None:
    """Never finishes, whether or not the client is there; only ``/release`` ends it."""
    await _released.wait()


@route
async def release(scope: Message, query: dict[str, str], receive: Receive, send: Send) -> None:
    """Ends all that never finishes."""
    global _released
    _released.set()
    _released = asyncio.Event()
    await answer(send, b"released")


@route
async def block(scope: Message, query: dict[str, str], receive: Receive, send: Send) -> None:
    """Keeps the event loop's thread: asleep, spinning in Python, or with the interpreter in its hands."""
    seconds = float(query["ms"]) / 1000
    match query["how"]:
        case "sleeps":
            time.sleep(seconds)
        case "spins":
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                pass
        case "holds":
            HOLDING.usleep(int(seconds * 1e6))
    await answer(send, b"blocked")


@route
async def fail(scope: Message, query: dict[str, str], receive: Receive, send: Send) -> None:
    """Raises ``kind``: before the response, or in the middle of it."""
    if "body" in query:
        await body_of(receive)
    if query["when"] == "within":
        await send({"type": "http.response.start", "status": 200, "headers": [TEXT]})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
    if query["when"] == "later":
        await asyncio.sleep(0.001)
    raise RAISED[query["kind"]]()


@route
async def opens(scope: Message, query: dict[str, str], receive: Receive, send: Send) -> None:
    """Needs a descriptor, and says whether it had one."""
    try:
        os.close(os.open("/dev/null", os.O_RDONLY))
    except OSError as error:
        await answer(send, os.strerror(error.errno or 0).encode(), 503)
        return
    await answer(send, b"opened")
