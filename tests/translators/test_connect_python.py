"""connectrpc, Connect's own client for Python, against a servicer of grpc's."""

import contextlib

import pytest
from connectrpc import compat
from connectrpc.client import ConnectClientSync
from connectrpc.code import Code
from connectrpc.compression.gzip import GzipCompression
from connectrpc.errors import ConnectError
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from connectrpc.protocol import ProtocolType


@pytest.fixture(params=[ProtocolType.CONNECT, ProtocolType.GRPC_WEB], ids=["connect", "grpc-web"])
def protocol(request):
    return request.param


@pytest.fixture
def connect(server, protocol):
    """Makes a client with these options."""
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(ConnectClientSync(server.url, protocol=protocol, **options))


@pytest.fixture
def method(web_pb2):
    def method(name, stream_type=StreamType.UNARY, idempotency=IdempotencyLevel.UNKNOWN):
        return MethodInfo(
            name=name,
            service_name="web.v1.Echo",
            input=web_pb2.Say,
            output=web_pb2.Said,
            idempotency_level=idempotency,
            stream_type=stream_type,
        )

    return method


@pytest.mark.parametrize("codec", compat.google_protobuf_codecs(), ids=lambda codec: codec.name())
@pytest.mark.parametrize("compression", [None, GzipCompression()], ids=["plain", "gzip"])
def test_a_unary_call(connect, method, web_pb2, codec, compression):
    client = connect(codec=codec, send_compression=compression)
    said = client.execute_unary(
        request=web_pb2.Say(text="a" * 1000), method=method("Unary"), headers={"x-question": "q"}, timeout_ms=20_000
    )
    assert said == web_pb2.Said(text="a" * 1000, question="q")


@pytest.mark.parametrize("codec", compat.google_protobuf_codecs(), ids=lambda codec: codec.name())
def test_an_error(connect, method, web_pb2, codec):
    with pytest.raises(ConnectError) as raised:
        connect(codec=codec).execute_unary(request=web_pb2.Say(text="no"), method=method("Fail"))
    assert (raised.value.code, raised.value.message) == (Code.NOT_FOUND, "no")
    assert [detail.type_name for detail in raised.value.details] == ["google.rpc.ErrorInfo"]
