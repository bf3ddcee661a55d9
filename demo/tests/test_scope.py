"""What reaches the application of a request: the view /inspect says what its ASGI scope and body were."""

import asyncio
import hashlib
import os
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from demo_site import PATIENCE, Client, Site


def headers_of(inspected: dict[str, Any], name: str) -> list[str]:
    """All values of this name, in their order."""
    return [value for key, value in inspected["headers"] if key == name]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
def test_methods(pages: Client, method: str) -> None:
    inspected = pages.request(method, "/inspect").json()
    assert inspected["method"] == inspected["django"]["method"] == method
    assert inspected["body"]["size"] == 0


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/inspect", "/inspect", ""),
        ("/inspect?", "/inspect", ""),
        ("/inspect/%E2%82%AC/%C3%A9?q=%E2%82%AC", "/inspect/€/é", "q=%E2%82%AC"),
        ("/inspect/a%2Fb%20c+d?x=1&y&z=&x=2", "/inspect/a/b c+d", "x=1&y&z=&x=2"),
        ("/inspect/a%252Fb", "/inspect/a%2Fb", ""),
        ("/inspect//double//slash/", "/inspect//double//slash/", ""),
        ("/inspect/./dot/../dots", "/inspect/./dot/../dots", ""),
        ("/inspect/%2e%2e/encoded", "/inspect/../encoded", ""),
        ("/inspect/x:verb;p=1,2?a=b?c=d", "/inspect/x:verb;p=1,2", "a=b?c=d"),
        ("/inspect/q?%zz=%&&=&;", "/inspect/q", "%zz=%&&=&;"),
        ("/inspect/" + "long/" * 800, "/inspect/" + "long/" * 800, ""),
    ],
)
def test_paths_and_queries(pages: Client, target: str, path: str, query: str) -> None:
    # As the target stands here, past httpx's own ideas of what a URL is.
    inspected = pages.get("/", extensions={"target": target.encode()}).json()
    assert (inspected["path"], inspected["query_string"]) == (path, query)
    assert inspected["raw_path"] == target.partition("?")[0]
    assert inspected["root_path"] == ""


def test_headers_keep_values_and_order(pages: Client) -> None:
    sent = [
        ("X-Mixed-Case", "One"),
        ("x-many", "b"),
        ("x-many", "a"),
        ("x-many", "b, c"),
        ("x-empty", ""),
        ("x-spaced", "inner  spaces"),
        ("x_underscore", "kept"),
        ("x-long", "v" * 6000),
        ("accept-language", "cs"),
        ("authorization", "Bearer abc.def"),
        ("te", "trailers"),
    ]
    inspected = pages.get("/inspect", headers=sent).json()
    assert headers_of(inspected, "x-mixed-case") == ["One"]
    assert ", ".join(headers_of(inspected, "x-many")) == "b, a, b, c"
    assert headers_of(inspected, "x-empty") == [""]
    assert headers_of(inspected, "x-spaced") == ["inner  spaces"]
    assert headers_of(inspected, "x_underscore") == ["kept"]
    assert headers_of(inspected, "x-long") == ["v" * 6000]
    assert headers_of(inspected, "accept-language") == ["cs"]
    assert headers_of(inspected, "authorization") == ["Bearer abc.def"]
    assert not [name for name, _ in inspected["headers"] if name.startswith(":") or name.lower() != name]


@pytest.mark.parametrize("value", ["AAEC", "!!", "not base64 at all", ""])
def test_headers_that_end_like_binary_metadata(pages: Client, value: str) -> None:
    assert headers_of(pages.get("/inspect", headers={"x-foo-bin": value}).json(), "x-foo-bin") == [value]


def test_headers_of_grpc_are_only_headers(pages: Client) -> None:
    sent = {"grpc-timeout": "1n", "grpc-encoding": "snappy", "grpc-accept-encoding": "gzip"}
    response = pages.get("/inspect", headers=sent)
    assert response.status_code == 200
    removed = pages.site.differs("grpc-headers-of-browsers")
    for name, value in sent.items():
        assert headers_of(response.json(), name) == ([] if removed else [value])


