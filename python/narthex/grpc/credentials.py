"""Credentials of servers, made as grpc's are: the private key and the certificates are kept here, where they can be read back.

An object that grpc made gives nothing back, so ``add_secure_port`` takes ours alone.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from narthex._native import Tls

_Pairs = Sequence[tuple[bytes, bytes]]
"""Private keys and certificate chains, as PEM."""


class ServerCredentials:
    """How the connections of a port are secured; ``tls`` is None for one in the clear."""

    def __init__(self, tls: "Tls | None") -> None:
        self.tls = tls


class ServerCertificateConfiguration:
    """What a server shows and whom it believes, for ``dynamic_ssl_server_credentials``."""

    def __init__(self, pairs: _Pairs, roots: bytes | None) -> None:
        self._pairs = tuple(pairs)
        self._roots = roots

    def tls(self, *, require_client_auth: bool) -> "Tls":
        """What the native half needs; reading certificates takes a moment."""
        return _tls(self._pairs, self._roots, require_client_auth)


def ssl_server_credentials(
    private_key_certificate_chain_pairs: _Pairs,
    root_certificates: bytes | None = None,
    require_client_auth: bool = False,
) -> ServerCredentials:
    """As ``grpc.ssl_server_credentials``.

    Raises:
        ValueError: something is wrong with the keys and certificates.
    """
    return ServerCredentials(_tls(private_key_certificate_chain_pairs, root_certificates, require_client_auth))


def ssl_server_certificate_configuration(
    private_key_certificate_chain_pairs: _Pairs, root_certificates: bytes | None = None
) -> ServerCertificateConfiguration:
    """As ``grpc.ssl_server_certificate_configuration``."""
    if not private_key_certificate_chain_pairs:
        raise ValueError("At least one private key-certificate chain pair is required!")
    return ServerCertificateConfiguration(private_key_certificate_chain_pairs, root_certificates)


def dynamic_ssl_server_credentials(
    initial_certificate_configuration: ServerCertificateConfiguration,
    certificate_configuration_fetcher: Callable[[], ServerCertificateConfiguration | None],
    require_client_authentication: bool = False,
) -> ServerCredentials:
    """As ``grpc.dynamic_ssl_server_credentials``: the fetcher is asked before each handshake, and None changes nothing.

    It is called on the server's event loop, and should be quick. What it raises is logged; the certificates stay then.

    Raises:
        TypeError: what is given is no configuration, or no function.
        ValueError: something is wrong with the initial keys and certificates.
    """
    _check_dynamic(initial_certificate_configuration, certificate_configuration_fetcher)

    def renew() -> "Tls | None":
        fetched = certificate_configuration_fetcher()
        return None if fetched is None else fetched.tls(require_client_auth=require_client_authentication)

    initial = initial_certificate_configuration.tls(require_client_auth=require_client_authentication)
    return ServerCredentials(initial.renewed_by(renew))


def insecure_server_credentials() -> ServerCredentials:
    """As ``grpc.insecure_server_credentials``: no TLS."""
    return ServerCredentials(None)


def tls_of(credentials: Any) -> "Tls | None":
    """What ``add_secure_port`` was given.

    Raises:
        TypeError: it is not ours.
    """
    if isinstance(credentials, ServerCredentials):
        return credentials.tls
    raise TypeError(
        f"{type(credentials).__module__}.{type(credentials).__qualname__} is not for Narthex: its key and certificate cannot be"
        " read back. Make the credentials with narthex.grpc.ssl_server_credentials, which takes the same arguments"
    )


def _check_dynamic(configuration: Any, fetcher: Any) -> None:
    if not isinstance(configuration, ServerCertificateConfiguration):
        raise TypeError(
            f"{configuration!r} is no configuration for Narthex: make it with narthex.grpc.ssl_server_certificate_configuration"
        )
    if not callable(fetcher):
        raise TypeError(f"certificate_configuration_fetcher must be callable, not {fetcher!r}")


def _tls(pairs: _Pairs, roots: bytes | None, require_client_auth: bool) -> "Tls":
    from narthex._native import Tls

    if not pairs:
        raise ValueError("At least one private key-certificate chain pair is required!")
    if require_client_auth and roots is None:
        raise ValueError("Illegal to require client auth without providing root certificates!")
    # As in grpc, roots without the requirement ask for nothing.
    return Tls([(bytes(key), bytes(chain)) for key, chain in pairs], roots if require_client_auth else None)
