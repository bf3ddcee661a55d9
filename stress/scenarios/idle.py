"""10,000 idle connections: what each costs, that they cost no time, that others are served, that all of them end at SIGTERM."""

import resource
import statistics
import time

from stress import crowd, process, raw
from stress.balance import count, kept
from stress.failures import check
from stress.plan import Plan, Row
from stress.server import Server
from stress.stall import Stall, Watch, watching

CONNECTIONS = 10_000
# What the two processes need beside them.
RESERVE = 300
# Above what was measured for a mix of nine HTTP/1.1 connections and one of HTTP/2 (README.md has it), below a buffer too many.
EACH = 24 * 1024
QUIET = 2.0
# Of the time on a processor: a look at each of 10,000 connections a hundred times a second would take all of it.
QUIET_SHARE = 0.02
REQUESTS = 2_000
# What is left of 10,000 connections: no object of Python's for each, and less than 839 bytes; a connection's state is more.
BLOCKS = 500
MEMORY = 8 * 1024 * 1024


def run(plan: Plan) -> list[Row]:
    """On both kinds of loop."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - RESERVE
    if most < CONNECTIONS:
        plan.not_run.append(f"{CONNECTIONS:,} idle connections: the limit of descriptors allows {most:,}")
    return [_run(plan, loop, min(CONNECTIONS, most)) for loop in ("uvloop", "asyncio")]


def _run(plan: Plan, loop: str, connections: int) -> Row:
    stalls: list[Stall] = []
    with (
        Server(plan.protos, "--keep-alive-timeout", "1h", loop=loop) as server,
        crowd.gathered(server.pid, server.address) as idle,
        watching(server.pid, stalls.append) as watch,
    ):
        # The first crowd leaves behind what is allocated once, as a table of connections.
        idle.tell("come", connections)
        idle.tell("leave")
        alone = _Served(server, watch)
        told, left = kept(server, lambda: _crowds(plan, server, idle, connections, alone, watch), blocks=BLOCKS, memory=MEMORY)
        idle.tell("come", connections)
        started = time.monotonic()
        server.send_signal(15)
        ended = idle.tell("see the end")
        check(ended == connections, f"{ended:,} of {connections:,} connections were ended at SIGTERM")
        check(server.wait() == 0, "the server ended in disorder after SIGTERM")
        seconds = time.monotonic() - started
        if stalls:
            raise server.stalled(stalls[0])
        server.check_log()
    return Row(loop, f"{connections:,} idle, {told}; ended in {seconds:.1f} s", left)


def _crowds(plan: Plan, server: Server, idle: crowd.Crowd, connections: int, alone: "_Served", watch: Watch) -> str:
    """Crowds come, are idle, and leave; says what the last one cost."""
    told = ""
    for _ in range(max(1, round(plan.scale))):
        before = count(server).anonymous
        idle.tell("come", connections)
        each = (count(server).anonymous - before) / connections
        check(each < EACH, f"an idle connection takes {each / 1024:.1f} KiB, more than {EACH // 1024}")
        used = _quiet(server)
        among = _Served(server, watch)
        # Time on the processor: other work on the machine must not decide.
        said = f"a request took {alone.cpu:.0f} us of the server, among idle connections {among.cpu:.0f}"
        check(among.cpu < alone.cpu * 2 + 50, said)
        idle.tell("again")
        idle.tell("leave")
        told = f"{each / 1024:.1f} KiB each, {used:.1%} of a processor; others' requests took {alone}, among them {among}"
    return told


class _Served:
    """What requests of others take: the median in milliseconds, and microseconds of the server's time for each."""

    def __init__(self, server: Server, watch: Watch) -> None:
        client = raw.Http1(watch, server.address)
        took: list[float] = []
        before = process.activity(server.pid).used
        for number in range(REQUESTS):
            started = time.monotonic()
            client.line.sendall(client.request(number))
            client.answer(number)
            took.append(time.monotonic() - started)
        self.cpu = (process.activity(server.pid).used - before) / REQUESTS / 1e3
        self.milliseconds = statistics.median(took) * 1e3
        client.line.close()

    def __str__(self) -> str:
        return f"{self.milliseconds:.2f} ms and {self.cpu:.0f} us of the server"


def _quiet(server: Server) -> float:
    """The share of a processor that the server takes when nobody wants anything."""
    before = process.activity(server.pid).used
    time.sleep(QUIET)
    share = (process.activity(server.pid).used - before) / QUIET / 1e9
    check(share < QUIET_SHARE, f"with idle connections alone the server takes {share:.1%} of a processor")
    return share
