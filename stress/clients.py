"""A process of clients: threads that run flows and leave at random places, under a watch of their own.

The load comes in waves of as many clients at once as chance has it, one among them; after each wave all exchanges end before
the next begins. So a connection that stands still cannot hide behind the traffic of others, or be saved by it.
"""

import contextlib
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

import h2.exceptions
from wires import CutError, Http1, Http2

from stress import flows
from stress.endpoints import Endpoint
from stress.failures import Failed
from stress.stall import Cut, Line, Stall, Watch, watching

WAVE = 2.0
AT_ONCE = (1, 2, 4, 8, 16, 24)
LINGER_NOT = struct.pack("ii", 1, 0)


class Left(Exception):  # noqa: N818 - nothing is wrong
    """The client has left on purpose."""


@dataclass(frozen=True)
class Orders:
    """What a process of clients is to do."""

    pid: int
    # Each connection is to one of them.
    endpoints: tuple[Endpoint, ...]
    seconds: float
    seed: str


@dataclass
class Tally:
    """What a process of clients has done."""

    flows: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    stalls: list[Stall] = field(default_factory=list)
    longest: float = 0.0
    longest_doing: str = ""

    def add(self, other: "Tally") -> None:
        """Adds another's."""
        self.flows += other.flows
        self.left += other.left
        self.failures += other.failures
        self.stalls += other.stalls
        self.longest, self.longest_doing = max((self.longest, self.longest_doing), (other.longest, other.longest_doing))


def main(pipe: Connection, orders: Orders) -> None:
    """The process: its tally goes through the pipe. A stall is told at once, while the server still stands."""
    tally = Tally()
    over = threading.Event()

    def stalled(stall: Stall) -> None:
        if not tally.stalls:
            tally.stalls.append(stall)
            over.set()
            pipe.send(tally)

    with watching(orders.pid, stalled) as watch:
        load = Load(orders, watch, tally, over)
        load.run()
        tally.longest, tally.longest_doing = watch.longest, watch.longest_doing
    if not tally.stalls:
        pipe.send(tally)


class Load:
    """The waves of one process."""

    def __init__(self, orders: Orders, watch: Watch, tally: Tally, over: threading.Event) -> None:
        self._orders = orders
        self._watch = watch
        self._tally = tally
        self._over = over
        self._random = random.Random(orders.seed)

    def run(self) -> None:
        """Waves until the time is up or something is wrong."""
        end = time.monotonic() + self._orders.seconds
        wave = 0
        while time.monotonic() < end and not self._over.is_set():
            until = min(end, time.monotonic() + WAVE)
            names = [f"{self._orders.seed} {wave} {n}" for n in range(self._random.choice(AT_ONCE))]
            clients = [Client(self._orders.endpoints, self._watch, random.Random(name)) for name in names]
            threads = [threading.Thread(target=self._client, args=(client, until), daemon=True) for client in clients]
            for thread in threads:
                thread.start()
            for thread in threads:
                while thread.is_alive() and not self._tally.stalls:
                    thread.join(0.2)
            for client in clients:
                self._tally.flows += client.flows
                self._tally.left += client.left
            wave += 1

    def _client(self, client: "Client", until: float) -> None:
        try:
            while time.monotonic() < until and not self._over.is_set():
                client.exchange()
        except Exception as error:
            place = client.line.place() if client.line else "not connected"
            self._tally.failures.append(f"{client.doing}: {type(error).__name__}: {error} ({place})")
            self._over.set()
        finally:
            client.close()


