"""Responses: orderly ones, wrong ones, and what happens after them."""

import array
import asyncio
import gc

from asgi_common import answer, body, gate, note, outcome, query, route, start


@route
async def headers(scope, receive, send):
    """Headers as an application may write them."""
    fields = [
        (b"Content-Type", b"text/plain"),
        [b"X-Mixed", b"One"],
        (b"set-cookie", b" a=1; Path=/\t "),
        (b"Set-Cookie", b"b=2"),
        (b"transfer-encoding", b"gzip"),
        (b"x-latin", b"caf\xe9"),
        (b"x-empty", b""),
        (b"x-mixed", b"two"),
    ]
    await start(send, 201, (pair for pair in fields))
    await body(send, b"made")


@route
async def kinds(scope, receive, send):
    """Bytes of every kind; keys that are left out have their defaults."""
    await send({"type": "http.response.start", "status": 200})
    await body(send, b"bytes ", True)
    await body(send, bytearray(b"bytearray "), True)
    await body(send, memoryview(b"-memoryview -")[1:-1], True)
    await body(send, memoryview(b"s-t-r-i-d-e-d-")[::2], True)
    await body(send, memoryview(array.array("H", [0x2020])), True)
    await body(send, b"", True)
    await send({"type": "http.response.body", "more_body": True})
    await send({"type": "http.response.body"})


@route
async def reused(scope, receive, send):
    """A buffer that is used again belongs to the application after each send."""
    buffer = bytearray(b"a" * 20_000)
    await start(send)
    for letter in b"abc":
        buffer[:] = bytes([letter]) * len(buffer)
        await body(send, buffer, True)
    await body(send)


WRONG = {
    "no dict": None,
    "no type": {},
    "type not str": {"type": 5},
    "unknown type": {"type": "http.response.push"},
    "websocket type": {"type": "websocket.accept"},
    "no status": {"type": "http.response.start"},
    "status str": {"type": "http.response.start", "status": "200"},
    "status 99": {"type": "http.response.start", "status": 99},
    "status 100": {"type": "http.response.start", "status": 100},
    "status 1000": {"type": "http.response.start", "status": 1000},
    "status negative": {"type": "http.response.start", "status": -1},
    "body first": {"type": "http.response.body", "body": b"x"},
    "body str": {"type": "http.response.body", "body": "text"},
    "headers None": {"type": "http.response.start", "status": 200, "headers": None},
    "name str": {"type": "http.response.start", "status": 200, "headers": [("a", b"b")]},
    "value str": {"type": "http.response.start", "status": 200, "headers": [(b"a", "b")]},
    "triple": {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b", b"c")]},
    "name injected": {"type": "http.response.start", "status": 200, "headers": [(b"a\r\nb", b"c")]},
    "value injected": {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b\r\nset-cookie: x=1")]},
    "value newline": {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b\nc")]},
    "value nul": {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b\0c")]},
    "name empty": {"type": "http.response.start", "status": 200, "headers": [(b"", b"b")]},
    "name with space": {"type": "http.response.start", "status": 200, "headers": [(b"a b", b"c")]},
    "pseudo header": {"type": "http.response.start", "status": 200, "headers": [(b":status", b"204")]},
    "length no number": {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"ten")]},
    "length signed": {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"+5")]},
    "length negative": {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"-5")]},
    "length list": {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5, 5")]},
    "lengths differ": {
        "type": "http.response.start",
        "status": 200,
        "headers": [(b"content-length", b"5"), (b"content-length", b"6")],
    },
}


@route
async def wrong(scope, receive, send):
    """Sends one wrong message and notes what that raises; the response can still be given."""

    async def attempt():
        await send(WRONG[query(scope, "what")])

    note(scope, await outcome(attempt()))
    await answer(send, b"fine")


@route
async def twice(scope, receive, send):
    await start(send)
    note(scope, await outcome(start(send, 500)))
    await body(send, b"one", True)
    note(scope, await outcome(start(send, 500)))
    await body(send, b"two")
    note(scope, await outcome(start(send)))
    note(scope, await outcome(body(send, b"three")))


