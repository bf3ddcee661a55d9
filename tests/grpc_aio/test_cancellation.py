"""Calls whose client leaves or whose time is over, and the callbacks that are told of every end."""

import asyncio

import grpc
import grpc.aio
import pytest
from grpc import StatusCode
from grpc_servers import PATIENCE, failed, outcome, received

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("one_loop")]


def unary(handler):
    return grpc.unary_unary_rpc_method_handler(handler)


class Waiting:
    """A handler of each kind that waits, and what becomes of it."""

    def __init__(self):
        self.waits = asyncio.Event()
        self.ended = asyncio.get_running_loop().create_future()

    async def wait(self, context):
        context.add_done_callback(lambda context: self.ended.set_result((self.raised, context.done(), context.cancelled())))
        self.raised = None
        self.waits.set()
        try:
            await asyncio.Event().wait()
        except BaseException as error:
            self.raised = type(error)
            raise

    async def unary_unary(self, request, context):
        await self.wait(context)

    async def unary_stream(self, request, context):
        yield b"one"
        await self.wait(context)

    async def unary_stream_writer(self, request, context):
        await context.write(b"one")
        await self.wait(context)

    async def stream_unary(self, request_iterator, context):
        await self.wait(context)

    async def stream_stream(self, request_iterator, context):
        await self.wait(context)
        yield b"never"


def begin(served, kind, **options):
    request = () if kind.startswith("stream") else (b"",)
    return getattr(served, kind.removesuffix("_writer"))(*request, **options)


def handler_of(waiting, kind):
    return getattr(grpc, f"{kind.removesuffix('_writer')}_rpc_method_handler")(getattr(waiting, kind))


