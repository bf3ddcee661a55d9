"""A minute of mixed load: all flows at once, clients that leave at every point, many that read nothing or are not read.

Then for shorter with the other loop, with TLS, and with a WSGI application; always by a UNIX socket, too.
"""

import multiprocessing
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from stress import clients
from stress.balance import Balance
from stress.endpoints import Endpoint, certificate, endpoints
from stress.failures import Failed
from stress.plan import Plan, Row
from stress.server import ASGI, Server

WSGI = ("web_wsgi:app", "--grpc", "web_wsgi:register")
WARM_UP = 0.3
PROCESSES = 2
# In a minute there are tens of thousands of exchanges: one object left behind in a few dozen of them is noticed, in the shorter
# settings in about ten, and less in longer runs, since the bounds do not grow with the time. The allocators keep pages that are
# in use in part, now more and now fewer: up to 21 MiB between two of 28 passes, after all of which the server's memory was what
# it had been after the first. So a kibibyte for each exchange of a minute is noticed; `one-at-a-time` is for less.
BLOCKS = 1_000
MEMORY = 48 * 1024 * 1024
PATIENCE = 120.0


@dataclass(frozen=True)
class Setting:
    """A server, and how many seconds it is under load in a default run."""

    name: str
    seconds: float
    loop: str
    app: tuple[str, ...]
    tls: bool


SETTINGS = (
    Setting("uvloop", 60.0, "uvloop", ASGI, tls=False),
    Setting("asyncio and TLS", 15.0, "asyncio", ASGI, tls=True),
    Setting("uvloop, TLS and WSGI", 15.0, "uvloop", WSGI, tls=True),
)


def run(plan: Plan) -> list[Row]:
    """In every setting."""
    return [_run(plan, setting) for setting in SETTINGS]


def _run(plan: Plan, setting: Setting) -> Row:
    seconds, seed = setting.seconds * plan.scale, f"{plan.seed} {setting.name}"
    with tempfile.TemporaryDirectory(prefix="narthex-stress-") as folder, ExitStack() as stack:
        arguments = ["--uds", f"{folder}/socket", "--http-over-grpc-from", "127.0.0.0/8,unix"]
        authority = None
        if setting.tls:
            authority, server_certificate = stack.enter_context(certificate())
            arguments += ["--tls-cert", server_certificate]
        server = stack.enter_context(Server(plan.protos, *arguments, loop=setting.loop, app=setting.app))
        where = endpoints(server.addresses, authority)
        _load(server, where, seconds * WARM_UP, f"{seed} first")
        balance = Balance(server)
        tally = _load(server, where, seconds, seed)
        kept = balance.check(blocks=BLOCKS, memory=MEMORY)
        server.check_log(planned=("PlannedError",))
    said = f"{tally.flows.total():,} exchanges of {len(tally.flows)} kinds"
    said += f", {tally.left.total():,} left at {len(tally.left)} places"
    return Row(setting.name, f"{said}, longest wait {tally.longest * 1000:.0f} ms ({tally.longest_doing})", kept)


def _load(server: Server, where: tuple[Endpoint, ...], seconds: float, seed: str) -> clients.Tally:
    whole = clients.Tally()
    with processes(server, where, seconds, seed) as pipes:
        for pipe in pipes:
            tally = _result(server, pipe, seconds)
            whole.add(tally)
    if whole.failures:
        raise Failed("; ".join(whole.failures) + "\n" + server.stacks())
    return whole


def _result(server: Server, pipe: Connection, seconds: float) -> clients.Tally:
    if not pipe.poll(seconds + PATIENCE):
        raise Failed("the clients do not come to an end\n" + server.stacks())
    try:
        tally: clients.Tally = pipe.recv()
    except EOFError:
        raise Failed("a process of clients ended without a result") from None
    if tally.stalls:
        raise server.stalled(tally.stalls[0])
    return tally


@contextmanager
def processes(server: Server, where: tuple[Endpoint, ...], seconds: float, seed: str) -> Iterator[list[Connection]]:
    """The processes of clients, and what their tallies come through; all have ended after the block."""
    context: Any = multiprocessing.get_context("spawn")
    started: list[Any] = []
    pipes: list[Connection] = []
    try:
        for number in range(PROCESSES):
            here, there = context.Pipe(duplex=False)
            orders = clients.Orders(server.pid, where, seconds, f"{seed} {number}")
            process = context.Process(target=clients.main, args=(there, orders), daemon=True)
            process.start()
            there.close()
            started.append(process)
            pipes.append(here)
        yield pipes
    finally:
        for process in started:
            process.join(1)
            process.kill()
            process.join()
        for pipe in pipes:
            pipe.close()
