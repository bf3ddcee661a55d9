"""A PostgreSQL and a Redis for the time of a block, in a folder of their own, on nobody's port."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from stress.failures import NotRun

START_TIMEOUT = 60.0


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """The URL of a new cluster that listens on a UNIX socket alone. It refuses to run as root, so there it is nobody's."""
    programs = _postgres_programs()
    with tempfile.TemporaryDirectory(prefix="narthex-stress-pg-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if os.getuid() == 0:
            shutil.chown(folder, "nobody")
        options = ["-D", str(folder / "data")]
        _run_as_nobody([str(programs / "initdb"), *options, "-U", "stress", "-A", "trust", "--no-sync"], folder)
        server = subprocess.Popen(
            _as_nobody([str(programs / "postgres"), *options, "-k", name, "-c", "listen_addresses=", "-F"]),
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=(folder / "log").open("w"),
        )
        try:
            _wait(server, lambda: _answers(str(folder / ".s.PGSQL.5432")), folder / "log")
            yield f"postgresql://stress@/postgres?host={name}"
        finally:
            server.terminate()
            server.wait()


def _postgres_programs() -> Path:
    """The folder with initdb beside postgres: Debian has neither on the PATH."""
    found = [Path(path).resolve().parent for path in filter(None, [shutil.which("postgres"), shutil.which("initdb")])]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in found:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise NotRun("there is no PostgreSQL (on Debian: apt-get install postgresql)")


@contextlib.contextmanager
def redis() -> Iterator[tuple[str, str]]:
    """The URL of a Redis, and what it is: the real one if it is here, else fakeredis's server, which speaks the protocol."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        with _fake_redis() as url:
            yield url, "fakeredis, as there is no redis-server"
        return
    with tempfile.TemporaryDirectory(prefix="narthex-stress-redis-") as name:
        path = str(Path(name) / "socket")
        log = Path(name) / "log"
        command = [program, "--port", "0", "--unixsocket", path, "--save", "", "--dir", name]
        server = subprocess.Popen(command, stdout=log.open("w"), stderr=subprocess.STDOUT)
        try:
            _wait(server, lambda: _answers(path), log)
            yield f"unix://{path}", Path(program).name
        finally:
            server.terminate()
            server.wait()


@contextlib.contextmanager
def _fake_redis() -> Iterator[str]:
    from fakeredis import TcpFakeServer

    server = TcpFakeServer(("127.0.0.1", 0), server_type="redis")
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"redis://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def _as_nobody(command: list[str]) -> list[str]:
    if os.getuid() != 0:
        return command
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *command]


def _run_as_nobody(command: list[str], folder: Path) -> None:
    done = subprocess.run(_as_nobody(command), capture_output=True, text=True, check=False, cwd=folder)
    if done.returncode:
        raise NotRun(f"{Path(command[0]).name} failed: {done.stderr.strip() or done.stdout.strip()}")


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as connection, contextlib.suppress(OSError):
        connection.connect(path)
        return True
    return False


def _wait(server: "subprocess.Popen[bytes]", ready: Callable[[], bool], log: Path) -> None:
    """These servers tell nobody that they are ready."""
    deadline = time.monotonic() + START_TIMEOUT
    while not ready():
        if server.poll() is not None or time.monotonic() > deadline:
            server.kill()
            raise NotRun(f"{log.parent.name} did not start: {log.read_text()[-2000:]}")
        time.sleep(0.02)
