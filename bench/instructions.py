"""``python -m bench.instructions``: how many instructions a request costs, by callgrind.

It counts what the server's process executes itself; what the kernel does for it is not in the figure. The count hardly depends
on what else the machine does, so that it shows the cost of a change where times are too noisy.
"""

import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from bench import machine, report
from bench.peers import APPS, Site, narthex
from bench.runner import compile_protos
from bench.scenarios import ADD_JSON, ADD_WIRE, CALCULATOR, GRPC, SUM_JSON
from bench.servers import Server, free_port

WARM_UP, REQUESTS, ROUNDS = 300, 500, 3
KILOBYTE = bytes(1000)

Ask = Callable[[int], None]


@dataclass(frozen=True)
class HotPath:
    """A hot path: the application that takes it, and a client that asks so many times on one connection."""

    name: str
    app: str
    client: Callable[[int], Ask]


def _http1(path: str, method: str, body: bytes | None, kind: str | None, expected: bytes) -> Callable[[int], Ask]:
    def connect(port: int) -> Ask:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

        def ask(times: int) -> None:
            for _ in range(times):
                connection.request(method, path, body, {"content-type": kind} if kind else {})
                response = connection.getresponse()
                if (found := response.read()) != expected or response.status != 200:
                    raise SystemExit(f"a wrong answer: {response.status} {found[:200]!r}")

        return ask

    return connect


def _http2(path: str, body: bytes, headers: dict[str, str], length: int) -> Callable[[int], Ask]:
    def connect(port: int) -> Ask:
        client = httpx.Client(http1=False, http2=True, trust_env=False, timeout=60)

        def ask(times: int) -> None:
            for _ in range(times):
                response = client.post(f"http://127.0.0.1:{port}{path}", content=body, headers=headers)
                if response.status_code != 200 or len(response.content) != length:
                    raise SystemExit(f"a wrong answer: {response.status_code} {response.headers}")

        return ask

    return connect


PATHS = (
    HotPath("scope and send: GET, two bytes", "web:raw", _http1("/", "GET", None, None, b"OK")),
    HotPath("receive too: POST, 1 KB echoed", "web:echo", _http1("/", "POST", KILOBYTE, None, KILOBYTE)),
    HotPath("unary gRPC", "web:raw", _http2("/arithmetic.v1.Calculator/Add", ADD_WIRE, GRPC, 7)),
    HotPath("JSON to a servicer", "web:raw", _http1("/v1/add", "POST", ADD_JSON, "application/json", SUM_JSON)),
)


def _count(path: HotPath, folder: Path, descriptors: Path, env: dict[str, str]) -> list[float]:
    output = folder / "callgrind.out"
    valgrind = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={output}"]
    site = Site(free_port(), 0, folder, descriptors, 1)
    (command,) = narthex(path.app, *CALCULATOR).commands(site)
    counts = []
    # narthex's own file is a script: valgrind is given the interpreter.
    with Server([[*valgrind, sys.executable, *command]], env, os.sched_getaffinity(0)) as server:
        pid = server.processes[0].pid
        asks: list[Ask] = []

        def answers() -> None:
            try:
                ask = path.client(site.port)
                ask(1)
            except httpx.ConnectError as error:
                raise ConnectionError from error
            asks.append(ask)

        server.wait(answers)
        ask = asks[0]
        _control(pid, "--instr=on")
        ask(WARM_UP)
        for number in range(1, ROUNDS + 1):
            _control(pid, "--zero")
            ask(REQUESTS)
            _control(pid, "--dump")
            said = Path(f"{output}.{number}").read_text()
            totals = re.search(r"^(?:totals|summary): (\d+)", said, re.MULTILINE)
            if totals is None:
                raise SystemExit(f"callgrind wrote no totals into {output}.{number}")
            counts.append(int(totals[1]) / REQUESTS)
    return counts


def _control(pid: int, what: str) -> None:
    done = subprocess.run(["callgrind_control", what, str(pid)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"callgrind_control {what}: {done.stderr or done.stdout}")


def main() -> int:
    """Counts, compares with what is in bench/results, and writes that anew."""
    if shutil.which("valgrind") is None:
        raise SystemExit("valgrind is missing. On Debian: apt-get install valgrind")
    target = report.folder() / "instructions.json"
    earlier: dict[str, Any] = json.loads(target.read_text()) if target.exists() else {"paths": {}}
    paths: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="narthex-bench-") as name:
        folder = Path(name)
        protos = compile_protos(folder)
        # Sets and dicts of strings are laid out alike in every run.
        env = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{APPS}", "PYTHONHASHSEED": "0", "NO_COLOR": "1"}
        for path in PATHS:
            own = folder / str(len(paths))
            own.mkdir()
            counts = _count(path, own, protos.descriptors, env)
            count = round(median(counts))
            before = earlier["paths"].get(path.name, {}).get("instructions")
            change = f"{100 * (count / before - 1):+6.2f} % since {earlier['commit']}" if before else ""
            print(
                f"  {path.name:34} {count:9,} instructions (rounds differ by {max(counts) - min(counts):,.0f}) {change}",
                flush=True,
            )
            paths[path.name] = {"instructions": count, "rounds": [round(one) for one in counts]}
    result = {
        "date": machine.now(),
        "commit": machine.commit(),
        "interpreter": machine.interpreter(),
        "machine": machine.machine(),
        "versions": machine.versions({"narthex", "uvloop", "grpcio", "protobuf"}),
        "paths": paths,
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
