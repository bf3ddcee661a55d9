"""gRPC servers elsewhere that calls are forwarded to: the options, how they are spelled, and what their values mean.

``Upstreams`` is what the native half reads, which also checks the addresses. ``narthex.cli`` adds the options to a command,
``narthex.config`` reads what was given.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from narthex.exceptions import BadValueError, Problem
from narthex.quantity import parse_duration

AUTHORITIES: Final = ("upstream", "client")
_FOR_TLS: Final = ("upstream_tls_ca", "upstream_tls_cert", "upstream_tls_key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstreams:
    """What is elsewhere; times in seconds."""

    targets: tuple[tuple[str, str], ...] = ()
    """Services and the address that each is at; the empty name stands for all that are not registered here."""
    tls_ca: str | None = None
    """The PEM file of the authorities that sign upstreams' certificates; None: the system's."""
    tls_cert: str | None = None
    """The PEM file of the certificate chain that upstreams are shown that ask for one."""
    tls_key: str | None = None
    """The PEM file of its private key; None: it is in the certificate's file."""
    keep_authority: bool = False
    """Upstreams see the authority that the client asked for, and not their own."""
    reflection: bool = True
    """Ask upstreams for their descriptors."""
    connect_timeout: float = 10.0
    ping_interval: float | None = 330.0
    """How often an upstream with calls in flight is asked whether it is still there."""


def read(given: Mapping[str, Any], problems: list[Problem]) -> Upstreams:
    """The options as ``argparse`` gives them; what is wrong with them goes into ``problems``."""

    def duration(name: str, default: float | None) -> float | None:
        text: str | None = given.get(name)
        if text is None:
            return default
        try:
            return parse_duration(text, zero=name == "upstream_ping_interval") or None
        except BadValueError as error:
            problems.append(Problem(f"{_spelling(name)} {text}", error.what, error.hint))
            return default

    default = Upstreams()
    targets = tuple(_target(text) for text in given.get("upstream") or ())
    authority: str | None = given.get("upstream_authority")
    if authority not in (None, *AUTHORITIES):
        problems.append(Problem(f"--upstream-authority {authority}", "is none of the choices", "Choose upstream or client."))
    if not targets:
        for name in (
            "upstream_reflection",
            *_FOR_TLS,
            "upstream_authority",
            "upstream_connect_timeout",
            "upstream_ping_interval",
        ):
            if (value := given.get(name)) is not None:
                problems.append(Problem(_spelling(name, value), "has no effect alone", "Add --upstream http://HOST:PORT."))
    elif not any(address.startswith("https:") for _, address in targets):
        hint = "Give an upstream as https://HOST:PORT."
        problems += [Problem(_spelling(name), "has no effect without TLS", hint) for name in _FOR_TLS if given.get(name)]
    if given.get("upstream_tls_key") is not None and given.get("upstream_tls_cert") is None:
        problems.append(Problem("--upstream-tls-key", "has no effect without a certificate", "Add --upstream-tls-cert FILE."))
    reflection = given.get("upstream_reflection")
    return Upstreams(
        targets=targets,
        tls_ca=given.get("upstream_tls_ca"),
        tls_cert=given.get("upstream_tls_cert"),
        tls_key=given.get("upstream_tls_key"),
        keep_authority=authority == "client",
        reflection=default.reflection if reflection is None else bool(reflection),
        connect_timeout=duration("upstream_connect_timeout", default.connect_timeout) or default.connect_timeout,
        ping_interval=duration("upstream_ping_interval", default.ping_interval),
    )


def _spelling(name: str, value: object = None) -> str:
    return ("--no-" if value is False else "--") + name.replace("_", "-")


def _target(text: str) -> tuple[str, str]:
    """``SERVICE=ADDRESS`` or an address, in which an equals sign stands behind a colon or a slash if anywhere."""
    service, equals, address = text.partition("=")
    if not equals or ":" in service or "/" in service:
        return "", text
    return service, address


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options to a command."""
    default = Upstreams()
    group = parser.add_argument_group("gRPC servers elsewhere")
    group.add_argument(
        "--upstream",
        action="append",
        metavar="[SERVICE=]ADDRESS",
        help="forward calls to pkg.Service, or to all services that are not registered here, to http://HOST:PORT (HTTP/2 in "
        "the clear), https://HOST:PORT or unix:PATH; may be repeated",
    )
    group.add_argument(
        "--upstream-reflection",
        action=argparse.BooleanOptionalAction,
        help="ask upstreams for their descriptors, which JSON, Connect and reflection need [default: on]",
    )
    group.add_argument(
        "--upstream-tls-ca",
        metavar="FILE",
        help="believe these authorities' certificates, as PEM [default: those that the system believes]",
    )
    group.add_argument(
        "--upstream-tls-cert",
        metavar="FILE",
        help="show upstreams that ask for one this certificate chain, as PEM [default: none]",
    )
    group.add_argument(
        "--upstream-tls-key", metavar="FILE", help="its private key, as PEM [default: it is in the certificate's file]"
    )
    group.add_argument(
        "--upstream-authority",
        metavar="{" + ",".join(AUTHORITIES) + "}",
        help="whose :authority upstreams see [default: upstream]",
    )
    group.add_argument(
        "--upstream-connect-timeout",
        metavar="DURATION",
        help=f"how long connecting to an upstream may take [default: {default.connect_timeout:g}s]",
    )
    group.add_argument(
        "--upstream-ping-interval",
        metavar="DURATION",
        help="how often an upstream with calls in flight is asked whether it is still there, 0 for never; gRPC servers refuse "
        f"less than five minutes unless they are told otherwise [default: {default.ping_interval:g}s]",
    )
