"""A servicer that says what the HTTP response is, by the text of its request."""

import asyncio

import grpc
from kitchen.v1 import kitchen_pb2, kitchen_pb2_grpc
from narthex.grpc import http


class Kitchen(kitchen_pb2_grpc.KitchenServicer):
    async def Echo(self, request, context):
        if request.text == "created":
            http.respond(context, status=201, headers={"Location": "/kitchen/echo/9"})
        elif request.text == "cookies":
            http.respond(context, headers=[("set-cookie", "a=1")])
            http.respond(context, status=302, headers=[("set-cookie", "b=2"), ("location", "/")])
        elif request.text == "gone":
            http.respond(context, status=410)
            await context.abort(grpc.StatusCode.NOT_FOUND, "it was here")
        else:
            http.respond(context, status=int(request.text), headers={"ETag": '"1"'})
        return kitchen_pb2.EchoResponse(text=request.text)

    def EchoSync(self, request, context):
        http.respond(context, status=202)
        return kitchen_pb2.EchoResponse(text=request.text)

    async def Watch(self, request, context):
        await context.send_initial_metadata(http.metadata(status=203, headers={"X-Kind": "stream"}))
        for number in range(3):
            await asyncio.sleep(0)
            yield kitchen_pb2.EchoResponse(text=f"{request.text} {number}")
        if request.text == "fail":
            await context.abort(grpc.StatusCode.ABORTED, "lost")


def register(server):
    kitchen_pb2_grpc.add_KitchenServicer_to_server(Kitchen(), server)
