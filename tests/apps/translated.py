"""Services for the tests of gRPC-Web, Connect and plain JSON."""

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from narthex.grpc import health
from web.v1 import web_pb2, web_pb2_grpc


class Echo(web_pb2_grpc.EchoServicer):
    async def Unary(self, request, context):
        question = dict(context.invocation_metadata()).get("x-question", "")
        await context.send_initial_metadata((("x-initial", "i"), ("x-initial-bin", b"\1\2")))
        context.set_trailing_metadata((("x-trailing", "t"),))
        return web_pb2.Said(text=request.text, question=question)

    Look = Unary

    async def Fail(self, request, context):
        detail = any_pb2.Any()
        detail.Pack(error_details_pb2.ErrorInfo(reason="TESTED", domain="web.v1"))
        rich = status_pb2.Status(code=5, message=request.text, details=[detail])
        trailing = (("grpc-status-details-bin", rich.SerializeToString()), ("x-trailing", "t"))
        await context.abort(grpc.StatusCode.NOT_FOUND, request.text, trailing)

    async def Down(self, request, context):
        for number in range(3):
            yield web_pb2.Said(text=f"{request.text} {number}")
        if request.text == "broken":
            await context.abort(grpc.StatusCode.ABORTED, "it broke", (("x-trailing", "t"),))

    async def Up(self, requests, context):
        return web_pb2.Said(text=" ".join([request.text async for request in requests]))

    async def Both(self, requests, context):
        async for request in requests:
            yield web_pb2.Said(text=request.text)


class Other(web_pb2_grpc.OtherServicer):
    async def Unary(self, request, context):
        """Sets its own status."""
        health.set("web.v1.Other", request.text)
        return web_pb2.Said(text=request.text)


async def app(scope, receive, send):
    """An application, to see what reaches it."""
    if scope["type"] != "http":
        raise ValueError(scope["type"])
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-app", b"1")]})
    await send({"type": "http.response.body", "body": f"{scope['method']} {scope['path']}".encode()})


def register(server):
    web_pb2_grpc.add_EchoServicer_to_server(Echo(), server)
    web_pb2_grpc.add_OtherServicer_to_server(Other(), server)


def register_unwell(server):
    register(server)
    health.set("web.v1.Echo", health.NOT_SERVING)
