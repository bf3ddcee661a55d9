"""Who sends faster than the other takes waits, and the server's memory stays what it is."""

import contextlib
import json

import pytest

MIB = 1 << 20
# What may be on its way: the kernel's buffers at both ends (4 MiB each at most by default), the connection's and ours.
ON_ITS_WAY = 12 * MIB


@pytest.fixture
def memory(kitchen):
    def measure():
        with kitchen.client() as client:
            return client.get("/rss").json()

    return measure


def test_a_client_that_reads_nothing(kitchen, dial, version, name, memory, notes):
    before = memory()
    connection = dial(kitchen, version, receive_buffer=8192)
    connection.request(f"/stream?name={name}&count=2000&size=100000")
    with kitchen.client() as client:
        sent = client.get("/sent", params={"name": name}).json()
    assert 100_000 < sent < (2 * MIB if version == "2" else ON_ITS_WAY)
    assert memory() - before < 32
    connection.close()
    assert "OSError" in notes(kitchen, name)[0]


def test_very_small_pieces_count_for_what_they_cost(kitchen, dial, name, notes):
    connection = dial(kitchen, "2")
    connection.request(f"/stream?name={name}&count=10000000&size=1")
    with kitchen.client() as client:
        # The window of a stream is 64 KiB of them, and after that each costs more than its byte.
        assert 65_000 < client.get("/sent", params={"name": name}).json() < 100_000
    connection.close()
    assert "OSError" in notes(kitchen, name)[0]


def test_a_client_that_reads_late_gets_everything(kitchen, dial, version, name, notes):
    connection = dial(kitchen, version, receive_buffer=8192)
    connection.request(f"/stream?name={name}&count=120&size=100000")
    with kitchen.client() as client:
        assert client.get("/sent", params={"name": name}).json() < 12_000_000
    response = connection.response()
    assert (len(response.body), response.cut) == (12_000_000, False)
    assert notes(kitchen, name) == ["sent"]


def test_one_piece_larger_than_every_buffer(kitchen, dial, version, name):
    connection = dial(kitchen, version)
    connection.request(f"/stream?name={name}&count=2&size=5000000")
    assert connection.response().body == bytes(10_000_000)


def test_an_application_that_reads_nothing(kitchen, dial, version, name, memory, notes, go):
    before = memory()
    connection = dial(kitchen, version)
    connection.request(f"/never-receives?name={name}", "POST", [("content-length", "200000000")], end=False)
    notes(kitchen, name)
    accepted = push(connection, 200_000_000)
    assert accepted < ON_ITS_WAY
    assert memory() - before < 32
    go(kitchen, name)
    if version == "2":
        # The answer is read while the body is not sent to its end.
        assert connection.response().body == b"done"


def push(connection, limit):
    """Sends body until nobody takes more of it; returns how much that was."""
    piece = b"x" * 65536
    accepted = 0
    if connection.version == "2":
        while (room := window(connection)) > 0 and accepted < limit:
            size = min(room, connection.h2.max_outbound_frame_size, len(piece))
            connection.data(piece[:size])
            accepted += size
        return accepted
    connection.socket.settimeout(0.3)
    with contextlib.suppress(TimeoutError):
        while accepted < limit:
            accepted += connection.socket.send(piece)
    return accepted


def window(connection):
    """How much may be sent; where that is nothing, after giving the server time to allow more."""
    room = connection.h2.local_flow_control_window(connection.stream)
    if room == 0:
        connection.socket.settimeout(0.3)
        with contextlib.suppress(TimeoutError):
            connection._receive()
        connection.socket.settimeout(10)
    return connection.h2.local_flow_control_window(connection.stream)


def test_an_upload_larger_than_every_buffer_passes_through(kitchen, dial, version, memory):
    before = memory()
    connection = dial(kitchen, version)
    connection.request("/sizes", "POST", [("content-length", "50000000")], end=False)
    for _ in range(50):
        connection.data(b"\x01" * 1_000_000)
    if version == "2":
        connection.data(end=True)
    sizes, total = json.loads(connection.response().body)
    assert sum(sizes) == total == 50_000_000
    assert memory() - before < 32


def test_requests_leave_nothing_behind(kitchen, dial, version, name, memory):
    connection = dial(kitchen, version)

    def work(times):
        for number in range(times):
            for path in ("scope", "duplex", "task-group", "kinds", "crash?phase=end", "with-timeout"):
                if number % 10 == 0 or path == "scope":
                    connection.request(f"/{path}", "POST", body=b"x" * 3000)
                    connection.response()

    work(100)
    before = memory()
    work(400)
    assert memory() - before < 4


def test_clients_that_leave_leave_nothing_behind(kitchen, dial, version, name, memory, notes):
    def work(times, name):
        for _ in range(times):
            with dial(kitchen, version) as connection:
                connection.request(f"/phases?name={name}&phase=streaming", "POST", body=b"x" * 50_000)
                connection.head()
        notes(kitchen, name, times * 3)

    work(50, name + "warm")
    before = memory()
    work(200, name)
    assert memory() - before < 8
