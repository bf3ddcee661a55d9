"""What goes on after the client has left, and how it ends."""

import asyncio

from asgi_common import body, gate, note, query, route, start


@route
async def lingers(scope, receive, send):
    """Sends as much of a response as ``sends`` says, waits for the client to leave, and then for the gate."""
    sends = query(scope, "sends")
    try:
        if sends in ("piece", "all", "much"):
            await start(send)
            await body(send, b"x" * (200_000 if sends == "much" else 10), sends == "piece")
        if sends != "all":
            await receive()
            note(scope, "ready")
            note(scope, (await receive())["type"])
        else:
            note(scope, "ready")
        await gate(scope)
        note(scope, "done")
    except asyncio.CancelledError:
        note(scope, "cancelled")
        raise


@route
async def lingers_on(scope, receive, send):
    """Does not take its cancellation for an end."""
    await receive()
    note(scope, "ready")
    note(scope, (await receive())["type"])
    try:
        await gate(scope)
    except asyncio.CancelledError:
        note(scope, "cancelled")
    await gate(scope)
    note(scope, "done")


@route
async def listens_and_sends(scope, receive, send):
    """As Django does it: a task that listens, one that sends without end, and the end of either cancels the other."""
    await receive()

    async def sender():
        await start(send)
        while True:
            await body(send, b"x" * int(query(scope, "size")), True)
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(receive()), asyncio.create_task(sender())]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    tasks[1].cancel()
    ends = [
        end["type"] if isinstance(end, dict) else type(end).__name__
        for end in await asyncio.gather(*tasks, return_exceptions=True)
    ]
    note(scope, ends)


@route
async def listens_and_sends_on(scope, receive, send):
    """Its sender is told all the same, if nobody cancels it."""
    await receive()
    listener = asyncio.create_task(receive())
    await start(send)
    try:
        while True:
            await body(send, b"x" * 100_000, True)
    except OSError as error:
        note(scope, [(await listener)["type"], type(error).__name__])
