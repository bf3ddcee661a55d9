"""Requests' bodies: how they are received, and what comes after them."""

import asyncio
import contextlib

from asgi_common import NOTES, answer, body, gate, note, outcome, query, route, start


def readable(message):
    return {key: value.decode("latin-1") if isinstance(value, bytes) else value for key, value in message.items()}


@route
async def messages(scope, receive, send):
    """All messages of the body, as they came."""
    received = [await receive()]
    while received[-1].get("more_body"):
        received.append(await receive())
    await answer(send, [readable(message) for message in received])


@route
async def sizes(scope, receive, send):
    """How long each piece was, and a checksum of all."""
    sizes, total, more = [], 0, True
    while more:
        message = await receive()
        sizes.append(len(message["body"]))
        total += sum(message["body"])
        more = message["more_body"]
    await answer(send, [sizes, total])


@route
async def duplex(scope, receive, send):
    """Answers before the body comes, and sends each piece back as it arrives."""
    await start(send)
    await body(send, b"ready", True)
    more = True
    while more:
        message = await receive()
        more = message["more_body"]
        if message["body"]:
            await body(send, message["body"], True)
    await body(send)


@route
async def disconnect(scope, receive, send):
    """Answers, then notes what it receives: twice, since every later receive says the same."""
    await receive()
    await answer(send, b"done")
    note(scope, await receive())
    note(scope, await receive())


@route
async def listen(scope, receive, send):
    """Waits for the disconnect in a task, as Django does, while it works until the gate opens."""
    listener = asyncio.create_task(until_disconnect(scope, receive))
    note(scope, "listening")
    await gate(scope)
    listener.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await listener
    await answer(send, b"done")


async def until_disconnect(scope, receive):
    while True:
        message = await receive()
        note(scope, message["type"])
        if message["type"] == "http.disconnect":
            return


@route
async def phases(scope, receive, send):
    """Does what the query's ``phase`` says, then notes the next disconnect and what send does after it."""
    phase = query(scope, "phase")
    if phase == "body":
        note(scope, readable(await receive()))
    if phase in ("head", "streaming"):
        await start(send)
    if phase == "streaming":
        await body(send, b"first", True)
    note(scope, phase)
    while (message := await receive())["type"] == "http.request":
        pass
    note(scope, message["type"])
    if phase not in ("head", "streaming"):
        note(scope, await outcome(start(send)))
    note(scope, await outcome(body(send, b"late", True)))


@route
async def sending(scope, receive, send):
    """Never receives; sends until that fails, and notes how."""
    await start(send)
    note(scope, "sending")
    while (failure := await outcome(body(send, b"x" * 1000, True))) is None:
        await asyncio.sleep(0.005)
    note(scope, failure)


@route
async def concurrent(scope, receive, send):
    """Two tasks receive at a time; none may be forgotten."""
    first, second = (asyncio.create_task(receive()) for _ in range(2))
    note(scope, "waiting")
    done, _ = await asyncio.wait({first, second}, return_when=asyncio.FIRST_COMPLETED)
    note(scope, [readable(task.result()) for task in done])
    await answer(send, b"done")
    rest = [await task for task in (first, second) if task not in done]
    note(scope, [readable(message) for message in rest])


@route
async def one_of_two_cancelled(scope, receive, send):
    """Two tasks receive, the later one is cancelled: the other still gets the body."""
    first, second = (asyncio.create_task(receive()) for _ in range(2))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.wait({second})
    note(scope, "waiting")
    await answer(send, readable(await first))


@route
async def cancelled(scope, receive, send):
    """Cancels a receive that waits, as often as asked, and loses nothing by it."""
    for _ in range(int(query(scope, "times"))):
        task = asyncio.create_task(receive())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()
    note(scope, "cancelled")
    received, more = b"", True
    while more:
        try:
            message = await asyncio.wait_for(receive(), 0.001)
        except TimeoutError:
            continue
        received += message["body"]
        more = message["more_body"]
    await answer(send, received)


@route
async def late(scope, receive, send):
    """Cancels a receive in the very turn in which its value arrives."""
    task = asyncio.create_task(receive())
    note(scope, "waiting")
    while not NOTES.get("gate " + query(scope)):
        await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    seen = task.result()["body"] if not task.cancelled() else b""
    await answer(send, seen + (await receive())["body"] if task.cancelled() else seen)


@route
async def never_receives(scope, receive, send):
    """Waits at the gate with the body unread, then answers."""
    note(scope, "waiting")
    await gate(scope)
    await answer(send, b"done")
