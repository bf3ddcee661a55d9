"""Upstreams that are not there, come later, go, or have no reflection; and options that cannot be."""

import contextlib
import socket
from pathlib import Path

import grpc
import pytest
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from waiting import until

PATIENCE = 20.0
PROTOS = Path(__file__).parent.parent / "proto"


@pytest.fixture
def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def test_an_upstream_that_comes_later(serve, start_upstream, free_port, stub, web_pb2):
    with serve("--upstream", f"http://127.0.0.1:{free_port}") as server, server.client() as client:
        server.wait_for("does not tell its descriptors")
        response = client.post("/web.v1.Echo/Unary", json={"text": "a"})
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
        assert f"http://127.0.0.1:{free_port}" in response.text
        with grpc.insecure_channel(server.target) as channel, pytest.raises(grpc.RpcError) as raised:
            stub(channel).Unary(web_pb2.Say(), timeout=PATIENCE)
        assert raised.value.code() == grpc.StatusCode.UNAVAILABLE
        assert f"the upstream http://127.0.0.1:{free_port} cannot be reached" in raised.value.details()
        with start_upstream(f"127.0.0.1:{free_port}"):
            server.wait_for("has the services web.v1.Echo, web.v1.Other", timeout=PATIENCE)
            assert client.post("/web.v1.Echo/Unary", json={"text": "a"}).json() == {"text": "a"}


def test_an_upstream_that_goes_and_comes_back(serve, start_upstream, free_port, stub, web_pb2):
    address = f"127.0.0.1:{free_port}"
    with start_upstream(address):
        server = serve("--upstream", f"http://{address}")
    with server, server.client() as client, grpc.insecure_channel(server.target) as channel:

        def answer():
            return client.post("/web.v1.Echo/Unary", json={"text": "a"})

        # What its services are is known: a call fails as one, and not for a path that nobody has.
        response = answer()
        assert (response.status_code, response.json()["code"]) == (503, 14)
        assert f"the upstream http://{address} cannot be reached" in response.json()["message"]
        with start_upstream(address):
            until(lambda: answer().status_code == 200, "it is reached again")
            assert stub(channel).Unary(web_pb2.Say(text="a"), timeout=PATIENCE).text == "a"


def test_an_upstream_that_is_updated(serve, start_upstream, free_port):
    address = f"127.0.0.1:{free_port}"
    with start_upstream(address, services=["web.v1.Other"]):
        server = serve("--upstream", f"http://{address}")
    with server, server.client() as client:
        server.wait_for("has the services web.v1.Other")
        assert client.post("/web.v1.Echo/Unary", json={"text": "a"}).status_code == 404
        with start_upstream(address):

            def answer():
                return client.post("/web.v1.Other/Unary", json={"text": "a"})

            # Its first call connects to it, and what it is now is asked.
            until(lambda: answer().status_code == 200, "it is reached again")
            server.wait_for("has the services web.v1.Echo, web.v1.Other", timeout=PATIENCE)
            assert client.post("/web.v1.Echo/Unary", json={"text": "a"}).json() == {"text": "a"}


def test_an_upstream_that_is_updated_while_it_is_asked(serve, start_upstream, free_port):
    """One server tells the names, and the next the files: what that has beyond the names is asked for again."""
    address = f"127.0.0.1:{free_port}"
    with contextlib.ExitStack() as later, start_upstream(address, services=["web.v1.Other"]) as upstream:

        def is_replaced():
            try:
                later.enter_context(start_upstream(address))
            except RuntimeError:
                return False
            return True

        def leave():
            # It takes no calls any more; the one that asks is answered.
            upstream.server.stop(PATIENCE)
            until(is_replaced, "the address is free again")

        upstream.before_it_tells(leave)
        with serve("--upstream", f"http://{address}") as server, server.client() as client:
            server.wait_for("has the services web.v1.Echo, web.v1.Other", timeout=PATIENCE)
            assert client.post("/web.v1.Echo/Unary", json={"text": "a"}).json() == {"text": "a"}


def test_an_upstream_that_changes_behind_its_connection(serve, start_upstream, protos):
    with (
        start_upstream(services=["web.v1.Other"]) as upstream,
        serve("--upstream", upstream.url) as server,
        server.client() as client,
        grpc.insecure_channel(server.target) as channel,
    ):
        server.wait_for("has the services web.v1.Other")
        health = health_pb2_grpc.HealthStub(channel)
        other = health_pb2.HealthCheckRequest(service="web.v1.Other")
        watch = health.Watch(other, timeout=PATIENCE)
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING

        upstream.tell("web.v1.Echo")
        # Somebody asks for what nobody has heard of.
        until(lambda: client.post("/web.v1.Echo/Unary", json={"text": "a"}).status_code == 200, "it is asked again")
        assert client.post("/web.v1.Other/Unary", json={"text": "a"}).status_code == 404
        # What it had is not known any more.
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        with pytest.raises(grpc.RpcError) as raised:
            health.Check(other, timeout=PATIENCE)
        assert raised.value.code() == grpc.StatusCode.NOT_FOUND

        upstream.tell("web.v1.Echo", "web.v1.Other")
        # So is an upstream that does not know a method, in whatever protocol that is.
        with pytest.raises(grpc.RpcError) as raised:
            channel.unary_unary("/web.v1.Echo/Gone")(b"", timeout=PATIENCE)
        assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        watch.cancel()


