"""Addresses to bind and networks to trust, read from options.

Names are resolved here, once, before anything is bound; the native half gets numbers only.
"""

import ipaddress
import socket
from typing import Final

from narthex.exceptions import BadValueError

LOOPBACK: Final = ("127.0.0.0/8", "::1/128")

_BIND_HINT: Final = "Give HOST:PORT, for example 127.0.0.1:8000 or [::1]:8000; 0.0.0.0:8000 serves on all interfaces."
_NETWORK_HINT: Final = "Give addresses or networks separated by commas, for example 10.0.0.0/8,192.168.1.5"
_MAX_PORT: Final = 65535


def parse_bind(text: str) -> str:
    """``HOST:PORT`` with the host as a number, IPv6 in brackets.

    Of a name's addresses the first IPv4 one is taken, else the first.
    """
    if text.startswith(("unix:", "/")):
        raise BadValueError("is not HOST:PORT", "To serve on a UNIX socket, use --uds PATH.")
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not host or (":" in host and not bracketed):
        raise BadValueError("is not HOST:PORT", _BIND_HINT)
    # isascii: int() also reads other scripts' digits.
    if not (port.isascii() and port.isdigit()) or int(port) > _MAX_PORT:
        raise BadValueError(f"has no port from 0 to {_MAX_PORT}", _BIND_HINT)
    return _resolve(host[1:-1] if bracketed else host, int(port))


def parse_networks(text: str, *, everyone: bool) -> tuple[str, ...]:
    """CIDRs in their canonical form, ``unix``, or ``*`` where ``everyone`` allows it. An empty text trusts nobody."""
    networks: list[str] = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        network = _network(item, everyone)
        if network not in networks:
            networks.append(network)
    return tuple(networks)


def _network(item: str, everyone: bool) -> str:
    if item == "unix" or (item == "*" and everyone):
        return item
    if item == "*":
        raise BadValueError("'*' would trust everybody", "Name the peers; 0.0.0.0/0,::/0,unix if everybody is meant.")
    try:
        return str(ipaddress.ip_network(item))
    except ValueError:
        pass
    try:
        meant = ipaddress.ip_network(item, strict=False)
    except ValueError:
        raise BadValueError(f"{item!r} is not an address or a network", _NETWORK_HINT) from None
    address = item.partition("/")[0]
    raise BadValueError(
        f"{item!r} has bits set after its prefix", f"Write {meant} for the network, {address} for the one address."
    )


def _resolve(host: str, port: int) -> str:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        reason = error.strerror if isinstance(error, socket.gaierror) else "not a host name"
        raise BadValueError(f"{host!r} cannot be resolved ({reason})", _BIND_HINT) from None
    found.sort(key=lambda entry: entry[0] != socket.AF_INET)
    family, _, _, _, address = found[0]
    if family == socket.AF_INET:
        return f"{address[0]}:{port}"
    plain = str(address[0]).partition("%")[0]
    scope = address[3] if len(address) == 4 else 0
    return f"[{plain}%{scope}]:{port}" if scope else f"[{plain}]:{port}"
