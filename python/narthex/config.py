"""The configuration: what a command's options mean, read once and never changed.

``Config`` is all that crosses to the native half, which reads its attributes by name. ``Options`` adds what only Python
needs. ``parse`` reads them from texts and reports every bad value, not just the first. How options are spelled on a
command line and explained is ``narthex.cli``'s.
"""

import fcntl
import importlib.util
import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from narthex import described, openapi, transcoding, upstream
from narthex.address import LOOPBACK, parse_bind, parse_networks
from narthex.described import Described
from narthex.exceptions import BadValueError, Problem
from narthex.openapi import OpenApi
from narthex.quantity import parse_duration, parse_size
from narthex.settings import Found, spelling
from narthex.transcoding import Transcoding
from narthex.upstream import Upstreams

LOOPS: Final = ("uvloop", "asyncio")
INTERFACES: Final = ("auto", "asgi", "wsgi")
CLIENT_AUTH: Final = ("required", "optional")
LOG_LEVELS: Final = ("critical", "error", "warning", "info", "debug", "trace")
PROTOCOLS: Final = ("grpc", "grpc-web", "connect", "json")
DEFAULT_BIND: Final = "127.0.0.1:8000"

_MAX_THREADS: Final = 1024
_MAX_GRPC_MESSAGE: Final = (1 << 32) - 1  # The length in a gRPC envelope has 32 bits.

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What the native half needs to know; times in seconds, sizes in bytes."""

    addresses: tuple[str, ...] = ()
    """Where to listen: ``127.0.0.1:8080`` or ``[::1]:0``, no names."""
    uds: str | None = None
    """A UNIX socket to listen on as well."""
    tls_cert: str | None = None
    """The PEM file of the certificate chain; connections to ``addresses`` are TLS then. The native half reads the files."""
    tls_key: str | None = None
    """The PEM file of its key; None: it is in the certificate's."""
    tls_client_ca: str | None = None
    """The PEM file of the authorities that sign clients' certificates; None: clients are not asked."""
    tls_client_required: bool = True
    """Clients without a certificate are refused."""
    root_path: str = ""
    """ASGI's ``root_path``, WSGI's ``SCRIPT_NAME``: where the application is mounted, without a slash at its end."""
    forwarded_allow_ips: tuple[str, ...] = LOOPBACK
    """Peers whose X-Forwarded-For, -Proto and -Host are believed: CIDRs, ``unix``, or ``*``."""
    reflection: bool = True
    access_log: bool = True
    graceful_timeout: float = 30.0
    """How long what is in flight may go on once a stop was asked for."""
    max_body: int | None = None
    """None: 16 MiB for JSON and HttpBody, unlimited for the application."""
    grpc_max_message: int = 4 << 20
    """The limit of one gRPC message after decompression."""
    header_timeout: float = 10.0
    """How long the head of a request may take."""
    body_timeout: float = 30.0
    """How long a request's body may pause."""
    keep_alive_timeout: float = 75.0
    """How long an HTTP/1 connection may be idle between requests."""
    handshake_timeout: float = 10.0
    """How long a TLS handshake may take."""
    max_header_size: int = 64 << 10
    """The limit of a request's head, which a gRPC call's metadata are."""
    max_connection_age: float | None = None
    """A connection as old as this, a tenth more or less, takes no more requests."""
    max_connection_age_grace: float | None = None
    """How long requests in flight may go on then; None: as long as they take."""
    h2_max_streams: int = 200
    """Concurrent requests of an HTTP/2 connection."""
    h2_idle_timeout: float | None = 75.0
    """How long an HTTP/2 connection may be idle."""
    h2_ping_interval: float | None = 60.0
    """How often an HTTP/2 client is asked whether it is still there."""
    h2_ping_timeout: float = 20.0
    """How long its answer may take."""
    h2_ping_min_interval: float = 5.0
    """How often an HTTP/2 client may send PINGs while nothing is sent to it."""
    h2_ping_strikes: int = 2
    """As many may come sooner, then the connection is ended; 0 is no limit."""
    application_close_timeout: float | None = None
    """How long the application may go on once the client has left before the response was complete; None: for ever."""
    threads: int | None = None
    """How many synchronous handlers and requests to a WSGI application run at once; None: processors and 4, 32 at most."""
    api_prefixes: tuple[str, ...] = ()
    """Below these paths what no route matches is a google.rpc.Status, not the application's."""
    cors_origins: tuple[str, ...] = ()
    """Origins whose pages may call the services and their JSON API from browsers; ``*`` for all, without credentials."""
    expose: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """The selectors of each protocol that does not show everything: ``grpc``, ``grpc-web``, ``connect`` or ``json``."""
    http_over_grpc: bool = False
    http_over_grpc_from: tuple[str, ...] = LOOPBACK
    """Peers that may call AsgiService: CIDRs or ``unix``."""
    transcoding: Transcoding = field(default_factory=Transcoding)
    described: Described = field(default_factory=Described)
    openapi: OpenApi = field(default_factory=OpenApi)
    upstreams: Upstreams = field(default_factory=Upstreams)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """One ``narthex`` command: what to load and how to run it."""

    app: str | None = None
    grpc: tuple[str, ...] = ()
    app_dir: str = "."
    factory: bool = False
    interface: str = "auto"
    """How the application is called: one of ``INTERFACES``."""
    loop: str = "uvloop"
    log_level: str = "info"
    ready_fd: int | None = None
    config: Config = field(default_factory=Config)


