"""Envelopes as bytes, as gRPC, gRPC-Web and Connect have them."""

import json
from collections.abc import Iterator


def envelope(message: bytes, flag: int = 0) -> bytes:
    return bytes([flag]) + len(message).to_bytes(4, "big") + message


def split(body: bytes) -> Iterator[tuple[int, bytes]]:
    """The flags and messages of a body."""
    while body:
        end = 5 + int.from_bytes(body[1:5], "big")
        assert len(body) >= end, body
        yield body[0], body[5:end]
        body = body[end:]


def trailers(message: bytes) -> dict[str, str]:
    """What the last envelope of gRPC-Web says."""
    return dict(line.split(": ", 1) for line in message.decode().split("\r\n")[:-1])


def end(message: bytes) -> dict:
    """What the last envelope of Connect says."""
    return json.loads(message)
