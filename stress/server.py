"""The server under stress: ``narthex serve`` with the applications of this folder, and its probe."""

import contextlib
import json
import os
import signal
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from protos import compile_protos
from served import Served

from stress import FOLDER, process
from stress.failures import Failed
from stress.stall import Stall

# What the applications raise on purpose is logged with these; any other error line is a fault.
PLANNED = (
    "PlannedError",
    "PlannedExit",
    "SystemExit",
    "KeyboardInterrupt",
    "CancelledError",
    "application was cancelled before its response",
    "GeneratorExit",
)


# The web application and the servicer, as the command wants them.
ASGI = ("web:app", "--grpc", "calls:register")


class Server(Served):
    """One server, with both applications unless ``arguments`` name others."""

    def __init__(
        self,
        protos: Path,
        *arguments: str,
        loop: str = "uvloop",
        app: Sequence[str] = ASGI,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="narthex-stress-")
        self._probe = str(Path(self._folder.name) / "probe")
        path = os.pathsep.join(filter(None, [str(protos), os.environ.get("PYTHONPATH", "")]))
        whole = {**os.environ, "PYTHONPATH": path, "NO_COLOR": "1", "STRESS_PROBE": self._probe, **(env or {})}
        # The native allocator would keep freed pages until somebody allocates again, and they would count as left behind.
        whole["MIMALLOC_PURGE_DELAY"] = "0"
        given = [*app, "--app-dir", str(FOLDER / "apps"), "--bind", "127.0.0.1:0", "--loop", loop, "--no-access-log"]
        super().__init__([*given, "--http-over-grpc", *arguments], env=whole, cwd=Path(self._folder.name))

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return self.host, self.port

    def ask(self, command: str) -> Any:
        """What the probe answers."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(60)
            connection.connect(self._probe)
            connection.sendall(command.encode() + b"\n")
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        return json.loads(answer)

    def stacks(self) -> str:
        """Where every thread and every task is, as far as they still tell."""
        told = [process.places(self.pid)]
        before = len(self.stderr())
        self.send_signal(signal.SIGUSR2)
        # faulthandler tells nobody when it has finished.
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline and "most recent call first" not in self.stderr()[before:]:
            time.sleep(0.05)
        time.sleep(0.2)
        told.append(self.stderr()[before:])
        try:
            told += self.ask("tasks")
        except (OSError, ValueError) as error:
            told.append(f"the event loop does not tell its tasks: {error!r}")
        return "\n".join(told)

    def stalled(self, stall: Stall) -> Failed:
        """The account of a stall."""
        return Failed(f"{stall}\n{self.stacks()}")

    def check_log(self, planned: Sequence[str] = ()) -> None:
        """Fails if it has logged an error that nobody planned."""
        lines = self.stderr().splitlines()
        for number, line in enumerate(lines):
            bad = line.startswith(("ERROR", "CRITICAL")) or "panicked at" in line or "never retrieved" in line
            if bad and not any(word in line for word in planned):
                # The exception's own line ends the traceback, which is indented.
                end = next((n for n in range(number + 1, len(lines)) if _ends_traceback(lines[n])), number)
                if end > number and any(word in lines[end] for word in planned):
                    continue
                raise Failed("an error that nobody planned is in the log:\n" + "\n".join(lines[number : number + 40]))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        try:
            super().__exit__(kind, error, traceback)
        except AssertionError as wrong:
            raise Failed(str(wrong)) from None
        finally:
            self._folder.cleanup()

    def __enter__(self) -> Self:
        return self


def _ends_traceback(line: str) -> bool:
    return bool(line) and not line.startswith((" ", "Traceback", "During", "The above", "    "))


@contextlib.contextmanager
def compiled() -> Iterator[Path]:
    """The folder of what is generated from the protos."""
    with tempfile.TemporaryDirectory(prefix="narthex-stress-protos-") as folder:
        compile_protos(FOLDER / "proto", Path(folder))
        yield Path(folder)
