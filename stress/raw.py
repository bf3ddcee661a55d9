"""One exchange at a time as cheaply as Python can: HTTP/1.1, HTTP/2 and unary gRPC written out by hand.

What is sent needs no state (RFC 7541 6.2.2, literals that are not indexed); what comes back is decoded and checked.
"""

import struct

import hpack

from stress.failures import Failed
from stress.stall import Line, Watch

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1
# Static table (RFC 7541 appendix A): :method GET and POST, :scheme http.
GET, POST, HTTP = b"\x82", b"\x83", b"\x86"
TAKEN = 32_768

Address = tuple[str, int]


def dial(watch: Watch, address: Address) -> Line:
    """A connected line."""
    line = Line(watch)
    line.connect(address)
    return line


class Http1:
    """GET with keep-alive."""

    name = "HTTP/1.1"

    def __init__(self, watch: Watch, address: Address) -> None:
        self.line = dial(watch, address)

    def request(self, number: int) -> bytes:
        """A request for a number."""
        return b"GET /number/%d HTTP/1.1\r\nhost: stress\r\n\r\n" % number

    def answer(self, number: int) -> None:
        """Reads the answer and checks it."""
        data = self.line.recv(65536)
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._more(data)
        head = data[:end].lower()
        start = head.find(b"content-length: ") + 16
        length = int(head[start : (head + b"\r").index(b"\r", start)])
        while len(data) < end + 4 + length:
            data += self._more(data)
        if not head.startswith(b"http/1.1 200 ") or data[end + 4 :] != b"%d" % number:
            raise Failed(f"HTTP/1.1: {number} was asked for, and this came: {data!r}")

    def _more(self, data: bytes) -> bytes:
        if more := self.line.recv(65536):
            return more
        raise Failed(f"HTTP/1.1: the connection ended after {data!r}")


class Http2:
    """GET, one stream after the other."""

    name = "HTTP/2"

    def __init__(self, watch: Watch, address: Address) -> None:
        self.line = dial(watch, address)
        self._decoder = hpack.Decoder()
        self._stream = -1
        self._taken = 0
        self._buffer = b""
        self.line.sendall(PREFACE + frame(SETTINGS, 0, 0, b""))

    def request(self, number: int) -> bytes:
        """A request for a number."""
        block = GET + HTTP + field(4, b"/number/%d" % number) + field(1, b"stress")
        return frame(HEADERS, END_STREAM | END_HEADERS, self._next(), block)

    def answer(self, number: int) -> None:
        """Reads the answer and checks it."""
        head, body, trailers = self._read()
        if head.get(":status") != "200" or body != b"%d" % number or trailers:
            raise Failed(f"HTTP/2: {number} was asked for, and this came: {head} {body!r} {trailers}")

    def _next(self) -> int:
        self._stream += 2
        return self._stream

    def _read(self) -> tuple[dict[str, str], bytes, dict[str, str]]:
        """Reads frames to the end of the stream."""
        blocks: list[dict[str, str]] = []
        body = b""
        while True:
            kind, flags, stream, payload = self._frame()
            if kind == SETTINGS and not flags & ACK:
                self.line.sendall(frame(SETTINGS, ACK, 0, b""))
            elif kind == PING and not flags & ACK:
                self.line.sendall(frame(PING, ACK, 0, payload))
            elif kind in (RST_STREAM, GOAWAY):
                raise Failed(f"{self.name}: the server gave up: frame {kind} with {payload!r}")
            elif kind == HEADERS:
                blocks.append({str(name): str(value) for name, value in self._decoder.decode(payload)})
            elif kind == DATA:
                body += payload
                self._take(len(payload))
            if kind in (HEADERS, DATA) and flags & END_STREAM:
                if stream != self._stream:
                    raise Failed(f"{self.name}: stream {stream} ended, {self._stream} was open")
                return blocks[0], body, blocks[1] if len(blocks) > 1 else {}

    def _take(self, size: int) -> None:
        self._taken += size
        if self._taken >= TAKEN:
            self.line.sendall(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", self._taken)))
            self._taken = 0

    def _frame(self) -> tuple[int, int, int, bytes]:
        head = self._exactly(9)
        kind, flags, stream = struct.unpack(">BBI", head[3:])
        return kind, flags, stream, self._exactly(int.from_bytes(head[:3]))

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            more = self.line.recv(65536)
            if not more:
                raise Failed(f"{self.name}: the connection ended in stream {self._stream}")
            self._buffer += more
        piece, self._buffer = self._buffer[:size], self._buffer[size:]
        return piece


class Grpc(Http2):
    """Unary calls: ``/load.v1.Load/Echo`` with a number."""

    name = "gRPC"
    path = b"/load.v1.Load/Echo"

    def request(self, number: int) -> bytes:
        """A call with a number."""
        return self.call(b"\x10" + varint(number))

    def call(self, message: bytes) -> bytes:
        """A call with a message."""
        block = POST + HTTP + field(4, self.path) + field(1, b"stress")
        block += named(b"content-type", b"application/grpc") + named(b"te", b"trailers")
        envelope = b"\0" + struct.pack(">I", len(message)) + message
        stream = self._next()
        return frame(HEADERS, END_HEADERS, stream, block) + frame(DATA, END_STREAM, stream, envelope)

    def answer(self, number: int) -> None:
        """Reads the answer and checks it."""
        self.expect(b"\x10" + varint(number))

    def expect(self, message: bytes) -> None:
        """Reads the answer and checks it."""
        head, body, trailers = self._read()
        expected = b"\0" + struct.pack(">I", len(message)) + message
        if head.get(":status") != "200" or body != expected or trailers.get("grpc-status") != "0":
            raise Failed(f"{self.path.decode()}: {message!r} should come, and this came: {head} {body!r} {trailers}")


class Health(Grpc):
    """Health checks of the server as a whole."""

    name = "health"
    path = b"/grpc.health.v1.Health/Check"

    def request(self, number: int) -> bytes:
        """A check; the number goes nowhere."""
        return self.call(b"")

    def answer(self, number: int) -> None:
        """SERVING."""
        self.expect(b"\x08\x01")


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """A frame (RFC 9113 4.1)."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def field(index: int, value: bytes) -> bytes:
    """A header whose name is in the static table, not indexed; short values only."""
    return bytes([index, len(value)]) + value


def named(name: bytes, value: bytes) -> bytes:
    """A header by name, not indexed; short ones only."""
    return bytes([0, len(name)]) + name + bytes([len(value)]) + value


def varint(number: int) -> bytes:
    """A protobuf varint."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)