def test_the_application_gets_no_headers_of_the_carrier(pages: Client) -> None:
    inspected = pages.post("/inspect", content=b"x", headers={"content-type": "text/x-mine"}).json()
    assert headers_of(inspected, "content-type") == ["text/x-mine"]
    assert headers_of(inspected, "content-length") == ["1"]
    names = {name for name, _ in inspected["headers"]}
    added = {"x-forwarded-for", "x-forwarded-proto", "x-request-id", "x-envoy-external-address"}
    allowed = {"host", "content-type", "content-length", "accept", "accept-encoding", "connection", "user-agent"}
    assert names - allowed == (added if pages.site.differs("proxy-headers") else set())


def test_host(pages: Client) -> None:
    inspected = pages.get("/inspect", headers={"host": "localhost:1234"}).json()
    assert headers_of(inspected, "host") == ["localhost:1234"]
    assert inspected["django"]["host"] == "localhost:1234"
    assert inspected["headers"][0][0] == "host"
    assert pages.get("/inspect", headers={"host": "elsewhere.example"}).status_code == 400


def test_scope(pages: Client) -> None:
    inspected = pages.get("/inspect").json()
    own = "2" if pages.version == "HTTP/2" else "1.1"
    assert inspected["http_version"] == ("2" if pages.site.differs("http-version") else own)
    assert inspected["scheme"] == "http"
    assert inspected["asgi"]["version"] == "3.0"
    host, port = inspected["client"]
    if not pages.site.differs("client-address"):
        assert host == "127.0.0.1"
        assert port > 0
    assert isinstance(port, int)
    assert {"type", "asgi", "http_version", "method", "scheme", "path", "raw_path", "query_string", "root_path"} <= set(
        inspected["scope"]
    )


@pytest.mark.parametrize("size", [1, 65_535, 1 << 20, 4 << 20, 12 << 20])
def test_bodies(pages: Client, size: int) -> None:
    data = os.urandom(size)
    inspected = pages.post("/inspect", content=data).json()
    assert inspected["body"] == {"size": size, "sha256": hashlib.sha256(data).hexdigest()}
    assert headers_of(inspected, "content-length") == [str(size)]


def test_a_chunked_body(pages: Client) -> None:
    chunks = [os.urandom(size) for size in (1, 0, 70_000, 5, 300_000)]

    def produce() -> Iterator[bytes]:
        yield from chunks

    inspected = pages.post("/inspect", content=produce()).json()
    data = b"".join(chunks)
    assert inspected["body"] == {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    expected = [str(len(data))] if pages.site.differs("framing") else []
    assert headers_of(inspected, "content-length") == expected


def test_a_body_over_the_limit(pages: Client) -> None:
    limited = pages.site.differs("page-body-limit")
    # Envoy has begun the call when it finds out; what Narthex says of a call that is given up is not this test's matter.
    with pages.expecting(pages.ANY if limited else "page"):
        try:
            response = pages.post("/inspect", content=b"x" * (17 << 20))
        except httpx.HTTPError:
            # Envoy answers and closes while httpx still writes; then it may not get to read the answer.
            assert limited
        else:
            assert response.status_code == (413 if limited else 200)


def test_a_response_arrives_as_it_is_produced(site: Site) -> None:
    with (
        site.watch("page"),
        httpx.stream("GET", f"{site.url}/stream?lines=3&pause_ms=1000", timeout=PATIENCE, trust_env=False) as response,
    ):
        times = [time.monotonic() for _ in response.iter_raw()]
    in_one_piece = times[-1] - times[0] < 0.5
    assert in_one_piece == site.differs("page-streams")


def test_many_at_once(site: Site) -> None:
    async def ask(client: httpx.AsyncClient, number: int) -> None:
        data = os.urandom(number * 500)
        response = await client.post(f"/inspect/{number}", content=data)
        inspected = response.json()
        assert inspected["path"] == f"/inspect/{number}"
        assert inspected["body"]["sha256"] == hashlib.sha256(data).hexdigest()

    async def ask_all() -> None:
        for http2 in (False, True):
            async with httpx.AsyncClient(
                base_url=site.url, http1=not http2, http2=http2, timeout=PATIENCE * 2, trust_env=False
            ) as client:
                await asyncio.gather(*(ask(client, number) for number in range(40)))

    with site.watch(*["page"] * 80):
        asyncio.run(ask_all())
