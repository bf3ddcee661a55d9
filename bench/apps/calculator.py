"""The servicer that is measured, as Narthex and grpc.aio both take it, and its ``--grpc`` callable."""

from typing import Any

from arithmetic.v1 import calculator_pb2, calculator_pb2_grpc


class Calculator(calculator_pb2_grpc.CalculatorServicer):
    """Adds."""

    async def Add(self, request: Any, context: Any) -> Any:  # noqa: N802 - the name is the proto's
        """Adds two numbers."""
        return calculator_pb2.AddResponse(sum=request.a + request.b)


def register(server: Any) -> None:
    """Registers the servicer on whichever server this is."""
    calculator_pb2_grpc.add_CalculatorServicer_to_server(Calculator(), server)
