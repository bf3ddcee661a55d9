"""JSON of real servicers: streams, and what they say of the HTTP response."""

import json

import httpx
import pytest


@pytest.fixture(scope="module")
def server(serve):
    with serve("--grpc", "shaped:register") as server:
        yield server


@pytest.fixture(params=["HTTP/1.1", "HTTP/2"])
def client(server, request):
    h2 = request.param == "HTTP/2"
    with server.client(http1=not h2, http2=h2) as client:
        yield client


def test_status_and_headers(client):
    response = client.get("/kitchen/echo/created")
    assert (response.status_code, response.headers["location"]) == (201, "/kitchen/echo/9")
    assert response.json() == {"text": "created"}
    response = client.get("/kitchen/echo/cookies")
    assert (response.status_code, response.headers.get_list("set-cookie")) == (302, ["a=1", "b=2"])
    assert "x-http-code" not in response.headers


@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_a_body(client, status):
    response = client.get(f"/kitchen/echo/{status}")
    assert (response.status_code, response.content, response.headers["etag"]) == (status, b"", '"1"')
    # The connection is still in step.
    assert client.get("/kitchen/echo/created").status_code == 201


def test_a_synchronous_servicer(client):
    response = client.post("/kitchen.v1.Kitchen/EchoSync", json={"text": "x"})
    assert (response.status_code, response.json()["text"]) == (202, "x")


def test_an_error_has_an_errors_status(client):
    response = client.get("/kitchen/echo/gone")
    assert (response.status_code, response.json()) == (410, {"code": 5, "message": "it was here"})


def test_a_status_that_is_none(client):
    assert client.get("/kitchen/echo/700").status_code == 500


MESSAGES = [{"text": f"x {number}"} for number in range(3)]


@pytest.mark.parametrize(
    ("accept", "content_type", "read"),
    [
        ("*/*", "application/json", json.loads),
        ("application/x-ndjson", "application/x-ndjson", lambda text: [json.loads(line) for line in text.splitlines()]),
        ("application/json-seq", "application/json-seq", lambda text: [json.loads(part) for part in text.split("\x1e")[1:]]),
        ("text/event-stream", "text/event-stream", lambda text: [json.loads(part[6:]) for part in text.split("\n\n")[:-1]]),
    ],
)
def test_a_stream(client, accept, content_type, read):
    response = client.post("/kitchen.v1.Kitchen/Watch", json={"text": "x"}, headers={"accept": accept})
    assert (response.status_code, response.headers["content-type"]) == (203, content_type)
    assert response.headers["x-kind"] == "stream"
    assert read(response.text) == MESSAGES


def test_a_stream_that_fails(client):
    request = {"url": "/kitchen.v1.Kitchen/Watch", "json": {"text": "fail"}}
    response = client.post(**request, headers={"accept": "application/x-ndjson"})
    assert json.loads(response.text.splitlines()[-1]) == {"error": {"code": 10, "message": "lost"}}
    # An array that ends well would say that it is complete.
    with pytest.raises(httpx.RemoteProtocolError):
        client.post(**request)
