"""What a context says of the call, and how it behaves once the call is over."""

import asyncio

import grpc
import grpc.aio
import pytest
from grpc_servers import METHOD, PATIENCE, generic, received

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("one_loop")]


async def seen_by_handler(aio_serving, look, **options):
    seen = []

    async def handler(request, context):
        seen.append(look(context))
        return b""

    async with aio_serving(grpc.unary_unary_rpc_method_handler(handler)) as served:
        await served.unary_unary(**options)
    return seen[0]


@pytest.mark.differs("grpcio's own contexts are not registered with its abstract class")
async def test_the_context_is_a_servicer_context(aio_serving):
    assert await seen_by_handler(aio_serving, lambda context: isinstance(context, grpc.aio.ServicerContext))


async def test_the_peer_by_ipv4(aio_serving):
    kind, address, port = (await seen_by_handler(aio_serving, lambda context: context.peer())).split(":")
    assert (kind, address) == ("ipv4", "127.0.0.1")
    assert int(port) > 0


async def test_the_peer_by_ipv6(implementation_under_test):
    async def handler(request, context):
        return context.peer().encode()

    server = implementation_under_test.aio_server()
    server.add_generic_rpc_handlers((generic(grpc.unary_unary_rpc_method_handler(handler)),))
    port = server.add_insecure_port("[::1]:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"[::1]:{port}") as channel:
        peer = await channel.unary_unary(METHOD)(b"", timeout=PATIENCE)
    await server.stop(None)
    assert peer.decode().startswith("ipv6:%5B::1%5D:")


async def test_who_the_peer_is_without_tls(aio_serving):
    assert await seen_by_handler(aio_serving, lambda context: (context.peer_identities(), context.peer_identity_key())) == (
        None,
        None,
    )
    assert await seen_by_handler(aio_serving, lambda context: dict(context.auth_context())) == {
        "security_level": [b"TSI_SECURITY_NONE"],
        "transport_security_type": [b"insecure"],
    }


@pytest.mark.parametrize("use", ["read", "write", "send_initial_metadata"])
async def test_using_the_context_after_the_end(aio_serving, use):
    contexts = []

    async def handler(request_iterator, context):
        contexts.append(context)
        async for request in request_iterator:
            yield request

    arguments = {"read": (), "write": (b"more",), "send_initial_metadata": ((("a", "b"),),)}[use]
    async with aio_serving(grpc.stream_stream_rpc_method_handler(handler)) as served:
        assert await received(served.stream_stream(iter([b"one"]))) == [b"one"]
        with pytest.raises(grpc.aio.UsageError, match="RPC already finished"):
            await getattr(contexts[0], use)(*arguments)


async def test_looking_at_the_context_after_the_end(aio_serving):
    contexts = []

    async def handler(request, context):
        contexts.append(context)
        return b""

    async with aio_serving(grpc.unary_unary_rpc_method_handler(handler)) as served:
        await served.unary_unary(metadata=(("key", "value"),))
        context = contexts[0]
        assert ("key", "value") in context.invocation_metadata()
        assert context.done()
        assert not context.cancelled()
        assert context.code() is None
        assert context.details() == ""
        assert context.trailing_metadata() == ()


async def test_reading_after_the_answer_was_begun(aio_serving):
    async def handler(request_iterator, context):
        await context.write(b"first")
        async for request in request_iterator:
            await context.write(request)

    async with aio_serving(grpc.stream_stream_rpc_method_handler(handler)) as served:
        call = served.stream_stream()
        assert await call.read() == b"first"
        await call.write(b"second")
        assert await call.read() == b"second"
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF


async def test_writing_from_another_task(aio_serving):
    async def handler(request, context):
        async def write(number):
            await context.write(b"%d" % number)

        for number in range(5):
            await asyncio.create_task(write(number))

    async with aio_serving(grpc.unary_stream_rpc_method_handler(handler)) as served:
        assert await received(served.unary_stream()) == [b"0", b"1", b"2", b"3", b"4"]


async def test_reading_and_writing_at_the_same_time(aio_serving):
    async def handler(request_iterator, context):
        async def write():
            for number in range(100):
                await context.write(b"%d" % number)

        writing = asyncio.create_task(write())
        count = 0
        while await context.read() is not grpc.aio.EOF:
            count += 1
        await writing
        await context.write(b"read %d" % count)

    async with aio_serving(grpc.stream_stream_rpc_method_handler(handler)) as served:
        assert await received(served.stream_stream(iter([b"x"] * 100))) == [
            *[b"%d" % number for number in range(100)],
            b"read 100",
        ]


async def test_a_slow_reader_holds_the_writer_back(aio_serving):
    written = 0
    ended = asyncio.get_running_loop().create_future()

    async def handler(request, context):
        nonlocal written
        try:
            while True:
                await context.write(bytes(1 << 16))
                written += 1
        finally:
            ended.set_result(None)

    async with aio_serving(grpc.unary_stream_rpc_method_handler(handler)) as served:
        call = served.unary_stream()
        await call.read()
        before = -1
        while before != written:  # Until a whole while brings no more.
            before = written
            await asyncio.sleep(0.3)
        assert written < 512, "32 MiB were written that nobody reads"
        await call.read()
        call.cancel()
        await ended


async def test_a_slow_handler_holds_the_client_back(aio_serving):
    go_on = asyncio.Event()

    async def handler(request_iterator, context):
        await go_on.wait()
        return b"%d" % len([request async for request in request_iterator])

    async with aio_serving(grpc.stream_unary_rpc_method_handler(handler)) as served:
        call = served.stream_unary()
        sent = 0

        async def send():
            nonlocal sent
            for _ in range(600):
                await call.write(bytes(1 << 16))
                sent += 1
            await call.done_writing()

        sending = asyncio.create_task(send())
        before = -1
        while before != sent:
            before = sent
            await asyncio.sleep(0.3)
        assert sent < 512, "32 MiB were taken that nobody reads"
        go_on.set()
        await sending
        assert await call == b"600"
