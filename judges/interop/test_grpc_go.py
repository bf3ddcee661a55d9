"""grpc-go's interop client against Narthex: all of its cases that judge a server."""

import subprocess

import modules
import pytest

CASES = (
    "empty_unary",
    "large_unary",
    "client_streaming",
    "server_streaming",
    "ping_pong",
    "empty_stream",
    "timeout_on_sleeping_server",
    "cancel_after_begin",
    "cancel_after_first_response",
    "status_code_and_message",
    "special_status_message",
    "custom_metadata",
    "unimplemented_method",
    "unimplemented_service",
)
"""The others are of credentials that Google's cloud gives, of several servers, of load reports, and the soak tests."""


@pytest.mark.parametrize("case", CASES)
def test_case_of_grpc_go(case: str, server) -> None:
    run(server, "-test_case", case)


def test_soak(server) -> None:
    """Many calls over one channel, then one over each of many."""
    for case in ("rpc_soak", "channel_soak"):
        run(
            server,
            "-test_case",
            case,
            "-soak_iterations",
            "100",
            "-soak_num_threads",
            "4",
            "-soak_overall_timeout_seconds",
            "30",
        )


def run(server, *arguments: str) -> None:
    command = [modules.program("client"), "-server_host", "127.0.0.1", "-server_port", str(server.port), *arguments]
    if server.authority:
        command += ["-use_tls", "-use_test_ca", "-ca_file", server.authority, "-server_host_override", server.name]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=40, check=False)
    assert ended.returncode == 0, ended.stderr[-4000:]
