"""Handlers that know their methods only when they are asked."""

import pytest
from grpc import StatusCode


@pytest.fixture(scope="module")
def server(serve):
    with serve("--grpc", "grpc_calls:register_dynamic") as server:
        yield server


def test_generic_handlers_are_asked_in_order(client):
    metadata = (("x-a", "1"), ("x-b-bin", b"\x00"))
    expected = [["x-a", "1"], ["x-b-bin", "00"]]
    assert client.json("/test.One/Any", metadata=metadata) == ["first", expected, expected]
    assert client.json("/test.Two/Any") == ["second", [], []]


def test_registered_methods_come_first(client):
    assert client("Echo", b"x") == b"x"
    assert client.json("/test.Calls/Other")[0] == "registered methods come first"


def test_a_method_that_none_knows(client):
    error = client.error("/test.Three/Any")
    assert (error.code(), error.details()) == (StatusCode.UNIMPLEMENTED, "Method not found!")


def test_a_generic_handler_that_raises(client, server):
    error = client.error("/test.One/Fails")
    assert (error.code(), error.details()) == (StatusCode.UNKNOWN, "Unexpected <class 'ValueError'>: asked in vain")
    server.wait_for("raised by servicer method [/test.One/Fails]")


def test_a_streaming_method_of_a_generic_handler(client):
    replies = client.channel.stream_stream("/test.One/Streams")(iter([b"a", b"b"]), timeout=20)
    assert list(replies) == [b"A", b"B"]
