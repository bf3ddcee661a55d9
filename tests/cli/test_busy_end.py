"""Signals, and the end of the process, while Python is busy and the standby drives."""

import signal
import socket

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from waiting import until


@pytest.fixture
def events(tmp_path):
    path = tmp_path / "events"
    path.touch()
    return path


@pytest.fixture(params=["uvloop", "asyncio"])
def start(serve, events, request):
    def start(*arguments):
        options = ("--grpc", "endings:register", "--loop", request.param)
        return serve("endings:app", *options, *arguments, env={"NX_EVENTS": str(events)})

    return start


@pytest.fixture
def get(tmp_path):
    """Begins a request, and waits until it has the event loop for itself."""
    made = []

    def get(server, target):
        connection = socket.create_connection((server.host, server.port), timeout=20)
        made.append(connection)
        connection.sendall(f"GET {target} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        return connection

    yield get
    for connection in made:
        connection.close()


def lines(path):
    return path.read_text().splitlines()


def healthy(server):
    with grpc.insecure_channel(server.target) as channel:
        status = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=20).status
    return status == health_pb2.HealthCheckResponse.SERVING


def read_all(connection):
    data = b""
    while piece := connection.recv(65536):
        data += piece
    return data


def test_a_signal_handler_that_takes_long(start, events, tmp_path):
    with start() as server, server.client() as client:
        for _ in range(2):
            server.send_signal(signal.SIGUSR1)
            until(tmp_path.joinpath("release.busy").exists)
            assert healthy(server)
            tmp_path.joinpath("release").touch()
            assert client.get("/").text == "hello"
            for name in ("release", "release.busy"):
                tmp_path.joinpath(name).unlink()
        assert lines(events)[:4] == ["signal", "signal over"] * 2


def test_a_signal_handler_in_the_midst_of_a_handler(start, get, events, tmp_path):
    gate = tmp_path / "gate"
    with start() as server:
        connection = get(server, f"/blocks?file={gate}")
        until(gate.with_suffix(".busy").exists)
        server.send_signal(signal.SIGUSR1)
        until(tmp_path.joinpath("release.busy").exists)
        assert healthy(server)
        gate.touch()
        tmp_path.joinpath("release").touch()
        assert connection.recv(65536).endswith(b"blocked")


def test_a_stop_while_a_handler_blocks_lets_it_finish(start, get, events, tmp_path):
    gate = tmp_path / "gate"
    with start() as server:
        connection = get(server, f"/blocks?file={gate}")
        until(gate.with_suffix(".busy").exists)
        server.send_signal(signal.SIGTERM)
        assert healthy(server)
        gate.touch()
        assert read_all(connection).endswith(b"blocked")
        assert server.wait() == 0
    assert lines(events) == ["shutdown", "at exit"]


@pytest.mark.parametrize("how", ["spins", "sleeps", "sleeps%20deaf"])
def test_a_handler_that_never_returns_does_not_keep_the_process(start, get, events, how):
    with start("--graceful-timeout", "200ms") as server:
        get(server, f"/never-returns?how={how}")
        until(lambda: lines(events) == ["never returns"])
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=15) == 0
        assert "the application has kept the event loop busy" in server.stderr()
    # There is no time for anything of the application's.
    assert lines(events) == ["never returns"]


def test_a_second_signal_ends_a_handler_that_never_returns(start, get, events):
    with start() as server:
        get(server, "/never-returns")
        until(lambda: lines(events) == ["never returns"])
        server.send_signal(signal.SIGTERM)
        assert healthy(server)

        def again():
            # Python takes two signals that come close together for one.
            server.send_signal(signal.SIGTERM)
            return not server.running

        until(again)
        assert server.wait() == 143


def test_a_cancelled_handler_that_keeps_the_loop_does_not_keep_the_process(start, get, events):
    with start("--graceful-timeout", "200ms") as server:
        get(server, "/never-ends")
        until(lambda: lines(events) == ["never ends"])
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=15) == 0
        assert "the application has kept the event loop busy" in server.stderr()
    assert lines(events) == ["never ends", "cancelled"]


def test_a_lane_that_does_not_end_is_waited_for_until_the_timeout(start, events, tmp_path):
    with start("--graceful-timeout", "200ms") as server, grpc.insecure_channel(server.target) as channel:
        call = channel.unary_unary("/test.Endings/Block").future(str(tmp_path / "never").encode(), timeout=20)
        until(tmp_path.joinpath("never.busy").exists)
        server.send_signal(signal.SIGTERM)
        assert call.exception().code() is grpc.StatusCode.UNAVAILABLE
        assert server.wait(timeout=15) == 0
        assert "1 calls on threads were not done after 200ms: they cannot be cancelled" in server.stderr()
        assert "0 calls" not in server.stderr()
    assert lines(events) == ["shutdown"]


def test_a_lane_that_ends_in_time_is_waited_for(start, events, tmp_path):
    gate = tmp_path / "gate"
    with start() as server, grpc.insecure_channel(server.target) as channel:
        call = channel.unary_unary("/test.Endings/Block").future(str(gate).encode(), timeout=20)
        until(gate.with_suffix(".busy").exists)
        server.send_signal(signal.SIGTERM)
        server.wait_for("Shutting down on SIGTERM")
        gate.touch()
        assert call.result() == b"blocked"
        assert server.wait() == 0
    assert lines(events) == ["shutdown", "at exit"]


def test_an_exit_while_the_standby_drives(start, get, events, tmp_path):
    gate = tmp_path / "gate"
    with start() as server:
        get(server, f"/exits-afterwards?file={gate}")
        until(gate.with_suffix(".busy").exists)
        assert healthy(server)
        gate.touch()
        assert server.wait() == 5
        assert "Traceback" not in server.stderr()
    assert lines(events) == ["at exit"]


def test_exits_under_load(start, events, tmp_path):
    """Again and again: interpreters end while others of their threads are in Python, and the standby was just driving."""
    for number in range(5):
        gate = tmp_path / f"gate-{number}"
        with start() as server, server.client() as client:
            assert client.get("/").text == "hello"
            connection = socket.create_connection((server.host, server.port), timeout=20)
            connection.sendall(f"GET /blocks?file={gate} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
            until(gate.with_suffix(".busy").exists)
            server.send_signal(signal.SIGTERM)
            gate.touch()
            connection.close()
            assert server.wait() == 0
    assert lines(events) == ["shutdown", "at exit"] * 5
