"""Calls whose client leaves, or whose time is over."""

import json
import socket

import grpc
import h2.connection
from grpc import StatusCode


def test_a_client_that_cancels_cancels_the_coroutine(client, name):
    call = client.method("Wait").future(name.encode(), timeout=20)
    client.seen(f"{name} waits")
    call.cancel()
    assert client.seen(f"{name} cancelled") is True
    assert client.seen(f"{name} done") == [True, True]


def test_a_client_that_cancels_is_seen_by_a_function(client, name):
    call = client.method("WaitSync").future(name.encode(), timeout=20)
    client.seen(f"{name} waits")
    call.cancel()
    assert client.seen(f"{name} cancelled") == [False, True, False]


def test_closing_the_channel_cancels(client, server, name):
    with grpc.insecure_channel(server.target) as channel:
        call = channel.unary_unary("/test.Calls/Wait").future(name.encode(), timeout=20)
        client.seen(f"{name} waits")
    assert call.code() is StatusCode.CANCELLED
    assert client.seen(f"{name} cancelled") is True


def test_a_lost_connection_cancels(client, server, name):
    connection = h2.connection.H2Connection()
    connection.initiate_connection()
    head = {":method": "POST", ":scheme": "http", ":authority": "x", ":path": "/test.Calls/Wait"}
    connection.send_headers(1, [*head.items(), ("content-type", "application/grpc"), ("te", "trailers")])
    connection.send_data(1, b"\0" + len(name).to_bytes(4, "big") + name.encode(), end_stream=True)
    with socket.create_connection((server.host, server.port)) as raw:
        raw.sendall(connection.data_to_send())
        client.seen(f"{name} waits")
    assert client.seen(f"{name} cancelled") is True


def test_a_deadline_cancels_and_is_told(client, name):
    call = client.method("Wait").future(name.encode(), timeout=1)
    assert call.exception().code() is StatusCode.DEADLINE_EXCEEDED
    assert client.seen(f"{name} cancelled") is True
    assert client.seen(f"{name} done") == [True, True]


def test_a_deadline_is_seen_by_a_function(client, name):
    call = client.method("WaitSync").future(name.encode(), timeout=1)
    assert call.exception().code() is StatusCode.DEADLINE_EXCEEDED
    assert client.seen(f"{name} cancelled") == [False, True, False]


def test_callbacks_run_at_the_end_and_one_that_fails_is_logged(client, server, name, kind):
    client(f"Callbacks{kind}", name.encode())
    assert client.seen(f"{name} done") == ([False, True] if kind == "" else False)
    server.wait_for(f"Error in callback for method [/test.Calls/Callbacks{kind}]")


def test_a_function_can_cancel_its_call(client, name):
    error = client.error("CancelSync", name.encode())
    assert error.code() is StatusCode.CANCELLED
    assert client.seen(name) == [False, True]


def test_calls_in_flight_are_finished_before_the_server_stops(serve, connect, name, kind):
    with serve("--grpc", "grpc_calls:register") as server, connect(server.target) as client:
        call = client.method(f"Wait{kind}").future(name.encode(), timeout=1)
        client.seen(f"{name} waits")
        assert server.stop() == 0
        assert call.exception().code() is StatusCode.DEADLINE_EXCEEDED


def test_cancelling_after_the_head(client, name):
    call = client.method("BeginAndWait").future(name.encode(), timeout=20)
    client.seen(f"{name} waits")
    call.cancel()
    assert client.seen(f"{name} cancelled") is True


def test_a_deadline_after_the_head(client, name):
    call = client.method("BeginAndWait").future(name.encode(), timeout=1)
    assert call.exception().code() is StatusCode.DEADLINE_EXCEEDED
    assert client.seen(f"{name} cancelled") is True


def test_leaving_after_the_head(client, begin, name):
    with begin("BeginAndWait", name) as response:
        assert response.headers["early"] == "yes"
    assert client.seen(f"{json.dumps(name)} cancelled") is True


def test_a_blocked_loop_does_not_hold_deadlines_back(client, server, name):
    waiting = client.method("Wait").future(f"{name} late".encode(), timeout=20)
    client.seen(f"{name} late waits")
    late = client.method("Wait").future(f"{name} later".encode(), timeout=1)
    client.seen(f"{name} later waits")
    blocked = client.method("Block").future(name.encode(), timeout=20)
    # Told by the server's own timer: the client's, of the same length, is the same status.
    assert late.exception().code() is StatusCode.DEADLINE_EXCEEDED
    waiting.cancel()
    assert blocked.result() == b"blocked"
    for event in ("late", "later"):
        assert client.seen(f"{name} {event} cancelled") is True
