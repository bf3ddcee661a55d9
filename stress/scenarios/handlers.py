"""Handlers as bad as they come: nobody else waits for them, and nothing of them stays.

While one blocks the event loop's thread, a process of its own asks for the server's health. What is bounded is the time that an
answer took beyond what the machine kept server and client waiting for a processor: so it is the standby that is judged.
"""

import multiprocessing
import os
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from wires import CutError, Http1, Http2

from stress import process, raw
from stress.balance import Balance
from stress.failures import Failed, check
from stress.flows import GRPC
from stress.plan import Plan, Row
from stress.server import PLANNED, Server
from stress.stall import Stall, Watch, watching

WAYS = ("sleeps", "spins", "holds")
BLOCKED_MS = 200
BLOCKS_OF_EACH = 12
PAUSE = 0.003
# The standby's tick is 5 ms; what is above is the kernel's timers. A server that waited for its handler would take up to 200.
BOUND_MS = 60.0
RAISES = 20
NEVER = 100
# What a handler leaves behind is seen in the blocks, of which a task alone is a dozen; for memory see mixed.
BLOCKS = 500
MEMORY = 16 * 1024 * 1024


def run(plan: Plan) -> list[Row]:
    """On both kinds of loop."""
    rows: list[Row] = []
    for loop in ("uvloop", "asyncio"):
        stalls: list[Stall] = []
        with Server(plan.protos, loop=loop) as server, watching(server.pid, stalls.append) as watch:
            rows += [_blocking(server, way, loop, max(2, int(BLOCKS_OF_EACH * plan.scale))) for way in WAYS]
            for what, work in {
                "raise": _raising,
                "never finish": _never,
                "go on after the client left": _after_leaving,
            }.items():
                scene = Scene(server, watch, random.Random(f"{plan.seed} {loop} {what}"))
                work(scene, 1)
                balance = Balance(server)
                counted = work(scene, max(1, round(plan.scale)))
                rows.append(Row(f"{loop}, {what}", counted, balance.check(blocks=BLOCKS, memory=MEMORY)))
                if stalls:
                    raise server.stalled(stalls[0])
            server.check_log(planned=PLANNED)
        rows.append(_stopping(plan, loop))
    return rows


# ---- blocking


@dataclass
class Answers:
    """What the process that asks for health has seen, in milliseconds."""

    net: list[float]
    gross: list[float]
    failure: str = ""


def ask_health(pipe: Connection, pid: int, address: tuple[str, int]) -> None:
    """The process: asks until it is told to stop, now and then on a new connection, which somebody has to accept."""
    answers = Answers([], [])
    try:
        with watching(pid, lambda stall: None) as watch:
            client = raw.Health(watch, address)
            pipe.send("ready")
            while not pipe.poll(PAUSE):
                before = process.activity(pid).waited + process.activity(os.getpid()).waited
                started = time.monotonic()
                if len(answers.net) % 10 == 9:
                    client.line.close()
                    client = raw.Health(watch, address)
                client.line.sendall(client.request(0))
                client.answer(0)
                gross = (time.monotonic() - started) * 1e3
                waited = process.activity(pid).waited + process.activity(os.getpid()).waited - before
                answers.gross.append(gross)
                answers.net.append(max(0.0, gross - waited / 1e6))
            client.line.close()
    except Exception as error:
        answers.failure = f"{type(error).__name__}: {error}"
    pipe.send(answers)


def _blocking(server: Server, way: str, loop: str, times: int) -> Row:
    context: Any = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    asking = context.Process(target=ask_health, args=(there, server.pid, server.address), daemon=True)
    asking.start()
    there.close()
    try:
        check(here.poll(60) and here.recv() == "ready", "the process that asks for health did not start")
        with Http1(server.address) as connection:
            for _ in range(times):
                connection.request(f"/block?how={way}&ms={BLOCKED_MS}")
                check(connection.response().body == b"blocked", "a handler that blocked did not answer")
        here.send("stop")
        check(here.poll(20), "health is not answered any more\n")
        answers: Answers = here.recv()
    finally:
        asking.kill()
        asking.join()
        here.close()
    check(not answers.failure, f"health: {answers.failure}")
    check(len(answers.net) > times, f"only {len(answers.net)} health checks were answered while {times} handlers blocked")
    worst = max(answers.net)
    ordered = sorted(answers.gross)
    said = (
        f"{len(ordered):,} health checks meanwhile: median {ordered[len(ordered) // 2]:.1f} ms, 99% within "
        f"{ordered[len(ordered) * 99 // 100]:.1f} ms, worst {ordered[-1]:.1f} ms ({worst:.1f} without waits for a processor)"
    )
    check(worst < BOUND_MS, f"{loop}, a handler that {way} {BLOCKED_MS} ms keeps health waiting: {said}")
    return Row(f"{loop}, {way} {BLOCKED_MS} ms", f"{times} handlers; {said}")


