"""The conformance service in both of gRPC's styles, each with every way there is to write a method of its kind.

Unimplemented is left to the generated base class, which is what the suite wants to see refused.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import answers
import grpc
from connectrpc.conformance.v1 import service_pb2, service_pb2_grpc


class AsyncConformanceService(service_pb2_grpc.ConformanceServiceServicer):
    """Coroutines, an asynchronous generator, and in BidiStream the context's own ``read`` and ``write``."""

    async def Unary(self, request: Any, context: Any) -> service_pb2.UnaryResponse:
        """One request, one response."""
        return service_pb2.UnaryResponse(payload=await self._answer(request, [request], context))

    async def IdempotentUnary(self, request: Any, context: Any) -> service_pb2.IdempotentUnaryResponse:
        """As Unary; the suite asks for it by GET too."""
        return service_pb2.IdempotentUnaryResponse(payload=await self._answer(request, [request], context))

    async def ClientStream(self, requests: AsyncIterator[Any], context: Any) -> service_pb2.ClientStreamResponse:
        """The first request says what to answer."""
        seen = [request async for request in requests]
        first = seen[0] if seen else service_pb2.ClientStreamRequest()
        return service_pb2.ClientStreamResponse(payload=await self._answer(first, seen, context))

    async def ServerStream(self, request: Any, context: Any) -> AsyncIterator[service_pb2.ServerStreamResponse]:
        """The headers, then the responses that were asked for."""
        exchange = answers.Exchange(service_pb2.ServerStreamResponse, context)
        exchange.receive(request)
        await self._open(exchange, context)
        while exchange.left:
            await asyncio.sleep(exchange.delay)
            yield exchange.respond()
        if refusal := exchange.refusal():
            await context.abort_with_status(refusal)

    async def BidiStream(self, _: AsyncIterator[Any], context: Any) -> None:
        """In full duplex a response to each request while there are any; then, or in half duplex, the rest of them."""
        exchange = answers.Exchange(service_pb2.BidiStreamResponse, context)
        while (request := await context.read()) is not grpc.aio.EOF:
            if exchange.receive(request) and exchange.full_duplex:
                await self._open(exchange, context)
            if exchange.full_duplex:
                if not exchange.left:
                    break
                await asyncio.sleep(exchange.delay)
                await context.write(exchange.respond())
        if not exchange.full_duplex:
            await self._open(exchange, context)
        while exchange.left:
            await asyncio.sleep(exchange.delay)
            await context.write(exchange.respond())
        if refusal := exchange.refusal():
            await context.abort_with_status(refusal)

    async def _open(self, exchange: answers.Exchange, context: Any) -> None:
        context.set_trailing_metadata(answers.trailing_metadata(exchange.definition))
        await context.send_initial_metadata(answers.initial_metadata(exchange.definition))

    async def _answer(self, request: Any, seen: list[Any], context: Any) -> service_pb2.ConformancePayload:
        definition = request.response_definition
        context.set_trailing_metadata(answers.trailing_metadata(definition))
        if definition.response_headers:
            await context.send_initial_metadata(answers.initial_metadata(definition))
        await asyncio.sleep(answers.delay(definition))
        if definition.HasField("error"):
            await context.abort_with_status(answers.refusal(definition, context, seen))
        return answers.payload(context, seen, definition.response_data)


class SyncConformanceService(service_pb2_grpc.ConformanceServiceServicer):
    """Functions and generators, on threads."""

    def Unary(self, request: Any, context: Any) -> service_pb2.UnaryResponse:
        """One request, one response."""
        return service_pb2.UnaryResponse(payload=self._answer(request, [request], context))

    def IdempotentUnary(self, request: Any, context: Any) -> service_pb2.IdempotentUnaryResponse:
        """As Unary; the suite asks for it by GET too."""
        return service_pb2.IdempotentUnaryResponse(payload=self._answer(request, [request], context))

    def ClientStream(self, requests: Iterator[Any], context: Any) -> service_pb2.ClientStreamResponse:
        """The first request says what to answer."""
        seen = list(requests)
        first = seen[0] if seen else service_pb2.ClientStreamRequest()
        return service_pb2.ClientStreamResponse(payload=self._answer(first, seen, context))

    def ServerStream(self, request: Any, context: Any) -> Iterator[service_pb2.ServerStreamResponse]:
        """The headers, then the responses that were asked for."""
        exchange = answers.Exchange(service_pb2.ServerStreamResponse, context)
        exchange.receive(request)
        self._open(exchange, context)
        while exchange.left:
            time.sleep(exchange.delay)
            yield exchange.respond()
        if refusal := exchange.refusal():
            context.abort_with_status(refusal)

    def BidiStream(self, requests: Iterator[Any], context: Any) -> Iterator[service_pb2.BidiStreamResponse]:
        """In full duplex a response to each request while there are any; then, or in half duplex, the rest of them."""
        exchange = answers.Exchange(service_pb2.BidiStreamResponse, context)
        for request in requests:
            if exchange.receive(request) and exchange.full_duplex:
                self._open(exchange, context)
            if exchange.full_duplex:
                if not exchange.left:
                    break
                time.sleep(exchange.delay)
                yield exchange.respond()
        if not exchange.full_duplex:
            self._open(exchange, context)
        while exchange.left:
            time.sleep(exchange.delay)
            yield exchange.respond()
        if refusal := exchange.refusal():
            context.abort_with_status(refusal)

    def _open(self, exchange: answers.Exchange, context: Any) -> None:
        context.set_trailing_metadata(answers.trailing_metadata(exchange.definition))
        context.send_initial_metadata(answers.initial_metadata(exchange.definition))

    def _answer(self, request: Any, seen: list[Any], context: Any) -> service_pb2.ConformancePayload:
        definition = request.response_definition
        context.set_trailing_metadata(answers.trailing_metadata(definition))
        if definition.response_headers:
            context.send_initial_metadata(answers.initial_metadata(definition))
        time.sleep(answers.delay(definition))
        if definition.HasField("error"):
            context.abort_with_status(answers.refusal(definition, context, seen))
        return answers.payload(context, seen, definition.response_data)


SERVICERS = {"async": AsyncConformanceService, "sync": SyncConformanceService}
