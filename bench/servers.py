"""Servers as processes: started on their core, watched through /proc, ended by their id."""

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

START_TIMEOUT = 30.0
# Envoy answers before what is behind it does.
WRONG_TIMEOUT = 10.0
STOP_TIMEOUT = 10.0
_TICKS = os.sysconf("SC_CLK_TCK")


class StartError(Exception):
    """A server did not come up; the text has what it said."""


class WrongAnswerError(Exception):
    """A server answered, but not what it should have."""


@dataclass(frozen=True)
class Usage:
    """What a server's processes have used since they were started, and the memory that they have now."""

    cpu_seconds: float
    # Of it, that of the first command: the server behind Envoy, where there is an Envoy.
    first_cpu_seconds: float
    peak_mib: float
    resident_mib: float


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Server:
    """One or more commands that answer together, such as Envoy and what is behind it."""

    commands: Sequence[Sequence[str]]
    env: dict[str, str]
    cores: set[int]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    started_in: float = 0.0

    def __enter__(self) -> Self:
        self._log = tempfile.TemporaryFile()
        self._began = time.perf_counter()
        for command in self.commands:
            # A session of its own, so that Ctrl-C ends this program first, which then ends them in order.
            self.processes.append(
                subprocess.Popen(
                    command,
                    env=self.env,
                    stdin=subprocess.DEVNULL,
                    stdout=self._log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    preexec_fn=lambda: os.sched_setaffinity(0, self.cores),
                )
            )
        return self

    def wait(self, answers: Callable[[], object]) -> None:
        """Waits until the check succeeds for the first time: refused connections and gateway errors are not there yet."""
        deadline = time.perf_counter() + START_TIMEOUT
        while True:
            try:
                answers()
            except (WrongAnswerError, OSError) as error:
                trouble = error
            else:
                self.started_in = time.perf_counter() - self._began
                return
            for process in self.processes:
                if process.poll() is not None:
                    raise StartError(f"ended with exit code {process.returncode}: {self.said()}")
            wrong = isinstance(trouble, WrongAnswerError)
            if time.perf_counter() > deadline - (START_TIMEOUT - WRONG_TIMEOUT if wrong else 0):
                if wrong:
                    raise trouble
                raise StartError(f"no answer within {START_TIMEOUT:.0f} s ({trouble}): {self.said()}")
            # What answers is not to be kept from starting by being asked; what does not listen yet notices nothing.
            time.sleep(0.05 if wrong else 0.001)

    def usage(self) -> Usage:
        """Processor time and peak memory of all processes, children included."""
        trees = [_tree(process.pid) for process in self.processes]
        cpu = [sum(map(_cpu_seconds, pids)) for pids in trees]
        peak, resident = (sum(_memory_mib(pid, what) for pids in trees for pid in pids) for what in ("VmHWM", "VmRSS"))
        return Usage(sum(cpu), cpu[0], peak, resident)

    def said(self) -> str:
        """The end of what the processes wrote."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")[-2000:].strip()

    def __exit__(self, *_: object) -> None:
        pids = [pid for process in self.processes for pid in _tree(process.pid)]
        for process in reversed(self.processes):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        for process in reversed(self.processes):
            try:
                process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        # A parent that had to be killed leaves its children behind.
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        self._log.close()


def _tree(pid: int) -> list[int]:
    """A process and all below it."""
    pids = [pid]
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                for child in (task / "children").read_text().split():
                    pids += _tree(int(child))
    return pids


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process, all its threads included."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _memory_mib(pid: int, what: str) -> float:
    """The memory that a process has resident, ``VmRSS``, or has had at most, ``VmHWM``."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{what}:"):
                return int(line.split()[1]) / 1024
    return 0.0
