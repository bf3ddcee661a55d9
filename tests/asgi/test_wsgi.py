"""WSGI applications (PEP 3333): what they are given, and what becomes of what they answer."""

import ast
from pathlib import Path

import pytest

APP = Path(__file__).parents[1] / "apps" / "wsgi_kitchen.py"


@pytest.fixture(scope="module")
def server(serve):
    with serve("wsgi_kitchen:app", "--no-access-log") as server:
        yield server


@pytest.fixture
def connection(server, dial, version):
    return dial(server, version)


@pytest.fixture
def get(connection):
    def get(target, method="GET", headers=(), body=b""):
        connection.request(target, method, headers, body)
        return connection.response(method)

    return get


@pytest.fixture
def notes(server):
    def wait(name, count=1, timeout=10):
        with server.client() as client:
            text = client.get("/notes", params={"name": name, "count": count, "timeout": timeout}).text
        return ast.literal_eval(text)

    return wait


def environ(response):
    assert response.status == 200
    return ast.literal_eval(response.body.decode())


def test_the_whole_environment(get, server, version):
    headers = [("x-one", "1"), ("x-two", "a"), ("x-two", "b"), ("content-type", "text/x"), ("cookie", "a=1; b=2")]
    seen = environ(get("/caf%C3%A9/a%2Fb?x=%20&y", "POST", headers, b"abc"))
    assert int(seen.pop("REMOTE_PORT")) > 0
    expected = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        # Bytes as latin-1, as WSGI has them.
        "PATH_INFO": "/caf\xc3\xa9/a/b",
        "QUERY_STRING": "x=%20&y",
        "REQUEST_URI": "/caf%C3%A9/a%2Fb?x=%20&y",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": str(server.port),
        "SERVER_PROTOCOL": "HTTP/2.0" if version == "2" else "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": "text/x",
        "CONTENT_LENGTH": "3",
        "HTTP_HOST": "test",
        "HTTP_X_ONE": "1",
        "HTTP_X_TWO": "a,b",
        "HTTP_COOKIE": "a=1; b=2",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
    }
    assert seen == expected


def test_headers_that_could_pass_for_others_are_left_out(get):
    seen = environ(get("/", headers=[("x_user", "root"), ("x-user", "me"), ("proxy", "http://evil")]))
    assert seen["HTTP_X_USER"] == "me"
    assert "HTTP_PROXY" not in seen


def test_by_ipv6(serve, dial, version):
    with serve("wsgi_kitchen:app", "--bind", "[::1]:0") as server:
        connection = dial(server, version)
        connection.request("/")
        seen = environ(connection.response())
        connection.close()
    assert (seen["SERVER_NAME"], seen["REMOTE_ADDR"]) == ("[::1]", "::1")


def test_where_a_proxy_has_put_it(serve, dial, version):
    with serve("wsgi_kitchen:app", "--root-path", "/shop") as server:
        connection = dial(server, version)
        connection.request("/a", headers=[("x-forwarded-proto", "https"), ("x-forwarded-for", "192.0.2.7")])
        seen = environ(connection.response())
        connection.close()
    assert (seen["SCRIPT_NAME"], seen["PATH_INFO"], seen["wsgi.url_scheme"]) == ("/shop", "/a", "https")
    assert seen["REMOTE_ADDR"] == "192.0.2.7"


def test_by_a_unix_socket(serve, dial, version, tmp_path):
    with serve("wsgi_kitchen:app", "--uds", str(tmp_path / "socket")) as server:
        connection = dial(server, version)
        connection.request("/a")
        seen = environ(connection.response())
        connection.close()
    assert (seen["SERVER_NAME"], seen["SERVER_PORT"], seen["REMOTE_ADDR"]) == ("localhost", "80", "")


@pytest.fixture(scope="module")
def validated(serve):
    with serve("wsgi_kitchen:validated", "--interface", "wsgi") as server:
        yield server
        assert server.stop() == 0
        assert "Exception in WSGI application" not in server.stderr()


@pytest.mark.parametrize(
    "path", ["/", "/read?how=lines", "/list", "/write", "/late", "/nothing", "/stream?name=valid", "/file"]
)
def test_the_reference_validator_has_nothing_to_say(validated, dial, version, path):
    connection = dial(validated, version)
    connection.request(path, "POST", [("content-type", "text/plain")], b"a\nb\n")
    assert connection.head().status in (200, 201)
    if "stream" in path:
        with validated.client() as client:
            client.get("/go?name=valid")
    while connection.piece():
        pass


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("all", [b"one\ntwo\n\nthree", b"", b""]),
        ("pieces", [b"one\ntwo", b"\n\nthree"[:7]]),
        ("lines", [b"one\n", b"tw", b"o\n", b"\n", b"three", b""]),
        ("readlines", [b"one\n", b"|", b"two\n", b"\n", b"three"]),
    ],
)
def test_reading_the_body(connection, how, expected, declared):
    body = b"one\ntwo\n\nthree"
    headers = [("content-length", str(len(body)))] if declared else []
    connection.request(f"/read?how={how}", "POST", headers, end=False)
    for at in range(0, len(body), 3):
        connection.data(body[at : at + 3], end=at + 3 >= len(body))
    assert ast.literal_eval(connection.response().body.decode()) == expected


