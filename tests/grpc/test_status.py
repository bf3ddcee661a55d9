"""How calls end that do not go well."""

import json

import pytest
from grpc import StatusCode


def fails(client, name, wanted=None):
    error = client.error(name, json.dumps(wanted or {}).encode())
    # Date is what every HTTP response has; the one head of a reply without a message is taken for trailers.
    return error.code(), error.details(), sorted(pair for pair in error.trailing_metadata() if pair.key != "date")


def test_abort(client, kind):
    wanted = {"code": "NOT_FOUND", "details": "no ücher", "trailing": [["a", "b"], ["c-bin", "00"]]}
    assert fails(client, f"Abort{kind}", wanted) == (StatusCode.NOT_FOUND, "no ücher", [("a", "b"), ("c-bin", b"\x00")])


def test_abort_without_details_keeps_what_was_set(client, kind):
    wanted = {"code": "NOT_FOUND", "set_details": "set before", "set_trailing": [["a", "b"]], "set_code": "INTERNAL"}
    assert fails(client, f"Abort{kind}", wanted) == (StatusCode.NOT_FOUND, "set before", [("a", "b")])


def test_abort_supersedes_what_was_set(client, kind):
    before = {"set_details": "set before", "set_trailing": [["a", "b"]], "set_code": "INTERNAL"}
    wanted = before | {"code": "NOT_FOUND", "details": "new", "trailing": [["c", "d"]]}
    assert fails(client, f"Abort{kind}", wanted) == (StatusCode.NOT_FOUND, "new", [("c", "d")])


@pytest.mark.parametrize(
    ("given", "sent"), [(5, StatusCode.NOT_FOUND), (16, StatusCode.UNAUTHENTICATED), (99, StatusCode.UNKNOWN)]
)
def test_codes_may_be_numbers(client, kind, given, sent):
    assert fails(client, f"Abort{kind}", {"code": given}) == (sent, "", [])


def test_abort_with_ok_is_unknown(client, kind, server):
    assert fails(client, f"Abort{kind}", {"code": "OK", "details": "fine"}) == (StatusCode.UNKNOWN, "", [])
    server.wait_for("abort() called with StatusCode.OK")


def test_details_of_google_rpc_status_pass_through(client, kind):
    error = client.error(f"AbortWithStatus{kind}", b"\x08\x09\x12\x04rich")
    assert error.code() is StatusCode.FAILED_PRECONDITION
    assert error.details() == "rich"
    assert ("grpc-status-details-bin", b"\x08\x09\x12\x04rich") in error.trailing_metadata()


def test_a_swallowed_abort_still_ends_the_call(client, kind, server):
    assert fails(client, f"Swallow{kind}") == (StatusCode.ABORTED, "swallowed", [])
    server.wait_for(f"Abort error unexpectedly suppressed by servicer method [/test.Calls/Swallow{kind}]")


def test_an_exception_after_an_abort_is_logged(client, server):
    assert fails(client, "AbortThenFail") == (StatusCode.ABORTED, "first", [])
    server.wait_for("Unexpected [KeyError] raised by servicer method [/test.Calls/AbortThenFail]")


def test_an_abort_is_sent_at_once(client, name):
    error = client.error("AbortThenWork", name.encode())
    assert (error.code(), error.details()) == (StatusCode.ABORTED, "at once")
    client.note(name)
    assert client.seen(f"{name} finished") is True


def test_an_abort_that_nobody_awaits_does_nothing(client):
    assert client("Unawaited") == b"message"


def test_an_abort_may_be_a_task(client):
    assert fails(client, "AbortInTask") == (StatusCode.ABORTED, "in a task", [])


def test_a_status_that_is_set_wins_over_the_message(client, kind):
    wanted = {"set_code": "OUT_OF_RANGE", "set_details": "100%", "set_trailing": [["a", "b"]]}
    assert fails(client, f"Answer{kind}", wanted) == (StatusCode.OUT_OF_RANGE, "100%", [("a", "b")])


def test_a_status_without_a_message_is_one_head(server, kind):
    response = post(server, f"Answer{kind}", b'{"set_code": "OUT_OF_RANGE"}')
    assert response.headers["grpc-status"] == "11"
    assert response.content == b""


def test_an_abort_after_the_head(client, begin, name, kind):
    with begin(f"Begin{kind}", {"name": name, "abort": "ABORTED"}) as response:
        assert response.headers["early"] == "yes"
        client.note(name)
        assert response.read() == b""


