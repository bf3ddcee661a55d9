"""grpcurl: reflection, and a call of each cardinality."""

import base64
import json
import subprocess
from collections.abc import Callable
from typing import Any

import modules
import pytest

GRPCURL = modules.JUDGES.parent / ".tools" / "bin" / "grpcurl"
SERVICE = "grpc.testing.TestService"
STATUS = 64
"""grpcurl's exit code is this much more than the status."""

pytestmark = pytest.mark.skipif(not GRPCURL.exists(), reason="grpcurl is not there: `make` builds it where there is Go")

Grpcurl = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def grpcurl(server) -> Grpcurl:
    """Runs grpcurl: the method or verb, the messages, the exit code that it must have."""
    options = ["-cacert", server.authority, "-authority", server.name] if server.authority else ["-plaintext"]

    def run(*what: str, messages: tuple[Any, ...] = (), code: int = 0) -> "subprocess.CompletedProcess[str]":
        data = ["-d", "\n".join(map(json.dumps, messages))] if messages else []
        command = [GRPCURL, *options, *data, server.target, *what]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=40, check=False)
        assert ended.returncode == code, ended
        return ended

    return run


def answers(ended: "subprocess.CompletedProcess[str]") -> list[Any]:
    """The messages that it printed, one after the other."""
    decoder, found, text = json.JSONDecoder(), [], ended.stdout.strip()
    while text:
        message, end = decoder.raw_decode(text)
        found.append(message)
        text = text[end:].strip()
    return found


def output(*sizes: int) -> dict[str, Any]:
    return {"responseParameters": [{"size": size} for size in sizes]}


def sizes(ended: "subprocess.CompletedProcess[str]") -> list[int]:
    return [len(base64.b64decode(message["payload"]["body"])) for message in answers(ended)]


def test_reflection(grpcurl: Grpcurl) -> None:
    assert SERVICE in grpcurl("list").stdout.split()
    assert f"{SERVICE}.FullDuplexCall" in grpcurl("list", SERVICE).stdout.split()
    assert "rpc FullDuplexCall ( stream .grpc.testing.StreamingOutputCallRequest )" in grpcurl("describe", SERVICE).stdout


def test_unary(grpcurl: Grpcurl) -> None:
    assert answers(grpcurl(f"{SERVICE}/EmptyCall", messages=({},))) == [{}]
    assert sizes(grpcurl(f"{SERVICE}/UnaryCall", messages=({"responseSize": 31415},))) == [31415]


def test_server_streaming(grpcurl: Grpcurl) -> None:
    assert sizes(grpcurl(f"{SERVICE}/StreamingOutputCall", messages=(output(31415, 9, 2653),))) == [31415, 9, 2653]


def test_client_streaming(grpcurl: Grpcurl) -> None:
    messages = tuple({"payload": {"body": base64.b64encode(bytes(size)).decode()}} for size in (27182, 8, 1828))
    ended = grpcurl(f"{SERVICE}/StreamingInputCall", messages=messages)
    assert answers(ended) == [{"aggregatedPayloadSize": 27182 + 8 + 1828}]


def test_bidirectional_streaming(grpcurl: Grpcurl) -> None:
    ended = grpcurl(f"{SERVICE}/FullDuplexCall", messages=(output(31415), output(9), output(2653)))
    assert sizes(ended) == [31415, 9, 2653]


def test_errors(grpcurl: Grpcurl) -> None:
    status = {"responseStatus": {"code": 8, "message": "none left"}}
    ended = grpcurl(f"{SERVICE}/UnaryCall", messages=(status,), code=STATUS + 8)
    assert "ResourceExhausted" in ended.stderr
    assert "none left" in ended.stderr
    ended = grpcurl(f"{SERVICE}/UnimplementedCall", code=STATUS + 12)
    assert "Unimplemented" in ended.stderr
