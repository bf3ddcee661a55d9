"""``add_secure_port`` of server objects."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import grpc
import narthex.grpc
import narthex.grpc.aio
import pytest
import trustme
from grpc_objects import call, echo_handlers


async def echo(request, context):
    return request


def serve(credentials, ask):
    """Runs ``ask(target)`` on a thread, against a server with these credentials."""

    async def main():
        server = narthex.grpc.aio.server(handlers=echo_handlers(Echo=echo))
        port = server.add_secure_port("localhost:0", credentials)
        await server.start()
        try:
            return await asyncio.to_thread(ask, f"localhost:{port}")
        finally:
            await server.stop(None)

    return asyncio.run(main())


def test_a_secure_port(pki):
    credentials = narthex.grpc.ssl_server_credentials([(pki.key, pki.chain)])
    assert serve(credentials, lambda target: call(target, credentials=pki.channel_credentials())) == b"hello"
    with pytest.raises(grpc.RpcError) as raised:
        serve(credentials, lambda target: call(target))
    assert raised.value.code() == grpc.StatusCode.UNAVAILABLE


def test_a_secure_and_an_insecure_port_of_one_server(pki):
    with ThreadPoolExecutor(2) as pool:
        server = narthex.grpc.server(pool, handlers=echo_handlers(Echo=lambda request, context: request))
        secure = server.add_secure_port("localhost:0", narthex.grpc.ssl_server_credentials([(pki.key, pki.chain)]))
        insecure = server.add_insecure_port("localhost:0")
        plain = server.add_secure_port("localhost:0", narthex.grpc.insecure_server_credentials())
        server.start()
        assert call(f"localhost:{secure}", credentials=pki.channel_credentials()) == b"hello"
        assert call(f"localhost:{insecure}") == call(f"localhost:{plain}") == b"hello"
        server.stop(None)


def test_clients_certificates_are_required(pki):
    credentials = narthex.grpc.ssl_server_credentials([(pki.key, pki.chain)], pki.roots, require_client_auth=True)

    def ask(target):
        assert call(target, credentials=pki.channel_credentials(pki.client)) == b"hello"
        for client in (None, pki.stranger):
            with pytest.raises(grpc.RpcError) as raised:
                call(target, credentials=pki.channel_credentials(client))
            assert raised.value.code() == grpc.StatusCode.UNAVAILABLE

    serve(credentials, ask)


def test_grpcs_own_credentials_are_a_TypeError(pki):
    server = narthex.grpc.aio.server()
    with pytest.raises(TypeError, match=r"narthex\.grpc\.ssl_server_credentials"):
        server.add_secure_port("localhost:0", grpc.ssl_server_credentials([(pki.key, pki.chain)]))


def test_what_is_wrong_with_credentials_is_a_ValueError(pki):
    for pairs, roots, require, words in [
        ([], None, False, "At least one private key-certificate chain pair is required!"),
        ([(pki.key, pki.chain)], None, True, "Illegal to require client auth without providing root certificates!"),
        ([(pki.chain, pki.chain)], None, False, "there is no private key in PEM form"),
        ([(pki.key, b"")], None, False, "the certificate chain has no certificate in PEM form"),
        ([(pki.key, pki.chain)], b"none", True, "the client authorities have no certificate in PEM form"),
    ]:
        with pytest.raises(ValueError, match=words.split("(")[0]):
            narthex.grpc.ssl_server_credentials(pairs, roots, require)


def test_certificates_are_renewed(pki, caplog):
    """The fetcher is asked with each connection; what it raises changes nothing."""
    renewed = trustme.CA()
    leaf = renewed.issue_cert("localhost", "127.0.0.1")
    chain = b"".join(pem.bytes() for pem in leaf.cert_chain_pems)
    other = narthex.grpc.ssl_server_certificate_configuration([(leaf.private_key_pem.bytes(), chain)])
    fetched = [None, RuntimeError("no certificates today"), other, None]
    asked = []

    def fetch():
        # A channel that is refused tries again, which is asked about as well.
        answer = fetched[min(len(asked), len(fetched) - 1)]
        asked.append(answer)
        if isinstance(answer, Exception):
            raise answer
        return answer

    initial = narthex.grpc.ssl_server_certificate_configuration([(pki.key, pki.chain)])
    credentials = narthex.grpc.dynamic_ssl_server_credentials(initial, fetch)
    new_roots = grpc.ssl_channel_credentials(renewed.cert_pem.bytes())

    def ask(target):
        # Of two addresses both would be tried if the first is slow, and the connections are counted.
        target = target.replace("localhost", "127.0.0.1")
        assert call(target, credentials=pki.channel_credentials()) == b"hello"
        assert call(target, credentials=pki.channel_credentials()) == b"hello"
        assert call(target, credentials=new_roots) == b"hello"
        assert call(target, credentials=new_roots) == b"hello"
        with pytest.raises(grpc.RpcError):
            call(target, credentials=pki.channel_credentials(), timeout=2)

    serve(credentials, ask)
    assert asked[:4] == fetched
    assert "no certificates today" in caplog.text
