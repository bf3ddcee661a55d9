"""Python's own IO inside handlers: the loop's descriptors and timers, threads, processes, drivers; all kinds at once."""

import contextlib
import random
import threading
import time
import zlib
from collections import Counter

from wires import Http1, Http2

from stress import databases, raw
from stress.balance import Balance
from stress.failures import Failed, NotRun
from stress.plan import Plan, Row
from stress.server import Server
from stress.stall import Stall, Watch, watching

KINDS = (
    "streams",
    "unix-streams",
    "raw-socket",
    "watched-descriptor",
    "datagrams",
    "pipes",
    "subprocess",
    "shell",
    "executor",
    "thread",
    "getaddrinfo",
    "timers",
    "itself",
    "grpc-itself",
)
REDIS = ("redis-driver",)
POSTGRES = ("psycopg-driver", "asyncpg-driver")
OF_EACH = 30
CLIENTS = 8
# Drivers and clients keep caches of their own (statements, type codecs, DNS), so these are larger than elsewhere.
BLOCKS = 2_000
MEMORY = 24 * 1024 * 1024


def run(plan: Plan) -> list[Row]:
    """On both kinds of loop."""
    kinds = list(KINDS)
    # grpcio's own handlers of fork run between fork and exec, and break the child when its channels are busy.
    env = {"GRPC_ENABLE_FORK_SUPPORT": "false"}
    with contextlib.ExitStack() as stack:
        url, what = stack.enter_context(databases.redis())
        env["STRESS_REDIS"] = url
        kinds += REDIS
        try:
            env["STRESS_POSTGRES"] = stack.enter_context(databases.postgres())
            kinds += POSTGRES
        except NotRun as reason:
            plan.not_run.append(f"{' and '.join(POSTGRES)}: {reason}")
        return [_run(plan, loop, kinds, env, what) for loop in ("uvloop", "asyncio")]


def _run(plan: Plan, loop: str, kinds: list[str], env: dict[str, str], redis: str) -> Row:
    stalls: list[Stall] = []
    app = ("python_io:app", "--grpc", "calls:register")
    with Server(plan.protos, loop=loop, app=app, env=env) as server, watching(server.pid, stalls.append) as watch:
        load = Load(server, watch, stalls)
        load.run(kinds, 15, f"{plan.seed} {loop} first")
        balance = Balance(server)
        started = time.monotonic()
        done = load.run(kinds, max(3, int(OF_EACH * plan.scale)), f"{plan.seed} {loop}")
        seconds = time.monotonic() - started
        kept = balance.check(blocks=BLOCKS, memory=MEMORY)
        server.check_log()
    said = f"{done.total():,} requests of {len(done)} kinds in {seconds:.0f} s, Redis is {redis}"
    return Row(loop, f"{said}, longest wait {watch.longest * 1000:.0f} ms", kept)


class Load:
    """Several clients that want all kinds, in an order of chance."""

    def __init__(self, server: Server, watch: Watch, stalls: list[Stall]) -> None:
        self._server = server
        self._watch = watch
        self._stalls = stalls

    def run(self, kinds: list[str], of_each: int, seed: str) -> Counter[str]:
        """All requests; fails on the first wrong answer."""
        wanted = kinds * of_each
        random.Random(seed).shuffle(wanted)
        shared = list(enumerate(wanted))
        done: Counter[str] = Counter()
        failures: list[str] = []
        threads = [
            threading.Thread(target=self._client, args=(shared, seed, done, failures, number % 2), daemon=True)
            for number in range(CLIENTS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive() and not self._stalls:
                thread.join(0.2)
        if self._stalls:
            raise self._server.stalled(self._stalls[0])
        if failures:
            raise Failed("; ".join(failures))
        return done

    def _client(self, wanted: list[tuple[int, str]], seed: str, done: Counter[str], failures: list[str], version: int) -> None:
        connection = (Http1, Http2)[version](raw.dial(self._watch, self._server.address))
        doing = ""
        try:
            while wanted and not failures:
                number, doing = wanted.pop()
                token = f"t{zlib.crc32(f'{seed} {number}'.encode())}"
                assert hasattr(connection.socket, "doing")
                connection.socket.doing = doing
                connection.request(f"/{doing}?token={token}")
                response = connection.response()
                if (response.status, response.body.decode()) != (200, token):
                    failures.append(f"{doing}: {response.status} {response.body[:500]!r} instead of {token}")
                done[doing] += 1
        except Exception as error:
            failures.append(f"{doing}: {type(error).__name__}: {error}")
        finally:
            connection.close()
