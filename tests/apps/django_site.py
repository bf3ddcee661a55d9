"""A Django project in one module, with a servicer that uses its database; NX_DATABASE names the file, NX_MAX_AGE the age."""

import asyncio
import hashlib
import os
import threading

import django
from asgiref.sync import sync_to_async
from django import db
from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.environ.get("NX_DATABASE", ":memory:"),
            "CONN_MAX_AGE": int(os.environ.get("NX_MAX_AGE", "0")),
        }
    },
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="of the tests",
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
)
django.setup()

from django.core.asgi import get_asgi_application  # noqa: E402
from django.core.signals import request_finished, request_started  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse  # noqa: E402
from django.urls import path  # noqa: E402
from kitchen.v1 import kitchen_pb2, kitchen_pb2_grpc  # noqa: E402


def page(request):
    return HttpResponse(use())


class Events:
    """What has happened, which tests wait for."""

    def __init__(self):
        self._changed = threading.Condition()
        self._seen = []

    def add(self, what):
        with self._changed:
            self._seen.append(what)
            self._changed.notify_all()

    def wait(self, what, count):
        with self._changed:
            self._changed.wait_for(lambda: self._seen.count(what) >= count, timeout=10)
            return self._seen.count(what)


EVENTS = Events()
request_started.connect(lambda **_: EVENTS.add("started"), weak=False)
request_finished.connect(lambda **_: EVENTS.add("finished"), weak=False)


async def events(request):
    """How often something has happened, once it has so often."""
    return HttpResponse(await asyncio.to_thread(EVENTS.wait, request.GET["what"], int(request.GET["count"])))


def upload(request):
    file = request.FILES["file"]
    digest = hashlib.sha256(b"".join(file.chunks())).hexdigest()
    return JsonResponse({"name": file.name, "digest": digest, "text": request.POST["text"]})


def session(request):
    request.session["visits"] = request.session.get("visits", 0) + 1
    return HttpResponse(request.session["visits"])


def stream(request):
    def pieces():
        yield b"first"
        for _ in range(int(request.GET["count"])):
            yield b"x" * 1000

    return StreamingHttpResponse(pieces())


async def stream_async(request):
    async def pieces():
        yield b"first"
        for _ in range(int(request.GET["count"])):
            await asyncio.sleep(0)
            yield b"x" * 1000

    return StreamingHttpResponse(pieces())


async def forever(request):
    EVENTS.add("entered")
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        EVENTS.add("cancelled")
        raise


def fails(request):
    raise ValueError("on purpose")


def about(request):
    return JsonResponse(
        {"secure": request.is_secure(), "host": request.get_host(), "path": request.path, "q": request.GET["q"]}
    )


urlpatterns = [
    path("page", page),
    *(path(view.__name__, view) for view in (events, upload, session, stream, stream_async, forever, fails, about)),
    path("caf\xe9", about),
]
application = get_asgi_application()
wsgi = get_wsgi_application()


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
