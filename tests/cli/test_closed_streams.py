"""A process that is started without stdin, stdout or stderr."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# What is on descriptors 0 to 2 once the command runs, and that both streams can be written to.
PROBE = """
import os, sys
from narthex import cli
try:
    cli.main(["--version"])
except SystemExit:
    pass
sys.stdout.write("out"); sys.stdout.flush()
sys.stderr.write("err"); sys.stderr.flush()
os.write({report}, repr([os.readlink(f"/proc/self/fd/{{number}}") for number in {closed}]).encode())
"""


@pytest.mark.parametrize("closed", [(2,), (1, 2), (0, 1, 2), (0,)])
def test_missing_descriptors_are_the_null_device(closed):
    reading, writing = os.pipe()
    script = PROBE.format(report=writing, closed=closed)
    close = " ".join(f"{number}>&-" for number in closed)
    command = ["sh", "-c", f'exec "$@" {close}', "sh", sys.executable, "-c", script]
    ended = subprocess.run(command, capture_output=True, timeout=20, check=False, pass_fds=[writing])
    os.close(writing)
    with os.fdopen(reading) as stream:
        assert stream.read() == repr(["/dev/null"] * len(closed))
    assert ended.returncode == 0


def test_serving_without_stderr(apps, protos):
    reading, writing = os.pipe()
    arguments = ["serve", "--app-dir", str(apps), "plain:app", "--bind", "127.0.0.1:0", "--ready-fd", str(writing)]
    command = ["sh", "-c", 'exec "$@" 2>&-', "sh", sys.executable, "-m", "narthex", *arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(protos), os.environ.get("PYTHONPATH", "")])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, pass_fds=[writing]) as process:
        os.close(writing)
        with os.fdopen(reading) as stream:
            assert stream.read().startswith("http://127.0.0.1:")
        assert Path(f"/proc/{process.pid}/fd/2").readlink() == Path("/dev/null")
        process.terminate()
        stdout, _ = process.communicate(timeout=10)
    assert (process.returncode, stdout) == (0, b"")
