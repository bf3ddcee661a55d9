"""wrk, h2load and a client of our own: how they are called, and what of their output is believed."""

import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Protocol

from bench import machine

ANSWER_TIMEOUT = 10.0
# Envoy tells in a header how long an answer took: of some samples the shortest has the least digits.
SAMPLES = 5
INSTALL = "apt-get install wrk nghttp2-client"


class LoadError(Exception):
    """The load generator saw errors, or the answers it got cannot have been right: no figure."""


@dataclass(frozen=True)
class Measured:
    """What one run saw."""

    requests: int
    seconds: float

    @property
    def rate(self) -> float:
        """Requests in a second."""
        return self.requests / self.seconds


class Load(Protocol):
    """A way to keep a server busy."""

    def run(self, port: int, seconds: int, cores: set[int], folder: Path) -> Measured:
        """Loads whoever listens on the port, from these cores."""
        ...

    def describe(self) -> str:
        """The command in short."""
        ...


def require_generators() -> None:
    """Says which load generators are missing."""
    missing = [name for name in ("wrk", "h2load") if shutil.which(name) is None]
    if missing:
        raise SystemExit(f"not found: {', '.join(missing)}. On Debian: {INSTALL}")


def whole_answer(port: int, request: bytes, body: int) -> int:
    """How many bytes the answer to an HTTP/1.1 request has, its head included; a 200 with at least so many bytes of body.

    JSON may have more, blanks; what it says is looked at by the scenario's own check.
    """
    with socket.create_connection(("127.0.0.1", port), ANSWER_TIMEOUT) as connection:
        connection.sendall(request)
        seen = bytearray()
        while (end := seen.find(b"\r\n\r\n")) < 0 or not _is_whole(seen, end + 4):
            if not (more := connection.recv(1 << 16)):
                raise LoadError(f"an answer ended after {len(seen)} bytes: {bytes(seen[:200])!r}")
            seen += more
    response = HTTPResponse(_Recorded(bytes(seen)))  # type: ignore[arg-type]
    try:
        response.begin()
        right = response.status == 200 and len(response.read()) >= body
    except HTTPException:
        right = False
    if not right:
        raise LoadError(f"a wrong answer, where {body} bytes of body were to come: {bytes(seen[:200])!r}")
    return len(seen)


@dataclass(frozen=True)
class _Recorded:
    """What was received, for http.client to read."""

    received: bytes

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self.received)


def _is_whole(seen: bytearray, body: int) -> bool:
    head = bytes(seen[:body]).lower()
    if length := re.search(rb"\r\ncontent-length: *(\d+)", head):
        return len(seen) - body >= int(length[1])
    return seen.endswith(b"\r\n0\r\n\r\n")


