"""HTTP/1.1 and HTTP/2 clients that send exactly what they are told and show exactly what comes back.

``Http1`` and ``Http2`` have the same methods, so that one test serves both versions. They block, on a socket with a timeout:
a test that waits in vain fails.
"""

import socket
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions

Headers = Sequence[tuple[str, str]]
Address = tuple[str, int] | str

PATIENCE = 10.0


class CutError(Exception):
    """The response's body ended without its proper end; HTTP/2 says with which error code."""

    def __init__(self, code: int | None = None) -> None:
        super().__init__(code)
        self.code = code


@dataclass
class Response:
    """A response, whole or, if ``cut``, up to where it was cut off."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""
    cut: bool = False
    trailers: list[tuple[str, str]] = field(default_factory=list)

    def values(self, name: str) -> list[str]:
        """The values of a header, in their order."""
        return [value for key, value in self.headers if key == name]


def connect(address: Address, *, receive_buffer: int | None = None) -> socket.socket:
    """A connected socket, TCP or UNIX by the address's type."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    connection = socket.socket(family)
    connection.settimeout(PATIENCE)
    if receive_buffer is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.connect(address)
    return connection


def connected(address: Address | socket.socket, receive_buffer: int | None) -> socket.socket:
    """A connected socket, which may be there already."""
    return address if isinstance(address, socket.socket) else connect(address, receive_buffer=receive_buffer)


