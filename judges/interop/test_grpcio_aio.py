"""gRPC's interop cases with grpcio's asynchronous client, by its reading and writing methods where a call streams."""

import asyncio
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any

import grpc
import pytest

PATIENCE = 20.0
REQUEST_SIZES = (27182, 8, 1828, 45904)
RESPONSE_SIZES = (31415, 9, 2653, 58979)
ECHO_INITIAL, ECHO_TRAILING = "x-grpc-test-echo-initial", "x-grpc-test-echo-trailing-bin"

Ask = Callable[[Callable[[Any, ModuleType], Awaitable[None]]], None]


@pytest.fixture
def ask(server, interop_protos) -> Ask:
    """Runs a coroutine function with a stub, and the module of the messages, in a loop of its own."""
    from interop_protos import messages_pb2, test_pb2_grpc

    def run(case: Callable[[Any, ModuleType], Awaitable[None]]) -> None:
        async def main() -> None:
            async with server.channel(grpc.aio) as channel:
                await case(test_pb2_grpc.TestServiceStub(channel), messages_pb2)

        asyncio.run(main())

    return run


def output_request(messages: ModuleType, size: int, payload: int = 0, interval: int = 0) -> Any:
    return messages.StreamingOutputCallRequest(
        response_parameters=[messages.ResponseParameters(size=size, interval_us=interval)],
        payload=messages.Payload(body=bytes(payload)),
    )


def test_unary(ask: Ask) -> None:
    async def case(stub: Any, messages: ModuleType) -> None:
        request = messages.SimpleRequest(response_size=314159, payload=messages.Payload(body=bytes(271828)))
        answers = await asyncio.gather(*(stub.UnaryCall(request, timeout=PATIENCE) for _ in range(16)))
        assert {answer.payload.body for answer in answers} == {bytes(314159)}

    ask(case)


def test_client_streaming(ask: Ask) -> None:
    async def case(stub: Any, messages: ModuleType) -> None:
        call = stub.StreamingInputCall(timeout=PATIENCE)
        for size in REQUEST_SIZES:
            await call.write(messages.StreamingInputCallRequest(payload=messages.Payload(body=bytes(size))))
        await call.done_writing()
        assert (await call).aggregated_payload_size == sum(REQUEST_SIZES)

    ask(case)


def test_server_streaming(ask: Ask) -> None:
    async def case(stub: Any, messages: ModuleType) -> None:
        parameters = [messages.ResponseParameters(size=size) for size in RESPONSE_SIZES]
        call = stub.StreamingOutputCall(messages.StreamingOutputCallRequest(response_parameters=parameters), timeout=PATIENCE)
        assert [len(response.payload.body) async for response in call] == list(RESPONSE_SIZES)
        assert await call.code() == grpc.StatusCode.OK

    ask(case)


def test_ping_pong(ask: Ask) -> None:
    async def case(stub: Any, messages: ModuleType) -> None:
        call = stub.FullDuplexCall(timeout=PATIENCE)
        for request_size, response_size in zip(REQUEST_SIZES, RESPONSE_SIZES, strict=True):
            await call.write(output_request(messages, response_size, request_size))
            assert len((await call.read()).payload.body) == response_size
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
        assert await call.code() == grpc.StatusCode.OK

    ask(case)


def test_empty_stream(ask: Ask) -> None:
    async def case(stub: Any, messages: ModuleType) -> None:
        call = stub.FullDuplexCall(timeout=PATIENCE)
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
        assert await call.code() == grpc.StatusCode.OK

    ask(case)


def test_cancel_after_begin(ask: Ask) -> None:
    async def case(stub: Any, messages: ModuleType) -> None:
        call = stub.StreamingInputCall(timeout=PATIENCE)
        await call.wait_for_connection()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await call.code() == grpc.StatusCode.CANCELLED

    ask(case)


def test_cancel_after_first_response(ask: Ask) -> None:
    async def case(stub: Any, messages: ModuleType) -> None:
        call = stub.FullDuplexCall(timeout=PATIENCE)
        await call.write(output_request(messages, 31415, 27182))
        assert len((await call.read()).payload.body) == 31415
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call.read()
        assert await call.code() == grpc.StatusCode.CANCELLED

    ask(case)


def test_timeout_on_sleeping_server(ask: Ask) -> None:
    async def case(stub: Any, messages: ModuleType) -> None:
        from interop_protos import empty_pb2

        # Connected, so that the deadline is the server's alone.
        await stub.EmptyCall(empty_pb2.Empty(), timeout=PATIENCE)
        call = stub.FullDuplexCall(timeout=1)
        await call.write(output_request(messages, 31415, 27182, interval=10_000_000))
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await call.read()
        assert error.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED

    ask(case)


def test_status_code_and_message(ask: Ask) -> None:
    async def case(stub: Any, messages: ModuleType) -> None:
        message = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
        status = messages.EchoStatus(code=2, message=message)
        with pytest.raises(grpc.aio.AioRpcError) as unary:
            await stub.UnaryCall(messages.SimpleRequest(response_status=status), timeout=PATIENCE)
        call = stub.FullDuplexCall(timeout=PATIENCE)
        await call.write(messages.StreamingOutputCallRequest(response_status=status))
        with pytest.raises(grpc.aio.AioRpcError) as streamed:
            await call.read()
        for error in (unary.value, streamed.value):
            assert (error.code(), error.details()) == (grpc.StatusCode.UNKNOWN, message)

    ask(case)


def test_custom_metadata(ask: Ask) -> None:
    async def case(stub: Any, messages: ModuleType) -> None:
        metadata = ((ECHO_INITIAL, "test_initial_metadata_value"), (ECHO_TRAILING, b"\x0a\x0b\x0a\x0b\x0a\x0b"))
        unary = stub.UnaryCall(messages.SimpleRequest(response_size=1), metadata=metadata, timeout=PATIENCE)
        await unary
        streamed = stub.FullDuplexCall(metadata=metadata, timeout=PATIENCE)
        await streamed.write(output_request(messages, 314159, 271828))
        await streamed.read()
        await streamed.done_writing()
        assert await streamed.read() is grpc.aio.EOF
        for call in (unary, streamed):
            assert metadata[0] in tuple(await call.initial_metadata())
            assert metadata[1] in tuple(await call.trailing_metadata())

    ask(case)


def test_unimplemented(ask: Ask) -> None:
    async def case(stub: Any, messages: ModuleType) -> None:
        from interop_protos import empty_pb2

        with pytest.raises(grpc.aio.AioRpcError) as error:
            await stub.UnimplementedCall(empty_pb2.Empty(), timeout=PATIENCE)
        assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED

    ask(case)
