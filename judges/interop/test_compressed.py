"""gRPC's compressed interop cases in bytes: no client says whether a message came compressed, so here its flag is read."""

import gzip
import ssl
import struct
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
import wires

ENVELOPE = struct.Struct(">BI")
SERVICE = "/grpc.testing.TestService"


@pytest.fixture
def wire(server) -> Iterator[wires.Http2]:
    connection = wires.connect(("127.0.0.1", server.port))
    if server.authority:
        context = ssl.create_default_context(cafile=str(server.authority))
        context.set_alpn_protocols(["h2"])
        connection = context.wrap_socket(connection, server_hostname=server.name)
    wire = wires.Http2(connection)
    yield wire
    wire.close()


@pytest.fixture
def messages(interop_protos) -> ModuleType:
    from interop_protos import messages_pb2

    return messages_pb2


def call(wire: wires.Http2, method: str, body: bytes, *headers: tuple[str, str]) -> wires.Response:
    always = [("content-type", "application/grpc"), ("te", "trailers"), ("grpc-accept-encoding", "gzip")]
    wire.request(f"{SERVICE}/{method}", "POST", [*always, *headers], body)
    return wire.response()


def envelope(message: bytes, *, compressed: bool = False) -> bytes:
    message = gzip.compress(message) if compressed else message
    return ENVELOPE.pack(compressed, len(message)) + message


def envelopes(body: bytes) -> list[tuple[bool, bytes]]:
    """Whether each message was compressed, and the message."""
    found = []
    while body:
        flag, size = ENVELOPE.unpack_from(body)
        message, body = body[ENVELOPE.size :][:size], body[ENVELOPE.size + size :]
        found.append((bool(flag), gzip.decompress(message) if flag else message))
    return found


@pytest.mark.parametrize("compressed", [True, False])
def test_server_compressed_unary(wire: wires.Http2, messages: ModuleType, compressed: bool, style: str, library: str) -> None:
    if (library, style) == ("grpc", "async") and compressed:
        pytest.skip("grpc.aio sends an only response as it is, whatever the call's compression")
    wanted: Any = messages.BoolValue(value=compressed)
    request = messages.SimpleRequest(response_size=314159, response_compressed=wanted)
    response = call(wire, "UnaryCall", envelope(request.SerializeToString()))
    ((flag, message),) = envelopes(response.body)
    assert flag == compressed
    assert messages.SimpleResponse.FromString(message).payload.body == bytes(314159)
    assert ("grpc-status", "0") in response.trailers


def test_server_compressed_streaming(wire: wires.Http2, messages: ModuleType) -> None:
    wanted = {31415: True, 92653: False}
    parameters = [
        messages.ResponseParameters(size=size, compressed=messages.BoolValue(value=compressed))
        for size, compressed in wanted.items()
    ]
    request = messages.StreamingOutputCallRequest(response_parameters=parameters)
    response = call(wire, "StreamingOutputCall", envelope(request.SerializeToString()))
    assert response.values("grpc-encoding") == ["gzip"]
    found = envelopes(response.body)
    assert [flag for flag, _ in found] == list(wanted.values())
    sizes = [len(messages.StreamingOutputCallResponse.FromString(message).payload.body) for _, message in found]
    assert sizes == list(wanted)


def test_client_compressed_unary(wire: wires.Http2, messages: ModuleType) -> None:
    request = messages.SimpleRequest(response_size=31415, payload=messages.Payload(body=bytes(27182)))
    body = envelope(request.SerializeToString(), compressed=True)
    response = call(wire, "UnaryCall", body, ("grpc-encoding", "gzip"))
    ((_, message),) = envelopes(response.body)
    assert messages.SimpleResponse.FromString(message).payload.body == bytes(31415)


def test_client_compressed_streaming(wire: wires.Http2, messages: ModuleType) -> None:
    """A message that is compressed, and one in the same stream that is not."""
    sizes = {27182: True, 45904: False}
    requests = b"".join(
        envelope(
            messages.StreamingInputCallRequest(payload=messages.Payload(body=bytes(size))).SerializeToString(),
            compressed=compressed,
        )
        for size, compressed in sizes.items()
    )
    response = call(wire, "StreamingInputCall", requests, ("grpc-encoding", "gzip"))
    ((_, message),) = envelopes(response.body)
    assert messages.StreamingInputCallResponse.FromString(message).aggregated_payload_size == sum(sizes)
