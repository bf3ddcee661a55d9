"""The addresses of grpc's servers: which forms ``add_insecure_port`` takes, and what each claims.

As with grpc, a name that stands for several addresses claims all of them with one port, and ``[::]`` takes clients of both
families. Not here: the forms of ``narthex serve --bind``, which are ``narthex.address``'s.
"""

import ipaddress
import socket
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from narthex._native import Sockets, Tls

_UNIX_PORT: Final = 1
"""What grpc returns for the port of a UNIX socket."""
_NUMERIC: Final = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}
_ANY_V6: Final = "::"
_MAX_PORT: Final = 65535
_TRIES: Final = 16
"""How many free ports of a name's first address are tried at its others."""


def bind(sockets: "Sockets", target: str, tls: "Tls | None", *, reuse_port: bool) -> int:
    """Claims what the target stands for, to be served by TLS or in the clear, and returns the port.

    Raises:
        RuntimeError: it cannot be had, with grpc's words and the reason.
    """
    from narthex._native import BindError

    try:
        path = _unix_path(target)
        if path is not None:
            sockets.bind([f"unix:{path}"], tls)
            return _UNIX_PORT
        hosts, port = _resolve(target)
        addresses = [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host in hosts]
        for tries_left in reversed(range(1 if port or len(hosts) == 1 else _TRIES)):
            try:
                return sockets.bind(addresses, tls, dual_stack=True, reuse_port=reuse_port)
            except BindError:
                # The port that the first address was given may be taken at the next.
                if not tries_left:
                    raise
    except BindError as error:
        _, what, _ = error.args
        raise _failed(target, what) from error
    except ValueError as error:
        raise _failed(target, str(error)) from error
    raise AssertionError("the last try returns or raises")


def _failed(target: str, reason: str) -> RuntimeError:
    return RuntimeError(f"Failed to bind to address {target}: {reason}")


def _unix_path(target: str) -> str | None:
    scheme, colon, rest = target.partition(":")
    if not colon or scheme not in ("unix", "unix-abstract"):
        return None
    if scheme == "unix-abstract":
        raise ValueError("abstract UNIX sockets are not supported; give the path of a file, as unix:/run/server.sock")
    # unix:relative, unix:/absolute and unix:///absolute.
    path = rest.removeprefix("//") if rest.startswith("///") else rest
    if not path:
        raise ValueError("there is no path after unix:")
    return path


def _resolve(target: str) -> tuple[list[str], int]:
    """The numeric hosts and the port of ``host:port``, ``ipv4:…``, ``ipv6:…`` or ``dns:…``."""
    scheme, _, rest = target.partition(":")
    family = _NUMERIC.get(scheme, socket.AF_UNSPEC)
    if scheme in _NUMERIC or scheme == "dns":
        # dns:///name:port, with the name server between the second and the third slash; there is none to choose here.
        target = rest.rpartition("/")[2]
    host, port = _split(target)
    if not host:
        host = _ANY_V6 if socket.has_dualstack_ipv6() else "0.0.0.0"
    elif host == _ANY_V6 and not socket.has_dualstack_ipv6():
        host = "0.0.0.0"
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return _look_up(host, port, family), port
    if (address.version == 4) != (family == socket.AF_INET) and family != socket.AF_UNSPEC:
        raise ValueError(f"{host} is no address of the family {scheme}")
    return [host], port


def _split(target: str) -> tuple[str, int]:
    host, colon, port = target.rpartition(":")
    if target.startswith("[") and target.endswith("]"):
        host, colon, port = target, ":", "0"
    elif not colon or (":" in host and not (host.startswith("[") and host.endswith("]"))):
        # A host alone: any port, as in grpc.
        host, port = target, "0"
    if not (port.isascii() and port.isdigit()) or int(port) > _MAX_PORT:
        raise ValueError(f"{port!r} is no port from 0 to {_MAX_PORT}")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _look_up(host: str, port: int, family: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        reason = error.strerror if isinstance(error, socket.gaierror) else "not a host name"
        raise ValueError(f"{host!r} cannot be resolved ({reason})") from None
    hosts = dict.fromkeys(str(entry[4][0]) for entry in found)
    return [host for host in hosts if _is_available(host)] or list(hosts)


def _is_available(host: str) -> bool:
    """Whether this machine has the address: ``localhost`` is often ``::1`` too where there is no IPv6."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((host, 0))
    except OSError:
        return False
    return True
