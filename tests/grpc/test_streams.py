"""Methods whose requests or responses stream, in every way to write them."""

import itertools
import json
import queue

import grpc
import pytest
from grpc import StatusCode
from wires import Http2

PATIENCE = 20
HEAD = [("content-type", "application/grpc"), ("te", "trailers")]


def envelope(message):
    return b"\0" + len(message).to_bytes(4, "big") + message


@pytest.fixture(scope="module")
def server(serve_calls):
    with serve_calls("grpc_streams:register") as server:
        yield server


class Streams:
    """Calls methods of ``test.Streams`` with bytes."""

    def __init__(self, channel):
        self.channel = channel

    def us(self, name, request=b"", **options):
        return self.channel.unary_stream(f"/test.Streams/{name}")(request, timeout=PATIENCE, **options)

    def su(self, name, requests, **options):
        return self.channel.stream_unary(f"/test.Streams/{name}")(iter(requests), timeout=PATIENCE, **options)

    def ss(self, name, requests, **options):
        return self.channel.stream_stream(f"/test.Streams/{name}")(iter(requests), timeout=PATIENCE, **options)

    def uu(self, name, request=b""):
        return self.channel.unary_unary(f"/test.Streams/{name}")(request, timeout=PATIENCE)

    def seen(self, event):
        return json.loads(self.uu("Seen", event.encode()))


@pytest.fixture
def streams(server):
    with grpc.insecure_channel(server.target) as channel:
        yield Streams(channel)


@pytest.mark.parametrize("name", ["Repeat", "RepeatWrite", "RepeatSync", "ListSync", "Iterator"])
@pytest.mark.parametrize("number", [0, 1, 2, 20_000])
def test_responses_come_in_their_order(streams, name, number):
    call = streams.us(name, b"%d" % number)
    assert [int(reply) for reply in call] == list(range(number))
    assert call.code() is StatusCode.OK


@pytest.mark.parametrize("name", ["Join", "JoinRead", "JoinSync"])
@pytest.mark.parametrize("number", [0, 1, 2, 5000])
def test_requests_come_in_their_order(streams, name, number):
    requests = [b"%d" % each for each in range(number)]
    assert streams.su(name, requests) == b" ".join(requests)


@pytest.mark.parametrize("name", ["Chat", "ChatReadWrite", "ChatSync"])
def test_both_at_once(streams, name):
    """Each request is sent when the reply to the one before is there."""
    requests = queue.SimpleQueue()
    replies = streams.ss(name, iter(requests.get, None))
    for number in range(50):
        requests.put(b"request %d" % number)
        assert next(replies) == b"REQUEST %d" % number
    requests.put(None)
    assert next(replies, None) is None
    assert replies.code() is StatusCode.OK


@pytest.mark.parametrize("name", ["Chat", "ChatReadWrite", "ChatSync"])
def test_many_streams_of_one_connection(streams, name):
    calls = [streams.ss(name, [b"%d %d" % (call, number) for number in range(20)]) for call in range(4)]
    for number, call in enumerate(calls):
        assert list(call) == [b"%d %d" % (number, each) for each in range(20)]


@pytest.mark.parametrize("name", ["Chat", "ChatReadWrite", "ChatSync"])
@pytest.mark.parametrize("size", [0, 16 * 1024 - 1, 16 * 1024, 3 << 20])
def test_messages_of_every_size(streams, name, size):
    messages = [b"a" * size, b"b", b"c" * size]
    assert list(streams.ss(name, messages)) == [message.upper() for message in messages]


def test_serializers_are_used(streams):
    assert list(streams.ss("Typed", [b"1", b'"y"'])) == [b"[1]", b'["y"]']


def test_a_handler_need_not_read_to_the_end(streams, kind):
    endless = (b"%d" % number for number in itertools.count())
    assert streams.su(f"First{kind}", endless) == b"0"


@pytest.mark.parametrize(
    ("name", "code", "details"),
    [
        ("Abort", StatusCode.ABORTED, "enough"),
        ("Raise", StatusCode.UNKNOWN, "Unexpected <class 'ValueError'>: boom"),
        ("SetCode", StatusCode.DATA_LOSS, "lost"),
    ],
)
def test_a_status_after_messages(streams, kind, name, code, details):
    call = streams.us(f"{name}{kind}")
    assert next(call) == b"before"
    with pytest.raises(grpc.RpcError):
        next(call)
    assert (call.code(), call.details()) == (code, details)
    assert dict(call.trailing_metadata()) == ({"t": "1"} if name == "Abort" else {})


