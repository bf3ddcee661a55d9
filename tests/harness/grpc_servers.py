"""gRPC server objects inside the test's own process, with grpcio's client beside them.

The server comes from an ``Implementation``, ours or grpcio's, so that one test says what both do. Every call has a timeout,
so that none hangs.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import grpc
import grpc.aio
import pytest

SERVICE = "test.Service"
METHOD = f"/{SERVICE}/Method"
PATIENCE = 10.0

Handlers = grpc.RpcMethodHandler | Mapping[str, grpc.RpcMethodHandler]


@dataclass(frozen=True)
class Implementation:
    """What a program takes from ``grpc`` or ``narthex.grpc`` to make servers."""

    name: str
    aio_server: Callable[..., grpc.aio.Server]
    server: Callable[..., grpc.Server]
    ssl_server_credentials: Callable[..., Any]
    ssl_server_certificate_configuration: Callable[..., Any]
    dynamic_ssl_server_credentials: Callable[..., Any]


def implementation(name: str) -> Implementation:
    """The implementation of this name: ``narthex``, or ``grpc`` as the oracle."""
    module = import_module("grpc" if name == "grpc" else "narthex.grpc")
    return Implementation(
        name,
        import_module(f"{module.__name__}.aio").server,
        module.server,
        module.ssl_server_credentials,
        module.ssl_server_certificate_configuration,
        module.dynamic_ssl_server_credentials,
    )


def generic(handlers: Handlers) -> grpc.GenericRpcHandler:
    """A generic handler of ``test.Service``; a single method handler is its ``Method``."""
    named = handlers if isinstance(handlers, Mapping) else {"Method": handlers}
    return grpc.method_handlers_generic_handler(SERVICE, dict(named))


def path(method: str) -> str:
    """The path of a method of ``test.Service``; a path stays as it is."""
    return method if method.startswith("/") else f"/{SERVICE}/{method}"


class Calls:
    """Calls methods of one channel, with bytes."""

    def __init__(self, channel: Any) -> None:
        self.channel = channel

    def unary_unary(self, request: bytes = b"", method: str = "Method", **options) -> Any:
        """Begins a call, or with a synchronous channel makes it."""
        return self.channel.unary_unary(path(method))(request, **{"timeout": PATIENCE, **options})

    def unary_stream(self, request: bytes = b"", method: str = "Method", **options) -> Any:
        """Begins a call."""
        return self.channel.unary_stream(path(method))(request, **{"timeout": PATIENCE, **options})

    def stream_unary(self, requests: Any = None, method: str = "Method", **options) -> Any:
        """Begins a call; without requests they are written to the call itself."""
        return self.channel.stream_unary(path(method))(requests, **{"timeout": PATIENCE, **options})

    def stream_stream(self, requests: Any = None, method: str = "Method", **options) -> Any:
        """Begins a call; without requests they are written to the call itself."""
        return self.channel.stream_stream(path(method))(requests, **{"timeout": PATIENCE, **options})


@dataclass
class Served(Calls):
    """A started server and a channel to it."""

    server: Any
    port: int
    channel: Any

    @property
    def target(self) -> str:
        """Its address, as channels want it."""
        return f"127.0.0.1:{self.port}"


@asynccontextmanager
async def aio_served(
    server: grpc.aio.Server, handlers: Handlers, channel_options: Sequence[tuple[str, Any]]
) -> AsyncIterator[Served]:
    """Starts the server, and stops it at the end."""
    server.add_generic_rpc_handlers((generic(handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with (
            grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=channel_options) as channel,
            asyncio.timeout(2 * PATIENCE),
        ):
            yield Served(server, port, channel)
    finally:
        await asyncio.wait_for(server.stop(None), PATIENCE)


@contextmanager
def served(server: grpc.Server, handlers: Handlers, channel_options: Sequence[tuple[str, Any]]) -> Iterator[Served]:
    """Starts the server, and stops it at the end."""
    server.add_generic_rpc_handlers((generic(handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}", options=channel_options) as channel:
            yield Served(server, port, channel)
    finally:
        server.stop(None).wait(PATIENCE)


async def received(call: Any) -> list[bytes]:
    """All that a call is answered with, be it one response or a stream of them."""
    return [response async for response in call] if hasattr(call, "__aiter__") else [await call]


async def failed(call: Any) -> grpc.aio.AioRpcError:
    """The error that a call ends with."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await received(call)
    return raised.value


def error_of(call: Callable[[], Any]) -> grpc.RpcError:
    """How a call of a synchronous client fails."""
    with pytest.raises(grpc.RpcError) as raised:
        call()
    return raised.value


def outcome(error: Any) -> tuple[grpc.StatusCode, str | None]:
    """The code and details of an error of either client."""
    return error.code(), error.details()


def entries(metadata: Any) -> list[tuple[str, str | bytes]]:
    """Metadata as pairs, without what clients and transports add."""
    return [
        (key, value) for key, value in metadata or () if key not in ("user-agent", "accept-encoding", "grpc-accept-encoding")
    ]
