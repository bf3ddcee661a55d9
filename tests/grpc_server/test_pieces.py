"""What server objects pass on: interceptors, pools, limits and compression, and the services that others look for."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import grpc.aio
import httpx
import narthex.grpc
import narthex.grpc.aio
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_objects import PATIENCE, call, echo_handlers
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc


async def echo(request, context):
    return request


def test_the_pool_that_a_classic_server_was_given_runs_its_handlers():
    local = threading.local()

    def prepare():
        local.value = "made by the initializer"

    def value(request, context):
        return f"{threading.current_thread().name} {local.value}".encode()

    with ThreadPoolExecutor(2, thread_name_prefix="the-programs", initializer=prepare) as pool:
        server = narthex.grpc.server(pool, handlers=echo_handlers(Value=value))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        name, _, told = call(f"127.0.0.1:{port}", "Value").decode().partition(" ")
        assert name.startswith("the-programs_")
        assert told == "made by the initializer"
        server.stop(None)


def test_interceptors_of_a_classic_server():
    seen = []

    class Interceptor(grpc.ServerInterceptor):
        def __init__(self, name):
            self.name = name

        def intercept_service(self, continuation, handler_call_details):
            seen.append((self.name, handler_call_details.method))
            return continuation(handler_call_details)

    with ThreadPoolExecutor(2) as pool:
        server = narthex.grpc.server(
            pool,
            handlers=echo_handlers(Echo=lambda request, context: request),
            interceptors=[Interceptor("outer"), Interceptor("inner")],
        )
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        assert call(f"127.0.0.1:{port}") == b"hello"
        server.stop(None)
    assert seen == [("outer", "/test.Echo/Echo"), ("inner", "/test.Echo/Echo")]


def test_interceptors_of_an_asynchronous_server(run):
    seen = []

    class Interceptor(grpc.aio.ServerInterceptor):
        async def intercept_service(self, continuation, handler_call_details):
            seen.append(handler_call_details.method)
            return await continuation(handler_call_details)

    async def main():
        server = narthex.grpc.aio.server(handlers=echo_handlers(Echo=echo), interceptors=[Interceptor()])
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        assert await asyncio.to_thread(call, f"127.0.0.1:{port}") == b"hello"
        await server.stop(None)

    run(main())
    assert seen == ["/test.Echo/Echo"]


def test_what_is_no_interceptor_is_refused():
    with pytest.raises(ValueError, match="Interceptor must be ServerInterceptor"):
        narthex.grpc.aio.server(interceptors=[object()])


def test_calls_beyond_the_most_are_refused(run):
    async def main():
        begun, finish = asyncio.Event(), asyncio.Event()

        async def slow(request, context):
            begun.set()
            await finish.wait()
            return b"done"

        server = narthex.grpc.aio.server(handlers=echo_handlers(Slow=slow), maximum_concurrent_rpcs=1)
        target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        await server.start()
        first = asyncio.create_task(asyncio.to_thread(call, target, "Slow"))
        await begun.wait()
        with pytest.raises(grpc.RpcError) as raised:
            await asyncio.to_thread(call, target, "Slow")
        assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert raised.value.details() == "Concurrent RPC limit exceeded!"
        finish.set()
        assert await first == b"done"
        await server.stop(None)

    run(main())
    with pytest.raises(ValueError, match="maximum_concurrent_rpcs should be a positive integer"):
        narthex.grpc.aio.server(maximum_concurrent_rpcs=0)


def test_the_programs_own_health_and_reflection_are_served(run):
    async def main():
        server = narthex.grpc.aio.server(handlers=echo_handlers(Echo=echo))
        servicer = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
        await servicer.set("test.Echo", health_pb2.HealthCheckResponse.NOT_SERVING)
        reflection.enable_server_reflection(["test.Echo", health.SERVICE_NAME], server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            check = health_pb2_grpc.HealthStub(channel).Check
            answer = await check(health_pb2.HealthCheckRequest(service="test.Echo"), timeout=PATIENCE)
            assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING
            reflect = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo
            asking = reflect(iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=PATIENCE)
            listed = [service.name async for answer in asking for service in answer.list_services_response.service]
            assert listed == ["grpc.health.v1.Health", "test.Echo"]
        await server.stop(None)

    run(main())


def test_reflection_is_not_there_unless_the_program_adds_it(run):
    def ask(port):
        # grpc.aio's client says INTERNAL where the answer comes before it has sent its message.
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            reflect = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo
            asking = reflect(iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=PATIENCE)
            with pytest.raises(grpc.RpcError) as raised:
                next(asking)
            return raised.value.code()

    async def main():
        server = narthex.grpc.aio.server(handlers=echo_handlers(Echo=echo))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        assert await asyncio.to_thread(ask, port) == grpc.StatusCode.UNIMPLEMENTED
        await server.stop(None)

    run(main())


def test_the_translations_are_the_objects_too(run):
    """JSON and Connect for a servicer whose descriptor is in Python's pool, by the same port."""

    async def main():
        server = narthex.grpc.aio.server()
        servicer = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
        await servicer.set("test.Echo", health_pb2.HealthCheckResponse.NOT_SERVING)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        path = f"http://127.0.0.1:{port}/grpc.health.v1.Health/Check"
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
            for headers in ({}, {"connect-protocol-version": "1"}):
                answer = await client.post(path, json={"service": "test.Echo"}, headers=headers)
                assert (answer.status_code, answer.json()) == (200, {"status": "NOT_SERVING"})
        await server.stop(None)

    run(main())
