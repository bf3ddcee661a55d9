"""gRPC's interop cases with grpcio's synchronous client, as grpc's doc/interop-test-descriptions.md describes them."""

import queue
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import grpc
import pytest

pytestmark = pytest.mark.usefixtures("interop_protos")
PATIENCE = 20.0
REQUEST_SIZES = (27182, 8, 1828, 45904)
RESPONSE_SIZES = (31415, 9, 2653, 58979)
ECHO_INITIAL, ECHO_TRAILING = "x-grpc-test-echo-initial", "x-grpc-test-echo-trailing-bin"


@pytest.fixture
def channel(server) -> Iterator[grpc.Channel]:
    with server.channel(grpc) as channel:
        yield channel


@pytest.fixture
def messages(interop_protos) -> ModuleType:
    from interop_protos import messages_pb2

    return messages_pb2


@pytest.fixture
def stub(interop_protos, channel: grpc.Channel) -> Any:
    from interop_protos import test_pb2_grpc

    return test_pb2_grpc.TestServiceStub(channel)


class Requests:
    """A request stream that a test feeds while the call goes on."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def send(self, request: Any) -> None:
        self._queue.put(request)

    def close(self) -> None:
        self._queue.put(None)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._queue.get, None)


def output_request(messages: ModuleType, *sizes: int, payload: int = 0, **fields: Any) -> Any:
    parameters = [messages.ResponseParameters(size=size, **fields) for size in sizes]
    return messages.StreamingOutputCallRequest(
        response_parameters=parameters, payload=messages.Payload(body=bytes(payload)) if payload else None
    )


def sizes(responses: Any) -> list[int]:
    return [len(response.payload.body) for response in responses]


def test_empty_unary(stub: Any) -> None:
    from interop_protos import empty_pb2

    assert stub.EmptyCall(empty_pb2.Empty(), timeout=PATIENCE) == empty_pb2.Empty()


def test_large_unary(stub: Any, messages: ModuleType) -> None:
    request = messages.SimpleRequest(response_size=314159, payload=messages.Payload(body=bytes(271828)))
    assert stub.UnaryCall(request, timeout=PATIENCE).payload.body == bytes(314159)


def test_client_streaming(stub: Any, messages: ModuleType) -> None:
    requests = (messages.StreamingInputCallRequest(payload=messages.Payload(body=bytes(size))) for size in REQUEST_SIZES)
    assert stub.StreamingInputCall(requests, timeout=PATIENCE).aggregated_payload_size == sum(REQUEST_SIZES)


def test_server_streaming(stub: Any, messages: ModuleType) -> None:
    responses = stub.StreamingOutputCall(output_request(messages, *RESPONSE_SIZES), timeout=PATIENCE)
    assert sizes(responses) == list(RESPONSE_SIZES)


def test_ping_pong(stub: Any, messages: ModuleType) -> None:
    requests = Requests()
    call = stub.FullDuplexCall(iter(requests), timeout=PATIENCE)
    for request_size, response_size in zip(REQUEST_SIZES, RESPONSE_SIZES, strict=True):
        requests.send(output_request(messages, response_size, payload=request_size))
        assert len(next(call).payload.body) == response_size
    requests.close()
    assert list(call) == []
    assert call.code() == grpc.StatusCode.OK


def test_half_duplex(stub: Any, messages: ModuleType) -> None:
    requests = [output_request(messages, size) for size in RESPONSE_SIZES]
    assert sizes(stub.HalfDuplexCall(iter(requests), timeout=PATIENCE)) == list(RESPONSE_SIZES)


def test_empty_stream(stub: Any) -> None:
    call = stub.FullDuplexCall(iter(()), timeout=PATIENCE)
    assert list(call) == []
    assert call.code() == grpc.StatusCode.OK


def test_cancel_after_begin(stub: Any) -> None:
    requests = Requests()
    future = stub.StreamingInputCall.future(iter(requests), timeout=PATIENCE)
    future.cancel()
    requests.close()
    assert future.cancelled()
    assert future.code() == grpc.StatusCode.CANCELLED


def test_cancel_after_first_response(stub: Any, messages: ModuleType) -> None:
    requests = Requests()
    call = stub.FullDuplexCall(iter(requests), timeout=PATIENCE)
    requests.send(output_request(messages, 31415, payload=27182))
    assert len(next(call).payload.body) == 31415
    call.cancel()
    requests.close()
    with pytest.raises(grpc.RpcError) as error:
        next(call)
    assert error.value.code() == grpc.StatusCode.CANCELLED


def test_timeout_on_sleeping_server(stub: Any, messages: ModuleType) -> None:
    request = output_request(messages, 31415, payload=27182, interval_us=10_000_000)
    with pytest.raises(grpc.RpcError) as error:
        list(stub.FullDuplexCall(iter([request]), timeout=0.1))
    assert error.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


def test_status_code_and_message(stub: Any, messages: ModuleType) -> None:
    status = messages.EchoStatus(code=2, message="test status message")
    with pytest.raises(grpc.RpcError) as unary:
        stub.UnaryCall(messages.SimpleRequest(response_status=status), timeout=PATIENCE)
    with pytest.raises(grpc.RpcError) as streamed:
        list(stub.FullDuplexCall(iter([messages.StreamingOutputCallRequest(response_status=status)]), timeout=PATIENCE))
    for error in (unary.value, streamed.value):
        assert (error.code(), error.details()) == (grpc.StatusCode.UNKNOWN, "test status message")


def test_special_status_message(stub: Any, messages: ModuleType) -> None:
    message = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
    request = messages.SimpleRequest(response_status=messages.EchoStatus(code=2, message=message))
    with pytest.raises(grpc.RpcError) as error:
        stub.UnaryCall(request, timeout=PATIENCE)
    assert (error.value.code(), error.value.details()) == (grpc.StatusCode.UNKNOWN, message)


def test_custom_metadata(stub: Any, messages: ModuleType) -> None:
    metadata = ((ECHO_INITIAL, "test_initial_metadata_value"), (ECHO_TRAILING, b"\x0a\x0b\x0a\x0b\x0a\x0b"))
    request = messages.SimpleRequest(response_size=314159, payload=messages.Payload(body=bytes(271828)))
    _, unary = stub.UnaryCall.with_call(request, metadata=metadata, timeout=PATIENCE)
    streamed = stub.FullDuplexCall(
        iter([output_request(messages, 314159, payload=271828)]), metadata=metadata, timeout=PATIENCE
    )
    assert sizes(streamed) == [314159]
    for call in (unary, streamed):
        assert metadata[0] in tuple(call.initial_metadata())
        assert metadata[1] in tuple(call.trailing_metadata())


def test_unimplemented_method(stub: Any) -> None:
    from interop_protos import empty_pb2

    with pytest.raises(grpc.RpcError) as error:
        stub.UnimplementedCall(empty_pb2.Empty(), timeout=PATIENCE)
    assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_unimplemented_service(channel: grpc.Channel) -> None:
    from interop_protos import empty_pb2, test_pb2_grpc

    with pytest.raises(grpc.RpcError) as error:
        test_pb2_grpc.UnimplementedServiceStub(channel).UnimplementedCall(empty_pb2.Empty(), timeout=PATIENCE)
    assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_client_compressed(stub: Any, messages: ModuleType, compression: grpc.Compression) -> None:
    """Unary, then a stream; a servicer cannot see that a message came compressed, but that it came whole."""
    request = messages.SimpleRequest(response_size=314159, payload=messages.Payload(body=bytes(271828)))
    assert stub.UnaryCall(request, compression=compression, timeout=PATIENCE).payload.body == bytes(314159)
    requests = [messages.StreamingInputCallRequest(payload=messages.Payload(body=bytes(size))) for size in REQUEST_SIZES]
    answer = stub.StreamingInputCall(iter(requests), compression=compression, timeout=PATIENCE)
    assert answer.aggregated_payload_size == sum(REQUEST_SIZES)


@pytest.mark.parametrize("compressed", [True, False])
def test_server_compressed_unary(stub: Any, messages: ModuleType, compressed: bool) -> None:
    request = messages.SimpleRequest(response_size=314159, response_compressed=messages.BoolValue(value=compressed))
    assert stub.UnaryCall(request, timeout=PATIENCE).payload.body == bytes(314159)


def test_server_compressed_streaming(stub: Any, messages: ModuleType) -> None:
    request = messages.StreamingOutputCallRequest(
        response_parameters=[
            messages.ResponseParameters(size=31415, compressed=messages.BoolValue(value=True)),
            messages.ResponseParameters(size=92653, compressed=messages.BoolValue(value=False)),
        ]
    )
    assert sizes(stub.StreamingOutputCall(request, timeout=PATIENCE)) == [31415, 92653]
