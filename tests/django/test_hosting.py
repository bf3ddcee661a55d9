"""Django's own applications, ASGI and WSGI, with the things of Django that depend on their server."""

import hashlib

import pytest
from wires import Http1


@pytest.fixture(scope="module", params=["application", "wsgi"])
def server(serve, request):
    with serve(f"django_site:{request.param}", "--no-access-log") as server:
        yield server


@pytest.fixture(params=["HTTP/1.1", "HTTP/2"])
def client(server, request):
    http2 = request.param == "HTTP/2"
    with server.client(http1=not http2, http2=http2) as client:
        yield client


def test_an_upload(client):
    contents = bytes(range(256)) * 100
    answer = client.post("/upload", files={"file": ("a.bin", contents)}, data={"text": "caf\xe9"}).raise_for_status().json()
    assert answer == {"name": "a.bin", "digest": hashlib.sha256(contents).hexdigest(), "text": "caf\xe9"}


def test_an_upload_whose_length_the_client_does_not_tell(client, server):
    form = client.build_request("POST", "/upload", files={"file": ("a.bin", b"abc")}, data={"text": "x"})
    headers = {"content-type": form.headers["content-type"]}
    response = client.post("/upload", content=iter([form.read()]), headers=headers)
    # Django takes such a form for an empty one, whatever comes; WSGI's environment has the length.
    assert response.status_code == (200 if "django_site:wsgi" in server.command else 500)


def test_a_large_upload(client):
    contents = bytes(range(256)) * 20_000
    answer = client.post("/upload", files={"file": ("large.bin", contents)}, data={"text": ""}).raise_for_status().json()
    assert answer["digest"] == hashlib.sha256(contents).hexdigest()


def test_a_session(client):
    assert [client.get("/session").text for _ in range(3)] == ["1", "2", "3"]


@pytest.mark.parametrize("view", ["stream", "stream_async"])
def test_a_streamed_response(client, view):
    assert client.get(f"/{view}?count=2000").raise_for_status().content == b"first" + b"x" * 2_000_000


def test_what_a_view_is_told(client, server):
    headers = {"x-forwarded-proto": "https", "host": "shop.example"}
    told = client.get("/caf%C3%A9", params={"q": "\u20ac &"}, headers=headers).raise_for_status().json()
    # Django believes the server, not the header, unless it was told which header to believe.
    assert told == {"secure": True, "host": "shop.example", "path": "/caf\xe9", "q": "\u20ac &"}


def test_an_exception_is_djangos_500(client):
    response = client.get("/fails")
    assert response.status_code == 500
    assert "<h1>Server Error (500)</h1>" in response.text


@pytest.fixture
def count(client):
    def count(what, least=0):
        return int(client.get("/events", params={"what": what, "count": least}).text)

    return count


@pytest.fixture
def settled(count):
    """How many requests have finished, once all have but the one that asks: the signal comes after the response."""
    return count("finished", count("started"))


def test_the_signals_around_each_request(client, count, settled):
    for _ in range(5):
        client.get("/session")
    # Those five, and the one that has counted before.
    assert count("finished", settled + 6) == settled + 6
    assert count("started") >= settled + 6


def test_a_stream_ends_when_its_client_leaves(server, count, settled):
    # Django takes the other kind to its end before it sends any of it.
    view = "stream" if "django_site:wsgi" in server.command else "stream_async"
    with server.client() as leaving, leaving.stream("GET", f"/{view}?count=1000000000") as response:
        assert next(response.iter_raw()).startswith(b"first")
    # That one, and the one that has counted before.
    assert count("finished", settled + 2) == settled + 2


def test_a_view_is_cancelled_when_its_client_leaves(serve):
    with serve("django_site:application") as server, server.client() as client:
        with Http1((server.host, server.port)) as leaving:
            leaving.request("/forever", headers=[("host", "localhost")])
            assert client.get("/events?what=entered&count=1").text == "1"
        assert client.get("/events?what=cancelled&count=1").text == "1"
        assert server.stop() == 0
        assert "Traceback" not in server.stderr()