def parse(given: Mapping[str, Any], found: Found | None = None, *, complete: bool = True) -> tuple[Options, list[Problem]]:
    """Reads the options' texts, as ``argparse`` gives them; an option that is missing or None has its default.

    Where a value is bad the default stands in for it, so that the checks that follow can go on and report theirs too; those
    that were ``found`` with settings come first. ``complete``: the options must also make sense together, as what is served.
    """
    found = found or Found()
    reader = _Reader(given)
    options = Options(
        app=given.get("app"),
        grpc=tuple(given.get("grpc") or ()),
        app_dir=reader.one("app_dir", _folder, "."),
        factory=bool(given.get("factory")),
        interface=reader.one("interface", _choice(INTERFACES), "auto"),
        loop=reader.one("loop", _choice(LOOPS), "uvloop"),
        log_level=reader.one("log_level", _choice(LOG_LEVELS), "info"),
        ready_fd=reader.one("ready_fd", _writable_descriptor, None),
        config=_config(reader),
    )
    if options.loop == "uvloop" and importlib.util.find_spec("uvloop") is None:
        reader.problems.append(Problem("--loop uvloop", "uvloop is not installed", "Install it, or choose --loop asyncio."))
    if complete:
        _check_together(options, given, reader.problems)
    return options, [*found.problems, *map(found.traced, reader.problems)]


def _config(reader: "_Reader") -> Config:
    given, default = reader.given, Config()
    keep_alive_timeout = reader.one("keep_alive_timeout", parse_duration, default.keep_alive_timeout)
    uds = reader.one("uds", _uds, None)
    binds = given.get("bind") or ([] if given.get("uds") is not None else [DEFAULT_BIND])
    return Config(
        addresses=reader.each("bind", parse_bind, binds),
        uds=uds,
        tls_cert=given.get("tls_cert"),
        tls_key=given.get("tls_key"),
        tls_client_ca=given.get("tls_client_ca"),
        tls_client_required=reader.one("tls_client_auth", _choice(CLIENT_AUTH), "required") == "required",
        root_path=reader.one("root_path", _root_path, default.root_path),
        forwarded_allow_ips=reader.one(
            "forwarded_allow_ips", lambda text: parse_networks(text, everyone=True), default.forwarded_allow_ips
        ),
        reflection=_flag(given, "reflection", default.reflection),
        access_log=_flag(given, "access_log", default.access_log),
        graceful_timeout=reader.one("graceful_timeout", lambda text: parse_duration(text, zero=True), default.graceful_timeout),
        max_body=reader.one("max_body", parse_size, default.max_body),
        grpc_max_message=reader.one("grpc_max_message", _grpc_message_size, default.grpc_max_message),
        header_timeout=reader.one("header_timeout", parse_duration, default.header_timeout),
        body_timeout=reader.one("body_timeout", parse_duration, default.body_timeout),
        keep_alive_timeout=keep_alive_timeout,
        h2_idle_timeout=keep_alive_timeout,
        application_close_timeout=reader.one(
            "application_close_timeout", lambda text: parse_duration(text, zero=True), default.application_close_timeout
        ),
        threads=reader.one("threads", _threads, default.threads),
        api_prefixes=reader.each("api_prefix", _api_prefix, given.get("api_prefix") or []),
        cors_origins=reader.each("cors_origin", _origin, given.get("cors_origin") or []),
        expose=_exposed(reader),
        http_over_grpc=_flag(given, "http_over_grpc", default.http_over_grpc),
        http_over_grpc_from=_trusted(reader, default.http_over_grpc_from),
        transcoding=transcoding.read(given, reader.problems),
        described=described.read(given, reader.problems),
        openapi=openapi.read(given, reader.problems),
        upstreams=upstream.read(given, reader.problems),
    )


