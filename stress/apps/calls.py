"""The servicer under load, and its ``--grpc`` callable."""

import asyncio
import threading
import time
from typing import Any

import grpc
from load.v1 import load_pb2, load_pb2_grpc
from web import RAISED


class Load(load_pb2_grpc.LoadServicer):
    """See the proto."""

    async def Echo(self, request: Any, context: Any) -> Any:  # noqa: D102, N802 - the proto's
        if request.delay_ms:
            await asyncio.sleep(request.delay_ms / 1000)
        if request.fail:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"refused {request.number}")
        return load_pb2.EchoReply(text=request.text, number=request.number)

    def EchoSync(self, request: Any, context: Any) -> Any:  # noqa: D102, N802 - the proto's
        if request.delay_ms:
            time.sleep(request.delay_ms / 1000)
        if request.fail:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"refused {request.number}")
        return load_pb2.EchoReply(text=request.text, number=request.number)

    async def Raise(self, request: Any, context: Any) -> Any:  # noqa: D102, N802 - the proto's
        if request.delay_ms:
            await asyncio.sleep(request.delay_ms / 1000)
        raise RAISED[request.text]()

    def RaiseSync(self, request: Any, context: Any) -> Any:  # noqa: D102, N802 - the proto's
        raise RAISED[request.text]()

    async def Never(self, request: Any, context: Any) -> Any:  # noqa: D102, N802 - the proto's
        await asyncio.get_running_loop().create_future()

    def NeverSync(self, request: Any, context: Any) -> Any:  # noqa: D102, N802 - the proto's
        over = threading.Event()
        if context.add_callback(over.set):
            over.wait()
        return load_pb2.EchoReply()


def register(server: Any) -> None:
    """Registers the servicer."""
    load_pb2_grpc.add_LoadServicer_to_server(Load(), server)
