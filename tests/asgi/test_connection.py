"""One connection, many requests: keep-alive, pipelining, 100 Continue, upgrades, old versions, floods."""

import asyncio
import json
import threading

import httpx
import pytest


def test_a_thousand_requests_on_one_connection(connection):
    for number in range(1000):
        connection.request(f"/variable?name={number}")
        assert json.loads(connection.response().body) == ["unset", str(number)]


def test_pipelined_requests_are_answered_in_order(kitchen, dial):
    connection = dial(kitchen)
    requests = [f"GET /ordered?number={number} HTTP/1.1\r\nHost: a\r\n\r\n" for number in range(30)]
    connection.send("".join(requests).encode())
    assert [int(connection.response().body) for _ in range(30)] == list(range(30))


def test_pipelined_requests_with_bodies(kitchen, dial):
    connection = dial(kitchen)
    head = "POST /messages HTTP/1.1\r\nHost: a\r\n"
    sized = f"{head}Content-Length: 3\r\n\r\nabc"
    chunked = f"{head}Transfer-Encoding: chunked\r\n\r\n3\r\ndef\r\n0\r\n\r\n"
    unread = "POST /headers HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nxyz"
    connection.send((sized + chunked + unread + sized).encode())
    bodies = []
    for _ in range(4):
        response = connection.response()
        messages = json.loads(response.body) if response.status == 200 else []
        bodies.append("".join(message["body"] for message in messages))
    assert bodies == ["abc", "def", "", "abc"]


def test_streams_of_one_connection_do_not_wait_for_each_other(kitchen, dial, name, notes, go):
    connection = dial(kitchen, "2")
    streams = []
    for number in range(50):
        connection.request(f"/slow?name={name}&number={number}")
        streams.append(connection.stream)
    assert notes(kitchen, name, 50) == list(range(50))
    go(kitchen, name)
    assert [int(connection.response(stream=stream).body) for stream in streams] == list(range(50))


@pytest.mark.parametrize("head", ["GET /headers HTTP/1.1\r\nHost: a\r\nConnection: close", "GET /headers HTTP/1.0"])
def test_connection_close(kitchen, dial, head):
    connection = dial(kitchen)
    connection.send(f"{head}\r\n\r\n".encode())
    response = connection.response()
    assert (response.status, response.body) == (201, b"made")
    assert connection.is_closed()


def test_http_1_0_with_keep_alive(kitchen, dial):
    connection = dial(kitchen)
    for _ in range(2):
        connection.send(b"GET /headers HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert connection.response().values("connection") == ["keep-alive"]


def test_http_1_0_streams_until_the_connection_ends(kitchen, dial):
    connection = dial(kitchen)
    connection.send(b"GET /kinds HTTP/1.0\r\n\r\n")
    response = connection.response()
    assert response.values("transfer-encoding") == []
    assert response.body.startswith(b"bytes ")
    assert connection.is_closed()


def test_the_application_may_close_the_connection(serve, dial):
    with serve("asgi_closing:app") as server:
        first = dial(server)
        first.request()
        assert first.response().values("connection") == ["close"]
        assert first.is_closed()
        # Such headers do not exist in HTTP/2 (RFC 9113 8.2.2).
        with dial(server, "2") as second:
            for _ in range(2):
                second.request()
                response = second.response()
                assert (response.status, response.body) == (200, b"bye")
                assert response.values("connection") == response.values("keep-alive") == []


def test_100_continue_when_the_application_receives(kitchen, dial, name, notes):
    connection = dial(kitchen)
    connection.request("/messages", "POST", [("Expect", "100-continue"), ("Content-Length", "3")])
    # The body is not sent before the interim response is there.
    assert connection._line().startswith("HTTP/1.1 100 ")
    assert connection._line() == ""
    connection.send(b"abc")
    assert json.loads(connection.response().body)[0]["body"] == "abc"
    connection.request("/headers")
    assert connection.response().status == 201


def test_no_100_continue_unless_the_application_receives(kitchen, dial, name, notes, go):
    connection = dial(kitchen)
    connection.request(f"/never-receives?name={name}", "POST", [("Expect", "100-continue"), ("Content-Length", "3")])
    notes(kitchen, name)
    go(kitchen, name)
    assert connection.response().body == b"done"
    assert connection.interim == []


def test_expect_of_http2_harms_nothing(kitchen, dial):
    connection = dial(kitchen, "2")
    connection.request("/messages", "POST", [("expect", "100-continue")], b"abc")
    assert json.loads(connection.response().body)[0]["body"] == "abc"


@pytest.mark.parametrize("protocol", ["websocket", "h2c", "nonsense"])
def test_an_upgrade_is_served_as_a_plain_request(kitchen, dial, protocol):
    connection = dial(kitchen)
    headers = [("Connection", "Upgrade"), ("Upgrade", protocol), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")]
    connection.request("/headers", headers=headers)
    assert connection.response().status == 201
    connection.request("/headers")
    assert connection.response().body == b"made"


def test_two_hundred_connections(kitchen, dial, version, name, notes, go):
    connections = [dial(kitchen, version) for _ in range(200)]
    for number, connection in enumerate(connections):
        connection.request(f"/slow?name={name}&number={number}")
    assert sorted(notes(kitchen, name, 200)) == list(range(200))
    go(kitchen, name)
    assert [int(connection.response().body) for connection in connections] == list(range(200))


def test_a_client_of_another_make(kitchen, version):
    """An httpx client with many requests at once, over its pool of connections or of streams."""

    async def main():
        options = {"http1": version == "1.1", "http2": version == "2", "trust_env": False}
        async with httpx.AsyncClient(base_url=kitchen.url, **options) as client:
            replies = await asyncio.gather(
                *(client.post("/sizes", content=b"x" * (number * 1000)) for number in range(1, 60)),
            )
        return [sum(reply.json()[0]) for reply in replies]

    assert asyncio.run(main()) == [number * 1000 for number in range(1, 60)]


def test_many_clients_on_threads(kitchen, version):
    problems = []

    def work(number):
        try:
            with kitchen.client(http1=version == "1.1", http2=version == "2") as client:
                for index in range(20):
                    name = f"{number}-{index}"
                    assert client.get("/variable", params={"name": name}).json() == ["unset", name]
        except Exception as problem:
            problems.append(problem)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
