"""``receive``: the request's body, as it arrives, and nothing lost of it."""

import json

import pytest


def test_no_body(connection):
    connection.request("/messages")
    assert json.loads(connection.response().body) == [{"type": "http.request", "body": "", "more_body": False}]


@pytest.mark.parametrize("length", ["0", "5"])
def test_a_small_body_is_one_message(connection, length):
    body = b"x" * int(length)
    connection.request("/messages", "POST", [("content-length", length)], body)
    assert json.loads(connection.response().body) == [{"type": "http.request", "body": body.decode(), "more_body": False}]


def test_a_body_of_empty_pieces_is_an_empty_body(connection):
    connection.request("/messages", "POST", end=False)
    connection.data(end=True)
    messages = json.loads(connection.response().body)
    assert messages[-1] == {"type": "http.request", "body": "", "more_body": False}
    assert "".join(message["body"] for message in messages) == ""


def test_a_large_body_comes_in_bounded_pieces(connection):
    body = bytes(range(256)) * 12_000
    connection.request("/sizes", "POST", [("content-length", str(len(body)))], body)
    sizes, total = json.loads(connection.response().body)
    assert sum(sizes) == len(body)
    assert total == sum(body)
    assert max(sizes) <= 1 << 20
    assert len(sizes) > 2


def test_chunks_are_taken_apart(kitchen, dial):
    connection = dial(kitchen)
    connection.send(b"POST /messages HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    connection.send(b"3\r\nabc\r\n2;x=y\r\nde\r\n1\r\nf\r\n0\r\nX-Trailer: t\r\n\r\n")
    messages = json.loads(connection.response().body)
    assert "".join(message["body"] for message in messages) == "abcdef"
    assert [message["more_body"] for message in messages] == [True] * (len(messages) - 1) + [False]


def test_pieces_are_received_as_they_arrive_while_the_response_streams(connection):
    connection.request("/duplex", "POST", end=False)
    assert connection.head().status == 200
    assert connection.piece() == b"ready"
    for piece in (b"one", b"two" * 100, b"three"):
        connection.data(piece)
        received = b""
        while len(received) < len(piece):
            received += connection.piece()
        assert received == piece
    connection.data(end=True)
    assert connection.piece() == b""


@pytest.mark.parametrize("size", [1000, 300_000])
def test_duplex_of_much_at_once(connection, size):
    """Both directions are full at times; neither may wait for the other for ever."""
    connection.request("/duplex", "POST", end=False)
    connection.head()
    expected = len(b"ready")
    received = 0
    for _ in range(20):
        connection.data(b"x" * size)
        expected += size
        while received < expected - size // 2:
            received += len(connection.piece())
    connection.data(end=True)
    while piece := connection.piece():
        received += len(piece)
    assert received == expected


def test_disconnect_follows_the_response(kitchen, connection, name, notes):
    connection.request(f"/disconnect?name={name}", "POST", body=b"abc")
    assert connection.response().body == b"done"
    assert notes(kitchen, name, 2) == [{"type": "http.disconnect"}] * 2


def test_a_task_that_listens_is_woken_by_the_client_s_leaving(kitchen, dial, version, name, notes, go):
    connection = dial(kitchen, version)
    connection.request(f"/listen?name={name}", "POST", body=b"abc")
    assert notes(kitchen, name, 2) == ["listening", "http.request"]
    connection.close()
    assert notes(kitchen, name, 3)[2] == "http.disconnect"
    go(kitchen, name)


def test_a_task_that_listens_can_be_cancelled(kitchen, connection, name, notes, go):
    connection.request(f"/listen?name={name}")
    assert notes(kitchen, name, 2) == ["listening", "http.request"]
    go(kitchen, name)
    assert connection.response().body == b"done"
    assert notes(kitchen, name) == ["listening", "http.request"]


def test_two_tasks_may_receive(kitchen, connection, name, notes):
    connection.request(f"/concurrent?name={name}", "POST", end=False)
    notes(kitchen, name)
    connection.data(b"abc", end=True)
    assert connection.response().body == b"done"
    _, first, second = notes(kitchen, name, 3)
    received = first + second
    assert len(received) == 2
    assert "".join(message.get("body", "") for message in received) == "abc"


def test_of_two_tasks_that_receive_one_may_be_cancelled(kitchen, connection, name, notes):
    connection.request(f"/one-of-two-cancelled?name={name}", "POST", end=False)
    notes(kitchen, name)
    connection.data(b"abc", end=True)
    assert json.loads(connection.response().body)["body"] == "abc"


@pytest.mark.parametrize("times", [1, 50])
def test_a_cancelled_receive_loses_nothing(kitchen, connection, name, notes, times):
    connection.request(f"/cancelled?name={name}&times={times}", "POST", end=False)
    notes(kitchen, name)
    for number in range(10):
        connection.data(b"%d," % number)
    connection.data(end=True)
    assert connection.response().body == b"0,1,2,3,4,5,6,7,8,9,"


def test_a_receive_cancelled_as_its_value_arrives_loses_nothing(kitchen, connection, name, notes, go):
    connection.request(f"/late?name={name}", "POST", end=False)
    notes(kitchen, name)
    connection.data(b"abc", end=True)
    go(kitchen, name)
    assert connection.response().body == b"abc"


def test_a_body_that_nobody_reads(connection, kitchen, name, notes, go):
    connection.request(f"/never-receives?name={name}", "POST", body=b"x" * 1000)
    notes(kitchen, name)
    go(kitchen, name)
    assert connection.response().body == b"done"
    connection.request("/messages")
    assert connection.response().status == 200


def test_a_large_body_that_nobody_reads_does_not_hold_up_the_answer(connection):
    connection.request("/nowhere", "POST", [("content-length", "10000000")], b"x" * 1000, end=False)
    assert connection.response().status == 404
