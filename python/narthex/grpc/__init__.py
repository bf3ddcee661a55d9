"""gRPC for Python programs: all of ``grpc``, with servers that are Narthex's.

A program that says ``from narthex import grpc`` where it said ``import grpc`` is served by Narthex and otherwise stays what it
is: ``grpc.server``, ``grpc.aio.server`` and the credentials of servers are ours, every other name is that of the installed
``grpc``. The calls themselves are native. ``grpc`` and ``google.protobuf`` are optional; only what needs them imports them.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from narthex.grpc import aio
    from narthex.grpc.classic import Server, server
    from narthex.grpc.credentials import (
        ServerCertificateConfiguration,
        ServerCredentials,
        dynamic_ssl_server_credentials,
        insecure_server_credentials,
        ssl_server_certificate_configuration,
        ssl_server_credentials,
    )

__all__ = [
    "Server",
    "ServerCertificateConfiguration",
    "ServerCredentials",
    "aio",
    "dynamic_ssl_server_credentials",
    "insecure_server_credentials",
    "server",
    "ssl_server_certificate_configuration",
    "ssl_server_credentials",
]

_HOME: Final = {
    "Server": "classic",
    "ServerCertificateConfiguration": "credentials",
    "ServerCredentials": "credentials",
    "dynamic_ssl_server_credentials": "credentials",
    "insecure_server_credentials": "credentials",
    "server": "classic",
    "ssl_server_certificate_configuration": "credentials",
    "ssl_server_credentials": "credentials",
}
"""The module of each name that is ours."""


def __getattr__(name: str) -> Any:
    """Ours, when it is asked for: what ``narthex serve`` needs of this package needs none of it."""
    if name in _HOME:
        return getattr(import_module(f"narthex.grpc.{_HOME[name]}"), name)
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # "from narthex.grpc import descriptors" asks here first, and must not bring in grpc to find out that it has none.
    if find_spec(f"{__name__}.{name}"):
        return import_module(f"{__name__}.{name}")
    return getattr(import_module("grpc"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *dir(import_module("grpc"))})
