"""Handlers that do IO of their own, of every kind that Python has; each answers the token that it has sent round."""

import asyncio
import os
import socket
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qsl

import asyncpg
import grpc
import httpx
import probe
import psycopg
import redis.asyncio
import web
from load.v1 import load_pb2, load_pb2_grpc

Kind = Callable[[str], Awaitable[str]]
KINDS: dict[str, Kind] = {}
STATE: dict[str, Any] = {}
LINE = 1 << 20
THREADS = 6
# More than one buffer's worth.
FILLING = "x" * 100_000


async def app(scope: Any, receive: Any, send: Any) -> None:
    """``/KIND?token=...`` answers with the token, after it has gone by way of that kind of IO."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    name = scope["path"].split("/")[1]
    if name == "number":
        await web.number(scope, {}, receive, send)
        return
    STATE["self"] = "{}:{}".format(*scope["server"])
    token = dict(parse_qsl(scope["query_string"].decode()))["token"]
    await web.answer(send, (await KINDS[name](token)).encode())


async def lifespan(receive: Any, send: Any) -> None:
    """Starts the peers that the handlers talk to."""
    await receive()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(all_threads())
    probe.start(loop)
    servers = [
        await asyncio.start_server(echo, "127.0.0.1", 0, limit=LINE),
        await asyncio.start_unix_server(echo, "echo.sock", limit=LINE),
    ]
    STATE["port"] = servers[0].sockets[0].getsockname()[1]
    await send({"type": "lifespan.startup.complete"})
    await receive()
    for server in servers:
        server.close()
    await send({"type": "lifespan.shutdown.complete"})


def all_threads() -> ThreadPoolExecutor:
    """An executor with all its threads: it makes one when none is free just then, which would look like one left behind."""
    executor = ThreadPoolExecutor(THREADS)
    together = threading.Barrier(THREADS)
    for future in [executor.submit(together.wait) for _ in range(THREADS)]:
        future.result()
    return executor


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Sends lines back."""
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()
    writer.close()


def kind(function: Kind) -> Kind:
    """Registers under the function's name."""
    KINDS[function.__name__.replace("_", "-")] = function
    return function


async def through(streams: Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]], token: str) -> str:
    """A long line there and back."""
    reader, writer = await streams
    try:
        writer.write(f"{token} {FILLING}\n".encode())
        await writer.drain()
        line = (await reader.readline()).decode().strip()
        got, _, filling = line.partition(" ")
        return got if filling == FILLING else f"{len(line)} characters came back"
    finally:
        writer.close()
        await writer.wait_closed()


@kind
async def streams(token: str) -> str:
    """TCP."""
    return await through(asyncio.open_connection("127.0.0.1", STATE["port"], limit=LINE), token)


@kind
async def unix_streams(token: str) -> str:
    """UNIX sockets."""
    return await through(asyncio.open_unix_connection("echo.sock", limit=LINE), token)


@kind
async def raw_socket(token: str) -> str:
    """The loop's own methods for sockets."""
    loop = asyncio.get_running_loop()
    with socket.socket() as connection:
        connection.setblocking(False)
        await loop.sock_connect(connection, ("127.0.0.1", STATE["port"]))
        await loop.sock_sendall(connection, token.encode() + b"\n")
        got = b""
        while not got.endswith(b"\n"):
            got += await loop.sock_recv(connection, 7)
        return got.decode().strip()


@kind
async def watched_descriptor(token: str) -> str:
    """``add_reader`` and ``add_writer``, beside Narthex's own."""
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        writable, readable = loop.create_future(), loop.create_future()
        loop.add_writer(ours, lambda: writable.done() or writable.set_result(None))
        await writable
        loop.remove_writer(ours)
        loop.add_reader(theirs, lambda: readable.done() or readable.set_result(theirs.recv(100)))
        ours.send(token.encode())
        got = await readable
        loop.remove_reader(theirs)
        return got.decode()


class Datagrams(asyncio.DatagramProtocol):
    """Sends datagrams back, or keeps the first as a result."""

    def __init__(self, got: asyncio.Future[bytes] | None = None) -> None:
        self._got = got

    def connection_made(self, transport: Any) -> None:
        """Keeps the transport."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Sends it back or keeps it."""
        if self._got is None:
            self._transport.sendto(data, addr)
        elif not self._got.done():
            self._got.set_result(data)


@kind
async def datagrams(token: str) -> str:
    """UDP."""
    loop = asyncio.get_running_loop()
    there, _ = await loop.create_datagram_endpoint(Datagrams, local_addr=("127.0.0.1", 0))
    got: asyncio.Future[bytes] = loop.create_future()
    here, _ = await loop.create_datagram_endpoint(lambda: Datagrams(got), remote_addr=there.get_extra_info("sockname"))
    try:
        here.sendto(token.encode())
        return (await got).decode()
    finally:
        here.close()
        there.close()


@kind
async def pipes(token: str) -> str:
    """A pipe of the process's own."""
    loop = asyncio.get_running_loop()
    reading, writing = os.pipe()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading, "rb"))
    os.write(writing, token.encode())
    os.close(writing)
    got = await reader.read()
    transport.close()
    return got.decode()


