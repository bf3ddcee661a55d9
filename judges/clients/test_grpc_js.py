"""gRPC's interop cases with the client that Node's programs use, @grpc/grpc-js."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CASES = (
    "empty_unary",
    "large_unary",
    "compressed_unary",
    "client_streaming",
    "server_streaming",
    "ping_pong",
    "many_at_once",
    "half_duplex",
    "empty_stream",
    "cancel_after_first_response",
    "timeout_on_sleeping_server",
    "status_code_and_message",
    "custom_metadata",
    "unimplemented",
)

pytestmark = [
    pytest.mark.skipif(not shutil.which("node"), reason="there is no Node to run grpc-js with"),
    pytest.mark.skipif(not (HERE / "node_modules").exists(), reason="there was no npm to get grpc-js with"),
]


@pytest.fixture(scope="module")
def verdicts(server, interop_protos: Path) -> dict[str, str | None]:
    """What is wrong with each case; all of them in one program, which takes longer to start than to ask."""
    arguments = [server.target, interop_protos / "interop.binpb"]
    arguments += [server.authority, server.name] if server.authority else []
    command = ["node", HERE / "grpc_js.mjs", *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert ended.returncode == 0, ended.stderr[-4000:]
    return json.loads(ended.stdout)


@pytest.mark.parametrize("case", CASES)
def test_case(case: str, verdicts: dict[str, str | None]) -> None:
    assert verdicts[case] is None, verdicts[case]


def test_no_case_is_left_out(verdicts: dict[str, str | None]) -> None:
    assert tuple(verdicts) == CASES
