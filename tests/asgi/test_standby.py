"""A handler that blocks the event loop's thread keeps nobody waiting but those who need Python."""

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc


@pytest.fixture(params=["uvloop", "asyncio"], scope="module")
def server(serve, request):
    with serve("asgi_kitchen:app", "--grpc", "services:register", "--loop", request.param) as server:
        yield server


@pytest.fixture(params=["sleeps", "spins", "holds", "holds-elsewhere", "imports"])
def how(request):
    """Outside the interpreter; never letting go of it for long, or not at all, there or on another thread; in an import."""
    return request.param


def health(server):
    with grpc.insecure_channel(server.target) as channel:
        return health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10).status


def test_health_is_answered_meanwhile(server, blocking, how):
    with blocking(server, how):
        assert health(server) == health_pb2.HealthCheckResponse.SERVING


def test_connections_are_accepted_and_bad_requests_answered_meanwhile(server, blocking, dial, how):
    with blocking(server, how):
        bad = dial(server)
        bad.send(b"GET / HTTP/1.1\r\n\r\n")
        assert bad.response().status == 400


def test_pings_are_answered_meanwhile(server, blocking, dial, how):
    connection = dial(server, "2")
    with blocking(server, how):
        connection.h2.ping(b"12345678")
        connection.flush()
        while not any(type(event).__name__ == "PingAckReceived" for event in received(connection)):
            pass


def received(connection):
    events = connection.h2.receive_data(connection.socket.recv(65536))
    connection.flush()
    return events


def test_what_needs_python_is_done_afterwards(server, blocking, dial, version, how):
    connections = [dial(server, version) for _ in range(20)]
    with blocking(server, how):
        for number, connection in enumerate(connections):
            connection.request(f"/ordered?number={number}", "POST", body=b"x" * 10_000)
        assert health(server) == health_pb2.HealthCheckResponse.SERVING
    assert [int(connection.response().body) for connection in connections] == list(range(20))


def test_a_response_in_memory_is_written_meanwhile(server, blocking, dial, name, version, how):
    connection = dial(server, version)
    connection.request(f"/stream?name={name}&count=1&size=3000000")
    response = connection.head()
    with blocking(server, how):
        while len(response.body) < 3_000_000:
            response.body += connection.piece()
    assert connection.rest(response).cut is False
