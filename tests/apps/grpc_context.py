"""A service of generated code that says what its context tells of the request."""

import json

from kitchen.v1 import kitchen_pb2, kitchen_pb2_grpc


def told(context):
    names = ("authority", "host", "http_method", "http_path")
    return kitchen_pb2.EchoResponse(text=json.dumps([getattr(context, name)() for name in names]))


class Kitchen(kitchen_pb2_grpc.KitchenServicer):
    async def Echo(self, request, context):
        return told(context)

    def EchoSync(self, request, context):
        return told(context)


def register(server):
    kitchen_pb2_grpc.add_KitchenServicer_to_server(Kitchen(), server)
