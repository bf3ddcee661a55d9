"""The client leaves: ``http.disconnect`` and an OSError from ``send`` tell the application, soon; nothing is cancelled."""

import socket
import struct
import time

import pytest


@pytest.fixture(params=["closes", "resets"])
def leave(request):
    """Two ways to go: an orderly end, and a reset (of the stream in HTTP/2, of the connection in HTTP/1)."""

    def leave(connection):
        if request.param == "closes":
            connection.close()
        elif connection.version == "2":
            connection.reset()
        else:
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()

    return leave


@pytest.mark.parametrize("phase", ["start", "body", "head", "streaming"])
def test_in_every_phase(kitchen, dial, version, name, notes, leave, phase):
    connection = dial(kitchen, version)
    connection.request(f"/phases?name={name}&phase={phase}", "POST", body=b"abc", end=phase != "body")
    ready = notes(kitchen, name, 2 if phase == "body" else 1)
    assert ready[-1] == phase
    if phase == "streaming":
        connection.head()
    left = time.monotonic()
    leave(connection)
    after = notes(kitchen, name, len(ready) + (2 if phase in ("head", "streaming") else 3))[len(ready) :]
    assert time.monotonic() - left < 5
    assert after[0] == "http.disconnect"
    for failure in after[1:]:
        assert "OSError" in failure


def test_an_application_that_only_sends_is_told_by_an_oserror(kitchen, dial, version, name, notes, leave):
    connection = dial(kitchen, version)
    connection.request(f"/sending?name={name}")
    connection.head()
    leave(connection)
    assert "OSError" in notes(kitchen, name, 2)[1]
    assert "ClientDisconnected" in notes(kitchen, name)[1]


def test_an_application_that_waits_for_room_is_told(kitchen, dial, version, name, notes, leave):
    """The client takes nothing, so ``send`` waits; then the client leaves."""
    connection = dial(kitchen, version, receive_buffer=4096)
    connection.request(f"/stream?name={name}&count=1000&size=100000")
    with kitchen.client() as client:
        client.get("/sent", params={"name": name})
    leave(connection)
    assert "OSError" in notes(kitchen, name)[0]


@pytest.mark.parametrize("size", [1000, 100_000])
def test_who_listens_is_told_before_who_sends(kitchen, dial, version, name, notes, leave, size):
    """So that it can cancel the sender; Django neither closes its response nor tells that it is finished otherwise."""
    connection = dial(kitchen, version, receive_buffer=4096)
    connection.request(f"/listens-and-sends?name={name}&size={size}")
    connection.head()
    leave(connection)
    assert notes(kitchen, name) == [["http.disconnect", "CancelledError"]]


def test_who_sends_is_told_if_the_listener_does_nothing(kitchen, dial, version, name, notes, leave):
    connection = dial(kitchen, version, receive_buffer=4096)
    connection.request(f"/listens-and-sends-on?name={name}")
    connection.head()
    leave(connection)
    assert notes(kitchen, name) == [["http.disconnect", "ClientDisconnected"]]


def test_it_is_not_an_error(kitchen, serve, dial, version, name, notes):
    with serve("asgi_kitchen:app") as server:
        for path in ("sending", "disconnected-by-hand"):
            with dial(server, version) as connection:
                connection.request(f"/{path}?name={path}")
                connection.head()
        assert "OSError" in notes(server, "sending", 2)[1]
        assert notes(server, "disconnected-by-hand", 2) == ["started", "gone"]
        assert server.stop() == 0
        assert "Traceback" not in server.stderr()
        assert "ERROR" not in server.stderr()


def test_a_request_whose_client_leaves_while_the_loop_is_busy_harms_nothing(kitchen, dial, version, name, blocking):
    with blocking(kitchen):
        for _ in range(10):
            with dial(kitchen, version) as connection:
                connection.request(f"/background?name={name}")
    connection = dial(kitchen, version)
    connection.request("/headers")
    assert connection.response().status == 201
