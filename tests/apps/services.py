"""gRPC services for the tests of the command, registered in every way there is."""

import asyncio
import threading
from pathlib import Path

import grpc
from broken.v1 import collision_pb2_grpc, template_pb2_grpc
from kitchen.v1 import kitchen_pb2, kitchen_pb2_grpc


class Kitchen(kitchen_pb2_grpc.KitchenServicer):
    async def Echo(self, request, context):
        return kitchen_pb2.EchoResponse(text=request.text, thread=threading.current_thread().name)

    def EchoSync(self, request, context):
        return kitchen_pb2.EchoResponse(text=request.text, thread=threading.current_thread().name)

    async def Wait(self, request, context):
        path = Path(request.text)
        path.with_suffix(".busy").touch()
        while not path.exists():
            await asyncio.sleep(0.01)
        return kitchen_pb2.EchoResponse(text="waited")

    async def Watch(self, request, context):
        yield kitchen_pb2.EchoResponse(text=request.text)


class Larder(kitchen_pb2_grpc.LarderServicer):
    async def List(self, request, context):
        await context.abort(grpc.StatusCode.NOT_FOUND, "the larder is empty")


def register(server):
    kitchen_pb2_grpc.add_KitchenServicer_to_server(Kitchen(), server)


async def register_on_loop(server):
    await asyncio.sleep(0)
    kitchen_pb2_grpc.add_LarderServicer_to_server(Larder(), server)


def register_without_descriptor(server):
    echo = grpc.unary_unary_rpc_method_handler(_echo_bytes)
    server.add_registered_method_handlers("nowhere.v1.Service", {"Echo": echo})


async def _echo_bytes(request, context):
    return request


def collision(server):
    collision_pb2_grpc.add_CollisionServicer_to_server(collision_pb2_grpc.CollisionServicer(), server)


def template(server):
    template_pb2_grpc.add_TemplateServicer_to_server(template_pb2_grpc.TemplateServicer(), server)


def failing(server):
    raise RuntimeError("the service cannot be made")
