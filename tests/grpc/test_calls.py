"""Calls that go well, and what a handler sees of them."""

import json
import time

import grpc
import pytest


def test_the_mode_of_the_event_loop(client, debug):
    assert client("Debug") == str(debug).encode()


def test_the_handlers_bytes_come_back(client, kind):
    assert client(f"Echo{kind}", b"\x00\xffx") == b"\x00\xffx"
    assert client(f"Echo{kind}", b"") == b""


def test_a_large_message_comes_back(client, kind):
    message = bytes(range(256)) * 4096 * 3
    assert client(f"Echo{kind}", message) == message


def test_text_is_encoded(client):
    assert client("Text", "grün".encode()) == "grün".encode()


def test_serializers_are_used(client):
    # str.encode on the way out, as grpc.aio does with text, and then the serializer.
    assert client("Upper", b"abc") == b"ABC"


def test_coroutines_run_on_the_loop_and_functions_on_lanes(client):
    assert client("Thread") == b"MainThread"
    assert client("ThreadSync") != b"MainThread"


@pytest.mark.parametrize("name", ["Callable", "Partial", "ReturnsCoroutine"])
def test_handlers_may_be_any_callable(client, name):
    assert client(name, b"callable") == b"callable"


def test_metadata_of_the_request(client, kind):
    metadata = (("x", "1"), ("x", "2"), ("y-bin", b"\x00\xff"), ("z_.-9", "a b"))
    seen, _ = client.json(f"Metadata{kind}", {}, metadata=metadata)
    user_agent = [pair for pair in seen if pair[0] == "user-agent"]
    assert len(user_agent) == 1
    assert user_agent[0][1].startswith("grpc-python/")
    seen.remove(user_agent[0])
    # Duplicates keep their order; the order of different keys means nothing.
    assert sorted(seen) == [["x", "1"], ["x", "2"], ["y-bin", "00ff"], ["z_.-9", "a b"]]


def test_metadata_of_the_response(client, kind):
    initial = [["a", "1"], ["a", "2"], ["b-bin", "00ff"]]
    trailing = [["c", "3"], ["d-bin", ""], ["c", "4"]]
    wanted = {"initial": initial, "trailing": trailing}
    reply, call = client.with_call(f"Metadata{kind}", json.dumps(wanted).encode())
    assert json.loads(reply)[1] == trailing
    assert call.code() is grpc.StatusCode.OK
    assert sorted(initial_metadata(call)) == [("a", "1"), ("a", "2"), ("b-bin", b"\x00\xff")]
    assert sorted(call.trailing_metadata()) == [("c", "3"), ("c", "4"), ("d-bin", b"")]


def initial_metadata(call):
    """Without the Date that every HTTP response has, as tonic's have."""
    return [pair for pair in call.initial_metadata() if pair.key != "date"]


def test_no_metadata_is_invented(client, kind):
    _, call = client.with_call(f"Echo{kind}")
    assert initial_metadata(call) == []
    assert list(call.trailing_metadata()) == []
    assert call.details() == ""


def test_what_a_context_says(client):
    seen = client.json("Look")
    assert seen["aio"]
    assert not seen["sync"]
    assert seen["peer"].startswith("ipv4:127.0.0.1:")
    assert seen["details"] == ""
    assert seen["code"] is None
    assert seen["trailing"] == []
    assert not seen["cancelled"]
    assert not seen["done"]


def test_what_a_synchronous_context_says(client):
    seen = client.json("LookSync")
    assert seen["sync"]
    assert not seen["aio"]
    assert seen["peer"].startswith("ipv4:127.0.0.1:")
    assert seen["details"] == "text"
    assert seen["active"]
    assert not seen["cancelled"]
    assert not seen["done"]


def test_connections_in_the_clear_authenticate_nobody(client, kind):
    seen = client.json(f"Look{kind}")
    assert seen["identities"] is None
    assert seen["identity_key"] is None
    assert seen["auth"] == {"transport_security_type": ["insecure"], "security_level": ["TSI_SECURITY_NONE"]}


def test_a_unix_socket_is_the_peer(serve, connect, tmp_path):
    path = tmp_path / "n.sock"
    with serve("--grpc", "grpc_calls:register", "--uds", str(path)), connect(f"unix:{path}") as client:
        assert client.json("Look")["peer"] == "unix:"


def test_the_time_that_remains(client, kind):
    # grpc-core rounds a timeout up when it writes it, by up to a tenth of a second here.
    assert 0 < client.json(f"Look{kind}")["time_remaining"] < 21
    reply = client.method(f"Look{kind}")(b"null")
    assert b'"time_remaining": null' in reply


def test_codes_are_returned_as_they_were_set(client):
    assert client.json("Codes") == [True, True, True, True]


def test_context_variables_of_the_applications_import_are_seen(client, kind):
    assert client(f"Carried{kind}") == b"at the import"


def test_structured_concurrency(client):
    assert client.json("Structured") == [True, "slept", True, "in time", True]


def test_context_variables_do_not_leak_into_the_next_call(client, kind):
    for _ in range(8):
        assert client(f"Variable{kind}", b"set") == b"unset set"


def test_contexts_take_attributes(client):
    assert client("Attributes") == b"me"


def test_many_calls_at_once(client, kind):
    started = time.monotonic()
    calls = [client.method(f"Echo{kind}").future(str(number).encode(), timeout=20) for number in range(500)]
    assert [call.result() for call in calls] == [str(number).encode() for number in range(500)]
    assert time.monotonic() - started < 20


def test_contexts_do_not_outlive_their_calls(client, kind):
    client.json("Contexts")
    before = client.json("Contexts")
    for _ in range(20):
        client(f"Echo{kind}")
        client.error(f"Abort{kind}", b'{"code": 5}')
        client.error(f"Raise{kind}", b"{}")
        client.error(f"Swallow{kind}")
        client.error(f"BadResponse{kind}")
        client(f"Callbacks{kind}", b"callbacks")
    assert client.json("Contexts") <= before + 2


def test_initial_metadata_are_sent_at_once(client, begin, name, kind):
    # grpcio's client shows them only with the reply.
    with begin(f"Begin{kind}", {"name": name}) as response:
        assert response.headers["early"] == "yes"
        assert "grpc-status" not in response.headers
        client.note(name)
        assert response.read() == b"\0\0\0\0\x07message"


def test_the_reply_after_early_metadata(client, name, kind):
    client.note(name)
    reply, call = client.with_call(f"Begin{kind}", json.dumps({"name": name}).encode())
    assert reply == b"message"
    assert initial_metadata(call) == [("early", "yes")]
    assert list(call.trailing_metadata()) == []