@pytest.mark.parametrize(("size", "told"), [(0, None), (3, "3"), (40_000, "40000"), (300_000, None)])
def test_a_length_that_the_client_does_not_tell(connection, size, told):
    """Django takes a body whose length is not told for none; of a long one it cannot be known before it has come."""
    connection.request("/length", "POST", end=False)
    for at in range(0, size, 10_000):
        connection.data(bytes(min(10_000, size - at)))
    connection.data(end=True)
    assert connection.response().body == repr((told, size)).encode()


def test_chunks_are_no_business_of_the_application(connection):
    connection.request("/", "POST", end=False)
    connection.data(b"abc", end=True)
    seen = environ(connection.response())
    assert seen["CONTENT_LENGTH"] == "3"
    assert "HTTP_TRANSFER_ENCODING" not in seen


def test_a_body_whose_length_is_waited_for_holds_no_thread(serve, dial, version):
    with serve("wsgi_kitchen:app", "--threads", "1") as server:
        slow, quick = dial(server, version), dial(server, version)
        slow.request("/length", "POST", end=False)
        slow.data(b"abc")
        quick.request("/thread")
        assert quick.response().status == 200
        slow.data(b"de", end=True)
        assert slow.response().body == b"('5', 5)"
        slow.close()
        quick.close()


def test_a_client_that_leaves_while_its_length_is_waited_for(serve, dial, version):
    with serve("wsgi_kitchen:app", "--body-timeout", "1") as server:
        leaving, stalling = dial(server, version), dial(server, version)
        for connection in (leaving, stalling):
            connection.request("/length", "POST", end=False)
            connection.data(b"abc")
        leaving.close()
        assert stalling.response().status == 408
        stalling.close()
        assert server.stop() == 0
        assert "Traceback" not in server.stderr()


def test_expect_is_answered_when_the_application_asks(server, dial):
    connection = dial(server)
    connection.request("/list", "POST", [("Expect", "100-continue")], end=False)
    assert connection.response().status == 201
    assert connection.interim == []
    connection.close()
    connection = dial(server)
    connection.request("/length", "POST", [("Expect", "100-continue")], end=False)
    connection.data(b"abc", end=True)
    # Nothing was known of the body when the application was called.
    assert connection.response().body == b"(None, 3)"
    assert connection.interim == [100]
    connection.close()


def test_a_request_without_body(get):
    assert get("/read?how=all").body == b"[b'', b'', b'']"


def test_a_large_upload(get):
    assert get("/read?how=count", "POST", body=bytes(5_000_000)).body == b"[b'5000000']"


def test_a_body_that_is_too_large(serve, dial, version):
    with serve("wsgi_kitchen:app", "--max-body", "1000") as server:
        connection = dial(server, version)
        connection.request("/read?how=all", "POST", body=bytes(600), end=False)
        connection.data(bytes(600), end=True)
        assert connection.response().status == 413
        connection.close()
        assert server.stop() == 0
        assert "Traceback" not in server.stderr()


def test_one_piece_has_its_length_told(get, version):
    response = get("/list")
    assert (response.status, response.body) == (201, b"made")
    assert response.values("set-cookie") == ["a=1", "b=2"]
    assert response.values("x-latin") == ["caf\xe9"]
    assert response.values("content-length") == ["4"] or version == "2"


@pytest.mark.parametrize(
    ("path", "body"),
    [("/late", b"late"), ("/nothing", b""), ("/write", b"written twice and returned"), ("/file", APP.read_bytes())],
)
def test_ways_to_give_a_body(get, path, body):
    response = get(path)
    assert (response.status, response.body, response.cut) == (200, body, False)
    assert get(path, "HEAD").body == b""


def test_pieces_go_out_as_they_come(connection, server, name, notes):
    connection.request(f"/stream?name={name}")
    assert connection.head().status == 200
    assert connection.piece() == b"first"
    with server.client() as client:
        client.get("/go", params={"name": name})
    assert connection.piece() == b"second"
    assert connection.piece() == b""
    assert notes(name) == ["closed"]


def test_a_head_may_be_replaced_until_it_is_out(get):
    response = get("/replaced")
    assert (response.status, response.body) == (503, b"replaced")
    assert response.values("x-first") == []
    assert response.values("x-second") == ["2"]


