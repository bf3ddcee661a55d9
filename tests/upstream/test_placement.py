"""Which services are where, and by which ways."""

import grpc
import pytest

PATIENCE = 20.0


def say(client, service, text="a"):
    return client.post(f"/{service}/Unary", json={"text": text}).json()


def test_what_is_registered_here_stays_here(serve, upstream):
    with serve("--grpc", "upstreams:register", "--upstream", upstream.url) as server, server.client() as client:
        assert say(client, "web.v1.Other") == {"text": "here: a"}
        assert say(client, "web.v1.Echo") == {"text": "a"}


def test_a_service_by_name(serve, upstream, stub, web_pb2):
    with serve("translated:app", "--upstream", f"web.v1.Other={upstream.url}") as server, server.client() as client:
        assert say(client, "web.v1.Other") == {"text": "elsewhere: a"}
        # What is not named is nowhere, though that upstream has it.
        assert client.post("/web.v1.Echo/Unary", json={}).text == "POST /web.v1.Echo/Unary"
        with grpc.insecure_channel(server.target) as channel, pytest.raises(grpc.RpcError) as raised:
            stub(channel).Unary(web_pb2.Say(), timeout=PATIENCE)
        assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_an_application_beside_it(serve, upstream):
    with serve("translated:app", "--upstream", upstream.url) as server, server.client() as client:
        assert client.get("/page").headers["x-app"] == "1"
        assert say(client, "web.v1.Echo") == {"text": "a"}


def test_rules_of_a_service_config(serve, upstream, tmp_path):
    rules = tmp_path / "rules.yaml"
    rules.write_text("http:\n  rules:\n  - selector: web.v1.Echo.Look\n    get: /v1/echo/{text}\n")
    # The rule is of a method that nobody knows before the upstream has told of it.
    with serve("--upstream", upstream.url, "--service-config", str(rules)) as server, server.client() as client:
        assert client.get("/v1/echo/hello").json() == {"text": "hello"}


def test_what_is_not_exposed_is_hidden(serve, upstream, stub, web_pb2):
    hidden = ("--expose", "json=web.v1.Other", "--expose", "grpc=web.v1.Other")
    with serve("--upstream", upstream.url, *hidden) as server, server.client() as client:
        assert say(client, "web.v1.Other") == {"text": "elsewhere: a"}
        assert client.post("/web.v1.Echo/Unary", json={}).status_code != 200
        with grpc.insecure_channel(server.target) as channel, pytest.raises(grpc.RpcError) as raised:
            stub(channel).Unary(web_pb2.Say(), timeout=PATIENCE)
        assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_a_narthex_behind_a_narthex(serve, stub, web_pb2):
    with (
        serve("--grpc", "translated:register") as behind,
        serve("--upstream", behind.url) as front,
        front.client() as client,
        grpc.insecure_channel(front.target) as channel,
    ):
        assert say(client, "web.v1.Echo") == {"text": "a"}
        said = stub(channel).Both(iter([web_pb2.Say(text="a"), web_pb2.Say(text="b")]), timeout=PATIENCE)
        assert [each.text for each in said] == ["a", "b"]


def test_by_a_unix_socket(serve, start_upstream, tmp_path):
    with (
        start_upstream(f"unix:{tmp_path / 'upstream.sock'}") as upstream,
        serve("--upstream", upstream.url) as server,
        server.client() as client,
    ):
        assert say(client, "web.v1.Echo") == {"text": "a"}


def test_by_tls(serve, start_upstream, tmp_path):
    import trustme

    authority = trustme.CA()
    cert = authority.issue_cert("localhost")
    chain = b"".join(pem.bytes() for pem in cert.cert_chain_pems)
    credentials = grpc.ssl_server_credentials([(cert.private_key_pem.bytes(), chain)])
    ca = tmp_path / "ca.pem"
    ca.write_bytes(authority.cert_pem.bytes())
    with start_upstream("localhost:0", credentials=credentials) as upstream:
        with serve("--upstream", upstream.url, "--upstream-tls-ca", str(ca)) as server, server.client() as client:
            assert say(client, "web.v1.Echo") == {"text": "a"}
            assert upstream.metadata["x-forwarded-proto"] == "http"
        ca.write_bytes(trustme.CA().cert_pem.bytes())
        with serve("--upstream", upstream.url, "--upstream-tls-ca", str(ca)) as server, server.client() as client:
            server.wait_for("TLS cannot be agreed on")
            assert client.post("/web.v1.Echo/Unary", json={}).status_code == 503


def test_by_tls_with_a_certificate_of_ours(serve, start_upstream, tmp_path):
    import trustme

    authority = trustme.CA()
    cert, ours = authority.issue_cert("localhost"), authority.issue_cert("gateway")
    chain = b"".join(pem.bytes() for pem in cert.cert_chain_pems)
    credentials = grpc.ssl_server_credentials(
        [(cert.private_key_pem.bytes(), chain)], authority.cert_pem.bytes(), require_client_auth=True
    )
    ca, shown, key = tmp_path / "ca.pem", tmp_path / "cert.pem", tmp_path / "key.pem"
    ca.write_bytes(authority.cert_pem.bytes())
    shown.write_bytes(b"".join(pem.bytes() for pem in ours.cert_chain_pems))
    key.write_bytes(ours.private_key_pem.bytes())
    with start_upstream("localhost:0", credentials=credentials) as upstream:
        arguments = ("--upstream", upstream.url, "--upstream-tls-ca", str(ca))
        identity = ("--upstream-tls-cert", str(shown), "--upstream-tls-key", str(key))
        with serve(*arguments, *identity) as server, server.client() as client:
            assert say(client, "web.v1.Echo") == {"text": "a"}
        with serve(*arguments) as server, server.client() as client:
            server.wait_for("cannot be reached")
            assert client.post("/web.v1.Echo/Unary", json={}).status_code == 503
