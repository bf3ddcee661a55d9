"""The web application under load as WSGI has it: those routes of ``web`` that the mixed load asks for."""

import asyncio
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import parse_qsl

import calls
import probe
from web import PATTERN, RAISED

Environ = dict[str, Any]
Start = Callable[[str, list[tuple[str, str]]], Any]
Handler = Callable[[Environ, dict[str, str]], Iterable[bytes]]

PIECE = 65_536
ROUTES: dict[str, Handler] = {}


def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
    """Calls the route of the path's first segment."""
    query = dict(parse_qsl(environ["QUERY_STRING"]))
    body = ROUTES[environ["PATH_INFO"].split("/", 2)[1]](environ, query)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return body


def register(server: Any) -> None:
    """Registers the servicer, and starts the probe, for which WSGI has no place."""
    calls.register(server)
    # Not running yet.
    probe.start(asyncio.get_event_loop())


def route(handler: Handler) -> Handler:
    """Registers under the function's name."""
    ROUTES[handler.__name__.replace("_", "-")] = handler
    return handler


@route
def number(environ: Environ, query: dict[str, str]) -> Iterable[bytes]:
    """The number in the path."""
    return [environ["PATH_INFO"].rpartition("/")[2].encode()]


@route
def slow(environ: Environ, query: dict[str, str]) -> Iterable[bytes]:
    """The number in the path, after a while."""
    time.sleep(float(query["ms"]) / 1000)
    return number(environ, query)


@route
def checksum(environ: Environ, query: dict[str, str]) -> Iterable[bytes]:
    """The body's length and checksum."""
    length = check = 0
    while piece := environ["wsgi.input"].read(PIECE):
        length, check = length + len(piece), zlib.crc32(piece, check)
    return [b"%d %d" % (length, check)]


@route
def mirror(environ: Environ, query: dict[str, str]) -> Iterator[bytes]:
    """Each piece as it arrives."""
    while piece := environ["wsgi.input"].read(1000):
        yield piece


@route
def stream(environ: Environ, query: dict[str, str]) -> Iterator[bytes]:
    """``count`` pieces of ``size`` bytes."""
    for _ in range(int(query["count"])):
        yield PATTERN[: int(query["size"])]


@route
def endless(environ: Environ, query: dict[str, str]) -> Iterator[bytes]:
    """Streams until it is closed, as nobody is there."""
    while True:
        yield PATTERN


@route
def reads_nothing(environ: Environ, query: dict[str, str]) -> Iterable[bytes]:
    """Answers after a while without a look at the body."""
    time.sleep(float(query["ms"]) / 1000)
    return [b"not read"]


@route
def fail(environ: Environ, query: dict[str, str]) -> Iterable[bytes]:
    """Raises ``kind``: before the response, or in the middle of it."""
    if query["when"] == "before":
        raise RAISED[query["kind"]]()
    return _half(query["kind"])


def _half(kind: str) -> Iterator[bytes]:
    yield b"half"
    raise RAISED[kind]()
