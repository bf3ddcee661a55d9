"""A ``narthex`` process under test: started, watched, stopped by its id.

Nothing here sleeps: readiness is read from ``--ready-fd``, log lines are waited for as they arrive.
"""

import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

import httpx

START_TIMEOUT = 30.0
STOP_TIMEOUT = 30.0

_ACCESS_LINE = re.compile(r'^INFO: +(\S*) - "([A-Z]+ .+ HTTP/[\d.]+)" (\d+) (.+)$')


class Served:
    """One ``narthex serve`` process that answers requests.

    ``url`` is the first address bound (``http://127.0.0.1:41234`` or ``unix:/path``); for TCP there are ``host``, ``port``
    and ``target`` (``127.0.0.1:41234``, as grpc wants it). ``addresses`` has all of them.
    """

    def __init__(self, arguments: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> None:
        self.command = [sys.executable, "-m", "narthex", "serve", *arguments]
        reading, writing = os.pipe()
        try:
            self._process = subprocess.Popen(
                [*self.command, "--ready-fd", str(writing)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[writing],
                env=env,
                cwd=cwd,
            )
        finally:
            os.close(writing)
        self._arrived = threading.Condition()
        self._lines: list[str] = []
        self._stdout = bytearray()
        self._readers = [threading.Thread(target=read, daemon=True) for read in (self._read_stderr, self._read_stdout)]
        for reader in self._readers:
            reader.start()
        try:
            self.addresses = self._wait_until_ready(reading).split()
        except BaseException:
            self.kill()
            raise
        finally:
            os.close(reading)

    @property
    def url(self) -> str:
        """The first address, as a base URL."""
        return self.addresses[0]

    @property
    def host(self) -> str:
        """The first address's host."""
        return httpx.URL(self.url).host

    @property
    def port(self) -> int:
        """The first address's port."""
        port = httpx.URL(self.url).port
        assert port is not None, self.url
        return port

    @property
    def target(self) -> str:
        """The first address, as grpc channels want it."""
        return self.url.removeprefix("http://")

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process is there still."""
        return self._process.poll() is None

    def client(self, **options) -> httpx.Client:
        """An httpx client of the first address; ``http1=False, http2=True`` for HTTP/2 with prior knowledge."""
        return httpx.Client(base_url=self.url, **{"trust_env": False, "timeout": 20.0, **options})

    def stderr(self) -> str:
        """What the process has written to stderr so far; all of it once it has ended."""
        with self._arrived:
            return "\n".join(self._lines)

    def stdout(self) -> bytes:
        """What the process has written to stdout so far."""
        return bytes(self._stdout)

    def written(self) -> int:
        """How many lines the process has written to stderr so far."""
        with self._arrived:
            return len(self._lines)

    def wait_for(self, expected: str | Callable[[str], bool], timeout: float = 10.0, *, since: int = 0) -> str:
        """Waits until stderr has a line that contains the text, or that the function says yes to; returns it.

        ``since`` leaves out as many lines at the beginning: what ``written`` has said before.
        """
        matches = (lambda line: expected in line) if isinstance(expected, str) else expected
        deadline = time.monotonic() + timeout
        seen = since
        with self._arrived:
            while True:
                for line in self._lines[seen:]:
                    if matches(line):
                        return line
                seen = len(self._lines)
                if not self._arrived.wait(deadline - time.monotonic()):
                    raise AssertionError(f"no line of stderr matched {expected!r}:\n" + "\n".join(self._lines))

    def access_log(self, count: int = 0, timeout: float = 10.0) -> list[str]:
        """The access log's lines, after waiting for at least ``count`` of them: a line is written after the reply."""
        deadline = time.monotonic() + timeout
        with self._arrived:
            while len(lines := [line for line in self._lines if _ACCESS_LINE.match(line)]) < count:
                if not self._arrived.wait(deadline - time.monotonic()):
                    raise AssertionError(f"{len(lines)} of {count} lines in the access log:\n" + "\n".join(self._lines))
            return lines

    def flows(self, count: int = 0) -> list[str]:
        """Which flow each request took, in the order of the access log: ``http``, ``json``, ``grpc``, ``http-over-grpc``."""
        matched = (_ACCESS_LINE.match(line) for line in self.access_log(count))
        return [match[4].split()[0] for match in matched if match]

    def send_signal(self, number: int) -> None:
        """Sends the signal to the process."""
        self._process.send_signal(number)

    def wait(self, timeout: float = STOP_TIMEOUT) -> int:
        """Waits for the process to end and returns its exit code; kills it if it does not."""
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the process did not end within {timeout} s:\n{self.stderr()}") from None
        self._join()
        return code

    def stop(self, number: int = signal.SIGTERM, timeout: float = STOP_TIMEOUT) -> int:
        """Asks the process to stop, waits for it and returns its exit code."""
        if self.running:
            self.send_signal(number)
        return self.wait(timeout)

    def kill(self) -> None:
        """Ends the process at once."""
        if self.running:
            self._process.kill()
        self._process.wait()
        self._join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if error is not None:
            self.kill()
            error.add_note(f"stderr of {' '.join(self.command)}:\n{self.stderr()}")
            return
        if self.running:
            code = self.stop()
            assert code == 0, f"exit code {code} after SIGTERM:\n{self.stderr()}"
        assert "panicked at" not in self.stderr(), self.stderr()

    def _wait_until_ready(self, reading: int) -> str:
        deadline = time.monotonic() + START_TIMEOUT
        line = b""
        # To the end: the server writes one line and closes the descriptor.
        while True:
            readable, _, _ = select.select([reading], [], [], max(0.0, deadline - time.monotonic()))
            if not readable:
                raise AssertionError(f"not ready within {START_TIMEOUT} s:\n{self.stderr()}")
            if not (piece := os.read(reading, 4096)):
                break
            line += piece
        if not line.endswith(b"\n"):
            code = self._process.wait(STOP_TIMEOUT)
            self._join()
            raise AssertionError(f"ended with code {code} before it was ready:\n{self.stderr()}")
        return line.decode()

    def _read_stderr(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            for line in stream:
                with self._arrived:
                    self._lines.append(line.decode(errors="replace").rstrip("\n"))
                    self._arrived.notify_all()

    def _read_stdout(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            while piece := stream.read1():
                self._stdout += piece

    def _join(self) -> None:
        for reader in self._readers:
            reader.join(timeout=5)
