"""Making, starting and stopping asynchronous servers."""

import asyncio
import contextlib
import gc
import time

import grpc
import grpc.aio
import pytest
from grpc import StatusCode
from grpc_servers import METHOD, PATIENCE, Calls, failed, generic

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("one_loop")]

NO_REUSE = (("grpc.so_reuseport", 0),)


class Gate:
    """A handler that waits until the gate opens."""

    def __init__(self):
        self.arrived = asyncio.Event()
        self.open = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def unary(self, request, context):
        self.arrived.set()
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return b"passed"

    async def stream(self, request_iterator, context):
        self.arrived.set()
        async for request in request_iterator:
            yield request

    @property
    def handlers(self):
        return {
            "Method": grpc.unary_unary_rpc_method_handler(self.unary),
            "Stream": grpc.stream_stream_rpc_method_handler(self.stream),
        }


async def code_of(call):
    """The code that a call ends with, which may be of any kind."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code()
    return StatusCode.OK


def soon(coroutine):
    return asyncio.wait_for(coroutine, PATIENCE)


async def test_the_server_is_a_grpc_aio_server(implementation_under_test):
    server = implementation_under_test.aio_server()
    assert isinstance(server, grpc.aio.Server)


async def test_a_server_that_is_never_started(implementation_under_test):
    server = implementation_under_test.aio_server()
    server.add_insecure_port("127.0.0.1:0")
    del server
    gc.collect()


async def test_stopping_a_server_that_was_not_started(implementation_under_test):
    server = implementation_under_test.aio_server()
    server.add_insecure_port("127.0.0.1:0")
    await soon(server.stop(None))


async def test_starting_twice_is_starting_once(implementation_under_test):
    server = implementation_under_test.aio_server()
    server.add_insecure_port("127.0.0.1:0")
    await server.start()
    await server.start()
    await server.stop(None)


async def test_starting_after_the_stop(implementation_under_test):
    server = implementation_under_test.aio_server()
    server.add_insecure_port("127.0.0.1:0")
    await server.start()
    await server.stop(None)
    with pytest.raises(grpc.aio.UsageError):
        await server.start()


async def test_stopping_twice(implementation_under_test):
    server = implementation_under_test.aio_server()
    server.add_insecure_port("127.0.0.1:0")
    await server.start()
    await soon(server.stop(None))
    await soon(server.stop(None))
    await soon(server.stop(5))


async def test_handlers_may_be_given_when_it_is_made(implementation_under_test):
    async def handler(request, context):
        return b"made with it"

    server = implementation_under_test.aio_server(handlers=(generic(grpc.unary_unary_rpc_method_handler(handler)),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        assert await channel.unary_unary(METHOD)(b"") == b"made with it"
    await server.stop(None)


async def test_one_server_on_several_ports(implementation_under_test):
    async def handler(request, context):
        return b"here"

    server = implementation_under_test.aio_server()
    server.add_generic_rpc_handlers((generic(grpc.unary_unary_rpc_method_handler(handler)),))
    ports = [server.add_insecure_port("127.0.0.1:0") for _ in range(3)]
    assert len(set(ports)) == 3
    await server.start()
    for port in ports:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            assert await channel.unary_unary(METHOD)(b"") == b"here"
    await server.stop(None)


async def test_several_servers_on_one_loop(aio_serving):
    def saying(word):
        async def handler(request, context):
            return word

        return grpc.unary_unary_rpc_method_handler(handler)

    async with aio_serving(saying(b"a")) as first, aio_serving(saying(b"b")) as second:
        assert await asyncio.gather(first.unary_unary(), second.unary_unary()) == [b"a", b"b"]


@pytest.mark.parametrize("address", ["localhost:0", "127.0.0.1:0", "0.0.0.0:0", "[::]:0", "[::1]:0"])
async def test_addresses(implementation_under_test, address):
    async def handler(request, context):
        return b"here"

    server = implementation_under_test.aio_server()
    server.add_generic_rpc_handlers((generic(grpc.unary_unary_rpc_method_handler(handler)),))
    port = server.add_insecure_port(address)
    assert port > 0
    await server.start()
    target = f"[::1]:{port}" if address == "[::1]:0" else f"localhost:{port}"
    async with grpc.aio.insecure_channel(target) as channel:
        assert await channel.unary_unary(METHOD)(b"", timeout=PATIENCE) == b"here"
    await server.stop(None)


async def test_a_unix_socket(implementation_under_test, tmp_path):
    async def handler(request, context):
        return context.peer().encode()

    server = implementation_under_test.aio_server()
    server.add_generic_rpc_handlers((generic(grpc.unary_unary_rpc_method_handler(handler)),))
    assert server.add_insecure_port(f"unix:{tmp_path}/socket") == 1
    await server.start()
    options = [("grpc.default_authority", "localhost")]
    async with grpc.aio.insecure_channel(f"unix:{tmp_path}/socket", options=options) as channel:
        assert (await channel.unary_unary(METHOD)(b"", timeout=PATIENCE)).startswith(b"unix:")
    await server.stop(None)


async def test_an_address_that_is_taken(implementation_under_test):
    server = implementation_under_test.aio_server(options=NO_REUSE)
    port = server.add_insecure_port("localhost:0")
    with pytest.raises(RuntimeError, match=f"Failed to bind to address localhost:{port}"):
        server.add_insecure_port(f"localhost:{port}")


async def test_handlers_that_come_after_the_start(implementation_under_test, caplog):
    async def handler(request, context):
        return b"late"

    late = grpc.unary_unary_rpc_method_handler(handler)
    server = implementation_under_test.aio_server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        server.add_registered_method_handlers("test.Service", {"Registered": late})
        assert "Cannot register method handlers" in caplog.text
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            calls = Calls(channel)
            for method in ("Registered", "Method"):
                assert (await failed(calls.unary_unary(method=method))).code() is StatusCode.UNIMPLEMENTED
            server.add_generic_rpc_handlers((generic(late),))
            assert await calls.unary_unary() == b"late"
    finally:
        await server.stop(None)


# ---- stopping


async def test_stopping_after_a_call(aio_serving):
    gate = Gate()
    gate.open.set()
    async with aio_serving(gate.handlers) as served:
        assert await served.unary_unary() == b"passed"
        await soon(served.server.stop(None))


async def test_no_call_is_taken_after_the_stop(aio_serving):
    gate = Gate()
    gate.open.set()
    async with aio_serving(gate.handlers) as served:
        await served.unary_unary()
        await soon(served.server.stop(None))
        assert (await failed(served.unary_unary())).code() is StatusCode.UNAVAILABLE


async def test_grace_lets_calls_end(aio_serving):
    gate = Gate()
    async with aio_serving(gate.handlers) as served:
        call = served.unary_unary()
        await gate.arrived.wait()
        stopping = asyncio.create_task(served.server.stop(PATIENCE))
        # New connections are refused from now on, while the call goes on.
        async with grpc.aio.insecure_channel(served.target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            while await code_of(Calls(channel).unary_unary(method="Unknown", timeout=0.5)) is not StatusCode.UNAVAILABLE:
                await asyncio.sleep(0)
        assert not stopping.done()
        gate.open.set()
        assert await call == b"passed"
        await soon(stopping)


async def test_grace_that_is_over(aio_serving):
    gate = Gate()
    async with aio_serving(gate.handlers) as served:
        call = served.unary_unary()
        await gate.arrived.wait()
        await soon(served.server.stop(0.2))
        assert (await failed(call)).code() is StatusCode.UNAVAILABLE
        await soon(gate.cancelled.wait())


async def test_no_grace(aio_serving):
    gate = Gate()
    async with aio_serving(gate.handlers) as served:
        call = served.unary_unary()
        await gate.arrived.wait()
        await soon(served.server.stop(None))
        assert (await failed(call)).code() is StatusCode.UNAVAILABLE
        await soon(gate.cancelled.wait())


async def test_no_grace_for_a_stream(aio_serving):
    gate = Gate()
    async with aio_serving(gate.handlers) as served:
        call = served.stream_stream(method="Stream")
        await call.write(b"one")
        assert await call.read() == b"one"
        await soon(served.server.stop(None))
        assert await call.code() is StatusCode.UNAVAILABLE


async def test_the_shortest_grace_of_several_counts(aio_serving):
    gate = Gate()
    async with aio_serving(gate.handlers) as served:
        call = served.unary_unary()
        await gate.arrived.wait()
        began = time.monotonic()
        stops = [served.server.stop(grace) for grace in (60, 0.3, 60)]
        await soon(asyncio.gather(*stops))
        assert 0.2 < time.monotonic() - began < 5
        assert (await failed(call)).code() is StatusCode.UNAVAILABLE


async def test_several_stops_of_which_one_has_no_grace(aio_serving):
    gate = Gate()
    async with aio_serving(gate.handlers) as served:
        call = served.unary_unary()
        await gate.arrived.wait()
        stops = [served.server.stop(grace) for grace in (60, None, 60)]
        await soon(asyncio.gather(*stops))
        assert (await failed(call)).code() is StatusCode.UNAVAILABLE


async def test_several_stops_of_which_all_let_the_call_end(aio_serving):
    gate = Gate()
    async with aio_serving(gate.handlers) as served:
        call = served.unary_unary()
        await gate.arrived.wait()
        stops = asyncio.gather(*[served.server.stop(grace) for grace in (60, 30, 60)])
        gate.open.set()
        assert await call == b"passed"
        await soon(stops)


async def test_the_port_is_free_after_the_stop(implementation_under_test):
    first = implementation_under_test.aio_server(options=NO_REUSE)
    port = first.add_insecure_port("127.0.0.1:0")
    await first.start()
    await first.stop(None)
    second = implementation_under_test.aio_server(options=NO_REUSE)
    assert second.add_insecure_port(f"127.0.0.1:{port}") == port
    await second.start()
    await second.stop(None)


# ---- waiting for the end


async def test_waiting_for_termination(implementation_under_test):
    server = implementation_under_test.aio_server()
    server.add_insecure_port("127.0.0.1:0")
    await server.start()
    waiting = asyncio.create_task(server.wait_for_termination())
    assert await server.wait_for_termination(0.05) is True, "it is running still"
    assert not waiting.done()
    await server.stop(None)
    assert await soon(waiting) is False
    assert await soon(server.wait_for_termination(5)) is False


async def test_waiting_for_termination_may_be_cancelled(implementation_under_test):
    server = implementation_under_test.aio_server()
    server.add_insecure_port("127.0.0.1:0")
    await server.start()
    waiting = asyncio.create_task(server.wait_for_termination(60))
    await asyncio.sleep(0)
    waiting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await waiting
    assert waiting.cancelled()
    await soon(server.stop(None))


async def test_forgetting_a_running_server_stops_it(implementation_under_test):
    async def handler(request, context):
        return b"here"

    server = implementation_under_test.aio_server(options=NO_REUSE)
    server.add_generic_rpc_handlers((generic(grpc.unary_unary_rpc_method_handler(handler)),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        assert await channel.unary_unary(METHOD)(b"", timeout=PATIENCE) == b"here"
        del server
        gc.collect()
        async with asyncio.timeout(PATIENCE):
            while await code_of(channel.unary_unary(METHOD)(b"", timeout=1)) is StatusCode.OK:
                await asyncio.sleep(0.01)
