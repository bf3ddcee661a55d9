#!/usr/bin/env python3
"""Serves the demo and says what to try: ``make demo``, or with ``--envoy`` ``make envoy``.

All it adds to the command it prints is a database with an admin user, and the hints.
"""

import argparse
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
BIN = Path(sys.executable).parent

HINTS = """
  The admin     {url}/admin/
                user {user}, password {password}
  The shop      {url}/

  JSON          curl {url}/api/books
                curl --json '{{"a": 1, "b": 2}}' {url}/api/add
                curl {url}/api/books/999

  gRPC          grpcurl -plaintext {target} list
                grpcurl -plaintext -d '{{"a": 1, "b": 2}}' {target} shop.v1.DemoService/Add
                {python} {ask} {target}
"""


def prepare() -> tuple[str, str]:
    """Migrates, and makes an admin user with a new password; returns both."""
    command = [sys.executable, str(HERE / "manage.py"), "setupdemo"]
    user, password = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    return user, password


def serve(command: list[str], user: str, password: str) -> int:
    """Runs the command, prints the hints once it serves, and ends with its exit code."""
    reading, writing = os.pipe()
    print("$", shlex.join(command), flush=True)
    process = subprocess.Popen([*command, "--ready-fd", str(writing)], pass_fds=[writing])
    os.close(writing)
    # The terminal sends Ctrl-C to both; a TERM is for this one alone, so it hands it on.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    with os.fdopen(reading, encoding="ascii") as ready:
        url = ready.readline().strip()
    if url:
        ask = os.path.relpath(HERE / "ask.py")
        target = url.removeprefix("http://")
        print(
            HINTS.format(url=url, target=target, user=user, password=password, python=os.path.relpath(sys.executable), ask=ask),
            flush=True,
        )
    return process.wait()


def main() -> int:
    """Reads the command line and serves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bind", default="127.0.0.1:8080", help="HOST:PORT (default: %(default)s)")
    parser.add_argument("--envoy", action="store_true", help="behind Envoy, as deploy/envoy has it")
    options = parser.parse_args()
    user, password = prepare()
    if options.envoy:
        command = [
            os.path.relpath(sys.executable),
            os.path.relpath(ROOT / "deploy" / "envoy" / "run.py"),
            "--bind",
            options.bind,
        ]
    else:
        served = ["config.asgi:application", "--grpc", "shop.servicers:register"]
        command = [
            os.path.relpath(BIN / "narthex"),
            "serve",
            "--app-dir",
            os.path.relpath(HERE),
            *served,
            "--bind",
            options.bind,
        ]
    return serve(command, user, password)


if __name__ == "__main__":
    sys.exit(main())