KINDS = ["unary_unary", "unary_stream", "unary_stream_writer", "stream_unary", "stream_stream"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_client_that_cancels_cancels_the_handler(aio_serving, kind):
    waiting = Waiting()
    async with aio_serving(handler_of(waiting, kind)) as served:
        call = begin(served, kind)
        await waiting.waits.wait()
        assert call.cancel()
        raised, _, _ = await waiting.ended
        assert raised is asyncio.CancelledError
        assert await call.code() is StatusCode.CANCELLED


@pytest.mark.parametrize("kind", KINDS)
async def test_a_deadline_cancels_the_handler(aio_serving, kind):
    waiting = Waiting()
    async with aio_serving(handler_of(waiting, kind)) as served:
        call = begin(served, kind, timeout=1)
        await waiting.waits.wait()
        raised, _, _ = await waiting.ended
        assert raised is asyncio.CancelledError
        assert await call.code() is StatusCode.DEADLINE_EXCEEDED


async def test_closing_the_channel_cancels_the_handler(aio_serving):
    waiting = Waiting()
    async with aio_serving(handler_of(waiting, "unary_unary")) as served:
        async with grpc.aio.insecure_channel(served.target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            call = channel.unary_unary("/test.Service/Method")(b"")
            await waiting.waits.wait()
        raised, _, _ = await waiting.ended
        assert raised is asyncio.CancelledError
        assert await call.code() is StatusCode.CANCELLED


@pytest.mark.differs("grpcio's read says EOF, as if the client had sent all that it wanted to")
async def test_a_read_that_waits_is_cancelled(aio_serving):
    reads = asyncio.Event()
    ended = asyncio.get_running_loop().create_future()

    async def handler(request_iterator, context):
        reads.set()
        try:
            ended.set_result(await context.read())
        except BaseException as error:
            ended.set_result(type(error))
            raise

    async with aio_serving(grpc.stream_unary_rpc_method_handler(handler)) as served:
        call = served.stream_unary()
        await reads.wait()
        call.cancel()
        assert await ended is asyncio.CancelledError


async def test_a_write_that_waits_is_cancelled(aio_serving):
    ended = asyncio.get_running_loop().create_future()
    first = asyncio.Event()

    async def handler(request, context):
        try:
            while True:
                await context.write(bytes(1 << 20))
                first.set()
        except BaseException as error:
            ended.set_result(type(error))
            raise

    async with aio_serving(grpc.unary_stream_rpc_method_handler(handler)) as served:
        call = served.unary_stream()
        await first.wait()
        call.cancel()
        assert await ended is asyncio.CancelledError


async def test_a_generator_is_closed_when_its_client_leaves(aio_serving):
    closed = asyncio.get_running_loop().create_future()

    async def handler(request, context):
        try:
            while True:
                yield b"more"
                await asyncio.sleep(0.01)
        finally:
            closed.set_result(True)

    async with aio_serving(grpc.unary_stream_rpc_method_handler(handler)) as served:
        call = served.unary_stream()
        assert await call.read() == b"more"
        call.cancel()
        assert await asyncio.wait_for(closed, PATIENCE)


async def test_a_handler_that_swallows_its_cancellation_harms_nobody(aio_serving):
    async def swallows(request, context):
        try:
            while True:
                yield b"more"
                await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            return

    async def echo(request, context):
        return request

    handlers = {"Swallows": grpc.unary_stream_rpc_method_handler(swallows), "Echo": unary(echo)}
    async with aio_serving(handlers) as served:
        for _ in range(5):
            call = served.unary_stream(method="Swallows")
            assert await call.read() == b"more"
            assert call.cancel()
            assert await call.code() is StatusCode.CANCELLED
            assert await served.unary_unary(b"fine", "Echo") == b"fine"


async def test_time_remaining(aio_serving):
    seen = []

    async def handler(request, context):
        seen.append(context.time_remaining())
        return b""

    async with aio_serving(unary(handler)) as served:
        await served.unary_unary(timeout=5)
        await served.unary_unary(timeout=None)
    assert 2.5 < seen[0] < 5.1
    assert seen[1] is None


async def test_a_call_that_is_not_over_is_neither_done_nor_cancelled(aio_serving):
    seen = []

    async def handler(request, context):
        seen.append((context.done(), context.cancelled()))
        return b""

    async with aio_serving(unary(handler)) as served:
        await served.unary_unary()
    assert seen == [(False, False)]


# ---- callbacks


async def unary_unary(request, context):
    return b"response"


async def unary_stream(request, context):
    yield b"response"


async def stream_unary(request_iterator, context):
    return b"%d" % len([request async for request in request_iterator])


async def stream_stream(request_iterator, context):
    async for request in request_iterator:
        yield request


@pytest.mark.parametrize("inner", [unary_unary, unary_stream, stream_unary, stream_stream])
async def test_callbacks_are_told_of_the_end(aio_serving, inner):
    told = []
    end = asyncio.Event()
    kind = inner.__name__

    def note(context):
        told.append((context.done(), context.cancelled(), context.code()))
        if len(told) == 2:
            end.set()

    def watched(context):
        context.add_done_callback(note)
        context.add_done_callback(note)

    if kind.endswith("_stream"):

        async def handler(request, context):
            watched(context)
            async for response in inner(request, context):
                yield response
    else:

        async def handler(request, context):
            watched(context)
            return await inner(request, context)

    async with aio_serving(getattr(grpc, f"{kind}_rpc_method_handler")(handler)) as served:
        assert len(await received(getattr(served, kind)([b"one"] if kind.startswith("stream") else b"one"))) == 1
        await asyncio.wait_for(end.wait(), PATIENCE)
    assert told == [(True, False, None)] * 2


async def test_callbacks_are_told_of_an_exception(aio_serving):
    told = asyncio.get_running_loop().create_future()

    async def handler(request, context):
        context.add_done_callback(lambda context: told.set_result(context.done()))
        raise RuntimeError("at once")

    async with aio_serving(unary(handler)) as served:
        assert (await failed(served.unary_unary())).code() is StatusCode.UNKNOWN
        assert await asyncio.wait_for(told, PATIENCE) is True


async def test_callbacks_are_told_of_an_abort(aio_serving):
    told = asyncio.get_running_loop().create_future()

    async def handler(request, context):
        context.add_done_callback(lambda context: told.set_result((context.code(), context.details())))
        await context.abort(StatusCode.NOT_FOUND, "nowhere")

    async with aio_serving(unary(handler)) as served:
        assert outcome(await failed(served.unary_unary())) == (StatusCode.NOT_FOUND, "nowhere")
        assert await asyncio.wait_for(told, PATIENCE) == (StatusCode.NOT_FOUND, "nowhere")


async def test_a_callback_that_fails_is_logged_and_harms_nobody(aio_serving, caplog):
    ran = asyncio.Event()

    def fails(context):
        ran.set()
        raise RuntimeError("in a callback")

    async def handler(request, context):
        context.add_done_callback(fails)
        return b"response"

    async with aio_serving(unary(handler)) as served:
        with caplog.at_level("ERROR"):
            assert await served.unary_unary() == b"response"
            await asyncio.wait_for(ran.wait(), PATIENCE)
        assert await served.unary_unary() == b"response"
    assert "Error in callback for method [/test.Service/Method]" in caplog.text


async def test_no_callback_comes_after_one_that_fails(aio_serving):
    told = []

    def fails(context):
        told.append("fails")
        raise RuntimeError("in a callback")

    async def handler(request, context):
        context.add_done_callback(lambda context: told.append("before"))
        context.add_done_callback(fails)
        context.add_done_callback(lambda context: told.append("after"))
        return b"response"

    async with aio_serving(unary(handler)) as served:
        for _ in range(2):
            assert await served.unary_unary() == b"response"
    assert told == ["before", "fails"] * 2
