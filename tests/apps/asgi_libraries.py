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
async def current_task(scope, receive, send):
    """The task that a handler runs in is one like any other, whether it was started eagerly or by the loop."""
    first = asyncio.current_task()
    facts = [isinstance(first, asyncio.Task), first in asyncio.all_tasks(), first.get_loop() is asyncio.get_running_loop()]
    child = asyncio.create_task(inner())
    await asyncio.sleep(0)
    facts += [asyncio.current_task() is first, await child is child]
    # Outside of any task there is none, also where a handler's eager start was interrupted by its first wait.
    outside = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(lambda: outside.set_result(asyncio.current_task() is None))
    facts.append(await outside)
    first.cancel()
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        facts += [first.cancelling() == 1, first.uncancel() == 0]
    await answer(send, facts)


async def inner():
    return asyncio.current_task()


@route
async def failing_group(scope, receive, send):
    """A child that fails ends the wait of its siblings, here one in receive."""
    await receive()

    async def fails():
        raise ValueError("on purpose")

    siblings = []
    try:
        async with asyncio.TaskGroup() as group:
            siblings.append(group.create_task(receive()))
            group.create_task(fails())
    except* ValueError as errors:
        caught = [str(error) for error in errors.exceptions]
    await answer(send, [caught, siblings[0].cancelled()])


@route
async def nested_timeouts(scope, receive, send):
    """The outer one is over; the inner one must not take it for its own."""
    await receive()
    ends = []
    try:
        async with asyncio.timeout(0.01):
            try:
                async with asyncio.timeout(60):
                    await receive()
            except TimeoutError:
                ends.append("inner")
    except TimeoutError:
        ends.append("outer")
    await answer(send, ends)


@route
async def anyio_scopes(scope, receive, send):
    """A scope that is cancelled from without, with a shielded one in it."""
    await receive()
    ends = []
    with anyio.CancelScope() as outer:
        outer.cancel()
        with anyio.CancelScope(shield=True):
            await anyio.sleep(0)
            ends.append("shielded")
        await receive()
        ends.append("never")
    with anyio.move_on_after(0.01) as late:
        with anyio.fail_after(60):
            await receive()
    await answer(send, [*ends, outer.cancelled_caught, late.cancelled_caught])


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
