"""Interceptors as programs write them, and as they come with monitoring packages."""

import asyncio
import contextlib
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import narthex.grpc
import prometheus_client
import pytest
from grpc import StatusCode
from opentelemetry.instrumentation.grpc import aio_server_interceptor, server_interceptor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from py_grpc_prometheus.prometheus_server_interceptor import PromServerInterceptor

PATIENCE = 20
VARIABLE = contextvars.ContextVar("variable", default="unset")


async def echo(request, context):
    return request


async def chat(requests, context):
    async for request in requests:
        yield request


async def variable(request, context):
    return VARIABLE.get().encode()


def echo_sync(request, context):
    return request


def chat_sync(requests, context):
    yield from requests


def variable_sync(request, context):
    return VARIABLE.get().encode()


def lose(request, context):
    context.abort(StatusCode.NOT_FOUND, "lost")


def fail(request, context):
    raise ValueError("boom")


def repeat_variable(request, context):
    yield VARIABLE.get().encode()
    yield VARIABLE.get().encode()


UNARY = grpc.unary_unary_rpc_method_handler
ASYNC = {
    "Echo": UNARY(echo),
    "Chat": grpc.stream_stream_rpc_method_handler(chat),
    "Variable": UNARY(variable),
    "VariableSync": UNARY(variable_sync),
    "RepeatSync": grpc.unary_stream_rpc_method_handler(repeat_variable),
}
SYNC = {
    "Echo": UNARY(echo_sync),
    "Chat": grpc.stream_stream_rpc_method_handler(chat_sync),
    "Variable": UNARY(variable_sync),
    "RepeatSync": grpc.unary_stream_rpc_method_handler(repeat_variable),
    "Lose": UNARY(lose),
    "Fail": UNARY(fail),
}


class Calls:
    """Calls methods of ``test.Calls`` with bytes."""

    def __init__(self, target):
        self.channel = grpc.insecure_channel(target)

    def uu(self, name, request=b"", **options):
        return self.channel.unary_unary(f"/test.Calls/{name}")(request, timeout=PATIENCE, **options)

    def us(self, name, request=b""):
        return list(self.channel.unary_stream(f"/test.Calls/{name}")(request, timeout=PATIENCE))

    def ss(self, name, requests):
        return list(self.channel.stream_stream(f"/test.Calls/{name}")(iter(requests), timeout=PATIENCE))

    def code(self, name, **options):
        with pytest.raises(grpc.RpcError) as raised:
            self.uu(name, **options)
        return raised.value.code()


def generic(handlers):
    return [grpc.method_handlers_generic_handler("test.Calls", handlers)]


@contextlib.contextmanager
def serving(*interceptors, **options):
    """The classic server with these interceptors, and a client of it."""
    with ThreadPoolExecutor(4, thread_name_prefix="pool") as pool:
        server = narthex.grpc.server(pool, handlers=generic(SYNC), interceptors=interceptors, **options)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        calls = Calls(f"127.0.0.1:{port}")
        try:
            yield calls
        finally:
            calls.channel.close()
            server.stop(None).wait(PATIENCE)


def serve_aio(client, *interceptors, **options):
    """Runs ``client`` on a thread, against the asynchronous server with these interceptors; its result."""

    async def main():
        server = narthex.grpc.aio.server(handlers=generic(ASYNC), interceptors=interceptors, **options)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        calls = Calls(f"127.0.0.1:{port}")
        try:
            return await asyncio.to_thread(client, calls)
        finally:
            calls.channel.close()
            await server.stop(None)

    return asyncio.run(asyncio.wait_for(main(), PATIENCE * 2))


class Noting(grpc.aio.ServerInterceptor):
    def __init__(self, name, seen):
        self.name = name
        self.seen = seen

    async def intercept_service(self, continuation, details):
        self.seen.append(f"{self.name} before {details.method}")
        await asyncio.sleep(0)
        handler = await continuation(details)
        self.seen.append(f"{self.name} after {handler is None}")
        return handler


