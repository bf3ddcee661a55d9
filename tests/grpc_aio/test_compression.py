"""Compression of both ways: what is asked for, what is forbidden, and what is really on the wire."""

import asyncio
import gzip
import zlib

import grpc
import grpc.aio
import pytest
from grpc import Compression, StatusCode
from grpc_servers import METHOD, failed, outcome, received
from wires import Http2

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("one_loop")]

MESSAGE = b"compressible " * 100
ALGORITHMS = {"identity": bytes, "gzip": gzip.decompress, "deflate": zlib.decompress}
ENABLED = "grpc.compression_enabled_algorithms_bitset"
GZIP_DISABLED = (ENABLED, 0b011)
DEFAULT_GZIP = ("grpc.default_compression_algorithm", 2)


def envelopes(body):
    """The flag and the message of each envelope."""
    while body:
        flag, length = body[0], int.from_bytes(body[1:5], "big")
        yield flag, body[5 : 5 + length]
        body = body[5 + length :]


async def on_the_wire(served, *messages, accept="identity, deflate, gzip", encoding=None):
    """Calls the method with these messages, as they are; gives the response and its envelopes."""

    def call():
        head = [("content-type", "application/grpc"), ("te", "trailers"), ("grpc-accept-encoding", accept)]
        if encoding:
            head.append(("grpc-encoding", encoding))
        body = b"".join(bytes([flag]) + len(data).to_bytes(4, "big") + data for flag, data in messages)
        with Http2(("127.0.0.1", served.port)) as connection:
            connection.request(METHOD, "POST", head, body)
            response = connection.response()
            return response, list(envelopes(response.body))

    return await asyncio.to_thread(call)


def plain(response, envelopes):
    """The messages, decompressed as the response's head says."""
    algorithm = ALGORITHMS[(response.values("grpc-encoding") or ["identity"])[0]]
    return [algorithm(data) if flag else data for flag, data in envelopes]


def flags(envelopes):
    return [flag for flag, _ in envelopes]


async def echo(request, context):
    return request


async def echo_stream(request_iterator, context):
    async for request in request_iterator:
        yield request


async def none_until(event):
    """No requests, late: before a refusal, grpcio's client may tell of one that it could not send instead."""
    await event.wait()
    return
    yield


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Deflate, Compression.Gzip])
async def test_compressed_requests(aio_serving, compression):
    handlers = {
        "Method": grpc.unary_unary_rpc_method_handler(echo),
        "Stream": grpc.stream_stream_rpc_method_handler(echo_stream),
    }
    async with aio_serving(handlers) as served:
        assert await served.unary_unary(MESSAGE, compression=compression) == MESSAGE
        call = served.stream_stream(iter([MESSAGE] * 3), "Stream", compression=compression)
        assert await received(call) == [MESSAGE] * 3


@pytest.mark.parametrize("kind", ["Method", "Stream"])
async def test_an_algorithm_that_is_disabled(aio_serving, kind):
    handlers = {
        "Method": grpc.unary_unary_rpc_method_handler(echo),
        "Stream": grpc.stream_stream_rpc_method_handler(echo_stream),
    }
    async with aio_serving(handlers, options=[GZIP_DISABLED]) as served:

        def call(compression, stream):
            if kind == "Stream":
                return served.stream_stream(stream, kind, compression=compression)
            return served.unary_unary(MESSAGE, kind, compression=compression)

        refused = asyncio.Event()
        error = await failed(call(Compression.Gzip, none_until(refused)))
        refused.set()
        assert outcome(error) == (StatusCode.UNIMPLEMENTED, "Compression algorithm 'gzip' is disabled.")
        for compression in [Compression.Deflate, Compression.NoCompression]:
            assert await received(call(compression, iter([MESSAGE]))) == [MESSAGE]


async def test_disabling_all_leaves_messages_as_they_are(aio_serving):
    options = [(ENABLED, 0)]
    async with aio_serving(grpc.unary_unary_rpc_method_handler(echo), options=options) as served:
        assert await served.unary_unary(MESSAGE) == MESSAGE
        for compression in [Compression.Deflate, Compression.Gzip]:
            assert (await failed(served.unary_unary(MESSAGE, compression=compression))).code() == StatusCode.UNIMPLEMENTED
        response, _ = await on_the_wire(served, (0, MESSAGE), encoding="identity")
        assert dict(response.trailers or response.headers)["grpc-status"] == "0"


@pytest.mark.differs("grpcio says what it reads in the answers of calls that it serves, and not to those it refuses")
async def test_what_is_not_disabled_is_told(aio_serving):
    async with aio_serving(grpc.unary_unary_rpc_method_handler(echo), options=[GZIP_DISABLED]) as served:
        response, _ = await on_the_wire(served, (1, gzip.compress(MESSAGE)), encoding="gzip")
        assert response.values("grpc-accept-encoding") == ["identity,deflate"]


