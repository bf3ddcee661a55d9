"""``--expose``: what is hidden on a protocol does not exist there."""

import grpc
import pytest
from envelopes import envelope
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

ECHO, OTHER = "/web.v1.Echo/Unary", "/web.v1.Other/Unary"
CONNECT = {"content-type": "application/json", "connect-protocol-version": "1"}


@pytest.fixture(scope="module")
def server(serve):
    with serve(
        *("translated:app", "--grpc", "translated:register", "--expose", "grpc=web.v1.Echo"),
        *("--expose", "grpc-web=web.v1.Echo/Look,web.v1.Echo/Unary", "--expose", "connect=", "--expose", "json=web.v1.Echo"),
    ) as server:
        yield server


def test_grpc(server):
    with grpc.insecure_channel(server.target) as channel:
        assert channel.unary_unary(ECHO)(b"", timeout=20) == b""
        with pytest.raises(grpc.RpcError) as raised:
            channel.unary_unary(OTHER)(b"", timeout=20)
        assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=20) == b"\x08\x01"


def test_grpc_web(client):
    head = {"content-type": "application/grpc-web"}
    assert client.post(ECHO, content=envelope(b""), headers=head).content
    for path in ("/web.v1.Echo/Fail", OTHER):
        assert client.post(path, content=envelope(b""), headers=head).headers["grpc-status"] == "12"


def test_connect(client):
    # It is nobody's request then, at the path of a method.
    assert client.post(OTHER, content=b"{}", headers=CONNECT).text == f"POST {OTHER}"
    query = "?connect=v1&encoding=json&message=%7B%7D"
    assert client.get(f"/web.v1.Echo/Look{query}").status_code == 405


def test_json(client):
    head = {"content-type": "application/json"}
    assert client.post(ECHO, content=b"{}", headers=head).json() == {}
    assert client.post(OTHER, content=b"{}", headers=head).text == f"POST {OTHER}"


def test_reflection_lists_what_is_shown(server):
    with grpc.insecure_channel(server.target) as channel:
        services = ProtoReflectionDescriptorDatabase(channel).get_services()
    assert "web.v1.Echo" in services
    assert "web.v1.Other" not in services


def test_mistakes_are_found_at_the_start(narthex, protos):
    from pathlib import Path

    apps = Path(__file__).parent.parent / "apps"
    ended = narthex(
        *("serve", "--app-dir", str(apps), "--grpc", "translated:register", "--bind", "127.0.0.1:0"),
        *("--expose", "grpc=web.v1.Ecco,a b", "--expose", "smtp=*", "--cors-origin", "page.example"),
    )
    assert ended.returncode == 2
    for where in ("--expose grpc=web.v1.Ecco", "--expose grpc=a b", "--expose smtp=*", "--cors-origin page.example"):
        assert where in ended.stderr, ended.stderr
    assert "web.v1.Echo" in ended.stderr