FLOODS = pytest.mark.parametrize("name", ["Flood", "FloodWrite", "FloodSync"])


@FLOODS
def test_a_client_that_cancels_stops_the_handler(streams, name, request):
    call = streams.us(name, request.node.name.encode())
    for _ in range(100):
        assert len(next(call)) == 16 * 1024
    call.cancel()
    written, told = streams.seen(f"{request.node.name} over")
    assert written >= 100
    assert told is True


@FLOODS
def test_what_is_written_without_a_reader_is_bounded(server, streams, name):
    event = f"unread {name}"
    with Http2((server.host, server.port), acknowledge=False) as client:
        client.request(f"/test.Streams/{name}", "POST", HEAD, envelope(event.encode()))
        client.head()
        before, now = -1, streams.seen(f"{event} written")
        while before != now:
            # Round trips by way of the same event loop, in which the flood could go on.
            for _ in range(20):
                before, now = now, streams.seen(f"{event} written")
        # A window of 64 KiB, as much of ours, and what is on its way between the two.
        assert now <= 3 * 4 + 2
    assert streams.seen(f"{event} over") == [now, True]


def test_a_slow_handler_holds_the_client_back(streams, kind, request):
    name = request.node.name
    sent = 0

    def requests():
        nonlocal sent
        yield name.encode()
        for _ in range(400):
            sent += 1
            yield bytes(16 * 1024)

    call = streams.ss(f"Idle{kind}", requests())
    before = -1
    while before != sent:
        before = sent
        for _ in range(50):
            streams.uu("Count")
    # Windows and buffers, but not all of it.
    assert sent < 300
    streams.uu("Note", name.encode())
    assert list(call) == [b"%d" % (400 * 16 * 1024)]


def test_a_client_that_cancels_wakes_who_waits_for_requests(streams, kind, request):
    name = request.node.name
    call = streams.ss(f"Hang{kind}", then_nothing(name.encode()))
    assert next(call) == b"waits"
    call.cancel()
    assert streams.seen(f"{name} cancelled") is True
    assert streams.seen(f"{name} done") is True


def then_nothing(first):
    nothing = queue.SimpleQueue()
    nothing.put(first)
    return iter(nothing.get, None)


def test_a_deadline_wakes_who_waits_for_requests(streams, kind, request):
    name = request.node.name
    method = streams.channel.stream_stream(f"/test.Streams/Hang{kind}")
    call = method(then_nothing(name.encode()), timeout=2)
    assert next(call) == b"waits"
    with pytest.raises(grpc.RpcError):
        next(call)
    assert call.code() is StatusCode.DEADLINE_EXCEEDED
    assert streams.seen(f"{name} cancelled") is True


def test_a_write_after_the_end(streams, request):
    name = request.node.name
    assert list(streams.us("Late", name.encode())) == [b"in time"]
    streams.uu("Note", name.encode())
    assert streams.seen(f"{name} late") == ["UsageError", "RPC already finished."]


def test_initial_metadata_come_before_the_first_message(streams, request):
    name = request.node.name
    call = streams.us("Begin", name.encode())
    assert ("early", "yes") in list(call.initial_metadata())
    streams.uu("Note", name.encode())
    assert list(call) == [b"told"]


@pytest.mark.parametrize(("name", "encoding"), [("Compressed", "gzip"), ("CompressedSync", "deflate")])
def test_messages_are_compressed_where_the_client_can_read_it(server, streams, name, encoding):
    assert list(streams.us(name)) == [b"a" * 1000, b"b" * 1000]
    assert flags(server, name, encoding) == (encoding, [1, 0])
    assert flags(server, name, "identity") == (None, [0, 0])


def test_one_message_is_compressed(server):
    assert flags(server, "CompressedOne", "gzip") == ("gzip", [1])


def flags(server, name, accepted):
    """What the response says of its encoding, and the flag of each envelope."""
    with Http2((server.host, server.port)) as client:
        head = [*HEAD, ("grpc-accept-encoding", accepted)]
        client.request(f"/test.Streams/{name}", "POST", head, envelope(b""))
        response = client.response()
    flags, body = [], response.body
    while body:
        flags.append(body[0])
        body = body[5 + int.from_bytes(body[1:5], "big") :]
    return next(iter(response.values("grpc-encoding")), None), flags
