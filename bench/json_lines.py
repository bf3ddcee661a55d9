"""A client that reads tables as lines of JSON, and compares each byte with what it has to be.

It is HTTP/1.1 with chunks and nothing else: h2load and wrk look at no bytes, and libraries take longer than the server.
"""

import json
import os
import socket
import sys
import time
from collections.abc import Iterator

from bench.answers import row_json

PATIENCE = 60.0


class Connection:
    """One connection, with one request at a time."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self._arrived = b""
        self._at = 0

    def get(self, path: str) -> Iterator[bytes]:
        """The body, as its chunks come."""
        head = f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: application/x-ndjson\r\n\r\n"
        self._socket.sendall(head.encode())
        head = self._until(b"\r\n\r\n").lower()
        if not head.startswith(b"http/1.1 200") or b"transfer-encoding: chunked" not in head:
            raise SystemExit(f"a wrong answer: {head!r}")
        while size := int(self._until(b"\r\n"), 16):
            while len(self._arrived) < self._at + size + 2:
                self._more()
            yield self._arrived[self._at : self._at + size]
            self._at += size + 2
        self._until(b"\r\n")

    def _until(self, mark: bytes) -> bytes:
        """What comes before the mark."""
        while (end := self._arrived.find(mark, self._at)) < 0:
            self._more()
        found = self._arrived[self._at : end]
        self._at = end + len(mark)
        return found

    def _more(self) -> None:
        piece = self._socket.recv(1 << 18)
        if not piece:
            raise SystemExit("the stream was cut off")
        self._arrived = self._arrived[self._at :] + piece
        self._at = 0


def main(port: int, rows: int, seconds: float) -> dict[str, float]:
    """Reads one table after the other until the time is over, and at least one."""
    expected = b"".join(map(row_json, range(1, rows + 1)))
    connection = Connection(port)
    began = time.perf_counter()
    tables = 0
    while not tables or time.perf_counter() - began < seconds:
        read = 0
        for piece in connection.get(f"/v1/rows?rows={rows}"):
            if not expected.startswith(piece, read):
                raise SystemExit(f"a wrong answer at byte {read}: {piece[:200]!r}")
            read += len(piece)
        if read != len(expected):
            raise SystemExit(f"{read} bytes of {len(expected)}")
        tables += 1
    took = time.perf_counter() - began
    return {"bytes": tables * len(expected), "rows": tables * rows, "seconds": took}


if __name__ == "__main__":
    os.sched_setaffinity(0, set(map(int, sys.argv[1].split(","))))
    print(json.dumps(main(int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))))
