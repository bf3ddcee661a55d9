"""Streams in requests, and bodies that are no JSON, by real servicers."""

import json
import zlib

import pytest

MULTIPART = "multipart/form-data; boundary=b"
PART = b"--b\r\ncontent-disposition: form-data; name=a\r\n\r\n"


def message(text: str) -> bytes:
    """A message of the stream."""
    return json.dumps({"text": text}).encode()


# What makes the first message whole, what makes another one whole, and what ends the body.
FRAMINGS = {
    "application/json": (b"[%b", b",%b", b"]"),
    "application/x-ndjson": (b"%b\n", b"%b\n", b""),
    "application/json-seq": (b"\x1e%b\n", b"\x1e%b\n", b""),
    MULTIPART: (PART + b"%b\r\n--b", PART.removeprefix(b"--b") + b"%b\r\n--b", b"--"),
}


@pytest.mark.parametrize("encoding", ["identity", "gzip", "deflate"])
@pytest.mark.parametrize("kind", FRAMINGS)
def test_each_message_is_answered_before_the_next_is_sent(wire, kind, encoding):
    first, another, end = FRAMINGS[kind]
    headers = [("content-type", kind), ("content-encoding", encoding), ("accept", "application/x-ndjson")]
    compressor = None if encoding == "identity" else zlib.compressobj(wbits=31 if encoding == "gzip" else 15)

    def flushed(data: bytes) -> bytes:
        return data if compressor is None else compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH)

    wire.request("/parcels/answer", "POST", headers, end=False)
    for number, framing in enumerate([first, another, another]):
        wire.data(flushed(framing % message(f"message {number}")))
        if number == 0:
            head = wire.head("POST")
            assert (head.status, head.values("content-type")) == (200, ["application/x-ndjson"])
        assert wire.piece() == message(f"MESSAGE {number}").replace(b": ", b":") + b"\n"
    wire.data(end if compressor is None else compressor.compress(end) + compressor.flush(), end=True)
    assert wire.rest(head).body == b""


def test_files_are_the_messages_of_a_bytes_field(wire):
    parts = [b"\x00\xff", b"", b"three"]
    body = b"".join(PART.replace(b"\r\n\r\n", b"\r\ncontent-type: image/png\r\n\r\n") + part + b"\r\n" for part in parts)
    wire.request("/parcels/me/join", "POST", [("content-type", MULTIPART)], body + b"--b--\r\n")
    response = wire.response("POST")
    # "AP98fHRocmVl" is the three, between bars; what the path says is the first message's.
    assert (response.status, json.loads(response.body)) == (200, {"data": "AP98fHRocmVl", "to": "me||"})


def test_a_stream_that_is_none_is_refused_though_the_call_has_begun(wire):
    headers = [("content-type", "application/x-ndjson"), ("accept", "application/x-ndjson")]
    wire.request("/parcels/answer", "POST", headers, b'{"text": "a"}\n{"text": 1}\n')
    response = wire.response("POST")
    first, last = response.body.splitlines()
    assert (response.status, json.loads(first)) == (200, {"text": "A"})
    error = json.loads(last)["error"]
    assert (error["code"], error["details"][0]["fieldViolations"][0]["field"]) == (3, "text")


def test_an_http_body_comes_and_goes_as_it_is(wire):
    body = bytes(range(256))
    wire.request("/parcels/mirror?a=1&b.c=x", "POST", [("content-type", "image/x-odd; v=1")], body)
    response = wire.response("POST")
    assert (response.status, response.body) == (200, body)
    assert response.values("content-type") == ["image/x-odd; v=1"]
    assert response.values("content-length") == ["256"]
    (extension,) = response.values("x-extensions")
    assert extension.startswith("type.googleapis.com/envoy.extensions.filters.http.grpc_json_transcoder.v3.UnknownQueryParams ")


def test_a_form_with_a_file(wire):
    body = (
        b'--b\r\ncontent-disposition: form-data; name="name"\r\n\r\na.png\r\n'
        b'--b\r\ncontent-disposition: form-data; name="content"; filename="x"\r\n'
        b"content-type: image/png\r\n\r\n\x00\xff\r\n--b--\r\n"
    )
    wire.request("/parcels/store", "POST", [("content-type", MULTIPART)], body)
    response = wire.response("POST")
    assert (response.status, json.loads(response.body)) == (200, {"text": "a.png image/png", "data": "AP8="})


def test_an_http_body_in_pieces(wire):
    wire.request("/parcels/files/a.bin", "PUT", [("content-type", "x/y")], end=False)
    wire.data(b"ab")
    wire.data(b"c" * 3_000_000, end=True)
    response = wire.response("PUT")
    text = json.loads(response.body)["text"]
    head, _, sizes = text.partition(": ")
    assert (response.status, head) == (200, "a.bin x/y")
    assert sum(map(int, sizes.split(","))) == 3_000_002
    assert max(map(int, sizes.split(","))) <= 1 << 20
    wire.request("/parcels/files/none", "PUT", [("content-type", "x/y")])
    assert json.loads(wire.response("PUT").body) == {"text": "none x/y: 0"}


def test_pieces_of_an_http_body_are_one_body(wire):
    wire.request("/parcels/files?count=3&size=2")
    response = wire.response()
    assert (response.status, response.values("content-type"), response.body) == (200, ["text/csv"], b"0,0,1,1,2,2,")
    wire.request("/parcels/files?count=1&size=1&fail=true")
    response = wire.response()
    assert (response.status, response.body, response.cut) == (200, b"0,", True)


def test_an_error_before_any_piece_has_its_status(wire):
    wire.request("/parcels/files?count=0&fail=true")
    response = wire.response()
    assert (response.status, json.loads(response.body)) == (500, {"code": 15, "message": "the rest is gone"})


@pytest.mark.parametrize(
    ("target", "kind", "body"),
    [
        ("/parcels/me", "application/json", b'{"text": "a", "data": null}'),
        ("/parcels/me/whole", "application/json", b'{"label": {"text": "a", "data": null}}'),
        ("/parcels/me", "application/x-www-form-urlencoded", b"text=a&data=AQI%3D"),
        ("/parcels/me/whole", "application/x-www-form-urlencoded", b"label.text=a&label.data=AQI%3D"),
        (
            "/parcels/me",
            MULTIPART,
            b'--b\r\ncontent-disposition: form-data; name="text"\r\n\r\na\r\n'
            b'--b\r\ncontent-disposition: form-data; name="data"; filename="a; name=to"\r\n\r\n\xff\r\n--b--\r\n',
        ),
    ],
)
def test_a_patch_says_what_it_updates(wire, target, kind, body):
    wire.request(target, "PATCH", [("content-type", kind)], body)
    response = wire.response("PATCH")
    assert (response.status, json.loads(response.body)) == (200, {"text": "data,text", "to": "me"})
