"""Streaming methods, each as a coroutine function or asynchronous generator and, with ``Sync`` at the end, as plain functions.

``Read`` in a name is for ``context.read()``, ``Write`` for ``context.write()``.
"""

import asyncio
import json
import threading
from pathlib import Path

import grpc
from grpc_events import Events

EVENTS = Events()
SIZE = 16 * 1024

KINDS = {
    "us": grpc.unary_stream_rpc_method_handler,
    "su": grpc.stream_unary_rpc_method_handler,
    "ss": grpc.stream_stream_rpc_method_handler,
    "uu": grpc.unary_unary_rpc_method_handler,
}
HANDLERS = {}


def method(kind, **options):
    """Registers under the function's name."""

    def register(function):
        HANDLERS[function.__name__] = KINDS[kind](function, **options)
        return function

    return register


@method("uu")
async def Seen(request, context):
    return json.dumps(await EVENTS.wait(request.decode())).encode()


@method("uu")
async def Note(request, context):
    EVENTS.note(request.decode())
    return b""


@method("uu")
async def Count(request, context):
    """What there is in the process: tasks, threads and open descriptors."""
    return json.dumps([len(asyncio.all_tasks()), threading.active_count(), len(list(Path("/dev/fd").iterdir()))]).encode()


@method("us")
async def Repeat(request, context):
    for number in range(int(request)):
        yield b"%d" % number


@method("us")
async def RepeatWrite(request, context):
    for number in range(int(request)):
        await context.write(b"%d" % number)


@method("us")
def RepeatSync(request, context):
    for number in range(int(request)):
        yield b"%d" % number


@method("us")
def ListSync(request, context):
    return [b"%d" % number for number in range(int(request))]


@method("su")
async def Join(requests, context):
    return b" ".join([request async for request in requests])


@method("su")
async def JoinRead(requests, context):
    parts = []
    while (request := await context.read()) is not grpc.aio.EOF:
        parts.append(request)
    assert await context.read() is grpc.aio.EOF
    return b" ".join(parts)


@method("su")
def JoinSync(requests, context):
    return b" ".join(requests)


@method("su")
async def First(requests, context):
    """Answers after the first request."""
    return await anext(requests)


@method("su")
def FirstSync(requests, context):
    return next(requests)


@method("ss")
async def Chat(requests, context):
    async for request in requests:
        yield request.upper()


@method("ss")
async def ChatReadWrite(requests, context):
    while (request := await context.read()) is not grpc.aio.EOF:
        await context.write(request.upper())


@method("ss")
def ChatSync(requests, context):
    for request in requests:
        yield request.upper()


@method("ss", request_deserializer=json.loads, response_serializer=lambda message: json.dumps(message).encode())
async def Typed(requests, context):
    async for request in requests:
        yield [request]


@method("us")
async def Abort(request, context):
    yield b"before"
    context.set_trailing_metadata((("t", "1"),))
    await context.abort(grpc.StatusCode.ABORTED, "enough")


@method("us")
def AbortSync(request, context):
    yield b"before"
    context.set_trailing_metadata((("t", "1"),))
    context.abort(grpc.StatusCode.ABORTED, "enough")


@method("us")
async def Raise(request, context):
    yield b"before"
    raise ValueError("boom")


@method("us")
def RaiseSync(request, context):
    yield b"before"
    raise ValueError("boom")


@method("us")
async def SetCode(request, context):
    yield b"before"
    context.set_code(grpc.StatusCode.DATA_LOSS)
    context.set_details("lost")


@method("us")
def SetCodeSync(request, context):
    yield b"before"
    context.set_code(grpc.StatusCode.DATA_LOSS)
    context.set_details("lost")


@method("us")
async def Flood(request, context):
    """Writes on and on, and tells when it is told to stop, and how much it had written then."""
    name = request.decode()
    written = 0
    try:
        while True:
            written += 1
            EVENTS.note(f"{name} written", written)
            yield bytes(SIZE)
    except (asyncio.CancelledError, GeneratorExit):
        EVENTS.note(f"{name} over", [written, context.cancelled()])
        raise


@method("us")
async def FloodWrite(request, context):
    name = request.decode()
    written = 0
    try:
        while True:
            written += 1
            EVENTS.note(f"{name} written", written)
            await context.write(bytes(SIZE))
    except asyncio.CancelledError:
        EVENTS.note(f"{name} over", [written, context.cancelled()])
        raise


@method("us")
def FloodSync(request, context):
    name = request.decode()
    written = 0
    try:
        while True:
            written += 1
            EVENTS.note(f"{name} written", written)
            yield bytes(SIZE)
    finally:
        EVENTS.note(f"{name} over", [written, not context.is_active()])


@method("ss")
async def Idle(requests, context):
    """Reads nothing until it is told to; then counts the bytes it gets."""
    name = (await anext(requests)).decode()
    await EVENTS.wait(name)
    total = 0
    async for request in requests:
        total += len(request)
    yield b"%d" % total


@method("ss")
def IdleSync(requests, context):
    name = next(requests).decode()
    asyncio.run_coroutine_threadsafe(EVENTS.wait(name), EVENTS.loop).result(20)
    yield b"%d" % sum(map(len, requests))


@method("ss")
async def Hang(requests, context):
    """Waits for a request that does not come."""
    name = (await anext(requests)).decode()
    context.add_done_callback(lambda context: EVENTS.note(f"{name} done", context.cancelled()))
    yield b"waits"
    try:
        async for _ in requests:
            pass
    except asyncio.CancelledError:
        EVENTS.note(f"{name} cancelled", context.cancelled())
        raise


@method("ss")
def HangSync(requests, context):
    name = next(requests).decode()
    context.add_callback(lambda: EVENTS.note(f"{name} done", context.cancelled()))
    yield b"waits"
    try:
        for _ in requests:
            pass
    except grpc.RpcError:
        EVENTS.note(f"{name} cancelled", context.cancelled())
        raise


@method("us")
async def Late(request, context):
    """Writes after its end."""
    name = request.decode()

    async def later():
        await EVENTS.wait(name)
        try:
            await context.write(b"late")
        except Exception as error:
            EVENTS.note(f"{name} late", [type(error).__name__, str(error)])

    TASKS.append(asyncio.create_task(later()))
    await context.write(b"in time")


TASKS = []


@method("us")
async def Compressed(request, context):
    context.set_compression(grpc.Compression.Gzip)
    yield b"a" * 1000
    context.disable_next_message_compression()
    yield b"b" * 1000


@method("us")
def CompressedSync(request, context):
    context.set_compression(grpc.Compression.Deflate)
    yield b"a" * 1000
    context.disable_next_message_compression()
    yield b"b" * 1000


@method("uu")
async def CompressedOne(request, context):
    context.set_compression(grpc.Compression.Gzip)
    return b"c" * 1000


class Numbers:
    """An asynchronous iterator that is no generator, from a function that is no generator function."""

    def __init__(self, last):
        self.numbers = iter(range(last))

    def __aiter__(self):
        return self

    async def __anext__(self):
        for number in self.numbers:
            return b"%d" % number
        raise StopAsyncIteration


@method("us")
def Iterator(request, context):
    return Numbers(int(request))


@method("us")
async def Begin(request, context):
    """Sends its initial metadata, then waits to be told."""
    await context.send_initial_metadata((("early", "yes"),))
    await EVENTS.wait(request.decode())
    yield b"told"


def register(server):
    EVENTS.loop = asyncio.get_event_loop_policy().get_event_loop()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Streams", HANDLERS),))
