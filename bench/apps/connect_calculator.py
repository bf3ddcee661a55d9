"""The unary method as an application of connectrpc, which speaks Connect in Python on an ASGI server."""

from typing import Any

from arithmetic.v1 import calculator_pb2
from connectrpc.compat import google_protobuf_codecs
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from connectrpc.server import ConnectASGIApplication, Endpoint

SERVICE = "arithmetic.v1.Calculator"


class Calculator:
    """Adds."""

    async def add(self, request: Any, context: Any) -> Any:
        """Adds two numbers."""
        return calculator_pb2.AddResponse(sum=request.a + request.b)


def endpoints(service: Calculator) -> dict[str, Endpoint[Any, Any]]:
    """What its generator of code would write."""
    method = MethodInfo(
        name="Add",
        service_name=SERVICE,
        input=calculator_pb2.AddRequest,
        output=calculator_pb2.AddResponse,
        idempotency_level=IdempotencyLevel.UNKNOWN,
        stream_type=StreamType.UNARY,
    )
    return {f"/{SERVICE}/Add": Endpoint.unary(method, service.add)}


class Application(ConnectASGIApplication[Calculator]):
    """The application of the service, as generated code has it."""

    @property
    def path(self) -> str:
        """Where the service is."""
        return f"/{SERVICE}"


app = Application(service=Calculator(), endpoints=endpoints, codecs=google_protobuf_codecs())
