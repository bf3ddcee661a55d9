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
TOO_MANY = 20
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
    # Programs with server objects of their own give no profile: they are killed, and counts are written at an end.
    served = {
        scenario.name: replace(scenario, peers=tuple(peer for peer in scenario.peers if peer.name == "narthex"))
        for scenario in SCENARIOS
    }
    with tempfile.TemporaryDirectory(prefix="narthex-training-") as folder:
        protos = compile_protos(Path(folder))
        for name in HOT:
            print(f"Training: {served[name].title}", flush=True)
            (row,) = run(served[name], Settings(SECONDS, 1), protos)["servers"]
            if row["refused"]:
                refused.append(f"{name}: {row['refused']}")
    return refused


def broad() -> bool:
    """Runs tests, for what they have run; false if they could not be. A few that fail are for `make test` to tell."""
    tests = [f"tests/{name}" for name in BROAD]
    workers = f"--numprocesses={(os.cpu_count() or 1) * 3 // 2}"
    how = ("-q", "--no-header", "--tb=line", f"--maxfail={TOO_MANY}", workers, "--dist=loadfile")
    command = [sys.executable, "-m", "pytest", *how, *tests]
    done = subprocess.run(command, cwd=machine.ROOT, capture_output=True, text=True, check=False)
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    if done.returncode not in (0, 1) or len(failed) >= TOO_MANY:
        print(f"training failed: exit code {done.returncode} of pytest\n{done.stdout}{done.stderr}", file=sys.stderr)
        return False
    print(done.stdout.strip().splitlines()[-1])
    for line in failed:
        print(f"In the instrumented build, and only to be told: {line}", file=sys.stderr)
    return True


if __name__ == "__main__":
    sys.exit(main())
