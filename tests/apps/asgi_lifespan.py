"""Applications that do one thing each in their lifespan; what happens is written to the file that NX_EVENTS names."""

import asyncio
import os
import threading
from pathlib import Path

from asgi_common import answer


def tell(event):
    with Path(os.environ["NX_EVENTS"]).open("a") as events:
        events.write(f"{event}\n")


async def opened(name="gate"):
    """Waits for a file beside the events."""
    while not Path(os.environ["NX_EVENTS"]).with_name(name).exists():
        await asyncio.sleep(0.005)


def application(lifespan):
    """An application with this lifespan; a request's background work is done when the gate is open."""

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            await lifespan(scope, receive, send)
            return
        tell(f"request {scope['path']}")
        await answer(send, repr(scope["state"]).encode())
        if scope["path"] == "/background":
            try:
                await opened()
            except asyncio.CancelledError:
                tell("cancelled")
                raise
            tell("worked")

    return app


async def up(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.complete"})


@application
async def whole(scope, receive, send):
    tell(sorted(scope))
    tell([scope["type"], scope["asgi"], scope["state"]])
    tell(await receive())
    where = (threading.current_thread().name, id(asyncio.get_running_loop()))
    scope["state"].update(where=where, numbers=[])
    await send({"type": "lifespan.startup.complete"})
    tell(await receive())
    tell(where == (threading.current_thread().name, id(asyncio.get_running_loop())))
    await send({"type": "lifespan.shutdown.complete"})


@application
async def slow(scope, receive, send):
    await receive()
    tell("starting")
    await opened("started")
    await send({"type": "lifespan.startup.complete"})
    await receive()
    tell("shutdown")
    await send({"type": "lifespan.shutdown.complete"})


@application
async def fails(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "the database is gone"})


@application
async def fails_without_message(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed"})


@application
async def raises(scope, receive, send):
    raise NotImplementedError("no lifespan here")


@application
async def raises_after_message(scope, receive, send):
    await receive()
    raise LookupError("the settings are wrong")


@application
async def returns(scope, receive, send):
    pass


@application
async def raises_in_shutdown(scope, receive, send):
    await up(scope, receive, send)
    await receive()
    raise LookupError("it does not want to end")


@application
async def returns_in_shutdown(scope, receive, send):
    await up(scope, receive, send)
    tell((await receive())["type"])


@application
async def ends_early(scope, receive, send):
    await up(scope, receive, send)
    raise LookupError("in the middle of serving")


@application
async def wrong_messages(scope, receive, send):
    for message in ({"type": "lifespan.shutdown.complete"}, {"type": "http.response.start"}, {}, None):
        await wrong(send, message)
    await up(scope, receive, send)
    await wrong(send, {"type": "lifespan.startup.complete"})
    await receive()
    await wrong(send, {"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})
    await wrong(send, {"type": "lifespan.shutdown.complete"})


async def wrong(send, message):
    try:
        await send(message)
    except Exception as error:
        tell(type(error).__name__)


@application
async def with_task(scope, receive, send):
    """A task of the lifespan's lives as long as it does."""

    async def tick():
        try:
            while True:
                scope["state"]["ticks"] = scope["state"].get("ticks", 0) + 1
                await asyncio.sleep(0.001)
        except asyncio.CancelledError:
            tell("task ends")
            raise

    async with asyncio.TaskGroup() as group:
        task = group.create_task(tick())
        await up(scope, receive, send)
        await receive()
        task.cancel()
    await send({"type": "lifespan.shutdown.complete"})
