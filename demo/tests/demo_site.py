"""The demo as its tests see it: a process, a base URL, and an access log that says which flow each request took."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import grpc
import httpx

DEMO = Path(__file__).resolve().parent.parent
ROOT = DEMO.parent
BIN = Path(sys.executable).parent
USER, PASSWORD = "admin", "a-password-of-the-tests"
PATIENCE = 10.0

T = TypeVar("T")

# What Narthex says of a request, by what the client asked for. Behind Envoy it gets nothing but gRPC.
FLOWS = {
    "direct": {"page": "http", "json": "json", "grpc": "grpc"},
    "envoy": {"page": "http-over-grpc", "json": "grpc", "grpc": "grpc"},
}

_ACCESS = re.compile(
    r'^INFO: +(?P<client>.*?) - "(?P<method>\S+) (?P<target>.*) HTTP/(?P<version>[\d.]+)" '
    r"(?P<status>\d{3}) (?P<flow>[a-z-]+)(?: (?P<code>[A-Z_]+))? (?P<time>\S+)$",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Access:
    """One line of the access log."""

    client: str
    method: str
    target: str
    version: str
    status: str
    flow: str
    code: str | None
    time: str


def wait_for(look: Callable[[], T], what: str, patience: float = PATIENCE) -> T:
    """Looks again until there is something; fails loudly instead of waiting for ever."""
    deadline = time.monotonic() + patience
    while not (found := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {patience:g} s for {what}")
        time.sleep(0.005)
    return found


class Log:
    """What the process writes to stderr, in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def size(self) -> int:
        return self.path.stat().st_size

    def text(self, start: int = 0) -> str:
        with self.path.open("rb") as file:
            file.seek(start)
            return file.read().decode(errors="replace")

    def accesses(self, start: int) -> list[Access]:
        text = self.text(start)
        complete = text[: text.rfind("\n") + 1]
        return [Access(**found.groupdict()) for found in _ACCESS.finditer(complete)]

    def wait_for(self, text: str, start: int) -> None:
        wait_for(lambda: text in self.text(start), f"{text!r} in the log:\n{self.text(start)}")


@dataclass
class Site:
    """The running demo, direct or behind Envoy."""

    name: str
    url: str
    log: Log
    process: subprocess.Popen[bytes]
    asked: set[str]
    """The names of differences that tests asked for."""
    clients: list[httpx.Client] = field(default_factory=list)

    @property
    def target(self) -> str:
        """For gRPC clients."""
        return self.url.removeprefix("http://")

    @property
    def address(self) -> tuple[str, int]:
        """For sockets."""
        host, _, port = self.target.rpartition(":")
        return host, int(port)

    def differs(self, name: str) -> bool:
        """Whether this known difference is to be expected here."""
        self.asked.add(name)
        return self.name == "envoy"

    def client(self, kind: str = "page", *, http2: bool = False) -> "Client":
        """An HTTP client without cookies, for requests of this kind; closed at the end of the run."""
        made = Client(self, kind, http2=http2)
        self.clients.append(made)
        return made

    def channel(self, *options: tuple[str, object]) -> grpc.Channel:
        """A gRPC channel of its own; use it with ``with``."""
        return grpc.insecure_channel(self.target, options=list(options))

    def connect(self) -> socket.socket:
        """A bare connection."""
        return socket.create_connection(self.address, timeout=PATIENCE)

    @contextmanager
    def watch(self, *kinds: str | None) -> Iterator[list[Access]]:
        """Asserts that Narthex meanwhile gets requests of these kinds, in this order, and no others; None stands for none.

        Once the block is left, the list that it is given holds what the log says of them.
        """
        start = self.log.size()
        seen: list[Access] = []
        yield seen
        seen += self.flows_since(start, list(kinds))

    def settle(self) -> str:
        """Makes a request and waits for its line in the access log, after those of all that has ended; returns its mark."""
        start, mark = self.log.size(), uuid.uuid4().hex
        httpx.get(f"{self.url}/whoami?{mark}", trust_env=False)
        wait_for(lambda: mark in self.log.text(start), "the last request in the access log")
        return mark

    def flows_since(self, start: int, kinds: list[str | None]) -> list[Access]:
        """The access log from there on, which must be of requests of these kinds."""
        expected = [FLOWS[self.name][kind] for kind in kinds if kind]
        # Of what does not come nothing can be waited for. So a last request is, and must be the only one.
        mark = self.settle() if None in kinds else ""
        wait_for(
            lambda: len(self.log.accesses(start)) >= len(expected) + bool(mark),
            f"{expected} in the access log",
        )
        seen = [access for access in self.log.accesses(start) if not mark or mark not in access.target]
        assert [access.flow for access in seen] == expected, self.log.text(start)
        return seen

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ends the process as its user would, and returns its exit code."""
        for client in self.clients:
            client.close()
        self.process.send_signal(number)
        try:
            return self.process.wait(PATIENCE * 4)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


class Client(httpx.Client):
    """Asserts of each request which flow it took, and which version of HTTP."""

    ANY = "any"
    """The kind of requests of which the log need not say anything."""

    def __init__(self, site: Site, kind: str | None, *, http2: bool) -> None:
        super().__init__(base_url=site.url, http1=not http2, http2=http2, timeout=PATIENCE * 2, trust_env=False)
        self.site, self.kind, self.version = site, kind, "HTTP/2" if http2 else "HTTP/1.1"

    @contextmanager
    def expecting(self, kind: str | None) -> Iterator[None]:
        """For requests of another kind; None: they do not reach Narthex."""
        before, self.kind = self.kind, kind
        yield
        self.kind = before
        if kind == self.ANY:
            # One of them may be given up, and logged when its answer has long been here.
            self.site.settle()

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """As httpx does it, then looks into the access log. A redirect that is followed is a request too."""
        start = self.site.log.size()
        response = super().send(request, **options)
        response.read()
        responses = [*response.history, response]
        assert {one.http_version for one in responses} == {self.version}
        if self.kind != self.ANY:
            self.site.flows_since(start, [self.kind] * len(responses))
        return response


def environment(data: Path) -> dict[str, str]:
    """Of a process with its database in this folder."""
    return {**os.environ, "DEMO_DATA": str(data), "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "default"}


def prepare(data: Path) -> None:
    """A database without books, and the admin user."""
    command = [sys.executable, str(DEMO / "manage.py"), "setupdemo", "--empty", "--username", USER, "--password", PASSWORD]
    subprocess.run(command, check=True, env=environment(data), stdout=subprocess.DEVNULL)


def start(name: str, folder: Path, asked: set[str], *options: str) -> Site:
    """Starts the demo on a free port; returns once it serves."""
    if name == "direct":
        app = ["config.asgi:application", "--grpc", "shop.servicers:register"]
        command = [str(BIN / "narthex"), "serve", "--app-dir", str(DEMO), *app]
    else:
        command = [sys.executable, str(ROOT / "deploy" / "envoy" / "run.py")]
    log = Log(folder / f"{name}.log")
    reading, writing = os.pipe()
    with log.path.open("wb") as stderr:
        process = subprocess.Popen(
            [*command, "--bind", "127.0.0.1:0", "--ready-fd", str(writing), *options],
            env=environment(folder),
            stdout=stderr,
            stderr=stderr,
            pass_fds=[writing],
        )
    os.close(writing)
    with os.fdopen(reading, encoding="ascii") as ready:
        url = ready.readline().strip()  # Empty if the process ended, which the test's timeout waits for at most.
    assert url, f"it did not start:\n{log.text()}"
    return Site(name, url, log, process, asked)
