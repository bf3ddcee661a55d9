"""Requests that are no good, ten thousand of them: each gets its status, and nothing of them stays behind."""

import contextlib
import itertools
import json
import random
import zlib

import grpc
import pytest
from wires import CutError, Http2

PATIENCE = 20
CALLS = 10_000
PER_CONNECTION = 50
HEAD = {"content-type": "application/grpc", "te": "trailers"}


@pytest.fixture(scope="module")
def server(serve):
    with serve("--grpc", "grpc_streams:register", "--grpc-max-message", "1000") as server:
        yield server


def envelope(message, flag=0):
    return bytes([flag]) + len(message).to_bytes(4, "big") + message


ONE = envelope(b"1")
OK, UNKNOWN, INVALID, EXHAUSTED, UNIMPLEMENTED, INTERNAL, HTTP_415 = 0, 2, 3, 8, 12, 13, -415
# The method, what differs in its head, its body, and the status.
ABUSES = {
    "no message": ("Repeat", {}, b"", UNIMPLEMENTED),
    "no message for a function": ("RepeatSync", {}, b"", UNIMPLEMENTED),
    "two messages": ("Repeat", {}, ONE + ONE, UNIMPLEMENTED),
    "a flag of neither 0 nor 1": ("Repeat", {}, envelope(b"1", 2), INTERNAL),
    "a flag of neither 0 nor 1 in a stream": ("Join", {}, ONE + envelope(b"1", 2), INTERNAL),
    "the same for a function": ("JoinSync", {}, ONE + envelope(b"1", 2), INTERNAL),
    "compressed, but by nothing": ("Join", {}, envelope(b"1", 1), INTERNAL),
    "not what it says to be": ("Join", {"grpc-encoding": "gzip"}, envelope(b"1", 1), INTERNAL),
    "a bomb": ("Join", {"grpc-encoding": "deflate"}, envelope(zlib.compress(bytes(1 << 20)), 1), EXHAUSTED),
    "an encoding that nobody knows": ("Join", {"grpc-encoding": "snappy"}, ONE, UNIMPLEMENTED),
    "too large": ("Repeat", {}, envelope(bytes(1001)), EXHAUSTED),
    "too large in a stream": ("Chat", {}, ONE + b"\0\0\0\x03\xe9", EXHAUSTED),
    "too large for a function": ("ChatSync", {}, ONE + b"\0\0\0\x03\xe9", EXHAUSTED),
    "an end in the middle of a prefix": ("Join", {}, ONE + b"\0\0", INTERNAL),
    "an end in the middle of a message": ("ChatReadWrite", {}, ONE + b"\0\0\0\0\x05ab", INTERNAL),
    "no number": ("Repeat", {}, envelope(b"nonsense"), UNKNOWN),
    "no number for a function": ("RepeatSync", {}, envelope(b"nonsense"), UNKNOWN),
    "no JSON": ("Typed", {}, envelope(b"{"), UNKNOWN),
    "no such method": ("Missing", {}, ONE, UNIMPLEMENTED),
    "another verb": ("Join", {":method": "PUT"}, ONE, UNKNOWN),
    "another content type": ("Join", {"content-type": "text/plain"}, ONE, HTTP_415),
    "a timeout that is none": ("Join", {"grpc-timeout": "soon"}, ONE, OK),
    "metadata that are no base64": ("Join", {"x-bin": "!!!"}, ONE, OK),
}


def ask(client, name):
    method, differs, body, _ = ABUSES[name]
    head = {**HEAD, **differs}
    client.request(f"/test.Streams/{method}", head.pop(":method", "POST"), list(head.items()), body)
    return client.stream


def status(response):
    if response.status != 200:
        return -response.status
    return int(dict([*response.headers, *response.trailers])["grpc-status"])


@pytest.mark.parametrize("name", ABUSES)
def test_each_gets_its_status_and_the_connection_stays(server, name):
    with Http2((server.host, server.port)) as client:
        for _ in range(2):
            ask(client, name)
            assert status(client.response()) == ABUSES[name][3]


def test_nothing_is_left_of_ten_thousand(server):
    choice = random.Random(7)
    with grpc.insecure_channel(server.target) as channel:
        count = channel.unary_unary("/test.Streams/Count")

        def left():
            return json.loads(count(b"", timeout=PATIENCE))

        abuse(server, choice, 2 * PER_CONNECTION)
        before = settled(left, left())
        abuse(server, choice, CALLS)
        tasks, threads, descriptors = settled(left, before)
        assert tasks <= before[0]
        # Lanes are made as they are needed, up to their number, and stay.
        assert threads <= before[1] + LANES
        assert descriptors <= before[2]


LANES = 32


def settled(left, expect):
    """What is left when what was cancelled or closed has had its turns."""
    for _ in range(500):
        now = left()
        if now[0] <= expect[0] and now[2] <= expect[2]:
            break
    return now


def abuse(server, choice, calls):
    for first in range(0, calls, PER_CONNECTION):
        with Http2((server.host, server.port)) as client:
            names = choice.choices([*ABUSES, "reset", "left"], k=min(PER_CONNECTION, calls - first))
            asked = [(name, begin(client, name)) for name in names]
            if choice.random() < 0.5:
                # The connection is lost with all that is on its way.
                continue
            for name, stream in asked:
                if name in ABUSES:
                    assert status(client.response(stream=stream)) == ABUSES[name][3], name
                elif name == "left":
                    client.reset(stream)


NAMES = itertools.count()


def begin(client, name):
    if name in ABUSES:
        return ask(client, name)
    # A handler that waits for its client, which gives up or forgets about it.
    kind = "" if name == "reset" else "Sync"
    event = envelope(f"abuse {next(NAMES)}".encode())
    client.request(f"/test.Streams/Hang{kind}", "POST", list(HEAD.items()), event, end=False)
    if name == "reset":
        with contextlib.suppress(CutError):
            client.reset()
    return client.stream
