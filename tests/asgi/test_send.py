"""``send``: what goes out, what is refused, and what a message after the end gets."""

import pytest


@pytest.fixture
def get(connection):
    def get(target, method="GET", headers=()):
        connection.request(target, method, headers)
        return connection.response(method)

    return get


def test_headers_go_out_as_they_are_but_for_their_case(get, version):
    response = get("/headers")
    assert response.status == 201
    assert response.values("content-type") == ["text/plain"]
    assert response.values("x-mixed") == ["One", "two"]
    # Without the blanks around it, which an HTTP/2 client may call malformed.
    assert response.values("set-cookie") == ["a=1; Path=/", "b=2"]
    assert response.values("x-latin") == ["caf\xe9"]
    assert response.values("x-empty") == [""]
    # How the message is framed is the server's business: one piece, so its length is known.
    assert response.values("transfer-encoding") == []
    assert response.values("content-length") == ["4"] or version == "2"
    assert response.body == b"made"


def test_a_date_is_added(get):
    assert len(get("/headers").values("date")) == 1


def test_every_kind_of_bytes_and_every_default(get):
    response = get("/kinds")
    assert response.status == 200
    assert response.body == b"bytes bytearray memoryview strided  "
    assert not response.cut


def test_a_buffer_may_be_used_again_after_send(get):
    assert get("/reused").body == b"a" * 20_000 + b"b" * 20_000 + b"c" * 20_000


ERRORS = {
    **dict.fromkeys(("no dict", "type not str", "body str", "headers None", "name str", "value str", "triple"), "TypeError"),
    **dict.fromkeys(("no type", "no status"), "KeyError"),
    "body first": "RuntimeError",
}


@pytest.mark.parametrize(
    "what",
    [
        *("no dict", "no type", "type not str", "unknown type", "websocket type", "no status", "status str", "status 99"),
        *("status 100", "status 1000", "status negative", "body first", "body str", "headers None", "name str", "value str"),
        *("triple", "name injected", "value injected", "value newline", "value nul", "name empty", "name with space"),
        *("pseudo header", "length no number", "length signed", "length negative", "length list", "lengths differ"),
    ],
)
def test_a_wrong_message_raises_and_changes_nothing(kitchen, get, name, notes, what):
    response = get(f"/wrong?name={name}&what={what.replace(' ', '%20')}")
    assert (response.status, response.body) == (200, b"fine")
    kind, *_, text = notes(kitchen, name)[0]
    assert kind == ERRORS.get(what, "ValueError")
    assert text
    assert response.values("set-cookie") == []


def test_messages_out_of_order(kitchen, get, name, notes):
    response = get(f"/twice?name={name}")
    assert (response.status, response.body, response.cut) == (200, b"onetwo", False)
    first, second, third, fourth = notes(kitchen, name, 4)
    assert first[0] == second[0] == "RuntimeError"
    # Once the response is complete `send` raises an OSError (ASGI HTTP specification 2.4).
    assert "OSError" in third
    assert "OSError" in fourth


@pytest.mark.parametrize("pieces", ["10", "4 6", "4 0 6 0", "0 10", "10 0"])
def test_a_declared_length_that_is_right(get, kitchen, name, notes, pieces):
    response = get(f"/lengths?name={name}&declared=10&pieces={pieces.replace(' ', '+')}")
    assert (response.status, response.body, response.cut) == (200, b"x" * 10, False)
    assert response.values("content-length") == ["10"]
    assert notes(kitchen, name) == ["sent"]


@pytest.mark.parametrize(("pieces", "problem"), [("11", "longer"), ("9", "shorter"), ("0", "shorter"), ("11 1", "longer")])
def test_a_first_piece_that_belies_the_length_is_a_500(get, kitchen, name, notes, pieces, problem):
    response = get(f"/lengths?name={name}&declared=10&pieces={pieces.replace(' ', '+')}")
    assert response.status == 500
    assert notes(kitchen, name)[0] == ["RuntimeError", f"the response's body is {problem} than its content-length"]


@pytest.mark.parametrize(("pieces", "problem"), [("5 6", "longer"), ("5 4", "shorter"), ("5 10 1", "longer")])
def test_a_later_piece_that_belies_the_length_cuts_the_response(get, kitchen, name, notes, pieces, problem):
    response = get(f"/lengths?name={name}&declared=10&pieces={pieces.replace(' ', '+')}")
    assert (response.status, response.body, response.cut) == (200, b"x" * 5, True)
    assert notes(kitchen, name)[0] == ["RuntimeError", f"the response's body is {problem} than its content-length"]


