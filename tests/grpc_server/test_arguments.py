"""Channel arguments, as the clients of a server object see what they do."""

import asyncio
import contextlib
import socket

import grpc
import grpc.aio
import narthex.grpc.aio
import pytest
from grpc_objects import PATIENCE, call, echo_handlers

SETTINGS = 4
PING = 6


async def echo(request, context):
    return request


async def endless(request, context):
    await asyncio.Event().wait()


def serve(run, options, ask):
    """Runs the coroutine function with the address of a server that has these arguments."""

    async def main():
        server = narthex.grpc.aio.server(handlers=echo_handlers(Echo=echo, Endless=endless), options=options)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            await ask(f"127.0.0.1:{port}")
        finally:
            await server.stop(None)

    run(main())


def test_messages_that_are_too_large(run):
    async def ask(target):
        assert await asyncio.to_thread(call, target, request=b"x" * 1000) == b"x" * 1000
        with pytest.raises(grpc.RpcError) as raised:
            await asyncio.to_thread(call, target, request=b"x" * 1001)
        assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED

    serve(run, [("grpc.max_receive_message_length", 1000)], ask)


def test_no_limit_for_messages(run):
    async def ask(target):
        large = b"x" * (5 << 20)
        async with grpc.aio.insecure_channel(target, options=[("grpc.max_receive_message_length", -1)]) as channel:
            assert await channel.unary_unary("/test.Echo/Echo")(large, timeout=PATIENCE) == large

    serve(run, [("grpc.max_receive_message_length", -1)], ask)


def test_a_thousand_calls_at_once_on_one_connection(run):
    """Narthex's own limit is lower, but a program with grpc's defaults must not come to a stop at it."""

    async def ask(target):
        async with grpc.aio.insecure_channel(target) as channel:
            calls = [channel.unary_unary("/test.Echo/Endless")(b"", timeout=PATIENCE) for _ in range(1000)]
            assert await channel.unary_unary("/test.Echo/Echo")(b"hello", timeout=PATIENCE) == b"hello"
            for endless_call in calls:
                endless_call.cancel()

    serve(run, [], ask)


def test_an_old_connection_is_replaced_without_a_lost_call(run):
    async def ask(target):
        peers = set()
        async with grpc.aio.insecure_channel(target) as channel:
            echoing = channel.unary_unary("/test.Echo/Echo")
            deadline = asyncio.get_running_loop().time() + PATIENCE
            while len(peers) < 3:
                assert asyncio.get_running_loop().time() < deadline
                assert await echoing(b"hello", timeout=PATIENCE) == b"hello"
                peers.add(await channel.unary_unary("/test.Echo/Peer")(b"", timeout=PATIENCE))

    async def main():
        async def peer(request, context):
            return context.peer().encode()

        server = narthex.grpc.aio.server(
            handlers=echo_handlers(Echo=echo, Peer=peer), options=[("grpc.max_connection_age_ms", 200)]
        )
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        await ask(f"127.0.0.1:{port}")
        await server.stop(None)

    run(main())


@pytest.mark.parametrize("limit", [1, 2000, 20_000])
def test_metadata_that_are_too_large(run, limit):
    async def ask(target):
        async with grpc.aio.insecure_channel(target) as channel:
            echoing = channel.unary_unary("/test.Echo/Echo")
            if limit > 1:
                assert await echoing(b"hello", timeout=PATIENCE) == b"hello"
            with pytest.raises(grpc.aio.AioRpcError):
                await echoing(b"", timeout=PATIENCE, metadata=[("large", "x" * limit)])
            if limit > 1:
                assert await echoing(b"hello", timeout=PATIENCE) == b"hello"

    serve(run, [("grpc.absolute_max_metadata_size", limit)], ask)


@pytest.mark.parametrize("strikes", [1, 0])
def test_clients_that_ping_too_often(run, strikes):
    def ping(target):
        """Sends four PINGs without a call, and returns what the server says to its end or to the fourth answer."""
        host, _, port = target.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as client:
            client.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, b""))
            said = b""
            for number in range(4):
                with contextlib.suppress(OSError):
                    client.sendall(frame(PING, b"number %d" % number))
                while frame(PING, b"number %d" % number, flags=1) not in said:
                    if not (piece := client.recv(65536)):
                        return said
                    said += piece
            return said

    async def ask(target):
        said = await asyncio.to_thread(ping, target)
        assert said.endswith(b"\x0b" + b"too_many_pings" if strikes else b"number 3")

    options = [("grpc.http2.max_ping_strikes", strikes), ("grpc.http2.min_recv_ping_interval_without_data_ms", 300_000)]
    serve(run, options, ask)


def frame(kind: int, payload: bytes, flags: int = 0) -> bytes:
    """An HTTP/2 frame of the connection (RFC 9113 4.1)."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + bytes(4) + payload