class NotingSync(grpc.ServerInterceptor):
    def __init__(self, name, seen):
        self.name = name
        self.seen = seen

    def intercept_service(self, continuation, details):
        self.seen.append(f"{self.name} before {details.method} {threading.current_thread().name[:4]}")
        handler = continuation(details)
        self.seen.append(f"{self.name} after {handler is None}")
        return handler


class Setting(grpc.aio.ServerInterceptor):
    async def intercept_service(self, continuation, details):
        VARIABLE.set("by the interceptor")
        return await continuation(details)


class SettingSync(grpc.ServerInterceptor):
    def intercept_service(self, continuation, details):
        VARIABLE.set("by the interceptor")
        return continuation(details)


class Diverting(grpc.aio.ServerInterceptor):
    async def intercept_service(self, continuation, details):
        return await continuation(details._replace(method="/test.Calls/Echo"))


class Refusing(grpc.aio.ServerInterceptor):
    async def intercept_service(self, continuation, details):
        async def refuse(request, context):
            await context.abort(StatusCode.UNAUTHENTICATED, "who are you?")

        if ("password", "xyzzy") in details.invocation_metadata:
            return await continuation(details)
        return grpc.unary_unary_rpc_method_handler(refuse)


class Raising(grpc.aio.ServerInterceptor):
    async def intercept_service(self, continuation, details):
        raise ValueError("in the interceptor")


def test_they_run_in_their_order_once_for_each_call():
    seen = []

    def client(calls):
        assert calls.uu("Echo", b"x") == b"x"
        assert calls.ss("Chat", [b"a", b"b"]) == [b"a", b"b"]
        assert calls.code("Missing") is StatusCode.UNIMPLEMENTED

    serve_aio(client, Noting("first", seen), Noting("second", seen))
    expect = []
    for method, missing in (("Echo", False), ("Chat", False), ("Missing", True)):
        expect += [f"{name} before /test.Calls/{method}" for name in ("first", "second")]
        expect += [f"{name} after {missing}" for name in ("second", "first")]
    assert seen == expect


def test_synchronous_ones_run_on_the_pool():
    seen = []
    with serving(NotingSync("first", seen), NotingSync("second", seen)) as calls:
        assert calls.uu("Echo", b"x") == b"x"
        assert calls.code("Missing") is StatusCode.UNIMPLEMENTED
    assert seen == [
        *("first before /test.Calls/Echo pool", "second before /test.Calls/Echo pool"),
        *("second after False", "first after False"),
        *("first before /test.Calls/Missing pool", "second before /test.Calls/Missing pool"),
        *("second after True", "first after True"),
    ]


def test_context_variables_reach_the_handler():
    def client(calls):
        for name in ("Variable", "VariableSync"):
            assert calls.uu(name) == b"by the interceptor"
        assert calls.us("RepeatSync") == [b"by the interceptor"] * 2

    serve_aio(client, Setting())
    with serving(SettingSync()) as calls:
        assert calls.uu("Variable") == b"by the interceptor"
        assert calls.us("RepeatSync") == [b"by the interceptor"] * 2
    assert VARIABLE.get() == "unset"


def test_they_may_choose_the_handler():
    assert serve_aio(lambda calls: calls.uu("Missing", b"x"), Diverting()) == b"x"

    def client(calls):
        assert calls.code("Echo") is StatusCode.UNAUTHENTICATED
        assert calls.uu("Echo", b"x", metadata=(("password", "xyzzy"),)) == b"x"

    serve_aio(client, Refusing())


def test_one_that_raises_fails_its_call():
    def client(calls):
        assert calls.code("Echo") is StatusCode.UNKNOWN
        assert calls.code("Echo") is StatusCode.UNKNOWN

    serve_aio(client, Raising())


