"""``python -m bench.training``: the load whose profile the published wheel is optimised by; scripts/wheel.py runs it.

First what is measured here and hot in production, for a few seconds each; then the tests of all that clients' bytes go through,
TLS, translators, upstreams, WSGI and refusals among it: what a profile has never seen is laid out as if it would never run.
"""

import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from bench import machine
from bench.load import require_generators
from bench.runner import Settings, compile_protos, run
from bench.scenarios import SCENARIOS

# One of each kind of exchange: more streams on a connection, or a proxy in front, would count the same code again.
HOT = (
    "raw-h1",
    "raw-h2",
    "echo-10k",
    "stream-1m",
    "round-trips",
    "grpc",
    "grpc-sync",
    "grpc-stream",
    "grpc-ping-pong",
    "grpc-1m",
    "connect",
    "json",
    "json-lines",
    "http-over-grpc",
)
SECONDS = 2
BROAD = ("asgi", "django", "grpc", "tls", "transcode", "translators", "upstream")


def main() -> int:
    """Loads; 1 if an answer was wrong, or the tests could not be run."""
    require_generators()
    cores = os.sched_getaffinity(0)
    machine.cores()
    refused = hot()
    # The measuring has pinned this process to the clients' core.
    os.sched_setaffinity(0, cores)
    for refusal in refused:
        print(f"training failed: {refusal}", file=sys.stderr)
    return 1 if refused or not broad() else 0


def hot() -> list[str]:
    """Puts what is hot to ``narthex serve``; returns what was wrong."""
    refused: list[str] = []
    with tempfile.TemporaryDirectory(prefix="narthex-training-") as folder:
        protos = compile_protos(Path(folder))
        for scenario in (scenario for scenario in SCENARIOS if scenario.name in HOT):
            print(f"Training: {scenario.title}", flush=True)
            # Programs with server objects of their own give no profile: they are killed, and counts are written at an end.
            served = replace(scenario, peers=tuple(peer for peer in scenario.peers if peer.name == "narthex"))
            result = run(served, Settings(SECONDS, 1), protos)
            refused += [f"{scenario.name}: {row['refused']}" for row in result["servers"] if row["refused"]]
    return refused


def broad() -> bool:
    """Runs tests, for what they have run; false if they could not be. What fails is for `make test` to tell."""
    tests = [f"tests/{name}" for name in BROAD]
    workers = f"--numprocesses={(os.cpu_count() or 1) * 3 // 2}"
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", "--tb=line", workers, "--dist=loadfile", *tests]
    code = subprocess.run(command, cwd=machine.ROOT, check=False).returncode
    if code == 1:
        print("Some tests failed in the instrumented build; the profile has what they ran.", file=sys.stderr)
    return code in (0, 1)


if __name__ == "__main__":
    sys.exit(main())
