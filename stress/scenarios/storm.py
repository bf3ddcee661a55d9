"""Thousands of connections a second that come and go in every way, while others are served."""

import multiprocessing
import random
import socket
import time
from collections import Counter
from multiprocessing.connection import Connection
from typing import Any

from stress import crowd, raw
from stress.balance import Balance
from stress.failures import Failed, check
from stress.plan import Plan, Row
from stress.server import Server
from stress.stall import Stall, watching

SECONDS = 6.0
WARM_UP = 2.0
PROCESSES = 2
REQUEST = b"GET /number/5 HTTP/1.1\r\nhost: stress\r\n\r\n"
WAYS = ("connect and close", "connect and reset", "request and close", "request and reset", "served")
LEAST = 1_000
# Tens of thousands of connections: one block in a hundred of them.
BLOCKS = 500
MEMORY = 4 * 1024 * 1024


def run(plan: Plan) -> list[Row]:
    """On both kinds of loop."""
    return [_run(plan, loop) for loop in ("uvloop", "asyncio")]


def _run(plan: Plan, loop: str) -> Row:
    with Server(plan.protos, loop=loop) as server:
        _storm(server, WARM_UP, f"{plan.seed} {loop} first")
        balance = Balance(server)
        seconds = SECONDS * plan.scale
        ways, others = _storm(server, seconds, f"{plan.seed} {loop}")
        kept = balance.check(blocks=BLOCKS, memory=MEMORY)
        server.check_log()
    check(ways.total() > LEAST * seconds / 5, f"{ways.total() / seconds:,.0f} connections a second are no storm")
    said = f"{ways.total():,} connections, {ways.total() / seconds:,.0f} a second, {ways['served']:,} served"
    return Row(loop, f"{said}; {others:,} requests of others meanwhile", kept)


def _storm(server: Server, seconds: float, seed: str) -> tuple[Counter[str], int]:
    context: Any = multiprocessing.get_context("spawn")
    pipes: list[Connection] = []
    started: list[Any] = []
    stalls: list[Stall] = []
    others = 0
    ways: Counter[str] = Counter()
    try:
        for number in range(PROCESSES):
            here, there = context.Pipe(duplex=False)
            process = context.Process(
                target=blow, args=(there, server.address, seconds, f"{seed} {number}", number), daemon=True
            )
            process.start()
            there.close()
            started.append(process)
            pipes.append(here)
        with watching(server.pid, stalls.append) as watch:
            client = raw.Http1(watch, server.address)
            while not all(pipe.poll() for pipe in pipes):
                client.line.sendall(client.request(others))
                client.answer(others)
                others += 1
                if stalls:
                    raise server.stalled(stalls[0])
            client.line.close()
        for pipe in pipes:
            result = pipe.recv()
            if isinstance(result, str):
                raise Failed(result)
            ways += result
    finally:
        for process in started:
            process.kill()
            process.join()
        for pipe in pipes:
            pipe.close()
    return ways, others


def blow(pipe: Connection, address: tuple[str, int], seconds: float, seed: str, process: int) -> None:
    """A process of the storm."""
    dice = random.Random(seed)
    ways: Counter[str] = Counter()
    end = time.monotonic() + seconds
    number = process * 30_000
    try:
        while time.monotonic() < end:
            way = dice.choice(WAYS)
            number += 1
            with crowd.from_elsewhere(number) as connection:
                connection.connect(address)
                if way.startswith("request") or way == "served":
                    connection.sendall(REQUEST)
                if way == "served":
                    answer = connection.recv(65536)
                    if not answer.startswith(b"HTTP/1.1 200 ") or not answer.endswith(b"\r\n\r\n5"):
                        raise Failed(f"a wrong answer in the storm: {answer!r}")
                if way.endswith("reset"):
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, crowd.LINGER_NOT)
            ways[way] += 1
        pipe.send(ways)
    except (Failed, OSError) as error:
        pipe.send(f"after {ways.total()} connections, {way}: {type(error).__name__}: {error}")
