"""What the tests of server objects share: handlers that take and give bytes, and one call."""

from typing import Any

import grpc

PATIENCE = 20.0


def echo_handlers(**handlers: Any) -> list[grpc.GenericRpcHandler]:
    """Handlers of ``test.Echo`` that take and give bytes."""
    unary = {name: grpc.unary_unary_rpc_method_handler(handler) for name, handler in handlers.items()}
    return [grpc.method_handlers_generic_handler("test.Echo", unary)]


def call(
    target: str,
    method: str = "Echo",
    request: bytes = b"hello",
    timeout: float = PATIENCE,
    credentials: grpc.ChannelCredentials | None = None,
) -> bytes:
    """One call on a channel of its own; on a thread, if the server's loop is this one's."""
    options = [("grpc.default_authority", "localhost")]
    if credentials is None:
        channel = grpc.insecure_channel(target, options)
    else:
        channel = grpc.secure_channel(target, credentials, options)
    with channel:
        return channel.unary_unary(f"/test.Echo/{method}")(request, timeout=timeout)
