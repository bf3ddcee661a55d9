"""``narthex.grpc.aio.server`` in the place of ``grpc.aio.server``."""

import asyncio
import contextlib
import gc
import time

import grpc
import grpc.aio
import httpx
import narthex.grpc
import narthex.grpc.aio
import pytest
from grpc_objects import PATIENCE, call, echo_handlers


async def echo(request, context):
    return request


def echo_server(**options):
    server = narthex.grpc.aio.server(handlers=echo_handlers(Echo=echo), **options)
    return server, f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"


async def started(server):
    await server.start()
    return server


def test_a_program_changes_its_import_and_nothing_else(run):
    from narthex import grpc as ours

    assert ours.StatusCode is grpc.StatusCode
    assert ours.aio.AbortError is grpc.aio.AbortError
    assert ours.aio.insecure_channel is grpc.aio.insecure_channel
    with pytest.raises(AttributeError):
        ours.nothing_of_this_name  # noqa: B018 - the lookup is what is tested

    async def main():
        server, target = echo_server()
        assert isinstance(server, grpc.aio.Server)
        await server.start()
        async with ours.aio.insecure_channel(target) as channel:
            assert await channel.unary_unary("/test.Echo/Echo")(b"hello") == b"hello"
        await server.stop(None)

    run(main())


def test_json_and_gRPC_come_by_the_same_port(run):
    async def main():
        server, target = echo_server()
        await server.start()
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"http://{target}/nothing")).status_code == 404
        assert await asyncio.to_thread(call, target) == b"hello"
        await server.stop(None)

    run(main())


def test_several_servers_share_a_loop(run):
    async def main():
        servers = [echo_server() for _ in range(3)]
        await asyncio.gather(*(server.start() for server, _ in servers))
        answers = await asyncio.gather(*(asyncio.to_thread(call, target) for _, target in servers))
        assert answers == [b"hello"] * 3
        first, target = servers[0]
        await first.stop(None)
        assert await asyncio.to_thread(call, servers[1][1]) == b"hello"
        with pytest.raises(grpc.RpcError) as raised:
            await asyncio.to_thread(call, target)
        assert raised.value.code() == grpc.StatusCode.UNAVAILABLE
        for server, _ in servers[1:]:
            await server.stop(None)

    run(main())


def test_stop_waits_for_what_is_in_flight(run):
    async def main():
        begun, finish = asyncio.Event(), asyncio.Event()

        async def slow(request, context):
            begun.set()
            await finish.wait()
            return b"done"

        server = narthex.grpc.aio.server(handlers=echo_handlers(Slow=slow))
        target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        await server.start()
        calling = asyncio.create_task(asyncio.to_thread(call, target, "Slow"))
        await begun.wait()
        stopping = asyncio.create_task(server.stop(PATIENCE))
        assert await server.wait_for_termination(0.05) is True
        with pytest.raises(grpc.RpcError) as raised:
            await asyncio.to_thread(call, target, "Slow")
        assert raised.value.code() == grpc.StatusCode.UNAVAILABLE
        finish.set()
        assert await calling == b"done"
        await stopping
        assert await server.wait_for_termination(PATIENCE) is False

    run(main())


@pytest.mark.parametrize("graces", [[None], [0], [0.05], [PATIENCE, 0.05], [PATIENCE, None, 0.05]], ids=str)
def test_what_takes_longer_than_the_grace_is_cancelled(run, graces):
    async def main():
        begun, ended = asyncio.Event(), asyncio.Event()

        async def endless(request, context):
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        server = narthex.grpc.aio.server(handlers=echo_handlers(Endless=endless))
        target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        await server.start()
        calling = asyncio.create_task(asyncio.to_thread(call, target, "Endless"))
        await begun.wait()
        before = time.monotonic()
        await asyncio.gather(*(server.stop(grace) for grace in graces))
        assert time.monotonic() - before < PATIENCE / 2
        assert ended.is_set()
        with pytest.raises(grpc.RpcError) as raised:
            await calling
        assert raised.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
        await server.stop(None)
        assert await server.wait_for_termination() is False

    run(main())


def test_a_stop_before_the_start_changes_nothing(run):
    async def main():
        server, target = echo_server()
        await server.stop(None)
        await server.start()
        await server.start()
        assert await asyncio.to_thread(call, target) == b"hello"
        await server.stop(1)
        with pytest.raises(grpc.aio.UsageError):
            await server.start()

    run(main())


def test_a_stop_whose_waiter_is_cancelled_goes_on(run):
    async def main():
        server, _ = echo_server()
        await server.start()
        stopping = asyncio.create_task(server.stop(5))
        await asyncio.sleep(0)
        stopping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await stopping
        assert await server.wait_for_termination(PATIENCE) is False

    run(main())


def test_a_server_that_is_forgotten_stops(run):
    async def main():
        server, target = echo_server()
        await server.start()
        assert await asyncio.to_thread(call, target) == b"hello"
        del server
        gc.collect()
        with pytest.raises(grpc.RpcError):
            await asyncio.to_thread(call, target)

    run(main())


def test_a_loop_may_end_before_its_server(run):
    servers = []

    async def main():
        server, target = echo_server()
        servers.append(await started(server))
        assert await asyncio.to_thread(call, target) == b"hello"

    run(main())
    servers.clear()
    gc.collect()


def test_of_two_handlers_the_one_that_grpc_takes_counts(run):
    async def other(request, context):
        return b"other"

    async def main():
        server, target = echo_server()
        server.add_generic_rpc_handlers(echo_handlers(Echo=other))
        twice = {"Twice": grpc.unary_unary_rpc_method_handler(echo)}
        server.add_registered_method_handlers("test.Echo", twice)
        server.add_registered_method_handlers("test.Echo", {"Twice": grpc.unary_unary_rpc_method_handler(other)})
        await server.start()
        assert await asyncio.to_thread(call, target) == b"hello"
        assert await asyncio.to_thread(call, target, "Twice") == b"other"
        await server.stop(None)

    run(main())
