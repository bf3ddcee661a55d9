"""protobuf's own ``json_format`` against the codec, on random messages: each reads what the other writes, and writes the same.

A few seconds' worth by default; ``MINUTES=30`` goes on that long. A failure names the seed of its message, which
``SEED`` makes again.
"""

import json
import os
import random
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc_tools
import pytest
from google.protobuf import descriptor_pb2, json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from grpc_tools import protoc
from random_messages import Messages

REPOSITORY = Path(__file__).parent.parent.parent
CODEC = REPOSITORY / "target" / "debug" / "examples" / "conformance"
SCHEMAS = REPOSITORY / "crates" / "narthex-protojson" / "tests" / "it"
SECONDS = 8.0
AT_LEAST = 200
"""So many messages of each type are compared, however slow the machine is."""

PROTOBUF, JSON = 1, 2
OUTCOMES = {1: "parse error", 3: "wire", 4: "json", 5: "skipped", 6: "serialize error"}


class Codec:
    """The program that the conformance runner asks, asked by us."""

    def __init__(self, descriptors: Path) -> None:
        self._process = subprocess.Popen([CODEC, descriptors], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def wire(self, kind: str, text: str) -> bytes:
        """JSON to wire."""
        return self._ask("wire", _len(2, text.encode()) + _number(3, PROTOBUF) + _len(4, kind.encode()))

    def json(self, kind: str, wire: bytes) -> str:
        """Wire to JSON."""
        return self._ask("json", _len(1, wire) + _number(3, JSON) + _len(4, kind.encode())).decode()

    def _ask(self, wanted: str, request: bytes) -> bytes:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(struct.pack("<I", len(request)) + request)
        self._process.stdin.flush()
        (length,) = struct.unpack("<I", self._process.stdout.read(4))
        response = self._process.stdout.read(length)
        outcome = OUTCOMES[response[0] >> 3]
        rest = response[1:]
        while rest[0] & 0x80:
            rest = rest[1:]
        assert outcome == wanted, f"{outcome}: {rest[1:].decode()}"
        return rest[1:]

    def close(self) -> None:
        """Ends the program."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        assert self._process.wait(10) == 0
        self._process.stdout.close()


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _len(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


@pytest.fixture(scope="module")
def descriptors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("descriptors") / "kinds.binpb"
    google = Path(grpc_tools.__file__).parent / "_proto"
    arguments = [f"-I{SCHEMAS}", f"-I{google}", "--include_imports", f"--descriptor_set_out={path}"]
    assert protoc.main(["protoc", *arguments, "kinds.proto", "legacy.proto"]) == 0
    return path


@pytest.fixture(scope="module")
def pool(descriptors: Path) -> DescriptorPool:
    pool = DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(descriptors.read_bytes()).file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


@pytest.fixture
def codec(descriptors: Path) -> Iterator[Codec]:
    codec = Codec(descriptors)
    yield codec
    codec.close()


def seeds() -> Iterator[int]:
    """Seeds of messages, for as long as is asked for."""
    if "SEED" in os.environ:
        yield int(os.environ["SEED"])
        return
    minutes = os.environ.get("MINUTES")
    # The same messages each time, unless there is time for others.
    first = random.randrange(2**32) if minutes else 0
    end = time.monotonic() + (float(minutes) * 60 if minutes else SECONDS)
    count = 0
    while count < AT_LEAST or time.monotonic() < end:
        yield first + count
        count += 1


@pytest.mark.timeout(0)
@pytest.mark.parametrize("kind", ["kinds.v1.Kinds", "legacy.v1.Old"])
def test_the_codec_agrees_with_json_format(kind: str, codec: Codec, pool: DescriptorPool) -> None:
    for seed in seeds():
        message = Messages(pool, seed).message(kind)
        try:
            _agree(kind, message, codec, pool)
        except Exception as error:
            raise AssertionError(f"SEED={seed}, a {kind}: {message}") from error


def _agree(kind: str, message: Message, codec: Codec, pool: DescriptorPool) -> None:
    wire = message.SerializeToString(deterministic=True)
    ours = codec.json(kind, wire)
    theirs: dict[str, Any] = json_format.MessageToDict(message, descriptor_pool=pool)
    assert json.loads(ours) == theirs
    assert _again(json_format.Parse(ours, type(message)(), descriptor_pool=pool)) == wire
    for proto_names in (False, True):
        text = json_format.MessageToJson(message, preserving_proto_field_name=proto_names, descriptor_pool=pool)
        assert _again(type(message).FromString(codec.wire(kind, text))) == wire


def _again(message: Message) -> bytes:
    return message.SerializeToString(deterministic=True)
