"""``python -m bench.training``: the load whose profile the published wheel is optimised by; scripts/wheel.py runs it.

What is measured here and hot in production, for a few seconds each, and then the stress of all flows with clients that leave:
what a profile has never seen is laid out as if it would never run.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from bench import machine
from bench.load import require_generators
from bench.runner import Settings, compile_protos, run
from bench.scenarios import SCENARIOS

# One of each kind of exchange: more streams on a connection, or a proxy in front, would count the same code again.
SCENARIO_NAMES = (
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
STRESS = ("one-at-a-time", "mixed")
STRESS_MINUTES = "0.5"


def main() -> int:
    """Loads; 1 if an answer was wrong."""
    require_generators()
    machine.cores()
    troubles: list[str] = []
    with tempfile.TemporaryDirectory(prefix="narthex-training-") as folder:
        protos = compile_protos(Path(folder))
        for scenario in (scenario for scenario in SCENARIOS if scenario.name in SCENARIO_NAMES):
            print(f"Training: {scenario.title}", flush=True)
            ours = [peer.name for peer in scenario.peers if peer.ours]
            result = run(scenario, Settings(SECONDS, 1), protos, ours)
            troubles += [f"{row['server']}: {row['refused']}" for row in result["servers"] if row["refused"]]
    stress = subprocess.run([sys.executable, "-m", "stress", *STRESS, "--minutes", STRESS_MINUTES], check=False)
    if stress.returncode != 0:
        troubles.append("the stress failed, see above")
    for trouble in troubles:
        print(f"training failed: {trouble}", file=sys.stderr)
    return 1 if troubles else 0


if __name__ == "__main__":
    sys.exit(main())
