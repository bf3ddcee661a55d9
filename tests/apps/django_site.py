"""A Django project in one module, with a servicer that uses its database; NX_DATABASE names the file, NX_MAX_AGE the age."""

import os

import django
from asgiref.sync import sync_to_async
from django import db
from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.environ["NX_DATABASE"],
            "CONN_MAX_AGE": int(os.environ.get("NX_MAX_AGE", "0")),
        }
    },
    ROOT_URLCONF=__name__,
    SECRET_KEY="of the tests",
)
django.setup()

from django.core.asgi import get_asgi_application  # noqa: E402
from django.http import HttpResponse  # noqa: E402
from django.urls import path  # noqa: E402
from kitchen.v1 import kitchen_pb2, kitchen_pb2_grpc  # noqa: E402


def page(request):
    return HttpResponse(use())


urlpatterns = [path("page", page)]
application = get_asgi_application()


def use():
    """Whether this thread's connection was open before; it is afterwards."""
    before = "closed" if db.connection.connection is None else "open"
    with db.connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return before


class Kitchen(kitchen_pb2_grpc.KitchenServicer):
    async def Echo(self, request, context):
        return kitchen_pb2.EchoResponse(text=await sync_to_async(use)())

    def EchoSync(self, request, context):
        return kitchen_pb2.EchoResponse(text=use())


def register(server):
    # Leaves a connection open on the main thread.
    use()
    kitchen_pb2_grpc.add_KitchenServicer_to_server(Kitchen(), server)
