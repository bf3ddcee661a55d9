"""gRPC's interop test service in both of its styles.

What it has to do is said in grpc's doc/interop-test-descriptions.md. UnimplementedCall is left to the generated base class, and
of the compressed cases only the server's half can be had: a Python servicer is not told how a request was compressed.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
from interop_protos import empty_pb2, messages_pb2, test_pb2_grpc

ECHO_INITIAL = "x-grpc-test-echo-initial"
ECHO_TRAILING = "x-grpc-test-echo-trailing-bin"


def _payload(size: int) -> messages_pb2.Payload:
    return messages_pb2.Payload(type=messages_pb2.COMPRESSABLE, body=bytes(size))


def _output(size: int) -> messages_pb2.StreamingOutputCallResponse:
    return messages_pb2.StreamingOutputCallResponse(payload=_payload(size))


def _echoed(context: Any, name: str) -> tuple[tuple[str, str | bytes], ...]:
    return tuple((key, value) for key, value in context.invocation_metadata() if key == name)


def _code(number: int) -> grpc.StatusCode:
    return next(code for code in grpc.StatusCode if code.value[0] == number)


def _compression(wanted: messages_pb2.BoolValue) -> grpc.Compression:
    return grpc.Compression.Gzip if wanted.value else grpc.Compression.NoCompression


class AsyncTestService(test_pb2_grpc.TestServiceServicer):
    """Coroutines and asynchronous generators."""

    async def EmptyCall(self, request: empty_pb2.Empty, context: Any) -> empty_pb2.Empty:
        """Nothing for nothing."""
        return empty_pb2.Empty()

    async def UnaryCall(self, request: messages_pb2.SimpleRequest, context: Any) -> messages_pb2.SimpleResponse:
        """A payload of the size that was asked for."""
        if request.HasField("response_compressed"):
            context.set_compression(_compression(request.response_compressed))
        await self._echo_metadata(context)
        await self._echo_status(request, context)
        return messages_pb2.SimpleResponse(payload=_payload(request.response_size))

    async def StreamingOutputCall(
        self, request: messages_pb2.StreamingOutputCallRequest, context: Any
    ) -> AsyncIterator[messages_pb2.StreamingOutputCallResponse]:
        """A payload of each size that was asked for."""
        if any(parameters.compressed.value for parameters in request.response_parameters):
            context.set_compression(grpc.Compression.Gzip)
        for parameters in request.response_parameters:
            await asyncio.sleep(parameters.interval_us / 1e6)
            if parameters.HasField("compressed") and not parameters.compressed.value:
                context.disable_next_message_compression()
            yield _output(parameters.size)

    async def StreamingInputCall(
        self, requests: AsyncIterator[messages_pb2.StreamingInputCallRequest], context: Any
    ) -> messages_pb2.StreamingInputCallResponse:
        """The sum of the payloads' sizes."""
        size = sum([len(request.payload.body) async for request in requests])
        return messages_pb2.StreamingInputCallResponse(aggregated_payload_size=size)

    async def FullDuplexCall(
        self, requests: AsyncIterator[messages_pb2.StreamingOutputCallRequest], context: Any
    ) -> AsyncIterator[messages_pb2.StreamingOutputCallResponse]:
        """The responses to each request as it comes."""
        await self._echo_metadata(context)
        async for request in requests:
            await self._echo_status(request, context)
            for parameters in request.response_parameters:
                await asyncio.sleep(parameters.interval_us / 1e6)
                yield _output(parameters.size)

    async def HalfDuplexCall(
        self, requests: AsyncIterator[messages_pb2.StreamingOutputCallRequest], context: Any
    ) -> AsyncIterator[messages_pb2.StreamingOutputCallResponse]:
        """The responses to all requests once they are there."""
        for request in [request async for request in requests]:
            for parameters in request.response_parameters:
                yield _output(parameters.size)

    async def _echo_metadata(self, context: Any) -> None:
        context.set_trailing_metadata(_echoed(context, ECHO_TRAILING))
        if initial := _echoed(context, ECHO_INITIAL):
            await context.send_initial_metadata(initial)

    async def _echo_status(self, request: Any, context: Any) -> None:
        if request.response_status.code:
            await context.abort(_code(request.response_status.code), request.response_status.message)


class SyncTestService(test_pb2_grpc.TestServiceServicer):
    """Functions and generators, on threads."""

    def EmptyCall(self, request: empty_pb2.Empty, context: Any) -> empty_pb2.Empty:
        """Nothing for nothing."""
        return empty_pb2.Empty()

    def UnaryCall(self, request: messages_pb2.SimpleRequest, context: Any) -> messages_pb2.SimpleResponse:
        """A payload of the size that was asked for."""
        if request.HasField("response_compressed"):
            context.set_compression(_compression(request.response_compressed))
        self._echo_metadata(context)
        self._echo_status(request, context)
        return messages_pb2.SimpleResponse(payload=_payload(request.response_size))

    def StreamingOutputCall(
        self, request: messages_pb2.StreamingOutputCallRequest, context: Any
    ) -> Iterator[messages_pb2.StreamingOutputCallResponse]:
        """A payload of each size that was asked for."""
        if any(parameters.compressed.value for parameters in request.response_parameters):
            context.set_compression(grpc.Compression.Gzip)
        for parameters in request.response_parameters:
            time.sleep(parameters.interval_us / 1e6)
            if parameters.HasField("compressed") and not parameters.compressed.value:
                context.disable_next_message_compression()
            yield _output(parameters.size)

    def StreamingInputCall(
        self, requests: Iterator[messages_pb2.StreamingInputCallRequest], context: Any
    ) -> messages_pb2.StreamingInputCallResponse:
        """The sum of the payloads' sizes."""
        size = sum(len(request.payload.body) for request in requests)
        return messages_pb2.StreamingInputCallResponse(aggregated_payload_size=size)

    def FullDuplexCall(
        self, requests: Iterator[messages_pb2.StreamingOutputCallRequest], context: Any
    ) -> Iterator[messages_pb2.StreamingOutputCallResponse]:
        """The responses to each request as it comes."""
        self._echo_metadata(context)
        for request in requests:
            self._echo_status(request, context)
            for parameters in request.response_parameters:
                time.sleep(parameters.interval_us / 1e6)
                yield _output(parameters.size)

    def HalfDuplexCall(
        self, requests: Iterator[messages_pb2.StreamingOutputCallRequest], context: Any
    ) -> Iterator[messages_pb2.StreamingOutputCallResponse]:
        """The responses to all requests once they are there."""
        for request in list(requests):
            for parameters in request.response_parameters:
                yield _output(parameters.size)

    def _echo_metadata(self, context: Any) -> None:
        context.set_trailing_metadata(_echoed(context, ECHO_TRAILING))
        if initial := _echoed(context, ECHO_INITIAL):
            context.send_initial_metadata(initial)

    def _echo_status(self, request: Any, context: Any) -> None:
        if request.response_status.code:
            context.abort(_code(request.response_status.code), request.response_status.message)


SERVICERS = {"async": AsyncTestService, "sync": SyncTestService}
