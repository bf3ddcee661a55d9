"""TLS: ports with credentials, and what handlers see of their clients' certificates."""

import asyncio
from contextlib import asynccontextmanager

import grpc
import grpc.aio
import pytest
import trustme
from grpc import StatusCode
from grpc_servers import METHOD, PATIENCE, Calls, failed, generic

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("one_loop")]


class Certificates:
    """An authority of the test's own, with a server's and a client's certificate of it."""

    def __init__(self):
        authority = trustme.CA()
        self.root = authority.cert_pem.bytes()
        self.server = self.pair(authority.issue_cert("localhost", "127.0.0.1"))
        self.client = self.pair(authority.issue_cert("client@example.org", "client.example.org", common_name="The Client"))
        self.stranger = self.pair(trustme.CA().issue_cert("stranger.example.org"))

    @staticmethod
    def pair(certificate):
        return certificate.private_key_pem.bytes(), b"".join(pem.bytes() for pem in certificate.cert_chain_pems)


@pytest.fixture(scope="module")
def certificates():
    return Certificates()


@asynccontextmanager
async def secured(implementation, handler, credentials):
    """A server with one secure port; gives the port."""
    server = implementation.aio_server()
    server.add_generic_rpc_handlers((generic(grpc.unary_unary_rpc_method_handler(handler)),))
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    try:
        yield port
    finally:
        await asyncio.wait_for(server.stop(None), PATIENCE)


def channel(port, certificates, client=(None, None)):
    return grpc.aio.secure_channel(
        f"127.0.0.1:{port}",
        grpc.ssl_channel_credentials(certificates.root, *client),
        options=[("grpc.use_local_subchannel_pool", 1)],
    )


class Looking:
    """Answers with nothing, and notes what the context says of the client."""

    async def unary(self, request, context):
        self.identities, self.key = context.peer_identities(), context.peer_identity_key()
        self.auth_context = dict(context.auth_context())
        return b"secret"


FACTS = {
    "security_level": [b"TSI_PRIVACY_AND_INTEGRITY"],
    "transport_security_type": [b"ssl"],
    "ssl_session_reused": [b"false"],
    "ssl_tls_version": [b"TLSv1.3"],
}


async def test_a_client_without_a_certificate(implementation_under_test, certificates):
    looking = Looking()
    credentials = implementation_under_test.ssl_server_credentials([certificates.server])
    async with (
        secured(implementation_under_test, looking.unary, credentials) as port,
        channel(port, certificates) as secure,
    ):
        assert await Calls(secure).unary_unary() == b"secret"
    assert (looking.identities, looking.key) == (None, None)
    assert {fact: looking.auth_context.get(fact) for fact in FACTS} == FACTS
    # Which group it is depends on the libraries.
    assert looking.auth_context["ssl_negotiated_key_exchange_group"][0].startswith(b"X25519")
    assert not [fact for fact in looking.auth_context if fact.startswith("x509")]


@pytest.mark.parametrize("required", [True, False])
async def test_a_client_with_a_certificate(implementation_under_test, certificates, required):
    looking = Looking()
    credentials = implementation_under_test.ssl_server_credentials([certificates.server], certificates.root, required)
    async with (
        secured(implementation_under_test, looking.unary, credentials) as port,
        channel(port, certificates, certificates.client) as secure,
    ):
        assert await Calls(secure).unary_unary() == b"secret"
    if required:
        assert looking.key == "x509_subject_alternative_name"
        assert set(looking.identities) == {b"client@example.org", b"client.example.org"}
        assert looking.auth_context["x509_common_name"] == [b"The Client"]
        assert set(looking.auth_context["x509_subject_alternative_name"]) == set(looking.identities)
        assert looking.auth_context["peer_dns"] == [b"client.example.org"]
        assert looking.auth_context["peer_email"] == [b"client@example.org"]
    assert looking.auth_context["transport_security_type"] == [b"ssl"]


