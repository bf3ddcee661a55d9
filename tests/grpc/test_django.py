"""Django's old connections are closed around each call, on the thread of the call."""

import pytest


@pytest.fixture
def server(serve):
    with serve("--grpc", "grpc_django:register") as server:
        yield server


def test_connections_are_closed_before_and_after_each_call(client, kind):
    thread, closed = client.json(f"Closed{kind}")
    assert closed == [thread]
    thread, closed = client.json(f"Closed{kind}")
    assert len(closed) == 3
    assert closed[-1] == thread
    assert ("MainThread" in closed) == (kind == "")


def test_connections_are_closed_after_a_call_that_fails(client, kind):
    client.error(f"Fail{kind}")
    assert len(client.json("Closed")[1]) == 3


def test_a_hook_that_fails_changes_nothing(client, server, kind):
    for _ in range(60):
        client.json(f"Closed{kind}")
    server.wait_for("RuntimeError: enough")
