"""Services that are here while others are elsewhere."""

from web.v1 import web_pb2, web_pb2_grpc


class Here(web_pb2_grpc.OtherServicer):
    """The one of two services that is not forwarded."""

    async def Unary(self, request, context):
        return web_pb2.Said(text=f"here: {request.text}")


def register(server):
    web_pb2_grpc.add_OtherServicer_to_server(Here(), server)