@pytest.mark.parametrize(
    ("options", "compression", "name"),
    [
        ([DEFAULT_GZIP], None, "gzip"),
        ([DEFAULT_GZIP], Compression.Deflate, "gzip"),
        ([("grpc.default_compression_algorithm", 7)], None, "identity"),
        ([GZIP_DISABLED, DEFAULT_GZIP], None, "identity"),
        ([GZIP_DISABLED], Compression.Gzip, "identity"),
        ([GZIP_DISABLED], Compression.Deflate, "deflate"),
    ],
)
async def test_compression_by_channel_arguments(aio_serving, options, compression, name):
    handler = grpc.unary_unary_rpc_method_handler(echo)
    async with aio_serving(handler, options=options, compression=compression) as served:
        response, sent = await on_the_wire(served, (0, MESSAGE))
        assert (response.values("grpc-encoding") or ["identity"]) == [name]
        assert plain(response, sent) == [MESSAGE]


@pytest.mark.differs("grpcio says INTERNAL, where the specification of gRPC says UNIMPLEMENTED")
async def test_an_algorithm_that_nobody_knows(aio_serving):
    async with aio_serving(grpc.unary_unary_rpc_method_handler(echo)) as served:
        response, _ = await on_the_wire(served, (1, b"whatever"), encoding="snappy")
        ends = dict(response.trailers or response.headers)
        assert ends["grpc-status"] == str(StatusCode.UNIMPLEMENTED.value[0])
        (accepted,) = response.values("grpc-accept-encoding")
        assert {"identity", "deflate", "gzip"} <= {name.strip() for name in accepted.split(",")}


@pytest.mark.parametrize(
    ("compression", "name"), [(Compression.Deflate, "deflate"), (Compression.Gzip, "gzip"), (None, "identity")]
)
async def test_the_servers_own_compression(aio_serving, compression, name):
    async with aio_serving(grpc.unary_unary_rpc_method_handler(echo), compression=compression) as served:
        response, sent = await on_the_wire(served, (0, MESSAGE))
        assert (response.values("grpc-encoding") or ["identity"]) == [name]
        assert flags(sent) == [int(name != "identity")]
        assert plain(response, sent) == [MESSAGE]


@pytest.mark.differs("grpcio compresses though the client did not say that it can read it")
async def test_a_client_that_does_not_take_the_servers_compression(aio_serving):
    async with aio_serving(grpc.unary_unary_rpc_method_handler(echo), compression=Compression.Gzip) as served:
        response, sent = await on_the_wire(served, (0, MESSAGE), accept="identity")
        assert (flags(sent), plain(response, sent)) == ([0], [MESSAGE])


@pytest.mark.differs("grpcio forgets the compression of a call whose head goes out with its only message")
async def test_the_compression_of_one_call(aio_serving):
    async def handler(request, context):
        context.set_compression(Compression.Deflate)
        return request

    async with aio_serving(grpc.unary_unary_rpc_method_handler(handler), compression=Compression.Gzip) as served:
        response, sent = await on_the_wire(served, (0, MESSAGE))
        assert response.values("grpc-encoding") == ["deflate"]
        assert (flags(sent), plain(response, sent)) == ([1], [MESSAGE])


async def test_the_compression_of_one_message(aio_serving):
    async def handler(request, context):
        context.set_compression(Compression.Gzip)
        await context.write(MESSAGE)
        context.disable_next_message_compression()
        await context.write(MESSAGE)
        await context.write(MESSAGE)

    async with aio_serving(grpc.unary_stream_rpc_method_handler(handler)) as served:
        response, sent = await on_the_wire(served, (0, b""))
        assert response.values("grpc-encoding") == ["gzip"]
        assert (flags(sent), plain(response, sent)) == ([1, 0, 1], [MESSAGE] * 3)


async def test_the_compression_of_the_only_message(aio_serving):
    async def handler(request, context):
        context.set_compression(Compression.Deflate)
        context.disable_next_message_compression()
        return request

    async with aio_serving(grpc.unary_unary_rpc_method_handler(handler)) as served:
        response, sent = await on_the_wire(served, (0, MESSAGE))
        assert (flags(sent), plain(response, sent)) == ([0], [MESSAGE])


async def test_setting_the_compression_too_late(aio_serving):
    raised = []

    async def handler(request, context):
        await context.send_initial_metadata(())
        try:
            context.set_compression(Compression.Gzip)
        except RuntimeError as error:
            raised.append(str(error))
        return request

    async with aio_serving(grpc.unary_unary_rpc_method_handler(handler)) as served:
        assert await served.unary_unary(MESSAGE) == MESSAGE
    assert len(raised) == 1


async def test_a_compressed_message_of_a_call_that_names_no_algorithm(aio_serving):
    async with aio_serving(grpc.unary_unary_rpc_method_handler(echo)) as served:
        response, _ = await on_the_wire(served, (1, gzip.compress(MESSAGE)))
        assert dict(response.trailers or response.headers)["grpc-status"] == str(StatusCode.INTERNAL.value[0])
