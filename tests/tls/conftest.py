"""An authority for the tests of this folder, with files as ``narthex serve`` wants them."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
import trustme


@dataclass(frozen=True)
class Pki:
    """One authority, a server's and a client's certificate of it, and a client's of another authority."""

    folder: Path
    authority: trustme.CA
    client: trustme.LeafCert
    stranger: trustme.LeafCert
    roots: bytes
    key: bytes
    chain: bytes

    @property
    def cert_file(self) -> str:
        return str(self.folder / "server.pem")

    @property
    def key_file(self) -> str:
        return str(self.folder / "server.key")

    @property
    def ca_file(self) -> str:
        return str(self.folder / "ca.pem")

    def context(self, client: trustme.LeafCert | None = None) -> ssl.SSLContext:
        """What an HTTP client needs."""
        context = ssl.create_default_context(cadata=self.roots.decode())
        if client is not None:
            client.configure_cert(context)
        return context

    def channel_credentials(self, client: trustme.LeafCert | None = None) -> grpc.ChannelCredentials:
        """What a gRPC client needs."""
        key = client.private_key_pem.bytes() if client else None
        chain = b"".join(pem.bytes() for pem in client.cert_chain_pems) if client else None
        return grpc.ssl_channel_credentials(self.roots, key, chain)


@pytest.fixture(scope="session")
def pki(tmp_path_factory) -> Pki:
    authority = trustme.CA()
    folder = tmp_path_factory.mktemp("pki")
    server = authority.issue_cert("localhost", "127.0.0.1")
    chain = b"".join(pem.bytes() for pem in server.cert_chain_pems)
    made = Pki(
        folder=folder,
        authority=authority,
        client=authority.issue_cert("client.example", common_name="the client"),
        stranger=trustme.CA().issue_cert("client.example"),
        roots=authority.cert_pem.bytes(),
        key=server.private_key_pem.bytes(),
        chain=chain,
    )
    Path(made.cert_file).write_bytes(chain)
    Path(made.key_file).write_bytes(made.key)
    Path(made.ca_file).write_bytes(made.roots)
    (folder / "both.pem").write_bytes(made.key + chain)
    (folder / "other.key").write_bytes(authority.issue_cert("other.example").private_key_pem.bytes())
    return made


@pytest.fixture
def serve_tls(serve, pki) -> Callable:
    """``serve`` with the certificate."""

    def start(*arguments, **options):
        return serve(*arguments, "--tls-cert", pki.cert_file, "--tls-key", pki.key_file, **options)

    return start
