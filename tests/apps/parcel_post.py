"""A servicer of streams and of bodies that are no JSON."""

import grpc
from google.api import httpbody_pb2
from parcels.v1 import parcels_pb2, parcels_pb2_grpc


class Parcels(parcels_pb2_grpc.ParcelsServicer):
    def __init__(self):
        self.sent = 0

    async def Many(self, request, context):
        message = parcels_pb2.Text(text="x" * request.size)
        for _ in range(request.count):
            yield message
            self.sent += 1

    async def Count(self, request, context):
        return parcels_pb2.Number(number=self.sent)

    async def Answer(self, requests, context):
        async for request in requests:
            yield parcels_pb2.Text(text=request.text.upper())

    def Join(self, requests, context):
        parts = list(requests)
        return parcels_pb2.Text(data=b"|".join(part.data for part in parts), to="|".join(part.to for part in parts))

    async def Mirror(self, request, context):
        types = (f"{extension.type_url} {len(extension.value)}" for extension in request.extensions)
        await context.send_initial_metadata((("x-extensions", ",".join(types)),))
        return request

    async def Store(self, request, context):
        return parcels_pb2.Text(text=f"{request.name} {request.content.content_type}", data=request.content.data)

    async def Change(self, request, context):
        return parcels_pb2.Text(text=",".join(request.update_mask.paths), to=request.label.to)

    async def Upload(self, requests, context):
        pieces = [request async for request in requests]
        sizes = ",".join(str(len(piece.content.data)) for piece in pieces)
        first = pieces[0]
        return parcels_pb2.Text(text=f"{first.name} {first.content.content_type}: {sizes}")

    async def Download(self, request, context):
        for number in range(request.count):
            kind = "text/csv" if number == 0 else "application/ignored"
            yield httpbody_pb2.HttpBody(content_type=kind, data=b"%d," % number * request.size)
        if request.fail:
            await context.abort(grpc.StatusCode.DATA_LOSS, "the rest is gone")


def register(server):
    parcels_pb2_grpc.add_ParcelsServicer_to_server(Parcels(), server)
