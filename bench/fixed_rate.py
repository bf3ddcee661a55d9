"""A client that asks at a fixed rate, whatever the server does, and so sees the waits that a closed loop hides.

It never sleeps: it looks at the clock and at its sockets in turn, so that its own wake-ups are not in the figures. A request
that finds all connections taken waits, and its wait counts.
"""

import gc
import json
import os
import select
import socket
import sys
import time
from array import array
from collections import deque
from collections.abc import Iterator
from typing import Protocol

from bench.streams import Connection, ProtocolError, check_end, envelope

PATIENCE_NS = 10_000_000_000


class Client(Protocol):
    """Somebody who asks; every request is named by when it was due."""

    def __init__(self, port: int, connections: int) -> None: ...

    @property
    def free(self) -> bool:
        """Whether another request can be sent now."""
        ...

    def ask(self, due: int) -> None:
        """Sends a request."""
        ...

    def answered(self) -> Iterator[int]:
        """Those requests whose right answer has come since."""
        ...


class Http1:
    """Two bytes over HTTP/1.1, with one request at a time on each connection."""

    REQUEST = b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"

    def __init__(self, port: int, connections: int) -> None:
        sockets = [_connect(port) for _ in range(connections)]
        self._by_descriptor = {one.fileno(): one for one in sockets}
        self._poller = _poller(self._by_descriptor)
        self._idle = deque(self._by_descriptor)
        self._due_of: dict[int, int] = {}
        self._partly: dict[int, bytes] = {}

    @property
    def free(self) -> bool:
        """Whether a connection is idle."""
        return bool(self._idle)

    def ask(self, due: int) -> None:
        """Sends a request on a connection that is idle."""
        descriptor = self._idle.popleft()
        self._due_of[descriptor] = due
        self._by_descriptor[descriptor].send(self.REQUEST)

    def answered(self) -> Iterator[int]:
        """Those whose answer is complete."""
        for descriptor, _ in self._poller.poll(0):
            piece = self._by_descriptor[descriptor].recv(65536)
            answer = self._partly.pop(descriptor, b"") + piece
            if not piece or not b"HTTP/1.1 200".startswith(answer[:12]):
                raise SystemExit(f"a wrong answer: {answer[:200]!r}")
            if not answer.endswith(b"\r\n\r\nOK"):
                self._partly[descriptor] = answer
                continue
            self._idle.append(descriptor)
            yield self._due_of.pop(descriptor)


class Grpc:
    """A unary call, on as many streams as it takes, whose connections take turns."""

    REQUEST, ANSWER = envelope(b"\x08\x14\x10\x16"), envelope(b"\x08\x2a")
    free = True

    def __init__(self, port: int, connections: int) -> None:
        self._connections = deque(Connection(port, "/arithmetic.v1.Calculator/Add") for _ in range(connections))
        self._by_descriptor = {connection.socket.fileno(): connection for connection in self._connections}
        self._poller = _poller(self._by_descriptor)
        # When the call on a stream was due, and what has come of its answer.
        self._calls: dict[tuple[int, int], tuple[int, bytes]] = {}

    def ask(self, due: int) -> None:
        """Sends a request on the next connection."""
        connection = self._connections[0]
        self._connections.rotate()
        stream = connection.open()
        self._calls[connection.socket.fileno(), stream] = due, b""
        connection.message(stream, self.REQUEST, end=True)
        connection.flush()

    def answered(self) -> Iterator[int]:
        """Those whose trailers have come."""
        for descriptor, _ in self._poller.poll(0):
            connection = self._by_descriptor[descriptor]
            for stream, piece in connection.receive():
                due, answer = self._calls[descriptor, stream]
                if isinstance(piece, bytes):
                    self._calls[descriptor, stream] = due, answer + piece
                elif check_end(piece):
                    if answer != self.ANSWER:
                        raise ProtocolError(f"a wrong answer: {answer!r}")
                    del self._calls[descriptor, stream]
                    yield due
            connection.flush()


CLIENTS: dict[str, type[Client]] = {"http1": Http1, "grpc": Grpc}


def main(protocol: str, port: int, rate: int, seconds: int, connections: int) -> dict[str, float]:
    """Asks; returns percentiles in milliseconds, and how late this client itself was at worst."""
    client = CLIENTS[protocol](port, connections)
    waiting: deque[int] = deque()
    latencies, lateness = array("q"), array("q")
    total, interval = rate * seconds, 1e9 / rate
    clock = time.perf_counter_ns
    start = clock() + 10_000_000
    end = start + seconds * 1_000_000_000 + PATIENCE_NS
    issued, next_due = 0, start
    gc.disable()
    while len(latencies) < total:
        now = clock()
        while issued < total and next_due <= now:
            if client.free:
                lateness.append(now - next_due)
            waiting.append(next_due)
            issued += 1
            next_due = start + int(issued * interval)
        while waiting and client.free:
            client.ask(waiting.popleft())
        latencies.extend(clock() - due for due in client.answered())
        if now > end:
            raise SystemExit(f"{total - len(latencies)} of {total} requests had no answer: the server cannot keep this rate")
    return _figures(latencies, lateness)


def _connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _poller(descriptors: dict[int, object]) -> select.epoll:
    poller = select.epoll()
    for descriptor in descriptors:
        poller.register(descriptor, select.EPOLLIN)
    return poller


def _figures(latencies: "array[int]", lateness: "array[int]") -> dict[str, float]:
    ordered, late = sorted(latencies), sorted(lateness)
    return {
        "p50_ms": percentile(ordered, 0.5),
        "p99_ms": percentile(ordered, 0.99),
        "p999_ms": percentile(ordered, 0.999),
        "max_ms": ordered[-1] / 1e6,
        "client_late_p99_ms": percentile(late, 0.99),
    }


def percentile(ordered: list[int], share: float) -> float:
    """The nearest-rank percentile of nanoseconds, in milliseconds."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1e6


if __name__ == "__main__":
    os.sched_setaffinity(0, set(map(int, sys.argv[1].split(","))))
    print(json.dumps(main(sys.argv[3], int(sys.argv[2]), *map(int, sys.argv[4:7]))))
