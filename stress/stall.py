"""The stall detector: no connection may wait over a second while the server is idle.

A ``Line`` is a socket that knows what it waits for and since when. A ``Watch`` is a thread that looks at all lines of its
process and at the server ten times a second. It is no stall as long as the server runs or wants to run, so that a
machine with other work makes no false alarm; nor when the kernel has for the line what it waits for: then it is the client
who is late.
"""

import contextlib
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from stress import process

LONGEST_WAIT = 1.0
INTERVAL = 0.1
# What the server may use of an interval and be called idle: wake-ups that lead nowhere must not hide a stall.
IDLE = 0.05
# Longer than any wait that a busy machine makes.
PATIENCE = 60.0


class Cut(Exception):  # noqa: N818 - nothing is wrong
    """The line has sent or received as much as it was allowed to: the place to leave at."""


class Line(socket.socket):
    """A connection of the load."""

    def __init__(self, watch: "Watch", family: int = socket.AF_INET) -> None:
        super().__init__(family)
        self.watch = watch
        self.waits_for = 0
        self.since = 0.0
        self.sent = self.received = 0
        # After so many bytes from here on it is cut.
        self.may_send: int | None = None
        self.may_receive: int | None = None
        self.doing = "connecting"
        self.settimeout(PATIENCE)
        watch.lines[id(self)] = self

    def connect(self, address: tuple[str, int] | str) -> None:
        """Connects; without a Nagle delay, which would look like the server's."""
        with self._waiting(select.POLLOUT):
            super().connect(address)
        if self.family != socket.AF_UNIX:
            self.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Receives, cut where it is to be."""
        with self._waiting(select.POLLIN):
            data = super().recv(size, flags)
        self._count(len(data))
        return data

    def recv_into(self, buffer: memoryview, nbytes: int = 0, flags: int = 0) -> int:
        """Receives, cut where it is to be."""
        with self._waiting(select.POLLIN):
            size = super().recv_into(buffer, nbytes, flags)
        self._count(size)
        return size

    def sendall(self, data: bytes, flags: int = 0) -> None:
        """Sends all of it, or as much as may be sent."""
        view = memoryview(data)
        cut = self.may_send is not None and len(view) >= self.may_send
        if cut:
            view = view[: self.may_send]
        while view:
            with self._waiting(select.POLLOUT):
                size = super().send(view, flags)
            self.sent += size
            if self.may_send is not None:
                self.may_send -= size
            view = view[size:]
        if cut:
            raise Cut

    def close(self) -> None:
        """Closes, and is watched no more."""
        self.watch.lines.pop(id(self), None)
        super().close()

    def place(self) -> str:
        """Where in the exchange it is."""
        wanted = {select.POLLIN: "waits to receive", select.POLLOUT: "waits to send"}.get(self.waits_for, "does not wait")
        text = f"{self.doing}: {wanted}; {self.sent} bytes sent and {self.received} received on this connection"
        if self.family == socket.AF_UNIX:
            return f"{text}; on a UNIX socket"
        with contextlib.suppress(OSError):
            local, peer = self.getsockname(), self.getpeername()
            text += f"; {local[0]}:{local[1]} to {peer[0]}:{peer[1]}; {process.queues(local, peer)}"
        return text

    def overdue(self, moment: float) -> bool:
        """Whether it waits, has waited since before that moment, and the kernel has nothing for it."""
        wanted, since = self.waits_for, self.since
        if not wanted or since > moment:
            return False
        try:
            poll = select.poll()
            poll.register(self.fileno(), wanted)
            return not poll.poll(0) and self.waits_for == wanted and self.since == since
        except (OSError, ValueError):
            return False  # Closed meanwhile.

    def _count(self, size: int) -> None:
        self.received += size
        if self.may_receive is not None:
            self.may_receive -= size
            if self.may_receive <= 0:
                raise Cut

    def _waiting(self, event: int) -> "_Waiting":
        return _Waiting(self, event)


class _Waiting:
    """A wait of a line; a class and not a generator, as it is on the way of every byte."""

    __slots__ = ("event", "line")

    def __init__(self, line: Line, event: int) -> None:
        self.line, self.event = line, event

    def __enter__(self) -> None:
        self.line.since = time.monotonic()
        self.line.waits_for = self.event

    def __exit__(self, *_: object) -> None:
        line = self.line
        line.waits_for = 0
        if (waited := time.monotonic() - line.since) > line.watch.longest:
            line.watch.longest = waited
            line.watch.longest_doing = line.doing


@dataclass(frozen=True)
class Stall:
    """A connection that waits in vain."""

    seconds: float
    place: str

    def __str__(self) -> str:
        return f"STALL: a connection has waited {self.seconds:.1f} s with the server idle. {self.place}"


class Watch(threading.Thread):
    """Looks for stalls until it is stopped; tells the first one of each look."""

    def __init__(self, pid: int, tell: Callable[[Stall], None]) -> None:
        super().__init__(name="watch", daemon=True)
        self.lines: dict[int, Line] = {}
        self.longest = 0.0
        self.longest_doing = ""
        self._pid = pid
        self._tell = tell
        self._over = threading.Event()

    def run(self) -> None:
        """Looks until it is stopped or the server has gone."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            before, then = process.activity(self._pid), time.monotonic()
            idle_since = then
            while not self._over.wait(INTERVAL):
                seen, now = process.activity(self._pid), time.monotonic()
                if seen.busy or seen.threads != before.threads or seen.since(before) > (now - then) * IDLE * 1e9:
                    idle_since = now
                before, then = seen, now
                if now - idle_since > LONGEST_WAIT:
                    self._look(now)

    def _look(self, now: float) -> None:
        for line in list(self.lines.values()):
            if line.overdue(now - LONGEST_WAIT):
                self._tell(Stall(now - line.since, line.place()))
                return

    def stop(self) -> None:
        """Ends the thread."""
        self._over.set()
        self.join()


@contextlib.contextmanager
def watching(pid: int, tell: Callable[[Stall], None]) -> Iterator[Watch]:
    """A watch for the time of a block."""
    watch = Watch(pid, tell)
    watch.start()
    try:
        yield watch
    finally:
        watch.stop()
