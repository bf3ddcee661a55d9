"""``--max-body`` and the timeouts of connections."""

import json
import threading
import time

import pytest
from wires import Response


@pytest.fixture(scope="module")
def small(serve):
    with serve("asgi_kitchen:app", "--max-body", "1000") as server:
        yield server


@pytest.fixture(scope="module")
def hasty(serve):
    timeouts = ("--header-timeout", "600ms", "--body-timeout", "600ms", "--keep-alive-timeout", "600ms")
    with serve("asgi_kitchen:app", *timeouts) as server:
        yield server


def pause(seconds):
    """Time that a slow client takes; nothing is waited for."""
    threading.Event().wait(seconds)


def test_a_body_at_the_limit(small, dial, version):
    connection = dial(small, version)
    for end in (True, False):
        connection.request("/sizes", "POST", body=b"\x01" * 1000, end=end)
        if not end:
            connection.data(end=True)
        assert json.loads(connection.response().body)[1] == 1000


def test_a_body_that_declares_too_much(small, dial, version, name, notes):
    connection = dial(small, version)
    connection.request(f"/disconnect?name={name}", "POST", [("content-length", "1001")], b"x" * 1001)
    response = connection.response()
    assert response.status == 413
    with small.client() as client:
        # The application was not even called.
        assert client.get("/notes", params={"name": name, "count": 0}).json() == []


def test_a_body_that_turns_out_too_large(small, dial, version):
    connection = dial(small, version)
    connection.request("/sizes", "POST", body=b"x" * 600, end=False)
    connection.data(b"x" * 600, end=True)
    assert connection.response().status == 413
    with small.client() as client:
        assert client.post("/sizes", content=b"x").status_code == 200


def test_the_application_is_told_of_a_body_that_is_too_large(small, dial, version, name, notes):
    connection = dial(small, version)
    connection.request(f"/phases?name={name}&phase=body", "POST", body=b"x" * 600, end=False)
    first, phase = notes(small, name, 2)
    assert (first["type"], phase) == ("http.request", "body")
    connection.data(b"x" * 600)
    assert connection.response().status == 413
    assert notes(small, name, 3)[2] == "http.disconnect"


def test_too_large_after_the_head_cuts_the_response(small, dial, version):
    connection = dial(small, version)
    connection.request("/duplex", "POST", end=False)
    assert connection.head().status == 200
    assert connection.piece() == b"ready"
    connection.data(b"x" * 1100)
    assert connection.rest(Response(200, [])).cut


def test_no_100_continue_for_a_body_that_is_too_large(small, dial):
    connection = dial(small)
    connection.request("/sizes", "POST", [("Expect", "100-continue"), ("Content-Length", "1001")])
    assert connection.response().status == 413
    assert connection.interim == []


def test_a_slow_head(hasty, dial):
    connection = dial(hasty)
    connection.send(b"GET / HTTP/1.1\r\nHost: ")
    assert connection.response().status == 408
    assert connection.is_closed()


def test_a_head_that_trickles(hasty, dial):
    """The timeout is for the whole head; a byte now and then does not put it off."""
    connection = dial(hasty)
    began = time.monotonic()
    for byte in b"GET / HTTP/1.1\r\nHost: a\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa":
        try:
            connection.send(bytes([byte]))
        except OSError:
            break
        pause(0.03)
    assert connection.response().status == 408
    assert time.monotonic() - began < 5


def test_a_connection_that_says_nothing(hasty, dial):
    assert dial(hasty).is_closed()


def test_an_idle_connection(hasty, dial, version):
    connection = dial(hasty, version)
    connection.request("/headers")
    assert connection.response().status == 201
    assert connection.is_closed()


def test_a_body_that_stalls(hasty, dial, version, name, notes):
    connection = dial(hasty, version)
    connection.request(f"/phases?name={name}&phase=body", "POST", body=b"abc", end=False)
    assert connection.response().status == 408
    assert notes(hasty, name, 3)[2] == "http.disconnect"


def test_a_body_that_is_slow_but_steady(serve, dial, version):
    with serve("asgi_kitchen:app", "--body-timeout", "2s") as server:
        connection = dial(server, version)
        connection.request("/sizes", "POST", end=False)
        for _ in range(25):
            connection.data(b"\x01" * 10)
            pause(0.1)
        connection.data(end=True)
        assert json.loads(connection.response().body)[1] == 250


def test_a_body_that_the_application_does_not_ask_for_is_not_slow(hasty, dial, version, name, notes, go):
    """The timeout counts while somebody waits; here the application does not."""
    connection = dial(hasty, version)
    connection.request(f"/never-receives?name={name}", "POST", [("content-length", "100000")], b"x" * 70_000, end=False)
    notes(hasty, name)
    pause(1.2)
    go(hasty, name)
    assert connection.response().body == b"done"


def test_a_slow_response_is_not_idleness(hasty, dial, version, name, notes, go):
    connection = dial(hasty, version)
    connection.request(f"/never-receives?name={name}")
    notes(hasty, name)
    pause(1.2)
    go(hasty, name)
    assert connection.response().body == b"done"


@pytest.mark.parametrize("fields", [[("x-large", "x" * 100_000)], [(f"x-{number}", "y" * 1000) for number in range(90)]])
def test_a_head_that_is_too_large(kitchen, dial, fields):
    connection = dial(kitchen)
    connection.request("/headers", headers=fields)
    assert connection.response().status == 431


def test_a_head_of_usual_size(connection):
    connection.request("/headers", headers=[("cookie", "x" * 8000), ("authorization", "y" * 8000)])
    assert connection.response().status == 201
