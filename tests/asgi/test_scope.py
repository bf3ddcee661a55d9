"""The scope of a request, exactly (ASGI HTTP specification, "HTTP Connection Scope")."""

import ast

import pytest


@pytest.fixture(scope="module")
def rooted(serve):
    with serve("asgi_kitchen:app", "--root-path", "/sub", "--no-access-log") as server:
        yield server


@pytest.fixture(scope="module")
def suspicious(serve):
    with serve("asgi_kitchen:app", "--forwarded-allow-ips", "10.0.0.0/8", "--no-access-log") as server:
        yield server


def scope_of(connection, target="/scope", method="GET", headers=(), **options):
    connection.request(target, method, headers, **options)
    response = connection.response()
    assert response.status == 200, response
    return ast.literal_eval(response.body.decode())


def test_the_whole_scope(kitchen, connection, version):
    scope = scope_of(connection, "/scope/a%20b?c=d&e", "PUT", [("x-one", "1"), ("accept", "*/*")])
    local, port = connection.socket.getsockname()
    assert scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": version,
        "method": "PUT",
        "scheme": "http",
        "path": "/scope/a b",
        "raw_path": b"/scope/a%20b",
        "query_string": b"c=d&e",
        "root_path": "",
        "headers": [(b"host", b"test"), (b"x-one", b"1"), (b"accept", b"*/*")],
        "client": (local, port),
        "server": ("127.0.0.1", kitchen.port),
        "state": {"color": "blue", "numbers": scope["state"]["numbers"]},
    }
    # Equality would let True pass for 1, and a list subclass for a list.
    types = {key: type(value) for key, value in scope.items()}
    assert types["headers"] is list
    assert {type(header) for header in scope["headers"]} == {tuple}
    assert (type(scope["client"]), type(scope["server"][1]), type(scope["client"][1])) == (tuple, int, int)
    assert types["raw_path"] is types["query_string"] is bytes


def test_http_1_0(kitchen, dial):
    connection = dial(kitchen)
    connection.send(b"GET /scope HTTP/1.0\r\n\r\n")
    scope = ast.literal_eval(connection.response().body.decode())
    assert scope["http_version"] == "1.0"
    assert scope["headers"] == []


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/scope", "/scope"),
        ("/scope/", "/scope/"),
        ("/scope//a///", "/scope//a///"),
        ("/scope/./a/../b", "/scope/./a/../b"),
        ("/scope/%41%2f%2F", "/scope/A//"),
        ("/scope/%25%3F%23", "/scope/%?#"),
        ("/scope/caf%C3%A9/%E2%82%AC/%F0%9F%8E%89", "/scope/café/€/🎉"),
        ("/scope/%FF%41", "/scope/\ufffdA"),
        ("/scope/%C3", "/scope/\ufffd"),
        ("/scope/100%", "/scope/100%"),
        ("/scope/%zz%4", "/scope/%zz%4"),
        ("/scope/a+b", "/scope/a+b"),
        ("/scope/%00", "/scope/\0"),
        ("/scope/a;b=c,d:e@f!$&'()*~", "/scope/a;b=c,d:e@f!$&'()*~"),
    ],
)
def test_path_is_decoded_and_raw_path_is_not(connection, target, path):
    scope = scope_of(connection, target)
    assert scope["path"] == path
    assert scope["raw_path"] == target.encode()


@pytest.mark.parametrize("query", ["", "a", "a=b&a=c", "%20+%FF", "a?b?c", "x=%2F/[]{}|^", "=&=&"])
def test_query_string_is_bytes_as_received(connection, query):
    scope = scope_of(connection, f"/scope?{query}")
    assert scope["query_string"] == query.encode()
    assert scope["raw_path"] == b"/scope"


@pytest.mark.parametrize(
    ("sent", "seen"), [("GET", "GET"), ("DELETE", "DELETE"), ("PURGE", "PURGE"), ("get", "GET"), ("M-Search", "M-SEARCH")]
)
def test_method_is_upper_case(connection, sent, seen):
    assert scope_of(connection, method=sent)["method"] == seen


def test_root_path_is_a_part_of_path(rooted, dial, version):
    scope = scope_of(dial(rooted, version), "/scope/a%2Fb?c")
    assert scope["root_path"] == "/sub"
    assert scope["path"] == "/sub/scope/a/b"
    assert scope["raw_path"] == b"/scope/a%2Fb"


def test_headers_keep_duplicates_order_and_values(connection, version):
    sent = [("b", "1"), ("a", "2"), ("b", "3"), ("x-empty", ""), ("c", "caf\xe9"), ("a", "2")]
    if version == "1.1":
        sent = [(name.upper(), value) for name, value in sent]
    headers = scope_of(connection, headers=sent)["headers"]
    assert headers[0] == (b"host", b"test")
    assert {name for name, _ in headers} == {b"host", b"a", b"b", b"c", b"x-empty"}
    for name, values in {b"a": [b"2", b"2"], b"b": [b"1", b"3"], b"c": [b"caf\xe9"], b"x-empty": [b""]}.items():
        assert [value for key, value in headers if key == name] == values
    # The names come in the order of their first appearance.
    assert list(dict(headers)) == [b"host", b"b", b"a", b"x-empty", b"c"]


