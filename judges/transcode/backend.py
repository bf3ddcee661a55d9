"""The gRPC services of the conformance cases: each call answers as its case says, or echoes, and is written down.

``CONFORMANCE_CASES`` is the folder of the cases, ``CONFORMANCE_CALLS`` the file that gets one line a call. The generated
modules are on the path of whoever imports this.
"""

import base64
import json
import os
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import grpc
import path_sets_pb2  # noqa: F401  Fills the pool.
import vectors_pb2  # noqa: F401
from google.protobuf import descriptor_pool, message_factory

PACKAGES = ("vectors.v1", "vectors.pathsets.v1")


def scripts() -> dict[str, dict[str, Any]]:
    """What the backend answers, by case."""
    found: dict[str, dict[str, Any]] = {}
    for name in ("response_json", "status_mapping", "errors"):
        text = (Path(os.environ["CONFORMANCE_CASES"]) / f"{name}.json").read_text(encoding="utf-8")
        found.update({case["id"]: case["backend"] for case in json.loads(text)["cases"] if case.get("backend")})
    return found


class Backend:
    """One method's handlers; messages are bytes."""

    def __init__(self, path: str, method: Any, scripted: dict[str, dict[str, Any]]) -> None:
        self.path = path
        self.scripted = scripted
        self.echoes = method.input_type is method.output_type
        self.message = message_factory.GetMessageClass(method.input_type)

    async def unary_unary(self, request: bytes, context: Any) -> bytes:
        return (await self._messages([request], context) or [b""])[0]

    async def unary_stream(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        async for message in self._stream([request], context):
            yield message

    async def stream_unary(self, requests: AsyncIterator[bytes], context: Any) -> bytes:
        return (await self._messages([request async for request in requests], context) or [b""])[0]

    async def stream_stream(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        async for message in self._stream([request async for request in requests], context):
            yield message

    async def _messages(self, requests: list[bytes], context: Any) -> list[bytes]:
        script = self._begin(requests, context)
        await self._end(script, context)
        return self._answers(script, requests)

    async def _stream(self, requests: list[bytes], context: Any) -> AsyncIterator[bytes]:
        script = self._begin(requests, context)
        for message in self._answers(script, requests):
            yield message
        await self._end(script, context)

    def _begin(self, requests: list[bytes], context: Any) -> dict[str, Any]:
        metadata = dict(context.invocation_metadata() or ())
        case = metadata.get("x-vector-case", "")
        call = {"case": case, "path": self.path, "messages": [base64.b64encode(request).decode() for request in requests]}
        with Path(os.environ["CONFORMANCE_CALLS"]).open("a", encoding="utf-8") as calls:
            calls.write(json.dumps(call) + "\n")
        return self.scripted.get(str(case), {})

    def _answers(self, script: dict[str, Any], requests: Iterable[bytes]) -> list[bytes]:
        if "messages_b64" in script:
            return [base64.b64decode(message) for message in script["messages_b64"]]
        if self.echoes:
            # Written again, so that what a transcoder put on the wire does not colour the answer.
            return [self.message.FromString(request).SerializeToString(deterministic=True) for request in requests]
        return [b""]

    async def _end(self, script: dict[str, Any], context: Any) -> None:
        initial = [(name, value) for name, value in script.get("initial_metadata", ())]
        if initial:
            await context.send_initial_metadata(tuple(initial))
        code = script.get("grpc_status", 0)
        if code:
            details = script.get("details_b64")
            trailing = (("grpc-status-details-bin", base64.b64decode(details)),) if details else ()
            known = {status.value[0]: status for status in grpc.StatusCode}
            await context.abort(known.get(code, grpc.StatusCode.UNKNOWN), script.get("grpc_message", ""), trailing)


def _handler(path: str, method: Any, scripted: dict[str, dict[str, Any]]) -> grpc.RpcMethodHandler:
    backend = Backend(path, method, scripted)
    kinds = {
        (False, False): (grpc.unary_unary_rpc_method_handler, backend.unary_unary),
        (False, True): (grpc.unary_stream_rpc_method_handler, backend.unary_stream),
        (True, False): (grpc.stream_unary_rpc_method_handler, backend.stream_unary),
        (True, True): (grpc.stream_stream_rpc_method_handler, backend.stream_stream),
    }
    make, behaviour = kinds[method.client_streaming, method.server_streaming]
    return make(behaviour)


def register(server: Any) -> None:
    """Registers the services that ``CONFORMANCE_SERVICES`` names, separated by commas."""
    scripted = scripts()
    for name in os.environ["CONFORMANCE_SERVICES"].split(","):
        service = descriptor_pool.Default().FindServiceByName(name)
        handlers = {method.name: _handler(f"/{name}/{method.name}", method, scripted) for method in service.methods}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, handlers),))
        if hasattr(server, "add_registered_method_handlers"):
            server.add_registered_method_handlers(name, handlers)
