"""gRPC-Web as bytes."""

import base64
import gzip
import json
import re

import pytest
from envelopes import envelope, split, trailers

PATH = "/web.v1.Echo"


def call(client, method, body, content_type="application/grpc-web+proto", **headers):
    sent = {"content-type": content_type, "x-grpc-web": "1"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(f"{PATH}/{method}", content=body, headers=sent)


def test_a_unary_call(client, web_pb2):
    response = call(client, "Unary", envelope(web_pb2.Say(text="a").SerializeToString()), x_question="q")
    assert (response.status_code, response.headers["content-type"]) == (200, "application/grpc-web+proto")
    assert (response.headers["x-initial"], response.headers["x-initial-bin"]) == ("i", "AQI")
    (flag, message), (end_flag, end) = split(response.content)
    assert (flag, end_flag) == (0, 0x80)
    assert web_pb2.Said.FromString(message) == web_pb2.Said(text="a", question="q")
    assert trailers(end) == {"grpc-status": "0", "x-trailing": "t"}


def test_text(client, web_pb2):
    text = base64.b64encode(envelope(web_pb2.Say(text="abcd").SerializeToString()))
    response = call(client, "Unary", text, "application/grpc-web-text")
    assert response.headers["content-type"] == "application/grpc-web-text"
    # Each piece may be padded for itself.
    pieces = re.findall(rb"[^=]+=*", response.content)
    (_, message), (_, end) = split(b"".join(map(base64.b64decode, pieces)))
    assert web_pb2.Said.FromString(message).text == "abcd"
    assert trailers(end)["grpc-status"] == "0"


def test_json(client):
    response = call(client, "Unary", envelope(b'{"text": "a"}'), "application/grpc-web+json")
    assert response.headers["content-type"] == "application/grpc-web+json"
    (_, message), (_, end) = split(response.content)
    assert json.loads(message) == {"text": "a"}
    assert trailers(end)["grpc-status"] == "0"


def test_a_compressed_request(client, web_pb2):
    message = gzip.compress(web_pb2.Say(text="a" * 1000).SerializeToString())
    response = call(client, "Unary", envelope(message, 1), grpc_encoding="gzip")
    (_, message), _ = split(response.content)
    assert web_pb2.Said.FromString(message).text == "a" * 1000


def test_an_error_is_a_lone_head(client, web_pb2):
    response = call(client, "Fail", envelope(web_pb2.Say(text="no ä").SerializeToString()))
    assert (response.status_code, response.content) == (200, b"")
    assert (response.headers["grpc-status"], response.headers["grpc-message"]) == ("5", "no %C3%A4")
    assert response.headers["x-trailing"] == "t"
    assert "grpc-status-details-bin" in response.headers


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"!!!!", "application/grpc-web-text", "3"),
        (b"", "application/grpc-web", "12"),
        (envelope(b"{"), "application/grpc-web+json", "3"),
        (envelope(b""), "application/grpc-web+thrift", "2"),
    ],
)
def test_what_is_wrong_has_a_status(client, body, content_type, status):
    response = call(client, "Unary", body, content_type)
    assert response.headers["content-type"].startswith("application/grpc-web")
    assert (response.status_code, response.headers["grpc-status"]) == (200, status)


def test_a_method_that_does_not_exist(client):
    assert call(client, "Nothing", envelope(b"")).headers["grpc-status"] == "12"


def test_the_access_log(server, web_pb2):
    with server.client() as client:
        call(client, "Unary", envelope(web_pb2.Say(text="a").SerializeToString()), x_question="logged")
        call(client, "Fail", envelope(b""))
    server.wait_for("grpc-web OK")
    server.wait_for("grpc-web NOT_FOUND")
