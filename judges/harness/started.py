"""A server process of a judge, from its first line to its exit code."""

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

PATIENCE = 30.0
FAULTS = ("panicked at", "never awaited", "Traceback (most recent call last)")
"""What no judge's client may bring the server to say."""


@contextmanager
def started(script: Path, *arguments: str, env: Mapping[str, str]) -> Iterator[int]:
    """Runs a script that prints its port, and asserts in the end that it stops as it should and has logged no fault."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen([sys.executable, script, *arguments], stdout=subprocess.PIPE, stderr=log, env=env)
        assert process.stdout is not None
        try:
            # Closed by the process's end too, so this does not wait for a server that failed.
            line = process.stdout.readline()
            assert line.strip().isdigit(), f"{script.name} did not start:\n{_text(log)}"
            yield int(line)
            process.send_signal(signal.SIGTERM)
            code = process.wait(PATIENCE)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        said = _text(log)
        assert code == 0, f"exit code {code}:\n{said}"
        assert not [fault for fault in FAULTS if fault in said], said


def _text(log: BinaryIO) -> str:
    log.seek(0)
    return log.read().decode(errors="replace")
