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
