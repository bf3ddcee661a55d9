"""``grpc.aio.server()`` around the same servicer and the same ASGI application: what Narthex is measured against.

With one import changed it is Narthex's own server object.
"""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Iterable
from importlib import import_module
from typing import Any
from urllib.parse import unquote_to_bytes

import calculator
import grpc
import uvloop
from google.api import httpbody_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer

HANDLER = "narthex.asgi.v1.AsgiService"
# What belongs to gRPC and to Envoy, and not to the HTTP request.
NOT_HEADERS = ("grpc-", "x-envoy-original-")

Application = Callable[[dict[str, Any], Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]


class AsgiServicer:
    """HTTP over gRPC as one writes it in Python: the HttpBody and its metadata become a scope, the response an HttpBody."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def handle(self, request: httpbody_pb2.HttpBody, context: grpc.aio.ServicerContext) -> httpbody_pb2.HttpBody:
        """Runs the application once."""
        scope = self._scope(context.invocation_metadata() or (), request)
        start: dict[str, Any] = {}
        body: list[bytes] = []
        received = False

        async def receive() -> dict[str, Any]:
            nonlocal received
            if received:
                await asyncio.Future()
            received = True
            return {"type": "http.request", "body": request.data, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            elif message["type"] == "http.response.body":
                body.append(message.get("body", b""))

        await self._application(scope, receive, send)
        content_type = "application/octet-stream"
        metadata = [("x-http-code", str(start["status"]))]
        for name, value in start["headers"]:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            if key == "content-type":
                content_type = text
            elif key != "content-length":
                metadata.append((key, text))
        await context.send_initial_metadata(metadata)
        return httpbody_pb2.HttpBody(content_type=content_type, data=b"".join(body))

    @staticmethod
    def _scope(metadata: Iterable[tuple[str, str | bytes]], request: httpbody_pb2.HttpBody) -> dict[str, Any]:
        method, target, headers = "GET", "/", []
        for name, value in metadata:
            if name == "x-envoy-original-method":
                method = str(value)
            elif name == "x-envoy-original-path":
                target = str(value)
            elif not name.startswith(NOT_HEADERS) and isinstance(value, str):
                headers.append((name.encode("latin-1"), value.encode("latin-1")))
        if request.content_type:
            headers.append((b"content-type", request.content_type.encode("latin-1")))
        headers.append((b"content-length", b"%d" % len(request.data)))
        path, _, query = target.partition("?")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "2",
            "method": method,
            "scheme": "http",
            "path": unquote_to_bytes(path).decode(),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 0),
            "server": ("127.0.0.1", 80),
        }


def add_asgi(server: grpc.aio.Server, application: Application) -> None:
    """Registers ``AsgiService`` around an application."""
    handler = grpc.unary_unary_rpc_method_handler(
        AsgiServicer(application).handle,
        request_deserializer=httpbody_pb2.HttpBody.FromString,
        response_serializer=httpbody_pb2.HttpBody.SerializeToString,
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(HANDLER, {"Handler": handler}),))


async def main(options: argparse.Namespace) -> None:
    """Serves for ever."""
    server = import_module(options.module).server()
    calculator.register(server)
    health = HealthServicer()
    await health.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    if options.app:
        module, _, name = options.app.partition(":")
        add_asgi(server, getattr(import_module(module), name))
    server.add_insecure_port(f"127.0.0.1:{options.port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="uvloop")
    parser.add_argument(
        "--module", choices=("grpc.aio", "narthex.grpc.aio"), default="grpc.aio", help="where the server comes from"
    )
    parser.add_argument("--app", help="an ASGI application to serve as AsgiService, as MODULE:ATTRIBUTE")
    arguments = parser.parse_args()
    (uvloop if arguments.loop == "uvloop" else asyncio).run(main(arguments))