@pytest.mark.parametrize("who", ["nobody", "stranger"])
async def test_a_client_without_the_required_certificate(implementation_under_test, certificates, who):
    async def handler(request, context):
        raise AssertionError("the client is not let in")

    client = certificates.stranger if who == "stranger" else (None, None)
    credentials = implementation_under_test.ssl_server_credentials([certificates.server], certificates.root, True)
    async with (
        secured(implementation_under_test, handler, credentials) as port,
        channel(port, certificates, client) as secure,
    ):
        assert (await failed(Calls(secure).unary_unary())).code() is StatusCode.UNAVAILABLE


async def test_a_client_that_speaks_without_tls(implementation_under_test, certificates):
    looking = Looking()
    credentials = implementation_under_test.ssl_server_credentials([certificates.server])
    async with secured(implementation_under_test, looking.unary, credentials) as port:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as insecure:
            assert (await failed(Calls(insecure).unary_unary())).code() is StatusCode.UNAVAILABLE
        async with channel(port, certificates) as secure:
            assert await Calls(secure).unary_unary() == b"secret"


async def test_both_kinds_of_ports(implementation_under_test, certificates):
    async def handler(request, context):
        return context.auth_context()["transport_security_type"][0]

    server = implementation_under_test.aio_server()
    server.add_generic_rpc_handlers((generic(grpc.unary_unary_rpc_method_handler(handler)),))
    plain = server.add_insecure_port("127.0.0.1:0")
    secret = server.add_secure_port("127.0.0.1:0", implementation_under_test.ssl_server_credentials([certificates.server]))
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{plain}") as insecure, channel(secret, certificates) as secure:
        assert await insecure.unary_unary(METHOD)(b"", timeout=PATIENCE) == b"insecure"
        assert await secure.unary_unary(METHOD)(b"", timeout=PATIENCE) == b"ssl"
    await server.stop(None)


async def test_an_address_that_is_taken(implementation_under_test, certificates):
    server = implementation_under_test.aio_server(options=(("grpc.so_reuseport", 0),))
    port = server.add_insecure_port("127.0.0.1:0")
    with pytest.raises(RuntimeError, match=f"Failed to bind to address 127.0.0.1:{port}"):
        server.add_secure_port(f"127.0.0.1:{port}", implementation_under_test.ssl_server_credentials([certificates.server]))


async def test_credentials_without_a_certificate(implementation_under_test):
    with pytest.raises(ValueError, match=r"[Aa]t least one private key-certificate chain pair"):
        implementation_under_test.ssl_server_credentials([])


async def test_requiring_certificates_without_an_authority(implementation_under_test, certificates):
    with pytest.raises(ValueError, match="without providing root certificates"):
        implementation_under_test.ssl_server_credentials([certificates.server], None, require_client_auth=True)


@pytest.mark.parametrize(("configuration", "fetcher"), [(None, str), (1, str), ("right", None), ("right", 1)])
async def test_what_is_no_configuration_or_no_fetcher(implementation_under_test, certificates, configuration, fetcher):
    if configuration == "right":
        configuration = implementation_under_test.ssl_server_certificate_configuration([certificates.server])
    with pytest.raises(TypeError):
        implementation_under_test.dynamic_ssl_server_credentials(configuration, fetcher)


class Renewing:
    """Answers, and gives the certificates of one authority after the other."""

    def __init__(self, implementation, *authorities):
        self.configure = implementation.ssl_server_certificate_configuration
        self.next = [self.configure([one.server]) if one else None for one in authorities]

    def fetch(self):
        return self.next.pop(0)

    async def unary(self, request, context):
        return b"renewed"


async def test_certificates_that_are_renewed(implementation_under_test, certificates):
    other = Certificates()
    renewing = Renewing(implementation_under_test, None, other, None)
    credentials = implementation_under_test.dynamic_ssl_server_credentials(
        renewing.configure([certificates.server]), renewing.fetch
    )
    async with secured(implementation_under_test, renewing.unary, credentials) as port:
        for authority in (certificates, other, other):
            async with channel(port, authority) as secure:
                assert await Calls(secure).unary_unary() == b"renewed"
    assert renewing.next == []