class Http1:
    """One HTTP/1 connection."""

    version = "1.1"

    def __init__(self, address: Address | socket.socket, *, receive_buffer: int | None = None) -> None:
        self.socket = connected(address, receive_buffer)
        self._reader = self.socket.makefile("rb")
        self._left: int | None = 0
        self._chunked = False
        self.interim: list[int] = []

    def send(self, data: bytes) -> None:
        """Sends bytes as they are."""
        self.socket.sendall(data)

    def request(
        self, target: str = "/", method: str = "GET", headers: Headers = (), body: bytes = b"", *, end: bool = True
    ) -> None:
        """Sends a request; unless ``end``, its body goes on with ``data``, in chunks."""
        lines = [f"{method} {target} HTTP/1.1"]
        names = {name.lower() for name, _ in headers}
        if "host" not in names:
            lines.append("Host: test")
        lines += [f"{name}: {value}" for name, value in headers]
        chunked = not end and "content-length" not in names
        if chunked:
            lines.append("Transfer-Encoding: chunked")
        elif body and "content-length" not in names:
            lines.append(f"Content-Length: {len(body)}")
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        self._chunks = chunked
        self.send(head if chunked else head + body)
        if chunked and body:
            self.data(body)

    def data(self, piece: bytes = b"", *, end: bool = False) -> None:
        """Sends a piece of the request's body."""
        if self._chunks:
            chunk = b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""
            self.send(chunk + (b"0\r\n\r\n" if end else b""))
        else:
            self.send(piece)

    def head(self, method: str = "GET") -> Response:
        """Reads the head of the next response; interim ones are noted in ``interim``."""
        while True:
            line = self._line()
            version, status, *_ = line.split(" ", 2)
            assert version.startswith("HTTP/1."), line
            response = Response(int(status), [])
            while field := self._line():
                name, _, value = field.partition(":")
                response.headers.append((name.lower(), value.strip()))
            if response.status >= 200:
                break
            self.interim.append(response.status)
        self._chunked = "chunked" in response.values("transfer-encoding")
        lengths = response.values("content-length")
        if method == "HEAD" or response.status in (204, 304):
            self._left, self._chunked = 0, False
        else:
            self._left = int(lengths[0]) if lengths else None
        return response

    def piece(self) -> bytes:
        """The next bytes of the body as they arrive; none at its end. ``CutError`` where it does not end properly."""
        if self._chunked:
            return self._chunk()
        if self._left == 0:
            return b""
        piece = self._reader.read1(self._left or 65536)
        if self._left is not None:
            if not piece:
                raise CutError
            self._left -= len(piece)
        return piece

    def response(self, method: str = "GET") -> Response:
        """Reads the next response with its body."""
        response = self.head(method)
        return self.rest(response)

    def rest(self, response: Response) -> Response:
        """Reads the rest of a response's body."""
        try:
            while piece := self.piece():
                response.body += piece
        except (CutError, ConnectionResetError):
            response.cut = True
        return response

    def is_closed(self) -> bool:
        """Whether the server ends the connection now, without another byte."""
        try:
            return self._reader.read(1) == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        """Ends the connection."""
        self._reader.close()
        self.socket.close()

    def _line(self) -> str:
        line = self._reader.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError(f"the connection ended in the middle of a head: {line!r}")
        return line[:-2].decode("latin-1")

    def _chunk(self) -> bytes:
        try:
            size = int(self._line().partition(";")[0], 16)
            piece = self._reader.read(size)
            if len(piece) != size or self._line():
                raise CutError
        except (ConnectionError, ValueError):
            raise CutError from None
        if size == 0:
            self._left, self._chunked = 0, False
        return piece

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Http2:
    """One HTTP/2 connection with prior knowledge; the methods without ``stream`` mean the last request's."""

    version = "2"

    def __init__(
        self, address: Address | socket.socket, *, receive_buffer: int | None = None, acknowledge: bool = True
    ) -> None:
        self.socket = connected(address, receive_buffer)
        # Nothing is mended or refused on the way out: the tests decide what is sent.
        config = h2.config.H2Configuration(
            header_encoding="latin-1",
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
            validate_inbound_headers=True,
        )
        self.h2 = h2.connection.H2Connection(config)
        self.h2.initiate_connection()
        self.flush()
        self.acknowledge = acknowledge
        self.stream = 0
        self.ended_by: h2.events.ConnectionTerminated | None = None
        self.eof = False
        self._heads: dict[int, Response] = {}
        self._pieces: dict[int, list[bytes]] = defaultdict(list)
        self._over: dict[int, int | None] = {}

    def send(self, data: bytes) -> None:
        """Sends bytes as they are."""
        self.socket.sendall(data)

    def flush(self) -> None:
        """Sends what the protocol wants sent."""
        self.socket.sendall(self.h2.data_to_send())

    def request(
        self, target: str = "/", method: str = "GET", headers: Headers = (), body: bytes = b"", *, end: bool = True
    ) -> None:
        """Sends a request on a new stream; unless ``end``, its body goes on with ``data``."""
        self.stream = self.h2.get_next_available_stream_id()
        pseudo = {":method": method, ":scheme": "http", ":authority": "test", ":path": target}
        pseudo |= {name: value for name, value in headers if name.startswith(":")}
        given = [(name, value) for name, value in headers if name not in pseudo]
        fields = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in [*pseudo.items(), *given]]
        self.h2.send_headers(self.stream, fields, end_stream=end and not body)
        if body:
            self.data(body, end=end)
        self.flush()

    def data(self, piece: bytes = b"", *, end: bool = False, stream: int | None = None) -> None:
        """Sends a piece of the request's body, as the server's windows let it; nothing where the stream is over."""
        stream = stream or self.stream
        while piece:
            if stream in self._over:
                return
            room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size, len(piece))
            if room == 0:
                self._receive()
                continue
            last = end and room == len(piece)
            self.h2.send_data(stream, piece[:room], end_stream=last)
            self.flush()
            if last:
                return
            piece = piece[room:]
        if end:
            self.h2.end_stream(stream)
        self.flush()

    def reset(self, stream: int | None = None) -> None:
        """Gives up on a stream."""
        self.h2.reset_stream(stream or self.stream, h2.errors.ErrorCodes.CANCEL)
        self.flush()

    def head(self, method: str = "GET", stream: int | None = None) -> Response:
        """The head of a response."""
        stream = stream or self.stream
        while stream not in self._heads:
            if stream in self._over:
                raise CutError(self._over[stream])
            self._receive()
        return self._heads[stream]

    def piece(self, stream: int | None = None) -> bytes:
        """The next bytes of the body as they arrive; none at its end. ``CutError`` where it does not end properly."""
        stream = stream or self.stream
        while not self._pieces[stream] and stream not in self._over:
            self._receive()
        if self._pieces[stream]:
            return self._pieces[stream].pop(0)
        if self._over[stream] is not None:
            raise CutError(self._over[stream])
        return b""

    def response(self, method: str = "GET", stream: int | None = None) -> Response:
        """A response with its body."""
        return self.rest(self.head(method, stream), stream)

    def rest(self, response: Response, stream: int | None = None) -> Response:
        """Reads the rest of a response's body."""
        try:
            while piece := self.piece(stream):
                response.body += piece
        except CutError:
            response.cut = True
        return response

    def is_closed(self) -> bool:
        """Whether the server ends the connection, by GOAWAY or at once."""
        try:
            while self.ended_by is None:
                self._receive()
        except (ConnectionError, h2.exceptions.ProtocolError):
            # The library takes nothing more after a GOAWAY, not even the PING that comes with it.
            return True
        return True

    def close(self) -> None:
        """Ends the connection."""
        self.socket.close()

    def _receive(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            self.eof = True
            raise ConnectionError(f"the server closed the connection: {self.ended_by}")
        for event in self.h2.receive_data(data):
            self._happened(event)
        self.flush()

    def _happened(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.ResponseReceived():
                fields = [(str(name), str(value)) for name, value in event.headers or []]
                self._heads[event.stream_id] = Response(int(dict(fields)[":status"]), fields[1:])
            case h2.events.TrailersReceived():
                self._heads[event.stream_id].trailers = [(str(name), str(value)) for name, value in event.headers or []]
            case h2.events.DataReceived():
                if event.data:
                    self._pieces[event.stream_id].append(event.data)
                if self.acknowledge and event.flow_controlled_length:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case h2.events.StreamEnded():
                self._over[event.stream_id] = None
            case h2.events.StreamReset():
                self._over.setdefault(event.stream_id, int(event.error_code or 0))
            case h2.events.ConnectionTerminated():
                self.ended_by = event

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
