"""The four kinds of methods in each way that a coroutine function, an async generator and ``context`` offer."""

import asyncio
import functools

import grpc
import grpc.aio
import pytest
from grpc import StatusCode
from grpc_servers import METHOD, entries, failed, outcome, received

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("one_loop")]

REQUESTS = [b"one", b"two", b"three"]


async def requests():
    for request in REQUESTS:
        yield request


# ---- handlers, each in its styles


async def unary_unary(request, context):
    return b"re: " + request


async def unary_stream_generator(request, context):
    for part in request.split():
        yield part


async def unary_stream_writer(request, context):
    for part in request.split():
        await context.write(part)


async def unary_stream_mixed(request, context):
    first, *rest = request.split()
    yield first
    for part in rest:
        await context.write(part)


async def stream_unary_iterator(request_iterator, context):
    return b" ".join([request async for request in request_iterator])


async def stream_unary_anext(request_iterator, context):
    taken = []
    try:
        while True:
            taken.append(await request_iterator.__anext__())
    except StopAsyncIteration:
        return b" ".join(taken)


async def stream_unary_reader(request_iterator, context):
    taken = []
    while (request := await context.read()) is not grpc.aio.EOF:
        taken.append(request)
    return b" ".join(taken)


async def stream_unary_mixed(request_iterator, context):
    first = await context.read()
    return b" ".join([first, *[request async for request in request_iterator]])


async def stream_stream_generator(request_iterator, context):
    async for request in request_iterator:
        yield request.upper()


async def stream_stream_reader_writer(request_iterator, context):
    while (request := await context.read()) is not grpc.aio.EOF:
        await context.write(request.upper())


async def stream_stream_mixed(request_iterator, context):
    await context.write((await context.read()).upper())
    async for request in request_iterator:
        yield request.upper()


async def test_unary_unary(aio_serving):
    async with aio_serving(grpc.unary_unary_rpc_method_handler(unary_unary)) as served:
        call = served.unary_unary(b"hello")
        assert await call == b"re: hello"
        assert (await call.code(), await call.details()) == (StatusCode.OK, "")


@pytest.mark.parametrize("handler", [unary_stream_generator, unary_stream_writer, unary_stream_mixed])
async def test_unary_stream(aio_serving, handler):
    async with aio_serving(grpc.unary_stream_rpc_method_handler(handler)) as served:
        call = served.unary_stream(b"a b c d e")
        assert await received(call) == [b"a", b"b", b"c", b"d", b"e"]
        assert await call.code() is StatusCode.OK


@pytest.mark.parametrize("handler", [stream_unary_iterator, stream_unary_anext, stream_unary_reader, stream_unary_mixed])
async def test_stream_unary(aio_serving, handler):
    async with aio_serving(grpc.stream_unary_rpc_method_handler(handler)) as served:
        call = served.stream_unary(requests())
        assert await call == b"one two three"
        assert await call.code() is StatusCode.OK


@pytest.mark.parametrize("handler", [stream_stream_generator, stream_stream_reader_writer, stream_stream_mixed])
async def test_stream_stream(aio_serving, handler):
    async with aio_serving(grpc.stream_stream_rpc_method_handler(handler)) as served:
        call = served.stream_stream(requests())
        assert await received(call) == [b"ONE", b"TWO", b"THREE"]
        assert await call.code() is StatusCode.OK


@pytest.mark.parametrize("handler", [stream_stream_generator, stream_stream_reader_writer])
async def test_messages_go_to_and_fro(aio_serving, handler):
    async with aio_serving(grpc.stream_stream_rpc_method_handler(handler)) as served:
        call = served.stream_stream()
        for request in REQUESTS:
            await call.write(request)
            assert await call.read() == request.upper()
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
        assert await call.code() is StatusCode.OK


async def test_streams_without_a_message(aio_serving):
    async def none_of_many(request_iterator, context):
        assert [request async for request in request_iterator] == []
        return
        yield

    async def count(request_iterator, context):
        return b"%d" % len([request async for request in request_iterator])

    handlers = {
        "Count": grpc.stream_unary_rpc_method_handler(count),
        "None": grpc.stream_stream_rpc_method_handler(none_of_many),
    }
    async with aio_serving(handlers) as served:
        assert await served.stream_unary(iter(()), "Count") == b"0"
        call = served.stream_stream(iter(()), "None")
        assert await received(call) == []
        assert await call.code() is StatusCode.OK


async def test_empty_messages_are_messages(aio_serving):
    async def echo(request_iterator, context):
        async for request in request_iterator:
            yield request

    async with aio_serving(grpc.stream_stream_rpc_method_handler(echo)) as served:
        assert await received(served.stream_stream(iter([b"", b"", b""]))) == [b"", b"", b""]


async def test_nothing_is_an_empty_message(aio_serving, pool):
    async def returns(request, context):
        return None

    async def yields(request, context):
        yield None
        await context.write(None)

    def plain(request, context):
        return None

    handlers = {
        "Returns": grpc.unary_unary_rpc_method_handler(returns),
        "Serialized": grpc.unary_unary_rpc_method_handler(returns, response_serializer=lambda message: message),
        "Yields": grpc.unary_stream_rpc_method_handler(yields),
        "Plain": grpc.unary_unary_rpc_method_handler(plain),
    }
    async with aio_serving(handlers, migration_thread_pool=pool) as served:
        for method in ("Returns", "Serialized", "Plain"):
            assert await served.unary_unary(b"request", method) == b"", method
        assert await received(served.unary_stream(b"request", "Yields")) == [b"", b""]