@kind
async def subprocess(token: str) -> str:
    """A process of which all three streams are pipes."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec("sh", "-c", "cat; echo >&2 done", stdin=pipe, stdout=pipe, stderr=pipe)
    out, err = await process.communicate(token.encode())
    # Not the whole of it: grpcio, which is in this process, may say something of its own between fork and exec.
    well = process.returncode == 0 and err.endswith(b"done\n")
    return out.decode() if well else f"exit code {process.returncode}: {err!r}"


@kind
async def shell(token: str) -> str:
    """A process that is ended before it ends."""
    process = await asyncio.create_subprocess_shell("echo started; exec sleep 600", stdout=asyncio.subprocess.PIPE)
    assert process.stdout
    line = await process.stdout.readline()
    process.terminate()
    code = await process.wait()
    return token if (line, code) == (b"started\n", -15) else f"{line!r}, exit code {code}"


@kind
async def executor(token: str) -> str:
    """The loop's own threads, and an executor that comes and goes."""
    loop = asyncio.get_running_loop()
    first = await loop.run_in_executor(None, lambda: token[:3])
    with ThreadPoolExecutor(1) as own:
        return first + await loop.run_in_executor(own, lambda: token[3:])


@kind
async def thread(token: str) -> str:
    """``to_thread``, and back by ``run_coroutine_threadsafe``."""
    loop = asyncio.get_running_loop()

    async def on_loop() -> str:
        await asyncio.sleep(0)
        return token

    return await asyncio.to_thread(lambda: asyncio.run_coroutine_threadsafe(on_loop(), loop).result(20))


@kind
async def getaddrinfo(token: str) -> str:
    """A name's addresses, both ways."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)
    _, service = await loop.getnameinfo(("127.0.0.1", 9), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)
    return token if found and service == "9" else f"{found} {service}"


@kind
async def timers(token: str) -> str:
    """``call_later``, ``sleep``, ``timeout``, a group of tasks."""
    loop = asyncio.get_running_loop()
    called = loop.create_future()
    loop.call_later(0.005, called.set_result, token)
    try:
        async with asyncio.timeout(0.002):
            await asyncio.sleep(60)
    except TimeoutError:
        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(asyncio.sleep(0.003))
    return await called


@kind
async def itself(token: str) -> str:
    """An HTTP client of this very server, several requests at once."""
    async with httpx.AsyncClient(base_url=f"http://{STATE['self']}", trust_env=False, timeout=30) as client:
        answers = await asyncio.gather(*(client.get(f"/number/{n}") for n in range(5)))
        same = [response.text for response in answers] == [str(n) for n in range(5)]
        return (await client.get(f"/streams?token={token}")).text if same else "wrong numbers"


@kind
async def grpc_itself(token: str) -> str:
    """Grpcio's client, which has a poller of its own, of this very server."""
    async with grpc.aio.insecure_channel(STATE["self"]) as channel:
        stub: Any = load_pb2_grpc.LoadStub(channel)
        replies = await asyncio.gather(*(stub.Echo(load_pb2.EchoRequest(text=token)) for _ in range(3)))
        return replies[-1].text


@kind
async def redis_driver(token: str) -> str:
    """Commands, a pipeline, a subscription."""
    async with (
        redis.asyncio.Redis.from_url(os.environ["STRESS_REDIS"], decode_responses=True) as client,
        client.pubsub() as subscription,
        asyncio.timeout(30),
    ):
        await subscription.subscribe(token)
        await client.set(token, token)
        async with client.pipeline() as pipeline:
            _, got = await pipeline.incr(f"{token}-count").get(token).execute()
        await client.delete(token, f"{token}-count")
        await client.publish(token, got)
        while (message := await subscription.get_message(ignore_subscribe_messages=True, timeout=10)) is None:
            pass
        return message["data"]


@kind
async def psycopg_driver(token: str) -> str:
    """A transaction, COPY, NOTIFY."""
    async with await psycopg.AsyncConnection.connect(os.environ["STRESS_POSTGRES"], autocommit=True) as connection:
        async with connection.transaction():
            await connection.execute("CREATE TEMPORARY TABLE kept (token text) ON COMMIT DROP")
            async with connection.cursor().copy("COPY kept FROM STDIN") as copy:
                for _ in range(500):
                    await copy.write_row((token,))
            cursor = await connection.execute("SELECT DISTINCT token, count(*) FROM kept GROUP BY token")
            rows = await cursor.fetchall()
        await connection.execute(f'LISTEN "{token}"')
        await connection.execute("SELECT pg_notify(%s, 'told'), pg_sleep(0.003)", (token,))
        async for notification in connection.notifies(timeout=20, stop_after=1):
            return token if (rows, notification.payload) == ([(token, 500)], "told") else f"{rows} {notification}"
        return "no notification"


@kind
async def asyncpg_driver(token: str) -> str:
    """A pool, prepared statements, a cursor."""
    async with (
        asyncpg.create_pool(os.environ["STRESS_POSTGRES"], min_size=1, max_size=2) as pool,
        pool.acquire() as connection,
        connection.transaction(),
    ):
        total = 0
        async for row in connection.cursor("SELECT generate_series(1, 300) AS n"):
            total += row["n"]
        got = await connection.fetchval("SELECT $1::text", token)
        return got if total == 45150 else f"a sum of {total}"
