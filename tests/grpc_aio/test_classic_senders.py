"""Handlers of ``grpc.server`` that return while their call goes on, as grpcio-health-checking's ``Watch`` does."""

import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from grpc import StatusCode
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_servers import PATIENCE, outcome


class Handler:
    """Its function to send with is kept until the test takes it."""

    experimental_non_blocking = True
    experimental_thread_pool = None

    def __init__(self, *first, raises=None):
        self.first, self.raises = first, raises
        self.given = threading.Event()
        self.ended = threading.Event()
        self.thread = ""

    def __call__(self, request, context, send):
        self.thread = threading.current_thread().name
        context.add_callback(self.ended.set)
        for response in self.first:
            send(response)
        self.context, self.send = context, send
        self.given.set()
        if self.raises is not None:
            raise self.raises


def streamed(handler, **how):
    return grpc.unary_stream_rpc_method_handler(handler, **how)


def test_responses_come_when_the_handler_has_returned(serving):
    handler = Handler(b"first")
    with serving(streamed(handler)) as served:
        call = served.unary_stream()
        assert next(call) == b"first"
        assert handler.given.wait(PATIENCE)
        handler.send(b"second")
        assert next(call) == b"second"
        handler.context.set_trailing_metadata((("last", "words"),))
        handler.send(None)
        assert list(call) == []
        assert call.code() is StatusCode.OK
        assert ("last", "words") in call.trailing_metadata()
        assert handler.ended.wait(PATIENCE)
        # Nobody listens any more, which is no error.
        handler.send(b"third")
        handler.send(None)


def test_requests_that_stream(serving):
    class Echo(Handler):
        def __call__(self, request_iterator, context, send):
            for request in request_iterator:
                send(request)
            send(None)

    with serving(grpc.stream_stream_rpc_method_handler(Echo())) as served:
        assert list(served.stream_stream(iter([b"a", b"b"]))) == [b"a", b"b"]


def test_a_client_that_leaves(serving):
    handler = Handler(b"first")
    with serving(streamed(handler)) as served:
        call = served.unary_stream()
        assert next(call) == b"first"
        assert handler.given.wait(PATIENCE)
        call.cancel()
        assert handler.ended.wait(PATIENCE)
        handler.send(b"second")


def test_threads_that_wait_for_a_client_that_reads_nothing(serving):
    """All of them go on when it leaves."""
    handler = Handler(b"first")
    piece = bytes(60_000)

    def flood():
        while not handler.ended.is_set():
            handler.send(piece)

    with serving(streamed(handler)) as served:
        call = served.unary_stream()
        assert next(call) == b"first"
        assert handler.given.wait(PATIENCE)
        threads = [threading.Thread(target=flood, daemon=True) for _ in range(3)]
        for thread in threads:
            thread.start()
        # They are in the midst of it, most probably all of them where there is no room.
        assert next(call) == piece
        threads[0].join(0.3)
        call.cancel()
        for thread in threads:
            thread.join(PATIENCE)
        assert not any(thread.is_alive() for thread in threads)


def test_an_exception(serving):
    handler = Handler(b"first", raises=ValueError("what a value"))
    with serving(streamed(handler)) as served:
        call = served.unary_stream()
        assert next(call) == b"first"
        with pytest.raises(grpc.RpcError) as raised:
            next(call)
    assert outcome(raised.value) == (StatusCode.UNKNOWN, "Exception calling application: what a value")


def test_a_response_that_cannot_be_serialized(serving):
    handler = Handler("no number")
    methods = streamed(handler, response_serializer=lambda number: b"%d" % number)
    with serving(methods) as served, pytest.raises(grpc.RpcError) as raised:
        next(served.unary_stream())
    assert outcome(raised.value) == (StatusCode.INTERNAL, "Failed to serialize response!")


def test_the_handlers_own_threads(serving):
    handler = Handler(None)
    with ThreadPoolExecutor(1, thread_name_prefix="brought-along") as own:
        handler.experimental_thread_pool = own
        with serving(streamed(handler)) as served:
            assert list(served.unary_stream()) == []
    assert handler.thread.startswith("brought-along")


def test_many_watchers_of_health_hold_no_thread(implementation_under_test):
    servicer = health.HealthServicer()
    with ThreadPoolExecutor(1) as one:
        server = implementation_under_test.server(one)
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                stub = health_pb2_grpc.HealthStub(channel)
                request = health_pb2.HealthCheckRequest(service="a.S")
                watchers = [stub.Watch(request, timeout=PATIENCE) for _ in range(3)]
                unknown = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
                assert [next(watcher).status for watcher in watchers] == [unknown] * 3
                servicer.set("a.S", health_pb2.HealthCheckResponse.SERVING)
                assert {next(watcher).status for watcher in watchers} == {health_pb2.HealthCheckResponse.SERVING}
        finally:
            server.stop(None).wait(PATIENCE)