def test_opentelemetry():
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))

    def client(calls):
        assert calls.uu("Echo", b"x") == b"x"
        assert calls.ss("Chat", [b"a", b"b"]) == [b"a", b"b"]

    serve_aio(client, aio_server_interceptor(provider))
    with serving(server_interceptor(provider)) as calls:
        client(calls)
        assert calls.code("Lose") is StatusCode.NOT_FOUND
    spans = exporter.get_finished_spans()
    names = ["/test.Calls/Echo", "/test.Calls/Chat"]
    assert [span.name for span in spans] == [*names, *names, "/test.Calls/Lose"]
    assert [span.attributes["rpc.grpc.status_code"] for span in spans] == [0, 0, 0, 0, StatusCode.NOT_FOUND.value[0]]
    assert {span.attributes["net.peer.ip"] for span in spans} == {"127.0.0.1"}


def test_prometheus():
    registry = prometheus_client.CollectorRegistry()
    with serving(PromServerInterceptor(registry=registry)) as calls:
        assert calls.uu("Echo", b"x") == b"x"
        assert calls.ss("Chat", [b"a", b"b"]) == [b"a", b"b"]
        assert calls.code("Lose") is StatusCode.NOT_FOUND
        assert calls.code("Fail") is StatusCode.UNKNOWN

    def handled(method, code):
        labels = {"grpc_type": "UNARY", "grpc_service": "test.Calls", "grpc_method": method, "grpc_code": code}
        return registry.get_sample_value("grpc_server_handled_total", labels)

    assert handled("Echo", "OK") == 1
    assert handled("Lose", "NOT_FOUND") == 1
    assert handled("Fail", "UNKNOWN") == 1
    received = {"grpc_type": "BIDI_STREAMING", "grpc_service": "test.Calls", "grpc_method": "Chat"}
    assert registry.get_sample_value("grpc_server_msg_received_total", received) == 2


def test_a_limit_of_calls():
    begun, finish = threading.Semaphore(0), threading.Event()

    def wait(request, context):
        begun.release()
        assert finish.wait(PATIENCE)
        return b"waited"

    handlers = generic({"Wait": UNARY(wait), "Echo": UNARY(echo_sync)})
    with ThreadPoolExecutor(4) as pool:
        server = narthex.grpc.server(pool, handlers=handlers, maximum_concurrent_rpcs=2)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        calls = Calls(f"127.0.0.1:{port}")
        waiting = [calls.channel.unary_unary("/test.Calls/Wait").future(b"", timeout=PATIENCE) for _ in range(2)]
        for _ in waiting:
            assert begun.acquire(timeout=PATIENCE)
        with pytest.raises(grpc.RpcError) as raised:
            calls.uu("Echo")
        assert raised.value.code() is StatusCode.RESOURCE_EXHAUSTED
        assert raised.value.details() == "Concurrent RPC limit exceeded!"
        finish.set()
        assert [call.result() for call in waiting] == [b"waited"] * 2
        # Each refused or ended call gives its place back.
        for _ in range(10):
            assert calls.uu("Echo", b"x") == b"x"
        calls.channel.close()
        server.stop(None).wait(PATIENCE)


def test_a_limit_of_what_is_sent():
    with serving(options=[("grpc.max_send_message_length", 10)]) as calls:
        assert calls.uu("Echo", b"0123456789") == b"0123456789"
        assert calls.code("Echo", request=b"0123456789a") is StatusCode.RESOURCE_EXHAUSTED
        with pytest.raises(grpc.RpcError) as raised:
            calls.ss("Chat", [b"0123456789a"])
        assert raised.value.code() is StatusCode.RESOURCE_EXHAUSTED


def test_the_pool_that_was_given_runs_the_handlers():
    local = threading.local()

    def begin():
        local.value = b"by the initializer"

    def look(request, context):
        return local.value

    def look_often(requests, context):
        for _ in requests:
            yield local.value

    handlers = generic({"Look": UNARY(look), "Often": grpc.stream_stream_rpc_method_handler(look_often)})
    with ThreadPoolExecutor(1, initializer=begin) as pool:
        server = narthex.grpc.server(pool, handlers=handlers)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        calls = Calls(f"127.0.0.1:{port}")
        assert calls.uu("Look") == b"by the initializer"
        assert calls.ss("Often", [b"", b""]) == [b"by the initializer"] * 2
        calls.channel.close()
        server.stop(None).wait(PATIENCE)