class _Reader:
    """Reads one option after the other and keeps what was wrong with them."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.given = given
        self.problems: list[Problem] = []

    def one(self, name: str, parse: Callable[[str], _T], default: _T) -> _T:
        text = self.given.get(name)
        return default if text is None else self.read(name, parse, text, default)

    def each(self, name: str, parse: Callable[[str], str], texts: Sequence[str]) -> tuple[str, ...]:
        values = (self.read(name, parse, text, None) for text in texts)
        return tuple(dict.fromkeys(value for value in values if value is not None))

    def read(self, name: str, parse: Callable[[str], _T], text: str, default: _T) -> _T:
        try:
            return parse(text)
        except BadValueError as error:
            self.problems.append(Problem(f"{spelling(name)} {text or repr(text)}", error.what, error.hint))
            return default


def _flag(given: Mapping[str, Any], name: str, default: bool) -> bool:
    value = given.get(name)
    return default if value is None else bool(value)


def _choice(choices: Sequence[str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text.lower() not in choices:
            raise BadValueError("is none of the choices", "Choose " + ", ".join(choices[:-1]) + f" or {choices[-1]}.")
        return text.lower()

    return read


def _folder(text: str) -> str:
    if not Path(text).is_dir():
        raise BadValueError("is not a folder", f"It is looked for from the working folder, {Path.cwd()}")
    return text


def _uds(text: str) -> str:
    if not text:
        raise BadValueError("is not a path", "Give the path of the socket to make, for example /run/narthex.sock")
    return text.removeprefix("unix:")


def _root_path(text: str) -> str:
    if text and not text.startswith("/"):
        raise BadValueError("does not begin with a slash", f"Write /{text}")
    return text.rstrip("/")


def _api_prefix(text: str) -> str:
    if not text.startswith("/") or any(character in text for character in "?#* "):
        raise BadValueError("is not a path", "Give the beginning of paths, for example /api")
    return text.rstrip("/") or "/"


def _origin(text: str) -> str:
    if text == "*":
        return text
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc or "@" in parts.netloc:
        raise BadValueError("is not an origin", "Give a scheme and a host, for example https://example.org, or *")
    if parts.path or parts.query or parts.fragment:
        raise BadValueError("is more than an origin", f"Write {parts.scheme}://{parts.netloc}")
    return text.lower()


def _exposed(reader: "_Reader") -> tuple[tuple[str, tuple[str, ...]], ...]:
    """What several ``--expose`` say of one protocol counts together; what the selectors select is checked natively."""
    chosen: dict[str, dict[str, None]] = {}
    texts: Sequence[str] = reader.given.get("expose") or []
    for text in texts:
        protocol, selectors = reader.read("expose", _exposure, text, ("", ()))
        if protocol:
            chosen.setdefault(protocol, {}).update(dict.fromkeys(selectors))
    return tuple((protocol, tuple(selectors)) for protocol, selectors in chosen.items())


def _exposure(text: str) -> tuple[str, tuple[str, ...]]:
    protocol, equals, selectors = text.partition("=")
    if not equals or protocol not in PROTOCOLS:
        hint = f"Write PROTOCOL=SELECTOR,... where the protocol is {', '.join(PROTOCOLS[:-1])} or {PROTOCOLS[-1]}."
        raise BadValueError("names no protocol", hint)
    return protocol, tuple(selector.strip() for selector in selectors.split(",") if selector.strip())


def _grpc_message_size(text: str) -> int:
    size = parse_size(text)
    if size > _MAX_GRPC_MESSAGE:
        raise BadValueError("is more than a gRPC message can hold", "The largest is 4294967295 bytes.")
    return size


def _threads(text: str) -> int:
    digits = text.isascii() and text.isdigit() and len(text) <= len(str(_MAX_THREADS))
    if not (digits and 0 < int(text) <= _MAX_THREADS):
        raise BadValueError("is not a number of threads", f"Give a number from 1 to {_MAX_THREADS}.")
    return int(text)


def _writable_descriptor(text: str) -> int:
    hint = "Give the number of a pipe's writing end that this process has inherited."
    if not (text.isascii() and text.isdigit()):
        raise BadValueError("is not the number of a descriptor", hint)
    try:
        mode = fcntl.fcntl(int(text), fcntl.F_GETFL) & os.O_ACCMODE
    except (OSError, OverflowError):
        raise BadValueError("is not an open descriptor", hint) from None
    if mode == os.O_RDONLY:
        raise BadValueError("is not open for writing", hint)
    return int(text)


def _peers(text: str) -> tuple[str, ...]:
    return parse_networks(text, everyone=False)


def _trusted(reader: _Reader, default: tuple[str, ...]) -> tuple[str, ...]:
    texts: Sequence[str] | None = reader.given.get("http_over_grpc_from")
    if texts is None:
        return default
    peers = (reader.read("http_over_grpc_from", _peers, text, ()) for text in texts)
    return tuple(dict.fromkeys(itertools.chain.from_iterable(peers)))


def _check_together(options: Options, given: Mapping[str, Any], problems: list[Problem]) -> None:
    """What is wrong with options only in each other's company."""
    if options.app is None and not options.grpc and not options.config.upstreams.targets:
        hint = (
            "Name an application (mysite.asgi:application), a callable (--grpc mysite.grpc:register), "
            "a server elsewhere (--upstream http://HOST:PORT), or several of them."
        )
        problems.append(Problem("APP and --grpc", "there is nothing to serve", hint))
    if options.factory and options.app is None:
        problems.append(Problem("--factory", "there is no APP to call", "Name the factory, or leave the option out."))
    if options.config.http_over_grpc and options.app is None:
        hint = "Name the application that the calls are for, or leave the option out."
        problems.append(Problem("--http-over-grpc", "there is no APP to serve", hint))
    for option in ("descriptor_set", "proto"):
        if given.get(option) and not options.config.upstreams.targets and not options.grpc:
            hint = "Add --grpc MODULE:CALLABLE or --upstream http://HOST:PORT, which have the services that it describes."
            problems.append(Problem(spelling(option), "has no effect alone", hint))
    for option in ("openapi_base", "openapi_own_paths"):
        if given.get(option) and given.get("openapi") is None:
            problems.append(Problem(spelling(option), "has no effect alone", "Add --openapi PATH."))
    for option in ("tls_key", "tls_client_ca"):
        if given.get(option) is not None and options.config.tls_cert is None:
            problems.append(Problem(spelling(option), "has no effect without a certificate", "Add --tls-cert FILE."))
    if given.get("tls_client_auth") is not None and options.config.tls_client_ca is None:
        hint = "Add --tls-client-ca FILE: without authorities no client is asked."
        problems.append(Problem("--tls-client-auth", "has no effect without authorities", hint))
    if options.config.tls_cert is not None and not options.config.addresses:
        hint = "Add --bind HOST:PORT, or leave the option out."
        problems.append(Problem("--tls-cert", "is for --bind alone: a UNIX socket is served in the clear", hint))
    if given.get("http_over_grpc_from") is not None and not options.config.http_over_grpc:
        problems.append(Problem("--http-over-grpc-from", "has no effect alone", "Add --http-over-grpc."))
    if "/" in options.config.api_prefixes and options.app is not None:
        hint = "Give a prefix that leaves paths to the application, or serve without APP."
        problems.append(Problem("--api-prefix /", "would hide the whole application", hint))
