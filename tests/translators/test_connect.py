"""Connect as bytes, and JSON that is not Connect's."""

import gzip
import json
import urllib.parse

import pytest

PATH = "/web.v1.Echo"
HEADERS = {"content-type": "application/json", "connect-protocol-version": "1"}


def call(client, method, body, **headers):
    sent = HEADERS | {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(f"{PATH}/{method}", content=body, headers={name: value for name, value in sent.items() if value})


def test_a_unary_call(client):
    response = call(client, "Unary", b'{"text": "a"}', x_question="q", connect_timeout_ms="5000")
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert response.json() == {"text": "a", "question": "q"}
    assert (response.headers["x-initial"], response.headers["x-initial-bin"]) == ("i", "AQI")
    assert response.headers["trailer-x-trailing"] == "t"
    assert "grpc-status" not in response.headers


def test_protobuf(client, web_pb2):
    response = call(client, "Unary", web_pb2.Say(text="a").SerializeToString(), content_type="application/proto")
    assert response.headers["content-type"] == "application/proto"
    assert web_pb2.Said.FromString(response.content).text == "a"


def test_a_compressed_request(client):
    body = gzip.compress(b'{"text": "a"}')
    assert call(client, "Unary", body, content_encoding="gzip").json() == {"text": "a"}


def test_get(client):
    query = urllib.parse.urlencode({"connect": "v1", "encoding": "json", "message": '{"text": "a b"}'})
    response = client.get(f"{PATH}/Look?{query}")
    assert (response.status_code, response.json()) == (200, {"text": "a b"})
    response = client.get(f"{PATH}/Unary?{query}")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


def test_an_error(client):
    response = call(client, "Fail", b'{"text": "no"}')
    assert (response.status_code, response.headers["content-type"]) == (404, "application/json")
    assert response.headers["trailer-x-trailing"] == "t"
    assert response.json() == {
        "code": "not_found",
        "message": "no",
        "details": [
            {
                "type": "google.rpc.ErrorInfo",
                "value": "CgZURVNURUQSBndlYi52MQ",
                "debug": {"reason": "TESTED", "domain": "web.v1"},
            }
        ],
    }


@pytest.mark.parametrize(
    ("method", "body", "headers", "status", "code"),
    [
        ("Unary", b"{", {}, 400, "invalid_argument"),
        ("Unary", b"", {}, 400, "invalid_argument"),
        ("Unary", b"{}", {"content_encoding": "snappy"}, 501, "unimplemented"),
        ("Unary", b"{}", {"connect_timeout_ms": "soon"}, 400, "invalid_argument"),
        ("Unary", b"{}", {"connect_protocol_version": "2"}, 400, "invalid_argument"),
        ("Unary", b"{}", {"connect_timeout_ms": "0"}, 504, "deadline_exceeded"),
        ("Unary", b'{"text": "' + b"a" * (5 << 20) + b'"}', {}, 429, "resource_exhausted"),
    ],
)
def test_what_is_wrong_has_a_code(client, method, body, headers, status, code):
    response = call(client, method, body, **headers)
    assert (response.status_code, response.json()["code"]) == (status, code)


def test_without_the_header_json_has_errors_of_google_rpc(client):
    assert call(client, "Unary", b'{"text": "a"}', connect_protocol_version="").json()["text"] == "a"
    response = call(client, "Fail", b'{"text": "no"}', connect_protocol_version="")
    assert (response.status_code, response.json()["code"]) == (404, 5)


@pytest.mark.parametrize(
    ("content_type", "version"),
    [
        ("text/plain", ""),
        ("text/plain", "1"),
        ("application/proto", ""),
        ("application/xml", ""),
        ("application/connect+proto", "1"),
        ("application/x-www-form-urlencoded", ""),
        ("", ""),
    ],
)
def test_any_other_content_type_is_unsupported(client, content_type, version):
    response = call(client, "Unary", b"{}", content_type=content_type, connect_protocol_version=version)
    assert response.status_code == 415
    assert "application/json" in response.headers["accept-post"]


def test_paths_of_no_method_are_the_applications(client):
    for content_type in ("application/json", "application/connect+proto"):
        response = call(client, "Nothing", b"{}", content_type=content_type)
        assert response.text == f"POST {PATH}/Nothing"


def test_health_and_reflection_are_there_too(client):
    response = client.post("/grpc.health.v1.Health/Check", content=b'{"service": "web.v1.Echo"}', headers=HEADERS)
    assert response.json() == {"status": "SERVING"}
    head = HEADERS | {"content-type": "application/connect+json"}
    message = b'{"listServices": ""}'
    body = b"\0" + len(message).to_bytes(4, "big") + message
    response = client.post("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", content=body, headers=head)
    assert b'"name":"web.v1.Echo"' in response.content
    assert json.loads(response.content[response.content.rindex(b"{") :]) == {}


def test_the_access_log(server):
    with server.client() as client:
        call(client, "Unary", b"{}")
        call(client, "Fail", b"{}")
    server.wait_for("200 connect OK")
    server.wait_for("404 connect NOT_FOUND")