class Client:
    """One client, with at most one connection at a time."""

    def __init__(self, endpoints: Sequence[Endpoint], watch: Watch, random: random.Random) -> None:
        self._endpoints = endpoints
        self._watch = watch
        self._random = random
        self._wire: Http1 | Http2 | None = None
        self._endpoint = endpoints[0]
        self.line: Line | None = None
        self.doing = ""
        self.flows: Counter[str] = Counter()
        self.left: Counter[str] = Counter()

    def exchange(self) -> None:
        """One exchange, which it may leave."""
        departure = self._random.choices([None, self._cut, self._step], [60, 25, 15])[0]
        if departure is self._cut and self._random.random() < 0.1:
            self._only_connects()
            return
        wire = self._connected()
        flow = flows.choose(self._random, http2=isinstance(wire, Http2))
        self.doing = f"{flow.__name__} over HTTP/{wire.version} and {self._endpoint}"
        self.doing += f", to be left ({departure.__name__})" if departure else ""
        exchange = flows.Exchange(wire, self._random, self._doing)
        try:
            reusable = departure(flow, exchange) if departure else flow(exchange)
        except (Left, Cut):
            reusable = False
        if not departure:
            self.flows[f"{flow.__name__}"] += 1
        if not reusable or self._random.random() < 0.1:
            self._leave()

    def _doing(self, place: str) -> None:
        if self.line:
            self.line.doing = f"{self.doing}, {place}"

    def _connected(self) -> Http1 | Http2:
        if self._wire is None:
            kind = self._random.choice([Http1, Http2])
            self._wire = kind(self._connect(kind))
        return self._wire

    def _connect(self, kind: type[Http1 | Http2]) -> Line:
        self._endpoint = self._random.choice(self._endpoints)
        # Kept before it is connected, so that it is closed whatever happens.
        self.line = self._endpoint.line(self._watch, "h2" if kind is Http2 else "http/1.1")
        self.line.doing = f"connecting by {self._endpoint}"
        self.line.connect(self._endpoint.address)
        self.line.doing = f"connected by {self._endpoint}"
        return self.line

    def _only_connects(self) -> None:
        """Not even a request; for HTTP/2 a piece of the preface."""
        self._leave()
        line = self._connect(Http2)
        if self._random.random() < 0.5:
            line.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[: self._random.randrange(1, 25)])
        self.left["connected only"] += 1
        self._leave()

    def _cut(self, flow: flows.Flow, exchange: flows.Exchange) -> bool:
        """Leaves after some byte, sent or received."""
        assert self.line
        size = int(4 ** self._random.uniform(0, 9))
        if self._random.random() < 0.5:
            self.line.may_send, where = size, "while sending"
        else:
            self.line.may_receive, where = size, "while receiving"
        try:
            flow(exchange)
        except Cut:
            self.left[where] += 1
            raise
        # It was shorter than that.
        self.line.may_send = self.line.may_receive = None
        self.flows[flow.__name__] += 1
        return False

    def _step(self, flow: flows.Flow, exchange: flows.Exchange) -> bool:
        """Leaves at one of the places between two frames: by RST_STREAM, by GOAWAY, or by closing its sending half."""
        countdown = self._random.randrange(4)
        wire = exchange.wire
        ways = ["RST_STREAM", "GOAWAY"] if isinstance(wire, Http2) else ["half close"]
        way = self._random.choice(ways)

        def step(place: str) -> None:
            nonlocal countdown
            self._doing(place)
            countdown -= 1
            if countdown == -1:
                self._doing(f"{place}, {way}")
                self.left[f"{way} {place}"] += 1
                self._go(way, wire)

        exchange.step = step
        try:
            reusable = flow(exchange)
        except Left:
            # The connection of a stream that was reset is as good as before.
            return way == "RST_STREAM"
        except (ConnectionError, CutError, ValueError, h2.exceptions.ProtocolError):
            if countdown >= 0:
                raise
            return False
        self.flows[flow.__name__] += 1
        return reusable and countdown >= 0

    def _go(self, way: str, wire: Http1 | Http2) -> None:
        match way:
            case "RST_STREAM":
                assert isinstance(wire, Http2)
                wire.reset()
                raise Left
            case "GOAWAY":
                # What is open goes on to its end: the flow continues, and its answer is checked.
                assert isinstance(wire, Http2)
                wire.send(b"\0\0\x08\x07\0\0\0\0\0" + bytes(8))
            case "half close":
                wire.socket.shutdown(socket.SHUT_WR)

    def _leave(self) -> None:
        """Ends the connection, in order or not."""
        if self.line and self._random.random() < 0.5:
            with contextlib.suppress(OSError):
                self.line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
        self.close()

    def close(self) -> None:
        """Closes the connection."""
        if self._wire:
            self._wire.close()
        if self.line:
            self.line.close()
        self._wire = self.line = None


def failed(tally: Tally) -> Failed | None:
    """The account of what went wrong for the clients."""
    return Failed("; ".join(tally.failures)) if tally.failures else None