def test_authority_comes_first_as_host_and_replaces_host(kitchen, dial):
    sent = [("x-one", "1"), (":authority", "shop.example:8080"), ("host", "other.example")]
    headers = scope_of(dial(kitchen, "2"), headers=sent)["headers"]
    assert headers == [(b"host", b"shop.example:8080"), (b"x-one", b"1")]


def test_absolute_target_replaces_host(kitchen, dial):
    connection = dial(kitchen)
    connection.send(b"GET http://shop.example:8080/scope/a?b HTTP/1.1\r\nX-One: 1\r\nHost: other.example\r\n\r\n")
    scope = ast.literal_eval(connection.response().body.decode())
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/scope/a", b"/scope/a", b"b")
    assert [value for name, value in scope["headers"] if name == b"host"] == [b"shop.example:8080"]


def test_asterisk_target(kitchen, dial, version):
    connection = dial(kitchen, version)
    connection.request("*", "OPTIONS")
    response = connection.response()
    assert response.status == 404
    assert response.body == b"*"


def test_cookies_of_http2_are_joined(kitchen, dial):
    sent = [("cookie", "a=1"), ("x-one", "1"), ("cookie", "b=2; c=3")]
    headers = scope_of(dial(kitchen, "2"), headers=sent)["headers"]
    assert [value for name, value in headers if name == b"cookie"] == [b"a=1; b=2; c=3"]


def test_framing_headers_are_seen(connection, version):
    connection.request("/scope", "POST", [("content-length", "3")], b"abc")
    headers = dict(ast.literal_eval(connection.response().body.decode())["headers"])
    assert headers[b"content-length"] == b"3"


def test_unix_socket(serve, dial, version, tmp_path):
    path = tmp_path / "s"
    with serve("asgi_kitchen:app", "--uds", str(path)) as server, dial(server, version) as connection:
        scope = scope_of(connection)
        assert scope["server"] == (str(path), None)
        assert scope["client"] is None
        assert scope_of(connection, headers=FORWARDED)["scheme"] == "http"


def test_a_trusted_unix_socket_is_believed(serve, dial, tmp_path):
    with serve("asgi_kitchen:app", "--uds", str(tmp_path / "s"), "--forwarded-allow-ips", "unix") as server:
        scope = scope_of(dial(server), headers=FORWARDED)
        assert scope["client"] == ("203.0.113.9", 0)
        assert scope["scheme"] == "https"


def test_ipv6(serve, dial):
    with serve("asgi_kitchen:app", "--bind", "[::1]:0") as server:
        connection = dial(server)
        scope = scope_of(connection)
        assert scope["server"] == ("::1", server.port)
        assert scope["client"] == ("::1", connection.socket.getsockname()[1])


FORWARDED = [
    ("x-forwarded-for", "203.0.113.9"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "shop.example"),
]


def test_a_trusted_peer_is_believed(connection):
    scope = scope_of(connection, headers=FORWARDED)
    assert scope["client"] == ("203.0.113.9", 0)
    assert scope["scheme"] == "https"
    assert [header for header in scope["headers"] if header[0] == b"host"] == [(b"host", b"shop.example")]
    assert scope["headers"][0][0] == b"host"
    # What came is there still, for applications that have their own rules.
    assert (b"x-forwarded-for", b"203.0.113.9") in scope["headers"]


def test_another_peer_is_not_believed(suspicious, dial, version):
    connection = dial(suspicious, version)
    scope = scope_of(connection, headers=FORWARDED)
    assert scope["client"] == connection.socket.getsockname()
    assert scope["scheme"] == "http"
    assert (b"host", b"test") in scope["headers"]


def test_the_last_untrusted_address_is_the_client(connection):
    scope = scope_of(connection, headers=[("x-forwarded-for", "6.6.6.6, 203.0.113.9"), ("x-forwarded-for", "127.0.0.1")])
    assert scope["client"] == ("203.0.113.9", 0)


@pytest.mark.parametrize("value", ["", "unknown", "203.0.113.9, nonsense", "\xff"])
def test_an_address_that_is_none_changes_nothing(connection, value):
    scope = scope_of(connection, headers=[("x-forwarded-for", value)])
    assert scope["client"] == connection.socket.getsockname()


def test_state_is_copied_for_each_request_and_shallowly(serve):
    with serve("asgi_kitchen:app") as server, server.client() as client:
        assert client.get("/state?name=red").json() == ["blue", [0]]
        assert client.get("/state?name=red").json() == ["blue", [0, 1]]


def test_context_variables_are_each_request_s_own(connection):
    for name in ("one", "two", "three"):
        connection.request(f"/variable?name={name}")
        assert connection.response().body == b'["unset", "%s"]' % name.encode()


def test_a_plain_function_is_an_application_with_its_own_context(serve):
    with serve("asgi_scope:sync") as server, server.client() as client:
        assert [client.get("/").json() for _ in range(3)] == [["unset", "set"]] * 3


def test_any_awaitable_will_do(serve):
    with serve("asgi_scope:Awaitable") as server, server.client() as client:
        assert client.get("/").text == "awaited"
