"""connectrpc's conformance suite: gRPC, gRPC-Web and Connect, with each codec, compression and version of HTTP, and TLS.

The runner starts ``server.py`` for each combination and compares what its clients get with what the protocols demand.
"""

import re
import subprocess
import sys
from pathlib import Path

import modules
import pytest

HERE = Path(__file__).parent
PARALLEL = 8
"""Calls at once on one server."""
SERVERS = 2
"""At once: one for each core of a small machine."""
OF = {
    "narthex.grpc": [
        "--conf",
        HERE / "features.yaml",
        "--known-failing",
        f"@{HERE / 'known-failing.txt'}",
        "--known-flaky",
        f"@{HERE / 'known-flaky.txt'}",
    ],
    # grpc answers most of those cases otherwise than the suite wants it, to some not at all, and one of them (a compression it
    # does not know) spoils its connection for the others.
    "grpc": [
        "--conf",
        HERE / "features-of-grpc.yaml",
        "--skip",
        "gRPC Unexpected Requests/**",
        "--skip",
        "Unexpected Requests/**",
    ],
}

FLAKES = {"connect error JSON: unexpected end of JSON input"}
"""What a case of known-flaky.txt may complain of."""


@pytest.mark.timeout(600)
def test_a_servicer_in_this_style_conforms(style: str, library: str, conformance_environment: dict[str, str]) -> None:
    runner = modules.program("connectconformance")
    command = [runner, "--mode", "server", *OF[library], "--parallel", str(PARALLEL), "--max-servers", str(SERVERS)]
    command += ["--", sys.executable, HERE / "server.py", style, library]
    # What the servers log, as they do of each call of the method that is not there, is of interest only where a case fails.
    ended = subprocess.run(
        command, env=conformance_environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    verdict = ended.stdout[max(ended.stdout.find("FAILED: "), 0) :]
    assert ended.returncode == 0, verdict
    # "INFO: <case> failed (as expected):" and the complaints, indented. known-failing.txt has the same words.
    complaints = re.findall(r"^INFO: Timeouts/.* failed \(as expected\):\n((?:[ \t]+.*\n)*)", ended.stdout, re.MULTILINE)
    assert {line.strip() for block in complaints for line in block.splitlines()} - {""} <= FLAKES, verdict
    print(verdict[verdict.rfind("Total cases: ") :])