async def test_read_says_eof_again_and_again(aio_serving):
    async def handler(request_iterator, context):
        return b"%d" % [await context.read() for _ in range(3)].count(grpc.aio.EOF)

    async with aio_serving(grpc.stream_unary_rpc_method_handler(handler)) as served:
        assert await served.stream_unary(iter([b"one"])) == b"2"


async def test_iterating_again_after_the_end_gives_nothing(aio_serving):
    async def handler(request_iterator, context):
        first = [request async for request in request_iterator]
        second = [request async for request in request_iterator]
        return b"%d %d" % (len(first), len(second))

    async with aio_serving(grpc.stream_unary_rpc_method_handler(handler)) as served:
        assert await served.stream_unary(iter(REQUESTS)) == b"3 0"


async def test_an_answer_before_the_requests_end(aio_serving):
    async def handler(request_iterator, context):
        return await context.read()

    async with aio_serving(grpc.stream_unary_rpc_method_handler(handler)) as served:
        call = served.stream_unary()
        await call.write(b"first")
        assert await call == b"first"
        assert await call.code() is StatusCode.OK


async def test_large_messages(aio_serving):
    large = bytes(range(256)) * 4096  # 1 MiB, beyond every flow control window

    async def handler(request_iterator, context):
        async for request in request_iterator:
            yield request

    async with aio_serving(grpc.stream_stream_rpc_method_handler(handler)) as served:
        assert await received(served.stream_stream(iter([large] * 3))) == [large] * 3


async def test_many_calls_at_once(aio_serving):
    together = 50
    arrived = asyncio.Semaphore(0)
    everybody = asyncio.Event()

    async def handler(request, context):
        arrived.release()
        await everybody.wait()
        return request

    async with aio_serving(grpc.unary_unary_rpc_method_handler(handler)) as served:
        calls = [served.unary_unary(b"%d" % number) for number in range(together)]
        for _ in range(together):
            await arrived.acquire()
        everybody.set()
        assert await asyncio.gather(*calls) == [b"%d" % number for number in range(together)]


# ---- finding the handler


async def test_an_unknown_method(aio_serving):
    async with aio_serving(grpc.unary_unary_rpc_method_handler(unary_unary)) as served:
        error = await failed(served.unary_unary(method="Unknown"))
        assert outcome(error) == (StatusCode.UNIMPLEMENTED, "Method not found!")
        assert await served.unary_unary(b"still here") == b"re: still here"


async def test_a_registered_handler_goes_before_a_generic_one(implementation_under_test, aio_serving):
    async def registered(request, context):
        return b"registered"

    server = implementation_under_test.aio_server()
    server.add_registered_method_handlers("test.Service", {"Method": grpc.unary_unary_rpc_method_handler(registered)})
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("test.Service", {"Method": grpc.unary_unary_rpc_method_handler(unary_unary)}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        assert await channel.unary_unary(METHOD, _registered_method=True)(b"") == b"registered"
    await server.stop(None)


async def test_generic_handlers_are_asked_in_their_order_with_the_metadata(implementation_under_test):
    asked = []

    class Asked(grpc.GenericRpcHandler):
        def __init__(self, name, handler):
            self.name, self.handler = name, handler

        def service(self, handler_call_details):
            asked.append((self.name, handler_call_details.method, entries(handler_call_details.invocation_metadata)))
            return self.handler

    server = implementation_under_test.aio_server(handlers=(Asked("first", None),))
    server.add_generic_rpc_handlers((Asked("second", grpc.unary_unary_rpc_method_handler(unary_unary)),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        assert await channel.unary_unary("/any.Where/At")(b"x", metadata=(("key", "value"),)) == b"re: x"
    await server.stop(None)
    assert asked == [(name, "/any.Where/At", [("key", "value")]) for name in ("first", "second")]


async def test_a_handler_of_ones_own_class(implementation_under_test):
    class Handler(grpc.RpcMethodHandler):
        request_streaming = False
        response_streaming = True
        request_deserializer = staticmethod(list)
        response_serializer = staticmethod(lambda number: b"%d" % number)
        unary_unary = stream_unary = stream_stream = None

        async def unary_stream(self, request, context):
            for number in request:
                yield number

    class Generic(grpc.GenericRpcHandler):
        def service(self, handler_call_details):
            return Handler()

    server = implementation_under_test.aio_server(handlers=[Generic()])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        assert await received(channel.unary_stream("/a.B/C")(b"\1\2\3")) == [b"1", b"2", b"3"]
    await server.stop(None)


async def test_methods_and_partials_are_handlers(aio_serving):
    class Servicer:
        async def method(self, request, context):
            return b"method"

        async def parts(self, request, context):
            yield b"method"

    async def prefixed(prefix, request, context):
        return prefix + request

    handlers = {
        "Method": grpc.unary_unary_rpc_method_handler(Servicer().method),
        "Parts": grpc.unary_stream_rpc_method_handler(Servicer().parts),
        "Partial": grpc.unary_unary_rpc_method_handler(functools.partial(prefixed, b"a ")),
    }
    async with aio_serving(handlers) as served:
        assert await served.unary_unary() == b"method"
        assert await received(served.unary_stream(method="Parts")) == [b"method"]
        assert await served.unary_unary(b"partial", "Partial") == b"a partial"