def test_services_whose_file_is_another_are_told_of(serve, upstream, tmp_path):
    described = tmp_path / "other.binpb"
    file = descriptor_pb2.FileDescriptorProto(name="web/v1/web.proto", package="other", syntax="proto3")
    described.write_bytes(descriptor_pb2.FileDescriptorSet(file=[file]).SerializeToString())
    with serve("--upstream", upstream.url, "--descriptor-set", str(described)) as server, server.client() as client:
        line = server.wait_for("web.v1.Echo")
        assert "is without JSON and Connect: another file is known by the name of theirs, web/v1/web.proto" in line
        assert client.post("/web.v1.Echo/Unary", json={}).status_code == 404


def test_an_upstream_without_reflection(serve, start_upstream, stub, web_pb2):
    with (
        start_upstream(with_reflection=False) as upstream,
        serve("--upstream", upstream.url) as server,
        server.client() as client,
        grpc.insecure_channel(server.target) as channel,
    ):
        server.wait_for("has no reflection")
        assert stub(channel).Unary(web_pb2.Say(text="a"), timeout=PATIENCE).text == "a"
        assert client.post("/web.v1.Echo/Unary", json={}).status_code == 404


def test_an_upstream_that_is_not_asked(serve, upstream, stub, web_pb2):
    arguments = ("--upstream", upstream.url, "--no-upstream-reflection")
    with serve(*arguments) as server, server.client() as client, grpc.insecure_channel(server.target) as channel:
        assert stub(channel).Unary(web_pb2.Say(text="a"), timeout=PATIENCE).text == "a"
        assert client.post("/web.v1.Echo/Unary", json={}).status_code == 404


def test_an_upstream_that_is_described_by_a_file(serve, start_upstream, free_port, web_pb2, tmp_path):
    described = tmp_path / "web.binpb"
    file = web_pb2.DESCRIPTOR.serialized_pb
    # One field of a FileDescriptorSet; the file is small and imports nothing.
    described.write_bytes(b"\x0a" + bytes([len(file) & 0x7F | 0x80, len(file) >> 7]) + file)
    address = f"127.0.0.1:{free_port}"
    arguments = ("--upstream", f"http://{address}", "--no-upstream-reflection", "--descriptor-set", str(described))
    with serve(*arguments) as server, server.client() as client:
        # Its routes are there before it is.
        response = client.post("/web.v1.Echo/Unary", json={"text": "a"})
        assert (response.status_code, response.json()["code"]) == (503, 14)
        with start_upstream(address, with_reflection=False):
            until(lambda: client.post("/web.v1.Echo/Unary", json={"text": "a"}).status_code == 200, "it is reached")
            head = {"connect-protocol-version": "1"}
            assert client.post("/web.v1.Echo/Unary", json={"text": "a"}, headers=head).json() == {"text": "a"}


def test_an_upstream_that_is_described_by_a_proto_file(serve, start_upstream):
    with start_upstream(with_reflection=False) as upstream:
        described = ("--proto", "web/v1/web.proto", "-I", str(PROTOS))
        arguments = ("--upstream", upstream.url, "--no-upstream-reflection", *described)
        with serve(*arguments) as server, server.client() as client:
            assert client.post("/web.v1.Echo/Unary", json={"text": "a"}).json() == {"text": "a"}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--upstream", "localhost:50051"], "--upstream localhost:50051: is not the address of a server"),
        (["--upstream", "http://a/b"], "--upstream http://a/b: is more than the address of a server"),
        (["--upstream", "http://a", "--upstream", "http://b"], "--upstream http://b: is the second upstream for the same"),
        (
            ["--grpc", "upstreams:register", "--upstream", "web.v1.Other=http://a"],
            "--upstream web.v1.Other=http://a: names a service that is registered here",
        ),
        (["--upstream", "https://a", "--upstream-tls-ca", "nowhere.pem"], "--upstream-tls-ca nowhere.pem: cannot be read"),
        (["--upstream", "http://a", "--upstream-authority", "mine"], "--upstream-authority mine: is none of the choices"),
        (["translated:app", "--upstream-authority", "client"], "--upstream-authority: has no effect alone"),
        (["translated:app", "--upstream-reflection"], "--upstream-reflection: has no effect alone"),
        (["translated:app", "--no-upstream-reflection"], "--no-upstream-reflection: has no effect alone"),
        (["--upstream", "http://a", "--upstream-tls-cert", "a.pem"], "--upstream-tls-cert: has no effect without TLS"),
        (["--upstream", "https://a", "--upstream-tls-key", "a.pem"], "--upstream-tls-key: has no effect without a certificate"),
        (["--upstream", "https://a", "--upstream-tls-cert", "nowhere"], "--upstream-tls-cert nowhere: cannot be read"),
        (
            ["--upstream", "https://a", "--upstream-tls-cert", __file__],
            "test_start.py: the certificate chain has no",
        ),
        (["--upstream", "http://a", "--descriptor-set", "nowhere"], "--descriptor-set nowhere: cannot be read"),
        (["--upstream", "http://a", "--descriptor-set", __file__], "test_start.py: these bytes are no"),
        (["translated:app", "--proto", "web/v1/web.proto"], "--proto: has no effect alone"),
        (["--upstream", "http://a", "--proto-path", "."], "--proto-path: has no effect alone"),
        (["--upstream", "http://a", "--proto", "a.proto", "-I", "nowhere"], "--proto-path nowhere: is not a folder"),
        (
            ["--upstream", "http://a", "--proto", "nowhere.proto"],
            "nowhere.proto: file 'nowhere.proto' is not in any include path",
        ),
        (["--upstream", "http://a", "--upstream-connect-timeout", "soon"], "--upstream-connect-timeout soon:"),
    ],
)
def test_what_cannot_be_is_told_at_once(narthex, apps, arguments, problem):
    ended = narthex("serve", "--bind", "127.0.0.1:0", "--app-dir", str(apps), *arguments)
    assert (ended.returncode, problem in ended.stderr) == (2, True), ended.stderr
