"""How many calls at once, and how large a message."""

import asyncio

import grpc
import grpc.aio
import pytest
from grpc import StatusCode
from grpc_servers import PATIENCE, failed, outcome, received

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("one_loop")]


class Gate:
    """A handler that waits until the gate opens, and counts who has arrived."""

    def __init__(self):
        self.open = asyncio.Event()
        self.arrivals = asyncio.Semaphore(0)

    async def unary(self, request, context):
        self.arrivals.release()
        await self.open.wait()
        return b"passed"

    async def arrived(self, count):
        for _ in range(count):
            await self.arrivals.acquire()


@pytest.mark.parametrize("limit", [1, 5])
async def test_calls_over_the_limit_are_refused(aio_serving, limit):
    gate = Gate()
    handler = grpc.unary_unary_rpc_method_handler(gate.unary)
    async with aio_serving(handler, maximum_concurrent_rpcs=limit) as served:
        for _ in range(3):  # What was refused must not count as having ended.
            gate.open.clear()
            within = [served.unary_unary() for _ in range(limit)]
            await gate.arrived(limit)
            for error in await asyncio.gather(*(failed(served.unary_unary()) for _ in range(2 * limit))):
                assert outcome(error) == (StatusCode.RESOURCE_EXHAUSTED, "Concurrent RPC limit exceeded!")
            gate.open.set()
            assert await asyncio.gather(*within) == [b"passed"] * limit


async def test_calls_that_were_cancelled_make_room(aio_serving):
    gate = Gate()
    handler = grpc.unary_unary_rpc_method_handler(gate.unary)
    async with aio_serving(handler, maximum_concurrent_rpcs=1) as served:
        call = served.unary_unary()
        await gate.arrived(1)
        call.cancel()
        gate.open.set()
        async with asyncio.timeout(PATIENCE):
            while (code := await served.unary_unary().code()) is StatusCode.RESOURCE_EXHAUSTED:
                pass
        assert code is StatusCode.OK


@pytest.mark.parametrize("limit", [0, -1])
async def test_a_limit_that_is_none(implementation_under_test, limit):
    with pytest.raises(ValueError, match="maximum_concurrent_rpcs"):
        implementation_under_test.aio_server(maximum_concurrent_rpcs=limit)


async def echo(request, context):
    return request


async def echo_stream(request_iterator, context):
    async for request in request_iterator:
        yield request


ECHO = {
    "Method": grpc.unary_unary_rpc_method_handler(echo),
    "Stream": grpc.stream_stream_rpc_method_handler(echo_stream),
}
UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


@pytest.mark.parametrize(
    ("options", "limit"), [((), 4 << 20), ((("grpc.max_receive_message_length", 1000),), 1000)], ids=["default", "1000"]
)
async def test_received_messages(aio_serving, options, limit):
    async with aio_serving(ECHO, options=options, channel_options=UNLIMITED) as served:
        assert len(await served.unary_unary(bytes(limit))) == limit
        error = await failed(served.unary_unary(bytes(limit + 1)))
        assert error.code() is StatusCode.RESOURCE_EXHAUSTED
        assert len(await served.unary_unary(bytes(limit))) == limit


async def test_received_messages_of_a_stream(aio_serving):
    options = (("grpc.max_receive_message_length", 1000),)
    async with aio_serving(ECHO, options=options) as served:
        call = served.stream_stream(iter([bytes(1000), bytes(1001)]), "Stream")
        assert (await failed(call)).code() is StatusCode.RESOURCE_EXHAUSTED


async def test_received_messages_without_a_limit(aio_serving):
    options = (("grpc.max_receive_message_length", -1),)
    async with aio_serving(ECHO, options=options, channel_options=UNLIMITED) as served:
        assert len(await served.unary_unary(bytes(9 << 20))) == 9 << 20


async def test_sent_messages(aio_serving):
    options = (("grpc.max_send_message_length", 1000),)
    async with aio_serving(ECHO, options=options) as served:
        assert len(await served.unary_unary(bytes(1000))) == 1000
        assert (await failed(served.unary_unary(bytes(1001)))).code() is StatusCode.RESOURCE_EXHAUSTED
        assert await received(served.stream_stream(iter([b"one"]), "Stream")) == [b"one"]
        assert (await failed(served.stream_stream(iter([bytes(1001)]), "Stream"))).code() is StatusCode.RESOURCE_EXHAUSTED


async def test_small_messages_that_wait_for_their_handlers(aio_serving):
    gate = Gate()

    async def count(request_iterator, context):
        await gate.open.wait()
        return b"%d" % len([request async for request in request_iterator])

    handlers = {**ECHO, "Count": grpc.stream_unary_rpc_method_handler(count)}
    async with aio_serving(handlers) as served:
        calls = [served.stream_unary(method="Count") for _ in range(6)]
        for call in calls:
            for _ in range(800):
                await call.write(b"small")
            await call.done_writing()
        # What comes on the same connection comes after all of it.
        assert await served.unary_unary(b"between") == b"between"
        gate.open.set()
        assert await asyncio.gather(*calls) == [b"800"] * len(calls)
