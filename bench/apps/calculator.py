"""The servicer that is measured, as Narthex and grpcio both take it, and its ``--grpc`` callables."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

from arithmetic.v1 import calculator_pb2, calculator_pb2_grpc

ROW = "All work and no play makes Jack a dull boy. " * 22


class Calculator(calculator_pb2_grpc.CalculatorServicer):
    """Adds."""

    async def Add(self, request: Any, context: Any) -> Any:  # noqa: N802 - the names are the proto's
        """Adds two numbers."""
        return calculator_pb2.AddResponse(sum=request.a + request.b)

    async def Repeat(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        """Adds the two numbers, and answers so many times."""
        for _ in range(request.times):
            yield calculator_pb2.AddResponse(sum=request.add.a + request.add.b)

    async def AddEach(self, request_iterator: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        """Adds the two numbers of each request."""
        async for request in request_iterator:
            yield calculator_pb2.AddResponse(sum=request.a + request.b)

    async def Tabulate(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        """A table of so many rows, each of about a kilobyte."""
        for number in range(1, request.rows + 1):
            yield calculator_pb2.Row(number=number, text=ROW)

    async def Mirror(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Gives back what it gets."""
        return calculator_pb2.Chunk(data=request.data)


class SyncCalculator(calculator_pb2_grpc.CalculatorServicer):
    """Adds, in a thread."""

    def Add(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Adds two numbers."""
        return calculator_pb2.AddResponse(sum=request.a + request.b)

    def Repeat(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: N802
        """Adds the two numbers, and answers so many times."""
        for _ in range(request.times):
            yield calculator_pb2.AddResponse(sum=request.add.a + request.add.b)


def register(server: Any) -> None:
    """Registers the asynchronous servicer on whichever server this is."""
    calculator_pb2_grpc.add_CalculatorServicer_to_server(Calculator(), server)


def register_sync(server: Any) -> None:
    """Registers the synchronous servicer on whichever server this is."""
    calculator_pb2_grpc.add_CalculatorServicer_to_server(SyncCalculator(), server)
