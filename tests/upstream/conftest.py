"""A grpcio server as upstream, and a Narthex with nothing of its own in front of it."""

import contextlib
import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import grpc
import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

PATIENCE = 20.0


@dataclass
class Upstream:
    """A started server, and what its servicer has seen."""

    target: str = ""
    url: str = ""
    metadata: dict = field(default_factory=dict)
    """Of the last call."""
    remaining: float | None = None
    """What was left of the last call's time."""
    authority: str = ""
    began: queue.Queue = field(default_factory=queue.Queue)
    """The text of each call that waits for its end."""
    ended: queue.Queue = field(default_factory=queue.Queue)
    """The text of each call that ended before its answer was complete."""
    sent: int = 0
    """Messages of ``Down`` that the server has taken."""
    reflecting: reflection.ReflectionServicer | None = None
    server: grpc.Server | None = None

    def tell(self, *services):
        """Has its reflection tell of these services from now on."""
        self.reflecting._service_names = services

    def before_it_tells(self, do):
        """Has this done while its reflection is asked for the names of services."""

        class Names(tuple):
            __slots__ = ()

            def __iter__(self):
                do()
                return super().__iter__()

        self.reflecting._service_names = Names(self.reflecting._service_names)

    def see(self, context):
        self.metadata = dict(context.invocation_metadata())
        self.remaining = context.time_remaining()


def _servicer(web_pb2, web_pb2_grpc, seen):
    class Echo(web_pb2_grpc.EchoServicer):
        def Unary(self, request, context):
            seen.see(context)
            if request.text == "hang":
                context.add_callback(lambda: seen.ended.put(request.text))
                ended = threading.Event()
                context.add_callback(ended.set)
                seen.began.put(request.text)
                ended.wait(PATIENCE)
            context.send_initial_metadata((("x-initial", "i"), ("x-initial-bin", b"\1\2")))
            context.set_trailing_metadata((("x-trailing", "t"),))
            return web_pb2.Said(text=request.text, question=seen.metadata.get("x-question", ""))

        Look = Unary

        def Fail(self, request, context):
            detail = any_pb2.Any()
            detail.Pack(error_details_pb2.ErrorInfo(reason="TESTED", domain="web.v1"))
            rich = status_pb2.Status(code=5, message=request.text, details=[detail])
            context.set_trailing_metadata((("grpc-status-details-bin", rich.SerializeToString()), ("x-trailing", "t")))
            context.abort(grpc.StatusCode.NOT_FOUND, request.text)

        def Down(self, request, context):
            if request.text != "forever":
                for number in range(3):
                    yield web_pb2.Said(text=f"{request.text} {number}")
                return
            context.add_callback(lambda: seen.ended.put(request.text))
            while context.is_active():
                yield web_pb2.Said(text="a" * 10_000)
                seen.sent += 1

        def Up(self, requests, context):
            return web_pb2.Said(text=" ".join(request.text for request in requests))

        def Both(self, requests, context):
            for request in requests:
                yield web_pb2.Said(text=request.text)

    class Other(web_pb2_grpc.OtherServicer):
        def Unary(self, request, context):
            return web_pb2.Said(text=f"elsewhere: {request.text}")

    return Echo(), Other()


@pytest.fixture(scope="session")
def web_pb2(protos):
    """The messages; ``protos`` has put their folder on the path."""
    from web.v1 import web_pb2

    return web_pb2


@pytest.fixture(scope="session")
def stub(protos):
    """Makes a stub of ``web.v1.Echo`` on a channel."""
    from web.v1 import web_pb2_grpc

    return web_pb2_grpc.EchoStub


@pytest.fixture(scope="session")
def start_upstream(web_pb2):
    """Starts a grpcio server, at an address if it is given one, and gives an ``Upstream``; use it in ``with``.

    Its reflection tells of ``services``.
    """
    from web.v1 import web_pb2_grpc

    @contextlib.contextmanager
    def start(
        address="127.0.0.1:0", *, credentials=None, with_reflection=True, services=("web.v1.Echo", "web.v1.Other"), **options
    ):
        server = grpc.server(ThreadPoolExecutor(16), options=[("grpc.so_reuseport", 0)], **options)
        seen = Upstream(server=server)
        echo, other = _servicer(web_pb2, web_pb2_grpc, seen)
        web_pb2_grpc.add_EchoServicer_to_server(echo, server)
        web_pb2_grpc.add_OtherServicer_to_server(other, server)
        if with_reflection:
            # The package has v1alpha alone, so that this is the fallback.
            seen.reflecting = reflection.ReflectionServicer(services)
            reflection_pb2_grpc.add_ServerReflectionServicer_to_server(seen.reflecting, server)
        add = server.add_secure_port if credentials else server.add_insecure_port
        port = add(address, *filter(None, [credentials]))
        server.start()
        if address.startswith("unix:"):
            seen.url = seen.target = address
        else:
            seen.target = f"{'localhost' if credentials else '127.0.0.1'}:{port}"
            seen.url = f"{'https' if credentials else 'http'}://{seen.target}"
        try:
            yield seen
        finally:
            server.stop(0).wait(PATIENCE)

    return start


@pytest.fixture(scope="module")
def upstream(start_upstream):
    with start_upstream() as upstream:
        yield upstream


@pytest.fixture(autouse=True)
def _nothing_left(request):
    """Each test hears of its own calls alone."""
    if "upstream" in request.fixturenames:
        upstream = request.getfixturevalue("upstream")
        for left in (upstream.began, upstream.ended):
            while not left.empty():
                left.get()


@pytest.fixture(scope="module")
def gateway(serve, upstream):
    with serve("--upstream", upstream.url) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def echo(gateway, stub):
    """A grpcio client of the gateway."""
    with grpc.insecure_channel(gateway.target) as channel:
        yield stub(channel)
