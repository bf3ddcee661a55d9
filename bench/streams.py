"""gRPC calls on raw HTTP/2 connections, for clients that must be much cheaper than the servers which they measure.

h2load sends a request and counts an answer, which is no conversation; grpcio's and Go's clients cost more processor time than
the server. Here the bytes of a message are made once, and what is read is compared with what a right answer is.
"""

import socket
from collections import deque
from typing import Self

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE = 3, 4
LARGEST_WINDOW = (1 << 31) - 1
PATIENCE = 20.0


class ProtocolError(Exception):
    """The server said what no right server says."""


def envelope(message: bytes) -> bytes:
    """A message as gRPC sends it."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A frame as HTTP/2 sends it."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


class Connection:
    """One connection; its methods only prepare what ``flush`` sends."""

    def __init__(self, port: int, path: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        fields = {
            ":method": "POST",
            ":scheme": "http",
            ":path": path,
            ":authority": f"127.0.0.1:{port}",
            "content-type": "application/grpc",
            "te": "trailers",
        }
        # Never indexed, so that one block is right for every stream.
        self._head = hpack.Encoder().encode([hpack.NeverIndexedHeaderTuple(*field) for field in fields.items()])
        self._decoder = hpack.Decoder()
        self._arrived = b""
        self._next_stream = 1
        self._window, self._first_window = 65_535, 65_535
        self._windows: dict[int, int] = {}
        self._blocked: deque[tuple[int, bytes, bool]] = deque()
        self.most_streams: int | None = None
        settings = INITIAL_WINDOW_SIZE.to_bytes(2, "big") + LARGEST_WINDOW.to_bytes(4, "big")
        self._leaving = [
            PREFACE,
            frame(SETTINGS, 0, 0, settings),
            frame(WINDOW_UPDATE, 0, 0, (LARGEST_WINDOW - 65_535).to_bytes(4, "big")),
        ]

    def open(self) -> int:
        """Begins a call; returns its stream."""
        stream = self._next_stream
        self._next_stream += 2
        self._windows[stream] = self._first_window
        self._leaving.append(frame(HEADERS, END_HEADERS, stream, self._head))
        return stream

    def message(self, stream: int, data: bytes, *, end: bool = False) -> None:
        """Sends an envelope, at once or as soon as the server's windows have room."""
        size = len(data)
        if self._blocked or size > self._window or size > self._windows[stream]:
            self._blocked.append((stream, data, end))
            return
        self._window -= size
        self._windows[stream] -= size
        self._leaving.append(size.to_bytes(3, "big") + (b"\0\1" if end else b"\0\0") + stream.to_bytes(4, "big") + data)

    def end(self, stream: int) -> None:
        """Sends no more on this stream."""
        self.message(stream, b"", end=True)

    def flush(self) -> None:
        """Sends what was prepared."""
        if self._leaving:
            leaving = b"".join(self._leaving)
            self._leaving.clear()
            self.socket.sendall(leaving)

    def receive(self) -> list[tuple[int, bytes | dict[str, str]]]:
        """What has come, stream by stream: bytes of messages as ``bytes``, heads and trailers as ``dict``."""
        piece = self.socket.recv(1 << 18)
        if not piece:
            raise ProtocolError("the server closed the connection")
        arrived = self._arrived + piece
        found: list[tuple[int, bytes | dict[str, str]]] = []
        start, end = 0, len(arrived)
        while end - start >= 9:
            after = start + 9 + int.from_bytes(arrived[start : start + 3], "big")
            if after > end:
                break
            kind, flags = arrived[start + 3], arrived[start + 4]
            stream = int.from_bytes(arrived[start + 5 : start + 9], "big")
            payload = arrived[start + 9 : after]
            if kind == DATA and not flags & PADDED:
                if payload:
                    found.append((stream, payload))
            elif kind == HEADERS and flags & END_HEADERS and not flags & (PADDED | PRIORITY):
                found.append((stream, dict(self._decoder.decode(payload))))
                if flags & END_STREAM:
                    del self._windows[stream]
            else:
                self._control(kind, flags, stream, payload)
            start = after
        self._arrived = arrived[start:]
        return found

    def _control(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == WINDOW_UPDATE:
            more = int.from_bytes(payload, "big")
            if stream == 0:
                self._window += more
            elif stream in self._windows:
                self._windows[stream] += more
            self._unblock()
        elif kind == SETTINGS and not flags & ACK:
            self._settings(payload)
            self._leaving.append(frame(SETTINGS, ACK, 0))
            self._unblock()
        elif kind == PING and not flags & ACK:
            self._leaving.append(frame(PING, ACK, 0, payload))
        elif kind == RST_STREAM and int.from_bytes(payload, "big") == 0 and stream not in self._windows:
            pass  # A call that is over, and whose rest the server does not want (RFC 9113 8.1).
        elif not (kind in (SETTINGS, PING) and flags & ACK):
            raise ProtocolError(f"a frame of type {kind} with flags {flags:#x} on stream {stream}: {payload[:100]!r}")

    def _settings(self, payload: bytes) -> None:
        for start in range(0, len(payload), 6):
            name = int.from_bytes(payload[start : start + 2], "big")
            value = int.from_bytes(payload[start + 2 : start + 6], "big")
            if name == INITIAL_WINDOW_SIZE:
                for stream in self._windows:
                    self._windows[stream] += value - self._first_window
                self._first_window = value
            elif name == MAX_CONCURRENT_STREAMS:
                self.most_streams = value

    def _unblock(self) -> None:
        blocked, self._blocked = self._blocked, deque()
        while blocked:
            stream, data, end = blocked.popleft()
            if stream in self._windows:
                self.message(stream, data, end=end)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


def check_end(head: dict[str, str]) -> bool:
    """Whether this is the end of a call, which must have gone well; a head is not."""
    status = head.get("grpc-status")
    if status not in (None, "0") or head.get(":status", "200") != "200":
        raise ProtocolError(f"a call failed: {head}")
    return status is not None