def test_the_last_piece_may_come_late(kitchen, connection, name, notes, go):
    """HTTP/1 ends the body where its declared length is reached; that is not the client's leaving."""
    connection.request(f"/declared-and-late-end?name={name}")
    response = connection.head()
    while len(response.body) < 5:
        response.body += connection.piece()
    assert notes(kitchen, name) == ["sent"]
    # On HTTP/1 the connection is free already.
    if connection.version == "1.1":
        connection.request("/messages")
        assert connection.response().status == 200
    go(kitchen, name)
    assert notes(kitchen, name, 2) == ["sent", None]


@pytest.mark.parametrize("phase", ["start", "head"])
@pytest.mark.parametrize("kind", ["", "group", "cancelled"])
def test_an_exception_before_the_body_is_a_500(get, phase, kind):
    response = get(f"/crash?phase={phase}&kind={kind}")
    assert (response.status, response.body) == (500, b"Internal Server Error")
    assert get("/headers").status == 201


@pytest.mark.parametrize("declared", ["", "yes"])
@pytest.mark.parametrize("kind", ["", "cancelled"])
def test_an_exception_in_the_body_cuts_it(connection, declared, kind):
    connection.request(f"/crash?phase=body&declared={declared}&kind={kind}")
    response = connection.response()
    assert (response.status, response.body, response.cut) == (200, b"first", True)
    if connection.version == "2":
        # The stream is reset; the connection lives on.
        connection.request("/headers")
        assert connection.response().status == 201


def test_an_exception_after_the_response_harms_nothing(get, kitchen):
    response = get("/crash?phase=end&declared=yes")
    assert (response.status, response.body, response.cut) == (200, b"x" * 10, False)
    assert get("/headers").status == 201
    kitchen.wait_for("ValueError: boom with a secret")


def test_an_exception_is_logged_with_its_traceback(get, kitchen):
    get("/crash?phase=start")
    kitchen.wait_for("Exception in ASGI application")
    kitchen.wait_for(lambda line: "asgi_send.py" in line)


@pytest.mark.parametrize("phase", ["start", "head"])
def test_returning_without_a_response_is_a_500(get, kitchen, phase):
    assert get(f"/returns?phase={phase}").status == 500
    kitchen.wait_for("returned without completing its response")


def test_returning_in_the_body_cuts_it(get):
    response = get("/returns?phase=body")
    assert (response.body, response.cut) == (b"first", True)


@pytest.mark.parametrize("app", ["asgi_wrong:none", "asgi_wrong:text", "asgi_wrong:raises"])
def test_an_application_that_is_none_is_a_500(serve, app):
    with serve(app) as server:
        with server.client() as client:
            assert client.get("/").status_code == 500
        server.wait_for("Exception in ASGI application")


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304), ("HEAD", 304)])
@pytest.mark.parametrize("length", ["", "10"])
def test_responses_that_have_no_body(get, method, status, length):
    response = get(f"/status?status={status}&length={length}", method)
    assert (response.status, response.body, response.cut) == (status, b"", False)
    assert response.values("etag") == ['"1"']
    # RFC 9110 8.6: never with a 204; with HEAD and 304 it is what GET and 200 would have.
    assert response.values("content-length") == ([] if status == 204 or not length else [length])
    assert response.values("transfer-encoding") == [] or method == "HEAD"
    assert get("/headers").body == b"made"


def test_a_stream_that_nobody_takes_ends(kitchen, get, name, notes):
    """HEAD of a page that streams for ever: the application must not run on until the server ends."""
    assert get(f"/endless?name={name}", "HEAD").status == 200
    assert "OSError" in notes(kitchen, name)[0]


def test_a_response_without_body_is_over_for_who_listens(kitchen, get, name, notes):
    assert get(f"/head-then-disconnect?name={name}", "HEAD").status == 200
    # What is still sent goes nowhere and raises nothing.
    assert notes(kitchen, name, 3) == ["http.disconnect", None, None]


def test_two_tasks_may_send(kitchen, connection, name, notes):
    connection.request(f"/two-senders?name={name}")
    assert len(connection.response().body) == 6_000_000
    assert notes(kitchen, name, 2) == ["started", "sent"]


def test_what_is_not_awaited_harms_nothing(get):
    assert get("/abandoned").body == b"fine"
    assert get("/headers").status == 201


def test_work_goes_on_after_the_response(kitchen, get, name, notes, go):
    assert get(f"/background?name={name}").body == b"done"
    assert notes(kitchen, name) == ["answered"]
    go(kitchen, name)
    assert notes(kitchen, name, 2) == ["answered", "worked"]
