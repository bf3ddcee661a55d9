"""What handlers do with asyncio, anyio and an HTTP client."""

import asyncio

import anyio
import httpx
from asgi_common import answer, body, note, query, route, start


@route
async def calls_itself(scope, receive, send):
    """A client of its own server, on the same loop."""
    host, port = scope["server"]
    versions = {"http1": query(scope, "http") != "2", "http2": query(scope, "http") == "2"}
    async with httpx.AsyncClient(**versions, trust_env=False) as client:
        replies = await asyncio.gather(*(client.get(f"http://{host}:{port}/ordered?number={number}") for number in range(5)))
    await answer(send, [int(reply.text) for reply in replies])


@route
async def task_group(scope, receive, send):
    async with asyncio.TaskGroup() as group:
        received = group.create_task(receive())
        slept = group.create_task(asyncio.sleep(0, "slept"))
    await answer(send, [received.result()["body"].decode(), slept.result()])


@route
async def with_timeout(scope, receive, send):
    """A timeout around a receive that has nothing more to say."""
    await receive()
    try:
        async with asyncio.timeout(0.01):
            await receive()
    except TimeoutError:
        await answer(send, b"in time")


@route
async def anyio_group(scope, receive, send):
    """As Starlette streams: one task listens for the disconnect, the other sends and then cancels it."""

    async def listen():
        while (await receive())["type"] != "http.disconnect":
            pass
        note(scope, "disconnected")
        group.cancel_scope.cancel()

    async def stream():
        await start(send)
        for _ in range(3):
            await body(send, b"piece ", True)
            await anyio.sleep(0)
        await body(send, b"end")
        note(scope, "sent")
        group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(listen)
        group.start_soon(stream)
    note(scope, "over")


@route
async def anyio_deadline(scope, receive, send):
    await receive()
    with anyio.move_on_after(0.01) as scope_of_time:
        await receive()
    await answer(send, scope_of_time.cancelled_caught)


@route
async def anyio_thread(scope, receive, send):
    """Sync code on a thread that calls back into the loop, as Django and Starlette do it."""

    def work():
        return anyio.from_thread.run(receive)["body"]

    await answer(send, await anyio.to_thread.run_sync(work))


@route
async def loop_kind(scope, receive, send):
    loop = asyncio.get_running_loop()
    await answer(send, [type(loop).__module__.partition(".")[0], loop.get_debug()])


@route
async def anyio_stream(scope, receive, send):
    """Streams until the task that listens cancels it."""

    async def listen():
        while (await receive())["type"] != "http.disconnect":
            pass
        note(scope, "disconnected")
        group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(listen)
        await start(send)
        await body(send, b"first", True)
        await anyio.sleep_forever()
    note(scope, "over")