@dataclass(frozen=True)
class Wrk:
    """HTTP/1.1 on connections that are kept alive, each with one request at a time."""

    path: str = "/"
    connections: int = 32
    method: str = "GET"
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    # The length of a right answer's body.
    answer: int = 2

    def run(self, port: int, seconds: int, cores: set[int], folder: Path) -> Measured:
        """Runs wrk once; any error, any status but 2xx or 3xx and any answer of the wrong size is a failure."""
        expected = min(whole_answer(port, self._request(), self.answer) for _ in range(SAMPLES))
        script = folder / "wrk.lua"
        script.write_text(self._script())
        url = f"http://127.0.0.1:{port}{self.path}"
        said = _run(["wrk", "-t1", f"-c{self.connections}", f"-d{seconds}s", "-s", str(script), url], cores)
        found = re.search(r"^BENCH (\{.*\})$", said, re.MULTILINE)
        if found is None:
            raise LoadError(f"wrk did not tell its result: {said}")
        result = json.loads(found[1])
        errors = {kind: result[kind] for kind in ("connect", "read", "write", "status", "timeout") if result[kind]}
        if errors:
            raise LoadError(f"errors seen by wrk: {errors} in {result['requests']} requests")
        if not result["requests"]:
            raise LoadError("wrk had no answer")
        # Answers that were on their way at the end are in the bytes, not in the count.
        size = result["bytes"] / result["requests"]
        on_the_way = self.connections * expected / result["requests"]
        # More digits in such a header; pieces that were put together in other chunks.
        slack = max(16, self.answer // 1000)
        if not expected - min(self.answer / 2, slack) < size <= expected + slack + on_the_way:
            raise LoadError(f"answers of {size:.1f} bytes, heads included; a right one had {expected}")
        return Measured(result["requests"], result["microseconds"] / 1e6)

    def _request(self) -> bytes:
        lines = [f"{self.method} {self.path} HTTP/1.1", "host: 127.0.0.1"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if self.body:
            lines.append(f"content-length: {len(self.body)}")
        return "\r\n".join([*lines, "", ""]).encode() + self.body

    def _script(self) -> str:
        body = "".join(f"\\{byte}" if byte < 10 else f"\\{byte:03d}" for byte in self.body)
        headers = "".join(f'wrk.headers["{name}"] = "{value}"\n' for name, value in self.headers.items())
        return (
            f'wrk.method = "{self.method}"\n{headers}'
            + (f'wrk.body = "{body}"\n' if self.body else "")
            + "function done(s, latency, requests)\n"
            + "  local e = s.errors\n"
            + '  local form = \'BENCH {"requests":%d,"microseconds":%d,"bytes":%d,'
            + '"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}\\n\'\n'
            + "  io.write(form:format(s.requests, s.duration, s.bytes, e.connect, e.read, e.write, e.status, e.timeout))\n"
            + "end\n"
        )

    def describe(self) -> str:
        """The command in short."""
        return f"wrk -t1 -c{self.connections} {self.method} {self.path}"


@dataclass(frozen=True)
class H2Load:
    """HTTP/2 with prior knowledge, several streams on each connection."""

    path: str = "/"
    connections: int = 4
    streams: int = 8
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    # The length of a right answer's body. For gRPC it is the proof of success: a failed call is 200 as well, without a body.
    answer: int = 2

    def run(self, port: int, seconds: int, cores: set[int], folder: Path) -> Measured:
        """Runs h2load once; any error, any status but 2xx and any byte of body too few or too many is a failure."""
        command = ["h2load", "-t1", f"-c{self.connections}", f"-m{self.streams}", f"-D{seconds}"]
        if self.body is not None:
            data = folder / "body"
            data.write_bytes(self.body)
            command.append(f"-d{data}")
        for name, value in self.headers.items():
            command.append(f"-H{name}: {value}")
        said = _run([*command, f"http://127.0.0.1:{port}{self.path}"], cores)
        counts = re.search(r"requests: .* (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", said)
        time = re.search(r"^finished in ([\d.]+)(m?s), ", said, re.MULTILINE)
        data_seen = re.search(r"^traffic: .*\((\d+)\) data", said, re.MULTILINE)
        if counts is None or time is None or data_seen is None:
            raise LoadError(f"h2load did not tell its result: {said}")
        done, succeeded, failed, errored, timeout = (int(counts[i]) for i in range(1, 6))
        if not done or succeeded != done or failed or errored or timeout:
            raise LoadError(f"h2load: {counts[0]}")
        # Answers that were on their way at the end are in the bytes, not in the count.
        excess = int(data_seen[1]) - done * self.answer
        if not 0 <= excess <= self.connections * self.streams * self.answer:
            raise LoadError(f"{data_seen[1]} bytes of body in {done} answers, which should have {self.answer} each")
        return Measured(done, float(time[1]) / (1000 if time[2] == "ms" else 1))

    def describe(self) -> str:
        """The command in short."""
        return f"h2load -t1 -c{self.connections} -m{self.streams} {self.path}"


@dataclass(frozen=True)
class PingPong:
    """gRPC's streams both ways: on each the next message is sent when the answer to the last one has come."""

    connections: int = 4
    streams: int = 8

    def run(self, port: int, seconds: int, cores: set[int], folder: Path) -> Measured:
        """Runs our own client once, which looks at every answer and at the end of every call."""
        pinned = ",".join(map(str, sorted(cores)))
        numbers = map(str, (port, seconds, self.connections, self.streams))
        said = _run([sys.executable, "-m", "bench.ping_pong", pinned, *numbers], cores)
        result = json.loads(said)
        return Measured(result["requests"], result["seconds"])

    def describe(self) -> str:
        """The numbers."""
        return f"a message at a time on each of {self.streams} streams of {self.connections} connections"


def _run(command: list[str], cores: set[int]) -> str:
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=machine.ROOT,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    if done.returncode:
        raise LoadError(f"{command[0]} ended with exit code {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
