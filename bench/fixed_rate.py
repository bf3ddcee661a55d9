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

REQUEST = b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
PATIENCE_NS = 10_000_000_000


def main(port: int, rate: int, seconds: int, connections: int) -> dict[str, float]:
    """Asks; returns percentiles in milliseconds, and how late this client itself was at worst."""
    sockets = [_connect(port) for _ in range(connections)]
    by_descriptor = {one.fileno(): one for one in sockets}
    poller = select.epoll()
    for descriptor in by_descriptor:
        poller.register(descriptor, select.EPOLLIN)
    idle = deque(by_descriptor)
    due_of: dict[int, int] = {}
    partly: dict[int, bytes] = {}
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
            if idle:
                lateness.append(now - next_due)
            waiting.append(next_due)
            issued += 1
            next_due = start + int(issued * interval)
        while waiting and idle:
            descriptor = idle.popleft()
            due_of[descriptor] = waiting.popleft()
            by_descriptor[descriptor].send(REQUEST)
        for descriptor, _ in poller.poll(0):
            piece = by_descriptor[descriptor].recv(65536)
            answer = partly.pop(descriptor, b"") + piece
            if not piece or not b"HTTP/1.1 200".startswith(answer[:12]):
                raise SystemExit(f"a wrong answer: {answer[:200]!r}")
            if not answer.endswith(b"\r\n\r\nOK"):
                partly[descriptor] = answer
                continue
            latencies.append(clock() - due_of.pop(descriptor))
            idle.append(descriptor)
        if now > end:
            raise SystemExit(f"{total - len(latencies)} of {total} requests had no answer: the server cannot keep this rate")
    return _figures(latencies, lateness)


def _connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


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
    print(json.dumps(main(*map(int, sys.argv[2:6]))))
