"""More clients than descriptors: those inside are served, nothing spins, the others are served as soon as there is room."""

import contextlib
import resource
import select
import socket
import time
from collections.abc import Iterator

from stress import process
from stress.balance import Balance
from stress.failures import check
from stress.plan import Plan, Row
from stress.server import Server

LIMIT = 160
CLIENTS = 300
FULL = 3.0
CHURN = 3.0
# Of the time on a processor, while connections wait that cannot be accepted.
SHARE = 0.05
# Lines of the log in a second, and how long an accepted connection may wait for it after room was made.
LINES = 2.0
SOON = 5.0
WHAT = "accepting connections failed"
BLOCKS = 500
MEMORY = 8 * 1024 * 1024


def run(plan: Plan) -> list[Row]:
    """On both kinds of loop."""
    return [_run(plan, loop) for loop in ("uvloop", "asyncio")]


def _run(plan: Plan, loop: str) -> Row:
    with _limited(LIMIT):
        server = Server(plan.protos, "--keep-alive-timeout", "1h", loop=loop)
    with server:
        clients = Clients(server)
        clients.fill()
        clients.leave()
        balance = Balance(server)
        rows = [_exhaust(server, clients) for _ in range(max(1, round(plan.scale)))]
        kept = balance.check(blocks=BLOCKS, memory=MEMORY)
        server.check_log(planned=(WHAT,))
    return Row(loop, rows[-1], kept)


def _exhaust(server: Server, clients: "Clients") -> str:
    inside = clients.fill()
    check(0 < inside < CLIENTS, f"{inside} of {CLIENTS} clients were let in with {LIMIT} descriptors")
    server.wait_for(WHAT)
    lines, started = _lines(server), time.monotonic()

    share = _share(server, FULL)
    check(share < SHARE, f"with no descriptor left the server takes {share:.1%} of a processor")
    clients.check_inside()
    check(b"Too many open files" in clients.ask(0, "/opens"), "there was a descriptor left for the application")

    churned = clients.churn(CHURN)
    written, seconds = _lines(server) - lines, time.monotonic() - started
    check(
        written <= LINES * seconds + 1,
        f"{written} lines of the log in {seconds:.0f} s say that connections cannot be accepted ({churned} came in meanwhile)",
    )
    waiting = clients.waiting()
    clients.leave(inside_only=True)
    waited = clients.all_served()
    check(waited < SOON, f"room was made, and it took {waited:.1f} s until all were served")
    clients.leave()
    return (
        f"{inside} clients inside, {share:.1%} of a processor when full, {churned} came in one by one, "
        f"{written} lines of the log in {seconds:.0f} s; the last {waiting} served in {waited:.1f} s once there was room"
    )


class Clients:
    """Those inside, who have been served, and those who wait for it."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._all: list[socket.socket] = []
        self._inside: list[socket.socket] = []

    def fill(self) -> int:
        """As many as there are; returns how many were served."""
        for _ in range(CLIENTS):
            self._knock()
        self._let_in(1.5)
        return len(self._inside)

    def _knock(self) -> None:
        connection = socket.create_connection(self._server.address, timeout=30)
        connection.sendall(b"GET /number/7 HTTP/1.1\r\nhost: stress\r\n\r\n")
        self._all.append(connection)

    def _let_in(self, quiet: float) -> None:
        """Reads answers until none has come for so long."""
        poller = select.poll()
        waiting = {connection.fileno(): connection for connection in self._all if connection not in self._inside}
        for descriptor in waiting:
            poller.register(descriptor, select.POLLIN)
        while waiting and (ready := poller.poll(quiet * 1000)):
            for descriptor, _ in ready:
                answer = waiting[descriptor].recv(65536)
                check(answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"7"), f"a wrong answer: {answer!r}")
                poller.unregister(descriptor)
                self._inside.append(waiting.pop(descriptor))

    def ask(self, number: int, path: str) -> bytes:
        """A request of one inside."""
        self._inside[number].sendall(f"GET {path} HTTP/1.1\r\nhost: stress\r\n\r\n".encode())
        return self._inside[number].recv(65536)

    def check_inside(self) -> None:
        """All inside are served as ever."""
        for number in range(len(self._inside)):
            answer = self.ask(number, f"/number/{number}")
            check(answer.endswith(b"\r\n\r\n%d" % number), f"inside a full server: {answer!r}")

    def churn(self, seconds: float) -> int:
        """One leaves, so that another comes in, and so on; a new one waits for each."""
        end = time.monotonic() + seconds
        came = 0
        while time.monotonic() < end:
            leaving = self._inside.pop(0)
            self._all.remove(leaving)
            leaving.close()
            self._knock()
            before = len(self._inside)
            deadline = time.monotonic() + SOON
            while len(self._inside) == before and time.monotonic() < deadline:
                self._let_in(0.01)
            check(len(self._inside) > before, f"one left, and nobody was let in for {SOON:.0f} s")
            came += len(self._inside) - before
        return came

    def waiting(self) -> int:
        """How many have no answer."""
        return len(self._all) - len(self._inside)

    def all_served(self) -> float:
        """Seconds until nobody waits."""
        started = time.monotonic()
        while self.waiting():
            self._let_in(0.05)
            # As many as have been served make room: there may be more who wait than there are descriptors.
            self.leave(inside_only=True)
            check(time.monotonic() - started < 60, f"{self.waiting()} clients are not served after 60 s")
        return time.monotonic() - started

    def leave(self, *, inside_only: bool = False) -> None:
        """All go, or those inside."""
        for connection in list(self._inside if inside_only else self._all):
            connection.close()
            self._all.remove(connection)
        self._inside = []


def _share(server: Server, seconds: float) -> float:
    before = process.activity(server.pid).used
    time.sleep(seconds)
    return (process.activity(server.pid).used - before) / seconds / 1e9


def _lines(server: Server) -> int:
    return server.stderr().count(WHAT)


@contextlib.contextmanager
def _limited(descriptors: int) -> Iterator[None]:
    """Processes started in the block may have no more descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