def test_an_abort_with_initial_metadata(client, name, kind):
    client.note(name)
    error = client.error(f"Begin{kind}", json.dumps({"name": name, "abort": "ABORTED"}).encode())
    assert (error.code(), error.details()) == (StatusCode.ABORTED, "after the head")
    assert ("early", "yes") in error.initial_metadata()
    assert list(error.trailing_metadata()) == []


def test_details_may_go_with_ok(client, kind):
    # Clients need not show them; grpcio does not.
    reply, call = client.with_call(f"Answer{kind}", b'{"set_details": "all well"}')
    assert (reply, call.code()) == (b"message", StatusCode.OK)


def test_an_exception_is_unknown_and_logged_once(client, kind, server):
    expected = (StatusCode.UNKNOWN, "Unexpected <class 'ValueError'>: boom", [("a", "b")])
    assert fails(client, f"Raise{kind}", {"set_trailing": [["a", "b"]]}) == expected
    line = f"Unexpected [ValueError] raised by servicer method [/test.Calls/Raise{kind}]"
    server.wait_for(line)
    server.wait_for("ValueError: boom")
    assert server.stderr().count(line) == 1


def test_an_exception_keeps_a_code_that_was_set(client, kind):
    code, details, _ = fails(client, f"Raise{kind}", {"set_code": "DATA_LOSS", "set_details": "lost"})
    assert (code, details) == (StatusCode.DATA_LOSS, "Unexpected <class 'ValueError'>: boom")


def test_an_exception_without_text(client):
    code, details, _ = fails(client, "Unprintable")
    assert code is StatusCode.UNKNOWN
    assert details.startswith("Unexpected <class 'grpc_calls.Unprintable.<locals>.SilentError'>")


def test_a_coroutine_that_a_function_returned_may_fail(client):
    code, details, _ = fails(client, "ReturnsFailingCoroutine")
    assert (code, details) == (StatusCode.UNKNOWN, "Unexpected <class 'ValueError'>: boom")


def test_a_handler_that_cancels_itself_is_cancelled(client):
    assert client.error("CancelItself").code() is StatusCode.CANCELLED


def test_messages_that_cannot_be_read_or_written_are_exceptions(client, kind):
    for method in ("BadRequest", "BadResponse"):
        code, details, _ = fails(client, f"{method}{kind}")
        assert (code, details) == (StatusCode.UNKNOWN, "Unexpected <class 'ValueError'>: not this message")


def test_no_message_is_an_empty_one(client):
    assert client("Nothing") == b""


def test_unknown_methods(client):
    for path in ("/test.Calls/Missing", "/test.Missing/Echo", "/", "/x"):
        error = client.error(path)
        assert (error.code(), error.details()) == (StatusCode.UNIMPLEMENTED, "Method not found!")


MISUSES = {
    "abort twice": ("UsageError", "Abort already called!"),
    "send after abort": ("AbortError", "Locally aborted."),
    "send twice": ("UsageError", "already sent"),
    "compress late": ("RuntimeError", "before sending initial metadata"),
    "read": ("UsageError", "read()"),
    "write": ("UsageError", "write()"),
    "initial dict": ("TypeError", "metadata"),
    "trailing dict": ("TypeError", "metadata"),
    "trailing triple": ("TypeError", "metadata"),
    "trailing number": ("TypeError", "'a'"),
    "upper case": ("ValueError", "'A'"),
    "text for bytes": ("TypeError", "a-bin"),
    "details": ("TypeError", "details must be str"),
    "abort metadata": ("TypeError", "metadata"),
}


@pytest.mark.parametrize("misuse", MISUSES)
def test_misuse(client, misuse):
    method = client.method("Misuse").future(misuse.encode(), timeout=20)
    module, name, text = client.seen(misuse)
    method.exception()
    expected, words = MISUSES[misuse]
    assert name == expected, text
    assert words in text.replace('"', "'")
    if name in ("UsageError", "AbortError"):
        assert module == "grpc._cython.cygrpc"


def test_a_context_outlives_its_call(client, name):
    client("Late", name.encode())
    client.note(name)
    assert client.seen(f"{name} late") == ["RPC already finished.", True]


def post(server, name, message, **headers):
    head = {"content-type": "application/grpc", "te": "trailers", **headers}
    envelope = b"\0" + len(message).to_bytes(4, "big") + message
    with server.client(http1=False, http2=True) as client:
        return client.post(f"/test.Calls/{name}", content=envelope, headers=head)


def test_the_client_is_told_by_status_not_by_http(server):
    response = post(server, "Missing", b"")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/grpc"
    assert response.headers["grpc-status"] == str(StatusCode.UNIMPLEMENTED.value[0])
