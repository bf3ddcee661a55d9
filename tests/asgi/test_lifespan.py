"""The lifespan protocol (ASGI lifespan specification 2.0): when it begins and ends, and what its failures mean."""

import ast
import signal
import socket
import threading

import pytest
from waiting import until


@pytest.fixture
def events(tmp_path):
    path = tmp_path / "events"
    path.touch()
    return path


@pytest.fixture
def run(serve, events):
    def run(name, *arguments):
        return serve(f"asgi_lifespan:{name}", *arguments, env={"NX_EVENTS": str(events)})

    return run


def lines(events):
    return events.read_text().splitlines()


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_the_whole_of_it(run, events, loop):
    with run("whole", "--loop", loop) as server:
        with server.client() as client:
            assert ast.literal_eval(client.get("/").text)["numbers"] == []
        assert server.stop() == 0
    keys, scope, startup, request, shutdown, same = lines(events)
    assert keys == "['asgi', 'state', 'type']"
    assert ast.literal_eval(scope) == ["lifespan", {"version": "3.0", "spec_version": "2.0"}, {}]
    assert ast.literal_eval(startup) == {"type": "lifespan.startup"}
    assert request == "request /"
    assert ast.literal_eval(shutdown) == {"type": "lifespan.shutdown"}
    assert same == "True"


def test_no_request_is_served_before_startup_is_complete(run, events, tmp_path):
    path = tmp_path / "s"
    started = []
    starting = threading.Thread(target=lambda: started.append(run("slow", "--uds", str(path))))
    starting.start()
    until(lambda: "starting" in lines(events))
    # The address is taken, since that is one of the checks; but nobody answers there.
    with socket.socket(socket.AF_UNIX) as early, pytest.raises(ConnectionRefusedError):
        early.connect(str(path))
    assert not started
    events.with_name("started").touch()
    starting.join(20)
    with started[0] as server:
        assert server.stop() == 0
    assert lines(events) == ["starting", "shutdown"]


def test_shutdown_comes_after_background_work(run, events):
    events.with_name("started").touch()
    with run("slow") as server:
        with server.client() as client:
            assert client.get("/background").status_code == 200
        server.send_signal(signal.SIGTERM)
        server.wait_for("Shutting down")
        events.with_name("gate").touch()
        assert server.wait() == 0
    assert lines(events) == ["starting", "request /background", "worked", "shutdown"]


def test_background_work_that_does_not_end_is_cancelled(run, events):
    events.with_name("started").touch()
    with run("slow", "--graceful-timeout", "100ms") as server:
        with server.client() as client:
            assert client.get("/background").status_code == 200
        assert server.stop() == 0
    assert lines(events) == ["starting", "request /background", "cancelled", "shutdown"]


@pytest.mark.parametrize(
    ("name", "text"),
    [("fails", "startup failed: the database is gone"), ("fails_without_message", "startup failed")],
)
def test_failed_startup(narthex, apps, events, name, text):
    arguments = ("serve", f"asgi_lifespan:{name}", "--app-dir", str(apps), "--bind", "127.0.0.1:0")
    done = narthex(*arguments, env={"NX_EVENTS": str(events)})
    assert done.returncode == 3
    assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert "running on" not in done.stderr


@pytest.mark.parametrize("name", ["raises", "raises_after_message", "returns"])
def test_an_application_without_lifespan_is_served(run, events, name):
    with run(name) as server:
        with server.client() as client:
            assert client.get("/").text == "{}"
        assert server.stop() == 0
        assert "Traceback" not in server.stderr()
        # Who took the message meant to take part; that this failed should be seen.
        assert ("the settings are wrong" in server.stderr()) == (name == "raises_after_message")
        assert ("WARNING" in server.stderr()) == (name == "raises_after_message")
    assert lines(events) == ["request /"]


def test_an_exception_in_shutdown_is_logged(run, events):
    with run("raises_in_shutdown") as server:
        assert server.stop() == 0
        assert "LookupError: it does not want to end" in server.stderr()


def test_returning_in_shutdown_ends_it(run, events):
    with run("returns_in_shutdown") as server:
        assert server.stop(timeout=5) == 0
    assert lines(events) == ["lifespan.shutdown"]


def test_a_lifespan_that_ends_early_is_logged_and_requests_are_served(run, events):
    with run("ends_early") as server:
        server.wait_for("LookupError: in the middle of serving")
        with server.client() as client:
            assert client.get("/").status_code == 200
        assert server.stop(timeout=5) == 0


def test_messages_out_of_order_raise(run, events):
    with run("wrong_messages") as server:
        assert server.stop() == 0
    before = ["RuntimeError", "RuntimeError", "ValueError", "TypeError"]
    assert lines(events) == [*before, "RuntimeError", "RuntimeError", "RuntimeError"]


def test_a_task_of_the_lifespan_runs_while_requests_are_served(run, events):
    with run("with_task") as server:
        with server.client() as client:
            ticks = [ast.literal_eval(client.get("/").text)["ticks"] for _ in range(20)]
        assert ticks == sorted(ticks)
        assert ticks[-1] > 0
        assert server.stop() == 0
    assert lines(events)[-1] == "task ends"
