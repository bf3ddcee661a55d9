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

    async def Items(self, request: Any, context: Any) -> Any:  # noqa: D102, N802 - the proto's
        for number in range(request.number):
            if request.delay_ms:
                await asyncio.sleep(request.delay_ms / 1000)
            yield load_pb2.EchoReply(text=request.text, number=number)
        if request.fail:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"refused {request.number}")

    def ItemsSync(self, request: Any, context: Any) -> Any:  # noqa: D102, N802 - the proto's
        for number in range(request.number):
            if request.delay_ms:
                time.sleep(request.delay_ms / 1000)
            yield load_pb2.EchoReply(text=request.text, number=number)
        if request.fail:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"refused {request.number}")

    async def Talk(self, requests: Any, context: Any) -> None:  # noqa: D102, N802 - the proto's
        async for request in requests:
            await context.write(load_pb2.EchoReply(text=request.text, number=request.number))

    def TalkSync(self, requests: Any, context: Any) -> Any:  # noqa: D102, N802 - the proto's
        for request in requests:
            yield load_pb2.EchoReply(text=request.text, number=request.number)

    async def Sum(self, requests: Any, context: Any) -> Any:  # noqa: D102, N802 - the proto's
        total = 0
        async for request in requests:
            total += request.number
        return load_pb2.EchoReply(number=total)

    def SumSync(self, requests: Any, context: Any) -> Any:  # noqa: D102, N802 - the proto's
        return load_pb2.EchoReply(number=sum(request.number for request in requests))

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
