"""What a client may not do, by whichever way it comes."""

import os
import socket

import grpc
import pytest
from demo_site import Client, Site
from google.api import httpbody_pb2

FORGED = {"x-envoy-original-method": "GET", "x-envoy-original-path": "/admin/"}
RUBBISH = (
    b"\x00" * 64,
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nBad Header: x\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /inspect HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 200,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x01\x05\x00\x00\x00\x00\x01\x00",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
)


def test_a_forged_original_method_does_not_get_past_csrf(pages: Client) -> None:
    pages.get("/books/new").raise_for_status()
    for header in (FORGED, {"X-Envoy-Original-Method": "GET"}):
        response = pages.post("/books/new", data={"title": "Forged"}, headers=header)
        assert response.status_code == 403


def test_a_forged_original_method_and_path_change_nothing(pages: Client) -> None:
    inspected = pages.post("/inspect/here?a=1", content=b"x", headers=FORGED).json()
    assert (inspected["method"], inspected["path"], inspected["query_string"]) == ("POST", "/inspect/here", "a=1")


def test_forged_headers_do_not_change_the_json_api(api: Client) -> None:
    assert api.post("/api/add", json={"a": 1, "b": 2}, headers=FORGED).json() == {"o": 3}


def test_a_clients_own_status_header(pages: Client) -> None:
    response = pages.get("/whoami", headers={"x-http-code": "500", "grpc-status": "13"})
    assert (response.status_code, response.json()) == (200, {"user": None})


@pytest.mark.parametrize("metadata", [[], list(FORGED.items())], ids=["plain", "forged"])
@pytest.mark.parametrize("method", ["Handler", "handler", "Other"])
def test_asgi_service_is_not_for_clients(site: Site, method: str, metadata: list[tuple[str, str]]) -> None:
    with site.channel() as channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(
            f"/narthex.asgi.v1.AsgiService/{method}", request_serializer=httpbody_pb2.HttpBody.SerializeToString
        )(httpbody_pb2.HttpBody(), metadata=metadata, timeout=5)
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_asgi_services_path_is_an_unknown_page(pages: Client) -> None:
    response = pages.post("/narthex.asgi.v1.AsgiService/Handler", content=b"", headers=FORGED)
    assert response.status_code == 404


@pytest.mark.parametrize("path", ["/static/../config/settings.py", "/static/%2e%2e/config/settings.py", "/static//etc/passwd"])
def test_static_files_are_only_those(site: Site, path: str) -> None:
    with site.connect() as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        response = read_all(connection)
    assert response.split(b" ", 2)[1] in (b"400", b"404"), response
    assert b"SECRET_KEY" not in response
    assert b"root:" not in response


def read_all(connection: socket.socket) -> bytes:
    """Until the other side closes."""
    pieces = []
    try:
        while piece := connection.recv(65536):
            pieces.append(piece)
    except ConnectionError:
        pass
    return b"".join(pieces)


@pytest.mark.parametrize("rubbish", [*RUBBISH, None], ids=lambda rubbish: "random" if rubbish is None else repr(rubbish[:24]))
def test_rubbish_disturbs_nobody_else(site: Site, rubbish: bytes | None) -> None:
    bystander = site.client()
    bystander.get("/whoami").raise_for_status()
    with site.connect() as connection:
        try:
            connection.sendall(rubbish or os.urandom(4000))
            connection.shutdown(socket.SHUT_WR)
            answer = read_all(connection)
        except ConnectionError:
            answer = b""
    assert not answer.startswith(b"HTTP/1.1 2")
    assert site.process.poll() is None
    bystander.kind = bystander.ANY  # What is rubbish may be in the log as well.
    assert bystander.get("/whoami").status_code == 200
