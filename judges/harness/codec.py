"""The codec as a program that is asked, and whether it agrees with protobuf's ``json_format``."""

import json
import struct
import subprocess
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message

PROGRAM = Path(__file__).parent.parent.parent / "target" / "debug" / "examples" / "conformance"

PROTOBUF, JSON = 1, 2
OUTCOMES = {1: "parse error", 3: "wire", 4: "json", 5: "skipped", 6: "serialize error"}


class Codec:
    """The program that the conformance runner asks, asked by us."""

    def __init__(self, descriptors: Path) -> None:
        self._process = subprocess.Popen([PROGRAM, descriptors], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

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


def agree(kind: str, message: Message, codec: Codec, pool: DescriptorPool) -> None:
    """Asserts that the codec and ``json_format`` write the same of a message, and that each reads what the other writes."""
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
