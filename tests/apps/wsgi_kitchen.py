"""A WSGI application that shows what it is given, and does what the tests of WSGI ask for."""

import contextvars
import sys
import threading
from pathlib import Path
from urllib.parse import parse_qs
from wsgiref.validate import validator

PLAIN = [("Content-Type", "text/plain")]

_seen = threading.local()
_variable = contextvars.ContextVar("variable", default="unset")
_noted: dict[str, list[str]] = {}
_changed = threading.Condition()
_gates: dict[str, threading.Event] = {}


def note(name, what):
    with _changed:
        _noted.setdefault(name, []).append(what)
        _changed.notify_all()


def noted(name, count, timeout):
    """What was noted under the name, once there is so much of it or the time is over."""
    with _changed:
        _changed.wait_for(lambda: len(_noted.get(name, ())) >= count, timeout)
        return list(_noted.get(name, ()))


class Pieces:
    """An iterable that notes how it ends."""

    def __init__(self, name, pieces):
        self.name, self.pieces = name, iter(pieces)

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.pieces)

    def close(self):
        note(self.name, "closed")


def environ_(environ, start_response, query):
    start_response("200 OK", PLAIN)
    shown = {name: value for name, value in environ.items() if isinstance(value, str | bool | tuple)}
    return [repr(shown).encode()]


def read(environ, start_response, query):
    file, how = environ["wsgi.input"], query["how"]
    lines = []
    if how == "all":
        lines = [file.read(), file.read(), file.read(3)]
    elif how == "pieces":
        while piece := file.read(7):
            lines.append(piece)
    elif how == "declared":
        lines = [file.read(int(environ["CONTENT_LENGTH"]))]
    elif how == "lines":
        lines = [file.readline(), file.readline(2), file.readline(-1), *file, file.readline()]
    elif how == "readlines":
        lines = [*file.readlines(1), b"|", *file.readlines()]
    elif how == "count":
        lines = [b"%d" % sum(len(piece) for piece in iter(lambda: file.read(65536), b""))]
    start_response("200 OK", PLAIN)
    return [repr(lines).encode()]


def length(environ, start_response, query):
    start_response("200 OK", PLAIN)
    return [repr((environ.get("CONTENT_LENGTH"), len(environ["wsgi.input"].read()))).encode()]


def list_(environ, start_response, query):
    start_response(
        "201 Made", [("Content-Type", "text/plain"), ("Set-Cookie", " a=1"), ("Set-Cookie", "b=2"), ("X-Latin", "caf\xe9")]
    )
    return [b"made"]


def nothing(environ, start_response, query):
    start_response("200 OK", PLAIN)
    return []


def stream(environ, start_response, query):
    start_response("200 OK", PLAIN)
    gate = threading.Event()
    _gates[query["name"]] = gate
    if "opens" in query:
        threading.Timer(float(query["opens"]), gate.set).start()

    def pieces():
        yield b""
        yield b"first"
        yield b""
        gate.wait(10)
        yield b"second"

    return Pieces(query["name"], pieces())


def go(environ, start_response, query):
    _gates[query["name"]].set()
    start_response("204 No Content", [])
    return []


def notes(environ, start_response, query):
    start_response("200 OK", PLAIN)
    return [repr(noted(query["name"], int(query["count"]), float(query["timeout"]))).encode()]


def late(environ, start_response, query):
    """Begins its response only when it is iterated over, as PEP 3333 allows."""
    start_response("200 OK", PLAIN)
    yield b"late"


def write(environ, start_response, query):
    writes = start_response("200 OK", PLAIN)
    writes(b"")
    writes(b"written ")
    writes(b"twice ")
    return [b"and returned"]


def replaced(environ, start_response, query):
    start_response("200 OK", [("X-First", "1")])
    try:
        raise ValueError("on purpose")
    except ValueError:
        start_response("503 Busy", [("X-Second", "2")], exc_info=sys.exc_info())
    return [b"replaced"]


def too_late(environ, start_response, query):
    writes = start_response("200 OK", PLAIN)
    writes(b"begun")
    try:
        raise ValueError(f"on purpose, {query['name']}")
    except ValueError:
        # Not even a head that would be wrong hides what has happened.
        start_response("500 Oops", [("X", 1)], sys.exc_info())
    return [b"not reached"]


def wrong(environ, start_response, query):
    headers = {
        "status int": (200, []),
        "status text": ("OK", []),
        "status 100": ("100 Continue", []),
        "name bytes": ("200 OK", [(b"X", "y")]),
        "value int": ("200 OK", [("X", 1)]),
        "value newline": ("200 OK", [("X", "a\r\nY: b")]),
        "value wide": ("200 OK", [("X", "\u20ac")]),
        "pair": ("200 OK", [("X",)]),
        "twice": ("200 OK", []),
    }
    if query["what"] == "twice":
        start_response("200 OK", [("X-First", "1")])
    error = None
    try:
        start_response(*headers[query["what"]])
    except Exception as raised:
        error = type(raised).__name__
    if query["what"] != "twice":
        start_response("200 OK", PLAIN)
    return [str(error).encode()]


def bad(environ, start_response, query):
    match query["how"]:
        case "raises":
            raise ValueError("on purpose")
        case "exits":
            raise SystemExit(3)
        case "not started":
            return [b"body"]
        case "returns none":
            start_response("200 OK", PLAIN)
            return None
        case "yields str":
            start_response("200 OK", PLAIN)
            return ["text"]
        case "longer":
            start_response("200 OK", [("Content-Length", "2")])
            return [b"long"]
        case "midway":
            start_response("200 OK", PLAIN)

            def pieces():
                yield b"begun"
                raise ValueError("on purpose")

            return Pieces(query["name"], pieces())


def endless(environ, start_response, query):
    start_response("200 OK", PLAIN)

    def pieces():
        while True:
            yield bytes(65536)
            note(query["name"] + "-sent", "piece")

    return Pieces(query["name"], pieces())


def thread(environ, start_response, query):
    before = (getattr(_seen, "calls", 0), _variable.get())
    _seen.calls = before[0] + 1
    _variable.set("set")
    start_response("200 OK", PLAIN)
    return [repr((threading.current_thread() is threading.main_thread(), *before)).encode()]


_all = threading.Barrier(4)


def together(environ, start_response, query):
    _all.wait(10)
    start_response("200 OK", PLAIN)
    return [b"together"]


def file(environ, start_response, query):
    start_response("200 OK", PLAIN)
    return environ["wsgi.file_wrapper"](Path(__file__).open("rb"), 1000)


def app(environ, start_response):
    path = environ["PATH_INFO"].strip("/")
    query = {name: values[-1] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
    return _routes.get(path, environ_)(environ, start_response, query)


_routes = {
    "read": read,
    "list": list_,
    "length": length,
    "nothing": nothing,
    "stream": stream,
    "go": go,
    "notes": notes,
    "late": late,
    "write": write,
    "replaced": replaced,
    "too-late": too_late,
    "wrong": wrong,
    "bad": bad,
    "endless": endless,
    "thread": thread,
    "together": together,
    "file": file,
}

# Raises an AssertionError wherever server or application break PEP 3333.
validated = validator(app)
