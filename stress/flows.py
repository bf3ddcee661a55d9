"""What clients do: each flow is one exchange, whose answer is checked. Both versions of HTTP, unless a flow is of one.

A flow calls ``step`` wherever a client might change its mind, and returns whether the connection can be used for another
exchange.
"""

import json
import random
import struct
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wires import CutError, Http1, Http2, Response

from stress.failures import Failed

PATTERN = bytes(range(256)) * 256
Wire = Http1 | Http2
Step = Callable[[str], None]
GRPC = [("content-type", "application/grpc"), ("te", "trailers")]


@dataclass
class Exchange:
    """One exchange on a connection."""

    wire: Wire
    random: random.Random
    # Called at each place where a client might leave.
    step: Step

    @property
    def is_http2(self) -> bool:
        """Whether there are streams."""
        return isinstance(self.wire, Http2)

    def request(self, target: str, method: str = "GET", headers: Any = (), body: bytes = b"") -> None:
        """Sends a request in pieces, with steps between them."""
        if not body:
            self.wire.request(target, method, headers)
        else:
            self.wire.request(target, method, headers, end=False)
            self.step("after the head")
            self._body(body)
        self.step("before the response")

    def _body(self, body: bytes) -> None:
        middle = self.random.randrange(1, len(body) + 1)
        self.wire.data(body[:middle])
        self.step("in the middle of the body")
        self.wire.data(body[middle:], end=True)

    def response(self, expected: int = 200) -> Response:
        """Reads the response, with steps in it."""
        response = self.wire.head()
        self.step("after the response's head")
        while piece := self.wire.piece():
            response.body += piece
            self.step("in the middle of the response")
        if response.status != expected:
            raise Failed(f"status {response.status} instead of {expected}: {response}")
        return response

    def number(self) -> int:
        """A number that answers are known by."""
        return self.random.randrange(1 << 31)

    def bytes(self, most: int) -> bytes:
        """A body."""
        start = self.random.randrange(256)
        size = int(most ** self.random.random())
        return (PATTERN[start:] + PATTERN * (size // len(PATTERN) + 1))[:size]


def expect(what: str, got: object, expected: object) -> None:
    """Fails unless they are equal."""
    if got != expected:
        raise Failed(f"{what}: {_short(got)} instead of {_short(expected)}")


def _short(thing: object) -> str:
    text = repr(thing)
    return text if len(text) < 300 else text[:300] + "..."


def plain(exchange: Exchange) -> bool:
    """GET."""
    number = exchange.number()
    exchange.request(f"/number/{number}")
    expect("body", exchange.response().body, b"%d" % number)
    return True


def slow(exchange: Exchange) -> bool:
    """GET of what takes a while."""
    number = exchange.number()
    exchange.request(f"/slow/{number}?ms={exchange.random.randrange(40)}")
    expect("body", exchange.response().body, b"%d" % number)
    return True


def sized_upload(exchange: Exchange) -> bool:
    """POST with content-length."""
    return _upload(exchange, sized=True)


def unsized_upload(exchange: Exchange) -> bool:
    """POST without: chunked in HTTP/1."""
    return _upload(exchange, sized=False)


def _upload(exchange: Exchange, *, sized: bool) -> bool:
    body = exchange.bytes(300_000)
    headers = [("content-length", str(len(body)))] if sized else []
    exchange.request("/checksum", "POST", headers, body)
    expect("checksum", exchange.response().body, b"%d %d" % (len(body), zlib.crc32(body)))
    return True


def mirror(exchange: Exchange) -> bool:
    """A body that comes back while it is sent; small enough to be on its way as a whole."""
    body = exchange.bytes(30_000)
    exchange.request("/mirror", "POST", [], body)
    expect("mirrored body", exchange.response().body, body)
    return True


def download(exchange: Exchange) -> bool:
    """A streamed response."""
    count, size = exchange.random.randrange(1, 20), exchange.random.randrange(1, 60_000)
    exchange.request(f"/stream?count={count}&size={size}")
    expect("streamed body", zlib.crc32(exchange.response().body), zlib.crc32(PATTERN[:size] * count))
    return True


def failing(exchange: Exchange) -> bool:
    """An application that raises, before its response or in the middle of it."""
    if exchange.random.random() < 0.5:
        exchange.request("/fail?kind=Exception&when=before")
        exchange.response(500)
        return True
    exchange.request("/fail?kind=Exception&when=within")
    try:
        response = exchange.response()
    except CutError:
        return exchange.is_http2
    raise Failed(f"a response that is cut off came whole: {response}")


def client_reads_nothing(exchange: Exchange) -> bool:
    """A client that reads nothing of an endless response, and then leaves."""
    exchange.request("/endless")
    time.sleep(exchange.random.uniform(0.05, 0.3))
    return False


def application_reads_nothing(exchange: Exchange) -> bool:
    """An upload that nobody reads: it waits, until there is an answer nevertheless."""
    headers = [("content-length", "8000000")]
    exchange.wire.request("/reads-nothing?ms=100", "POST", headers, end=False)
    try:
        for number in range(125):
            # In HTTP/2 an answer ends when the upload has ended, or is not going on.
            exchange.wire.data(PATTERN[:64_000], end=number == 124 and exchange.is_http2)
        expect("body", exchange.response().body, b"not read")
    except (ConnectionError, CutError):
        # HTTP/1: with a body on its way that nobody wants, the connection ends.
        if exchange.is_http2:
            raise
    return exchange.is_http2


def json_call(exchange: Exchange) -> bool:
    """JSON to a servicer."""
    number, text = exchange.number(), "x" * exchange.random.randrange(2_000)
    path = exchange.random.choice(["/v1/echo", "/v1/echo-sync"])
    fail = exchange.random.random() < 0.1
    body = json.dumps({"text": text, "number": number, "fail": fail}).encode()
    exchange.request(path, "POST", [("content-type", "application/json"), ("content-length", str(len(body)))], body)
    response = exchange.response(400 if fail else 200)
    answer = json.loads(response.body)
    if fail:
        expect("refusal", [answer["code"], answer["message"]], [3, f"refused {number}"])
    else:
        expect("answer", answer, {"text": text, "number": str(number)} if text else {"number": str(number)})
    return True


def json_get(exchange: Exchange) -> bool:
    """The number in the path."""
    number = exchange.number()
    exchange.request(f"/v1/echo/{number}")
    expect("answer", json.loads(exchange.response().body), {"number": str(number)})
    return True


def json_items(exchange: Exchange) -> bool:
    """A servicer's stream as lines of JSON."""
    count, text = exchange.random.randrange(30), "x" * exchange.random.randrange(1, 500)
    exchange.request(f"/v1/items/{count}?text={text}", "GET", [("accept", "application/x-ndjson")])
    lines = [json.loads(line) for line in exchange.response().body.splitlines()]
    # ProtoJSON leaves out what is 0.
    expect("lines", lines, [{"text": text} | ({"number": str(number)} if number else {}) for number in range(count)])
    return True


def connect_call(exchange: Exchange) -> bool:
    """Connect's unary call, in JSON."""
    number, fail = exchange.number(), exchange.random.random() < 0.1
    body = json.dumps({"text": "x", "number": number, "fail": fail}).encode()
    headers = [("content-type", "application/json"), ("connect-protocol-version", "1"), ("content-length", str(len(body)))]
    exchange.request("/load.v1.Load/Echo", "POST", headers, body)
    answer = json.loads(exchange.response(400 if fail else 200).body)
    refusal = {"code": "invalid_argument", "message": f"refused {number}"}
    expect("answer", answer, refusal if fail else {"text": "x", "number": str(number)})
    return True


def grpc_web(exchange: Exchange) -> bool:
    """gRPC-Web's server streaming."""
    from load.v1 import load_pb2

    count, text = exchange.random.randrange(30), "x" * exchange.random.randrange(2_000)
    request = load_pb2.EchoRequest(text=text, number=count).SerializeToString()
    headers = [("content-type", "application/grpc-web+proto"), ("content-length", str(len(request) + 5))]
    exchange.request("/load.v1.Load/Items", "POST", headers, envelope(request))
    response = exchange.response()
    *items, trailers = frames(response.body) or [b""]
    replies = [load_pb2.EchoReply(text=text, number=number) for number in range(count)]
    expect("items", items, [(0, reply.SerializeToString()) for reply in replies])
    # Where there is nothing before them, the trailers are the head's.
    if count:
        expect("trailers", trailers, (0x80, b"grpc-status: 0\r\n"))
    else:
        expect("status", dict(response.headers).get("grpc-status"), "0")
    return True


def envelope(message: bytes) -> bytes:
    """A message as gRPC frames it."""
    return b"\0" + struct.pack(">I", len(message)) + message


def frames(body: bytes) -> list[tuple[int, bytes]]:
    """What was framed so: flags and messages."""
    found = []
    while body:
        expect("an envelope", len(body) >= 5, True)
        flag, length = struct.unpack(">BI", body[:5])
        found.append((flag, body[5 : 5 + length]))
        expect("length of a message", len(found[-1][1]), length)
        body = body[5 + length :]
    return found


def calls(exchange: Exchange, path: str, *messages: bytes) -> tuple[list[bytes], dict[str, str]]:
    """A gRPC call: the messages of the response and all metadata, grpc-status with them."""
    exchange.request(path, "POST", GRPC, b"".join(map(envelope, messages)))
    response = exchange.response()
    answers = frames(response.body)
    expect("flags", {flag for flag, _ in answers} - {0}, set())
    return [message for _, message in answers], dict(response.headers) | dict(response.trailers)


def call(exchange: Exchange, path: str, message: bytes) -> tuple[bytes, dict[str, str]]:
    """A unary one: its message, or nothing."""
    answers, metadata = calls(exchange, path, message)
    expect("messages", len(answers) <= 1, True)
    return b"".join(answers), metadata


def grpc_items(exchange: Exchange) -> bool:
    """Server streaming, from an asynchronous generator or a plain one."""
    from load.v1 import load_pb2

    count, text = exchange.random.randrange(50), "x" * exchange.random.randrange(5_000)
    fail, delay = exchange.random.random() < 0.1, exchange.random.choice([0, 0, 0, 1])
    request = load_pb2.EchoRequest(text=text, number=count, fail=fail, delay_ms=delay)
    method = exchange.random.choice(["Items", "ItemsSync"])
    answers, metadata = calls(exchange, f"/load.v1.Load/{method}", request.SerializeToString())
    replies = [load_pb2.EchoReply(text=text, number=number) for number in range(count)]
    expect("items", answers, [reply.SerializeToString() for reply in replies])
    expect("status", metadata.get("grpc-status"), "3" if fail else "0")
    return True


def grpc_talk(exchange: Exchange) -> bool:
    """Streams both ways; small enough to be on their way as a whole."""
    from load.v1 import load_pb2

    count = exchange.random.randrange(1, 21)
    fields = [{"text": "x" * exchange.random.randrange(1_500), "number": exchange.number()} for _ in range(count)]
    method = exchange.random.choice(["Talk", "TalkSync"])
    requests = [load_pb2.EchoRequest(**field).SerializeToString() for field in fields]
    answers, metadata = calls(exchange, f"/load.v1.Load/{method}", *requests)
    expect("answers", answers, [load_pb2.EchoReply(**field).SerializeToString() for field in fields])
    expect("status", metadata.get("grpc-status"), "0")
    return True


def grpc_sum(exchange: Exchange) -> bool:
    """Client streaming."""
    from load.v1 import load_pb2

    numbers = [exchange.number() for _ in range(exchange.random.randrange(1, 200))]
    method = exchange.random.choice(["Sum", "SumSync"])
    requests = [load_pb2.EchoRequest(number=number).SerializeToString() for number in numbers]
    answers, metadata = calls(exchange, f"/load.v1.Load/{method}", *requests)
    expect("answer", answers, [load_pb2.EchoReply(number=sum(numbers)).SerializeToString()])
    expect("status", metadata.get("grpc-status"), "0")
    return True


def grpc_call(exchange: Exchange) -> bool:
    """Native gRPC, to a coroutine function or to a plain one."""
    from load.v1 import load_pb2

    number, text = exchange.number(), "x" * exchange.random.randrange(20_000)
    fail = exchange.random.random() < 0.1
    delay = exchange.random.choice([0, 0, 0, 1, 10])
    request = load_pb2.EchoRequest(text=text, number=number, fail=fail, delay_ms=delay)
    method = exchange.random.choice(["Echo", "EchoSync"])
    message, metadata = call(exchange, f"/load.v1.Load/{method}", request.SerializeToString())
    if fail:
        expect("refusal", [metadata.get("grpc-status"), metadata.get("grpc-message")], ["3", f"refused {number}"])
    else:
        expect("status", metadata.get("grpc-status"), "0")
        expect("answer", message, load_pb2.EchoReply(text=text, number=number).SerializeToString())
    return True


def http_over_grpc(exchange: Exchange) -> bool:
    """HTTP as Envoy's transcoder sends it."""
    from google.api import httpbody_pb2

    body = exchange.bytes(50_000)
    original = [("x-envoy-original-method", "POST"), ("x-envoy-original-path", "/checksum")]
    message = httpbody_pb2.HttpBody(content_type="text/plain", data=body).SerializeToString()
    exchange.request("/narthex.asgi.v1.AsgiService/Handler", "POST", [*GRPC, *original], envelope(message))
    response = exchange.response()
    metadata = dict(response.headers) | dict(response.trailers)
    expect("status", (metadata.get("grpc-status"), metadata.get("x-http-code")), ("0", "200"))
    answer = httpbody_pb2.HttpBody.FromString(response.body[5:])
    expect("checksum", answer.data, b"%d %d" % (len(body), zlib.crc32(body)))
    return True


def health(exchange: Exchange) -> bool:
    """A health check."""
    message, metadata = call(exchange, "/grpc.health.v1.Health/Check", b"")
    expect("health", (message, metadata.get("grpc-status")), (b"\x08\x01", "0"))
    return True


def health_watch(exchange: Exchange) -> bool:
    """A stream that would go on for ever; the client gives up on it."""
    exchange.wire.request("/grpc.health.v1.Health/Watch", "POST", GRPC, b"\0\0\0\0\0")
    exchange.wire.head()
    expect("health", exchange.wire.piece(), b"\0\0\0\0\x02\x08\x01")
    exchange.step("in the middle of the response")
    exchange.wire.reset()
    return True


def reflection(exchange: Exchange) -> bool:
    """Which services there are."""
    # ServerReflectionRequest.list_services = "".
    message, metadata = call(exchange, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", b"\x3a\x00")
    expect("status", metadata.get("grpc-status"), "0")
    if b"load.v1.Load" not in message:
        raise Failed(f"reflection does not know load.v1.Load: {message!r}")
    return True


Flow = Callable[[Exchange], bool]

# How often each is chosen.
BOTH: dict[Flow, int] = {
    plain: 8,
    slow: 3,
    sized_upload: 5,
    unsized_upload: 5,
    mirror: 3,
    download: 5,
    failing: 1,
    client_reads_nothing: 1,
    application_reads_nothing: 1,
    json_call: 6,
    json_get: 2,
    json_items: 2,
    connect_call: 2,
    grpc_web: 3,
}
HTTP2_ONLY: dict[Flow, int] = {
    grpc_call: 8,
    grpc_items: 4,
    grpc_talk: 4,
    grpc_sum: 2,
    http_over_grpc: 5,
    health: 3,
    health_watch: 1,
    reflection: 1,
}


def choose(random: random.Random, *, http2: bool) -> Flow:
    """A flow."""
    weights = BOTH | HTTP2_ONLY if http2 else BOTH
    return random.choices(list(weights), list(weights.values()))[0]