@route
async def lengths(scope, receive, send):
    """Declares a length and sends pieces; what raises is noted and raised."""
    await start(send, 200, [(b"content-length", query(scope, "declared").encode())])
    pieces = [int(size) for size in query(scope, "pieces").split(" ")]
    last = query(scope, "last") != "no"
    for index, size in enumerate(pieces):
        try:
            await body(send, b"x" * size, not (last and index == len(pieces) - 1))
        except Exception as error:
            note(scope, [type(error).__name__, str(error)])
            raise
    note(scope, "sent")


@route
async def declared_and_late_end(scope, receive, send):
    """All of the declared length, and only later the empty last piece, as Django's FileResponse does it."""
    await start(send, 200, [(b"content-length", b"5")])
    await body(send, b"hello", True)
    note(scope, "sent")
    await gate(scope)
    note(scope, await outcome(body(send)))


@route
async def crash(scope, receive, send):
    """Fails where ``phase`` says."""
    phase = query(scope, "phase")
    if phase in ("head", "body", "end"):
        await start(send, 200, [(b"content-length", b"10")] if query(scope, "declared") else [])
    if phase == "body":
        await body(send, b"first", True)
    if phase == "end":
        await body(send, b"x" * 10)
    if query(scope, "kind") == "cancelled":
        raise asyncio.CancelledError
    if query(scope, "kind") == "group":
        raise ExceptionGroup("several", [ValueError("boom")])
    raise ValueError("boom with a secret")


@route
async def returns(scope, receive, send):
    """Returns where ``phase`` says, without a complete response."""
    phase = query(scope, "phase")
    if phase in ("head", "body"):
        await start(send)
    if phase == "body":
        await body(send, b"first", True)


@route
async def status(scope, receive, send):
    """A response of the status asked for, with a body whatever the status."""
    fields = [(b"etag", b'"1"')]
    if query(scope, "length"):
        fields.append((b"content-length", query(scope, "length").encode()))
    await start(send, int(query(scope, "status", "200")), fields)
    await body(send, b"01234", True)
    await body(send, b"56789")


@route
async def endless(scope, receive, send):
    """Sends pieces as long as it can, whatever the method; notes how that ends."""
    await start(send)
    while (failure := await outcome(body(send, b"x" * 10_000, True))) is None:
        pass
    note(scope, failure)


@route
async def head_then_disconnect(scope, receive, send):
    """Streams until it is told that nobody listens."""
    await start(send)
    await body(send, b"x", True)
    while (message := await receive())["type"] == "http.request":
        pass
    note(scope, message["type"])
    note(scope, await outcome(body(send, b"y", True)))
    note(scope, await outcome(body(send, b"z")))


@route
async def background(scope, receive, send):
    """Works on after its response."""
    await answer(send, b"done")
    note(scope, "answered")
    await gate(scope)
    note(scope, "worked")


@route
async def two_senders(scope, receive, send):
    """Two tasks send at a time, more than the connection takes: both must go on once it does."""
    await start(send)
    note(scope, "started")
    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(many(send))
    await body(send)
    note(scope, "sent")


async def many(send):
    for _ in range(10):
        await body(send, b"x" * 300_000, True)


@route
async def abandoned(scope, receive, send):
    """A message that is sent but not awaited, and a receive that nobody awaits, harm nothing."""
    receive()
    receive().close()
    await start(send)
    task = asyncio.ensure_future(send({"type": "http.response.body", "body": b"fine"}))
    await task
    gc.collect()


@route
async def disconnected_by_hand(scope, receive, send):
    """Raises an exception of its own out of the one that send raised, as Starlette does."""
    await start(send)
    note(scope, "started")
    try:
        while True:
            await body(send, b"x" * 1000, True)
            await asyncio.sleep(0.005)
    except OSError:
        note(scope, "gone")
        raise RuntimeError("the client of this response has left") from None
