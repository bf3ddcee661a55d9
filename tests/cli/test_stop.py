"""SIGTERM and Ctrl-C."""

import os
import signal
import socket
import subprocess
import sys

import grpc
import pytest
from waiting import until


@pytest.fixture
def events(tmp_path):
    path = tmp_path / "events"
    path.touch()
    return path


def lines(path):
    return path.read_text().splitlines()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_idle_server_stops_at_once(serve, number, loop):
    with serve("plain:app", "--loop", loop) as server:
        assert server.stop(number, timeout=5) == 0
        assert "Traceback" not in server.stderr()


def test_lifespan_surrounds_the_requests(serve, events):
    with serve("plain:lifespan", env={"NX_EVENTS": str(events)}) as server:
        assert lines(events) == ["startup"]
        with server.client() as client:
            client.get("/page")
        assert server.stop() == 0
    assert lines(events) == ["startup", "request /page", "done /page", "shutdown"]


def test_what_is_in_flight_finishes_and_nothing_new_is_accepted(serve, events, tmp_path):
    gate = tmp_path / "gate"
    with serve("plain:lifespan", env={"NX_EVENTS": str(events)}) as server:
        with server.client() as client, client.stream("GET", "/hold", params={"file": str(gate)}) as response:
            pieces = response.iter_bytes()
            assert next(pieces) == b"first "
            server.send_signal(signal.SIGTERM)
            server.wait_for("Shutting down on SIGTERM")
            until(lambda: refuses(server))
            gate.touch()
            assert b"".join(pieces) == b"last"
        assert server.wait() == 0
    assert lines(events)[-2:] == ["done /hold", "shutdown"]


def test_grpc_call_in_flight_finishes(serve, tmp_path, protos):
    from kitchen.v1 import kitchen_pb2, kitchen_pb2_grpc

    gate = tmp_path / "gate"
    with serve("--grpc", "services:register") as server, grpc.insecure_channel(server.target) as channel:
        call = kitchen_pb2_grpc.KitchenStub(channel).Wait.future(kitchen_pb2.EchoRequest(text=str(gate)), timeout=20)
        appears(gate.with_suffix(".busy"))
        server.send_signal(signal.SIGTERM)
        server.wait_for("Shutting down on SIGTERM")
        gate.touch()
        assert call.result(timeout=20).text == "waited"
        assert server.wait() == 0


def test_what_does_not_finish_is_aborted_at_the_timeout(serve, events, tmp_path):
    arguments = ("plain:lifespan", "--graceful-timeout", "200ms")
    with serve(*arguments, env={"NX_EVENTS": str(events)}) as server, server.client() as client:
        with client.stream("GET", "/hold", params={"file": str(tmp_path / "never")}) as response:
            next(response.iter_bytes())
            assert server.stop(timeout=10) == 0
        told = [line for line in server.stderr().splitlines() if line.startswith("WARNING:")]
        assert any("not done after 200ms" in line for line in told)
    assert lines(events)[-1] == "shutdown"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_second_signal_ends_it_at_once(serve, tmp_path, number, code):
    with serve("plain:app") as server, server.client() as client:
        with client.stream("GET", "/hold", params={"file": str(tmp_path / "never")}) as response:
            next(response.iter_bytes())
            server.send_signal(signal.SIGTERM)
            server.wait_for("Shutting down on SIGTERM")
            server.send_signal(number)
            assert server.wait(timeout=5) == code
        assert "second signal" in server.stderr()


def test_second_signal_ends_a_server_whose_loop_is_busy(serve, tmp_path):
    gate = tmp_path / "gate"
    with serve("plain:app") as server, socket.create_connection((server.host, server.port), timeout=10) as connection:
        connection.sendall(f"GET /block?file={gate} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        appears(gate.with_suffix(".busy"))
        server.send_signal(signal.SIGTERM)
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=5) in {130, 143}


def test_failed_startup(narthex, apps):
    ended = narthex("serve", "--app-dir", str(apps), "plain:failing_startup", "--bind", "127.0.0.1:0")
    assert ended.returncode == 3
    assert "lifespan startup failed: the database is gone" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "Narthex running" not in ended.stderr


def test_failed_shutdown_is_told_and_the_stop_goes_on(serve):
    with serve("plain:failing_shutdown") as server:
        assert server.stop() == 0
        assert "shutdown failed: the database is gone" in server.stderr()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_signal_while_the_application_starts(apps, events, number, code, loop):
    command = [
        sys.executable,
        "-m",
        "narthex",
        "serve",
        "--app-dir",
        str(apps),
        "plain:hanging_startup",
        "--bind",
        "127.0.0.1:0",
        "--loop",
        loop,
    ]
    environment = {**os.environ, "NX_EVENTS": str(events)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        contains(events, "startup")
        process.send_signal(number)
        _, stderr = process.communicate(timeout=10)
    assert process.returncode == code, stderr
    assert stderr == f"INFO:     Stopped by {number.name} before start-up was complete\n"
    assert lines(events) == ["startup"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signal_while_the_application_is_imported(events, tmp_path, number, code):
    (tmp_path / "slow.py").write_text(
        "import os, pathlib, time\n"
        "events = pathlib.Path(os.environ['NX_EVENTS'])\n"
        "events.write_text('importing\\n')\n"
        # In steps: a signal that comes just before a sleep begins is seen by Python when that sleep is over.
        "for _ in range(300):\n"
        "    time.sleep(0.1)\n"
        "events.write_text('imported\\n')\n"
    )
    command = [sys.executable, "-m", "narthex", "serve", "slow:app", "--bind", "127.0.0.1:0"]
    environment = {**os.environ, "NX_EVENTS": str(events)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        contains(events, "importing")
        process.send_signal(number)
        _, stderr = process.communicate(timeout=10)
    assert process.returncode == code, stderr
    assert stderr == f"INFO:     Stopped by {number.name} before start-up was complete\n"
    assert lines(events) == ["importing"]


def refuses(server):
    try:
        socket.create_connection((server.host, server.port), timeout=5).close()
    except ConnectionError:
        return True
    return False


def appears(path):
    """Waits for a file that the server makes."""
    until(path.exists)


def contains(path, text):
    until(lambda: text in path.read_text())
