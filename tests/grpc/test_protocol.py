"""Requests as bytes on the wire, and what is answered to wrong ones."""

import gzip
import random
import zlib

import grpc
import pytest
from grpc import StatusCode

GRPC = {"content-type": "application/grpc", "te": "trailers"}


def envelope(message: bytes, flag: int = 0) -> bytes:
    return bytes([flag]) + len(message).to_bytes(4, "big") + message


def status(server, content: bytes, path: str = "/test.Calls/Echo", method: str = "POST", **headers):
    """The status that a trailers-only response tells."""
    with server.client(http1=False, http2=True) as client:
        sent = {**GRPC, **{name.replace("_", "-"): value for name, value in headers.items()}}
        response = client.request(method, path, content=content, headers=sent)
    assert response.status_code == 200, response
    assert response.headers["content-type"] == "application/grpc"
    assert response.content == b""
    return int(response.headers["grpc-status"]), response.headers


WRONG = {
    "no message": (b"", {}, StatusCode.UNIMPLEMENTED),
    "two messages": (envelope(b"a") + envelope(b"b"), {}, StatusCode.UNIMPLEMENTED),
    "half an envelope": (envelope(b"abc")[:-1], {}, StatusCode.INTERNAL),
    "half a prefix": (b"\0\0", {}, StatusCode.INTERNAL),
    "an unknown flag": (envelope(b"a", flag=2), {}, StatusCode.INTERNAL),
    "a compressed flag without encoding": (envelope(b"a", flag=1), {}, StatusCode.INTERNAL),
    "data that is not gzip": (envelope(b"a", flag=1), {"grpc_encoding": "gzip"}, StatusCode.INTERNAL),
    "an unknown encoding": (envelope(b"a"), {"grpc_encoding": "snappy"}, StatusCode.UNIMPLEMENTED),
    "a length that lies": (b"\0\xff\xff\xff\xff", {}, StatusCode.RESOURCE_EXHAUSTED),
    "too large once decompressed": (
        envelope(gzip.compress(bytes((4 << 20) + 1)), flag=1),
        {"grpc_encoding": "gzip"},
        StatusCode.RESOURCE_EXHAUSTED,
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_bodies(server, wrong):
    content, headers, expected = WRONG[wrong]
    assert status(server, content, **headers)[0] == expected.value[0]


def test_an_unknown_encoding_is_told_the_known_ones(server):
    _, headers = status(server, envelope(b"a"), grpc_encoding="snappy")
    assert set(headers["grpc-accept-encoding"].split(",")) >= {"identity", "gzip", "deflate"}


def test_too_large_a_message(client, kind):
    # grpcio reads the early answer while it still sends; httpx does not.
    assert client.error(f"Echo{kind}", bytes((4 << 20) + 1)).code() is StatusCode.RESOURCE_EXHAUSTED
    assert len(client(f"Echo{kind}", bytes(4 << 20))) == 4 << 20


def test_other_verbs(server):
    assert status(server, envelope(b"a"), method="PUT")[0] == StatusCode.UNKNOWN.value[0]


@pytest.mark.parametrize("path", ["/", "//", "/test.Calls", "/test.Calls/", "/test.Calls/Echo/", "/test.Calls/Echo%20", "*"])
def test_other_paths(server, path):
    assert status(server, envelope(b"a"), path="/" + path.lstrip("/") if path == "*" else path)[0] == 12


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate, grpc.Compression.NoCompression])
def test_compressed_requests(server, client, compression, kind):
    message = b"x" * 100_000
    assert client(f"Echo{kind}", message, compression=compression) == message


@pytest.mark.parametrize(("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("identity", None)])
def test_encodings_as_bytes(server, encoding, compress):
    message = compress(b"hello") if compress else b"hello"
    with server.client(http1=False, http2=True) as client:
        head = {**GRPC, "grpc-encoding": encoding}
        response = client.post("/test.Calls/Echo", content=envelope(message, flag=int(compress is not None)), headers=head)
    assert response.content == envelope(b"hello")


@pytest.mark.parametrize("content_type", ["application/grpc", "application/grpc+proto", "application/grpc; x=y"])
def test_content_types(server, content_type):
    with server.client(http1=False, http2=True) as client:
        response = client.post("/test.Calls/Echo", content=envelope(b"x"), headers={**GRPC, "content-type": content_type})
    assert response.headers["content-type"] == "application/grpc"
    assert response.content == envelope(b"x")


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/proto"])
def test_other_content_types_are_unsupported(server, content_type):
    with server.client(http1=False, http2=True) as client:
        response = client.post("/test.Calls/Echo", content=envelope(b"x"), headers={"content-type": content_type})
    assert response.status_code == 415


def test_metadata_that_is_not_ascii_or_base64_is_handed_on(server):
    head = [*GRPC.items(), (b"x-latin", b"\xe4"), (b"x-bad-bin", b"!!"), (b"x-two-bin", b"AA,/w==")]
    with server.client(http1=False, http2=True) as client:
        response = client.post("/test.Calls/Metadata", content=envelope(b"{}"), headers=head)
    for part in (b'["x-latin", "\\u00e4"]', b'["x-bad-bin", "2121"]', b'["x-two-bin", "00"], ["x-two-bin", "ff"]'):
        assert part in response.content


def test_a_malformed_timeout_is_none(server):
    with server.client(http1=False, http2=True) as client:
        response = client.post("/test.Calls/Look", content=envelope(b""), headers={**GRPC, "grpc-timeout": "soon"})
    assert b'"time_remaining": null' in response.content


def test_grpc_over_http1(server):
    # No gRPC client does this; the messages are the same, and the trailers come in the last chunk.
    with server.client() as client:
        response = client.post("/test.Calls/Echo", content=envelope(b"x"), headers=GRPC)
    assert response.status_code == 200
    assert response.content == envelope(b"x")


def test_the_limit_of_messages_can_be_set(serve, connect):
    with serve("--grpc", "grpc_calls:register", "--grpc-max-message", "100") as server, connect(server.target) as client:
        assert client("Echo", b"x" * 100) == b"x" * 100
        for compression in (None, grpc.Compression.Gzip):
            error = client.error("Echo", b"x" * 101, compression=compression)
            assert error.code() is StatusCode.RESOURCE_EXHAUSTED


def test_rubbish_ends_nothing(server, client):
    numbers = random.Random(4)
    with server.client(http1=False, http2=True) as raw:
        for _ in range(200):
            response = raw.post("/test.Calls/Echo", content=numbers.randbytes(numbers.randrange(40)), headers=GRPC)
            assert response.headers.get("grpc-status") != "0"
    assert client("Echo", b"x") == b"x"
