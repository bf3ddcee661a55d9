"""The ASGI applications that are measured; each does one thing, and all servers run the same."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

TEXT = (b"content-type", b"text/plain")
OK: Message = {"type": "http.response.start", "status": 200, "headers": [TEXT, (b"content-length", b"2")]}
OK_BODY: Message = {"type": "http.response.body", "body": b"OK"}

CHUNK = bytes(range(256)) * 256
CHUNKS = 16
BLOCKED_FOR = 0.2
ROUND_TRIPS = 3
QUESTION = b"q" * 64


async def lifespan(receive: Receive, send: Send) -> None:
    """Says that start-up and shutdown are complete, for the servers that ask."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def raw(scope: Message, receive: Receive, send: Send) -> None:
    """Answers with two bytes: what is left is the server."""
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    await send(OK)
    await send(OK_BODY)
    return None


async def echo(scope: Message, receive: Receive, send: Send) -> None:
    """Reads the whole body and sends it back."""
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    pieces: list[bytes] = []
    more = True
    while more:
        message = await receive()
        pieces.append(message.get("body", b""))
        more = message.get("more_body", False)
    body = b"".join(pieces)
    headers = [(b"content-type", b"application/octet-stream"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
    return None


async def stream(scope: Message, receive: Receive, send: Send) -> None:
    """Sends 1 MiB in pieces of 64 KiB, without saying beforehand how long it is."""
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/octet-stream")]})
    for _ in range(CHUNKS):
        await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
    await send({"type": "http.response.body"})
    return None


class Conversation(asyncio.Protocol):
    """One connection to the echo server that stands for a database: a question, an answer, never two at once."""

    def __init__(self) -> None:
        self._transport: Any = None
        self._answer: asyncio.Future[None] | None = None
        self._missing = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Wakes the one who asked, once the answer is whole."""
        self._missing -= len(data)
        if self._missing == 0 and self._answer is not None:
            self._answer.set_result(None)

    def ask(self, question: bytes) -> asyncio.Future[None]:
        """Sends a question; the future is done when the answer is there."""
        self._answer = asyncio.get_running_loop().create_future()
        self._missing = len(question)
        self._transport.write(question)
        return self._answer


_idle: list[Conversation] = []


async def lookups(scope: Message, receive: Receive, send: Send) -> None:
    """Asks another process three questions, one after the other, as a view asks a database."""
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    if _idle:
        conversation = _idle.pop()
    else:
        port = int(os.environ["BENCH_ECHO_PORT"])
        _, conversation = await asyncio.get_running_loop().create_connection(Conversation, "127.0.0.1", port)
    for _ in range(ROUND_TRIPS):
        await conversation.ask(QUESTION)
    _idle.append(conversation)
    await send(OK)
    await send(OK_BODY)
    return None


async def blocking(scope: Message, receive: Receive, send: Send) -> None:
    """Answers at once, except below /sleep and /spin: there it holds up the event loop, with and without the GIL."""
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    block(scope["path"].removeprefix("/"))
    await send(OK)
    await send(OK_BODY)
    return None


def block(how: str) -> None:
    """Holds up the thread for 200 ms: "sleep" lets the GIL go, "spin" does not; anything else returns at once."""
    if how == "sleep":
        time.sleep(BLOCKED_FOR)
    elif how == "spin":
        end = time.monotonic() + BLOCKED_FOR
        while time.monotonic() < end:
            pass