def test_a_head_that_is_out_cannot_be_replaced(get, server, name):
    response = get(f"/too-late?name={name}")
    assert (response.status, response.body, response.cut) == (200, b"begun", True)
    server.wait_for(f"ValueError: on purpose, {name}")


@pytest.mark.parametrize(
    ("what", "error"),
    [
        *((what, "TypeError") for what in ("status int", "name bytes", "value int", "pair")),
        *((what, "ValueError") for what in ("status text", "status 100", "value newline", "value wide")),
        ("twice", "RuntimeError"),
    ],
)
def test_a_wrong_head_raises_and_changes_nothing(get, what, error):
    response = get(f"/wrong?what={what.replace(' ', '+')}")
    assert (response.status, response.body) == (200, error.encode())


@pytest.mark.parametrize("how", ["raises", "exits", "not started", "returns none", "yields str", "longer"])
def test_what_fails_before_the_body_is_a_500(get, server, how):
    before = server.written()
    response = get(f"/bad?how={how.replace(' ', '+')}")
    assert (response.status, response.body) == (500, b"Internal Server Error")
    server.wait_for("Exception in WSGI application", since=before)


def test_what_fails_in_the_body_is_cut_and_closed(get, name, notes):
    response = get(f"/bad?how=midway&name={name}")
    assert (response.status, response.body, response.cut) == (200, b"begun", True)
    assert notes(name) == ["closed"]


def test_a_client_that_reads_nothing_and_leaves(server, dial, version, name, notes):
    connection = dial(server, version, receive_buffer=4096)
    connection.request(f"/endless?name={name}")
    assert connection.head().status == 200
    # It waits for room: some pieces are held, and no more are made, however long one waits for another.
    made = notes(f"{name}-sent", 3)
    while (waited := notes(f"{name}-sent", len(made) + 1, timeout=0.3)) != made:
        made = waited
        assert len(made) < 200
    connection.close()
    assert notes(name) == ["closed"]
    assert "ClientDisconnected" not in server.stderr()


def test_calls_are_on_threads_that_last_each_in_its_own_context(get):
    seen = [ast.literal_eval(get("/thread").body.decode()) for _ in range(20)]
    assert {main for main, _, _ in seen} == {False}
    assert {variable for _, _, variable in seen} == {"unset"}
    assert max(calls for _, calls, _ in seen) > 0


def test_as_many_threads_as_are_asked_for(serve, dial, version):
    with serve("wsgi_kitchen:app", "--threads", "1") as server:
        connections = [dial(server, version) for _ in range(5)]
        for connection in connections:
            connection.request("/thread")
        seen = [ast.literal_eval(connection.response().body.decode()) for connection in connections]
        for connection in connections:
            connection.close()
    assert sorted(calls for _, calls, _ in seen) == [0, 1, 2, 3, 4]


def test_what_finds_no_room_to_wait_for_a_thread_is_a_503(serve, dial, name):
    with serve("wsgi_kitchen:app", "--threads", "1", "--no-access-log") as server:
        busy = dial(server, receive_buffer=4096)
        busy.request(f"/endless?name={name}")
        assert busy.head().status == 200
        waiting = [dial(server, "2") for _ in range(16)]
        for connection in waiting:
            for _ in range(1024 // len(waiting)):
                connection.request("/nothing")
            # What comes after its answer comes after the requests.
            connection.h2.ping(b"12345678")
            connection.flush()
            while b"12345678" not in (answer := connection.socket.recv(65536)):
                connection.h2.receive_data(answer)
            connection.h2.receive_data(answer)
        late = dial(server, "2")
        for _ in range(8):
            late.request("/nothing")
            assert late.response().status == 503
        server.wait_for("all threads are busy")
        busy.close()
        for connection in waiting:
            streams = range(1, connection.stream + 1, 2)
            assert [connection.response(stream=stream).status for stream in streams] == [200] * len(streams)
            connection.close()
        late.request("/nothing")
        assert late.response().status == 200
        late.close()


def test_calls_wait_beside_each_other(server, dial, version):
    # Each of them waits for all others.
    connections = [dial(server, version) for _ in range(4)]
    for connection in connections:
        connection.request("/together")
    assert [connection.response().body for connection in connections] == [b"together"] * 4


def test_what_is_in_flight_is_answered_before_the_end(serve, dial, name):
    with serve("wsgi_kitchen:app") as server:
        connection = dial(server)
        connection.request(f"/stream?name={name}&opens=0.5")
        assert connection.head().status == 200
        assert connection.piece() == b"first"
        assert server.stop() == 0
        assert connection.piece() == b"second"
        assert connection.piece() == b""