# ---- raising, never finishing, going on


@dataclass
class Scene:
    """One server, and the means to reach it."""

    server: Server
    watch: Watch
    random: random.Random

    def dial(self, kind: Callable[[Any], Any]) -> Any:
        """A connection under the watch."""
        connection = kind(raw.dial(self.watch, self.server.address))
        connection.socket.doing = "with bad handlers"
        return connection


def _raising(scene: Scene, times: int) -> str:
    kinds = ("Exception", "BaseException", "SystemExit", "KeyboardInterrupt", "CancelledError", "GeneratorExit")
    number = 0
    for kind in kinds:
        for _ in range(RAISES * times):
            for version in (Http1, Http2):
                number += _raised(scene, version, kind)
            number += _raised_in_call(scene, kind)
    return f"{number:,} exceptions of {len(kinds)} kinds, each the end of its own exchange alone"


def _raised(scene: Scene, version: Any, kind: str) -> int:
    with scene.dial(version) as connection:
        for when in ("before", "later"):
            connection.request(f"/fail?kind={kind}&when={when}")
            status = connection.response().status
            check(status == 500, f"{kind} raised {when}: status {status} instead of 500")
        connection.request(f"/fail?kind={kind}&when=within")
        try:
            cut = connection.response().cut
        except CutError:
            cut = True
        check(cut, f"{kind} raised within a response: it came to a proper end")
    return 3


def _raised_in_call(scene: Scene, kind: str) -> int:
    from load.v1 import load_pb2

    with scene.dial(Http2) as connection:
        for method, delay in (("Raise", 0), ("Raise", 1), ("RaiseSync", 0)):
            message = load_pb2.EchoRequest(text=kind, delay_ms=delay).SerializeToString()
            connection.request(f"/load.v1.Load/{method}", "POST", GRPC, b"\0" + len(message).to_bytes(4) + message)
            response = connection.response()
            status = (dict(response.headers) | dict(response.trailers)).get("grpc-status")
            # grpc.StatusCode: a handler that cancels itself is CANCELLED, everything else UNKNOWN.
            check(status in ("1", "2"), f"{kind} raised in {method}: grpc-status {status}: {response}")
    return 3


def _never(scene: Scene, times: int) -> str:
    """They hold nobody up while they are there, and go when their client does, or when they are let go."""
    for _ in range(times):
        connections: list[Any] = []
        for number in range(NEVER):
            connection = scene.dial(scene.random.choice([Http1, Http2]))
            connections.append(connection)
            if isinstance(connection, Http2) and number % 2:
                connection.request("/load.v1.Load/Never", "POST", GRPC, b"\0\0\0\0\0")
            else:
                connection.request(scene.random.choice(["/never", "/until-gone"]))
        # As many plain functions as leave a lane free for others.
        sync = scene.dial(Http2)
        for _ in range(2):
            sync.request("/load.v1.Load/NeverSync", "POST", GRPC, b"\0\0\0\0\0")
        others = raw.Http1(scene.watch, scene.server.address)
        for number in range(200):
            others.line.sendall(others.request(number))
            others.answer(number)
        others.line.close()
        for connection in [*connections, sync]:
            connection.close()
        with scene.dial(Http1) as connection:
            connection.request("/release")
            check(connection.response().body == b"released", "release was not answered")
    return f"{times * (NEVER + 2):,} handlers, all gone after their clients; others were served meanwhile"


def _after_leaving(scene: Scene, times: int) -> str:
    for _ in range(times):
        for _ in range(NEVER):
            connection = scene.dial(scene.random.choice([Http1, Http2]))
            connection.request("/after-leaving")
            if scene.random.random() < 0.5 and isinstance(connection, Http2):
                connection.reset()
            connection.close()
    return f"{times * NEVER:,} handlers, all ended"


def _stopping(plan: Plan, loop: str) -> Row:
    """SIGTERM with handlers that never finish: what is left at the end of its time is cut off."""
    with Server(plan.protos, "--graceful-timeout", "1s", loop=loop) as server:
        connections: list[Any] = [Http1(server.address) for _ in range(20)]
        for connection in connections:
            connection.request("/never")
        calls = Http2(server.address)
        for method in ("Never", "NeverSync"):
            calls.request(f"/load.v1.Load/{method}", "POST", GRPC, b"\0\0\0\0\0")
        with Http1(server.address) as other:
            other.request("/number/1")
            check(other.response().body == b"1", "a request among handlers that never finish was not answered")
        started = time.monotonic()
        code = server.stop(timeout=30)
        seconds = time.monotonic() - started
        if code != 0 or seconds > 15:
            raise Failed(f"stopping took {seconds:.1f} s and ended with exit code {code}")
        for connection in [*connections, calls]:
            with suppress(OSError):
                connection.close()
    return Row(f"{loop}, never finish at SIGTERM", f"22 handlers; stopped in {seconds:.1f} s, of which 1 s was theirs")
