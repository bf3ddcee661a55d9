"""Calls that a server forwards to another, one at a time, and clients that leave while theirs has no answer."""

import random
import time

from stress import raw
from stress.balance import kept
from stress.plan import Plan, Row
from stress.scenarios.one_at_a_time import BLOCKS, MEMORY, Exchanges
from stress.server import Server
from stress.stall import Stall, watching

REQUESTS = 10_000
# So many before the first count: by then all that is allocated once is there.
WARM_UP = 4_000
# Clients that leave, for each of these calls.
LEAVE_EVERY = 100


class Never(raw.Grpc):
    """Calls that are never answered."""

    path = b"/load.v1.Load/Never"


def run(plan: Plan) -> list[Row]:
    """On both kinds of loop."""
    return [_run(plan, loop) for loop in ("uvloop", "asyncio")]


def _run(plan: Plan, loop: str) -> Row:
    requests = int(REQUESTS * plan.scale)
    stalls: list[Stall] = []
    with (
        Server(plan.protos, loop=loop) as behind,
        Server(plan.protos, "--upstream", behind.url, loop=loop, app=("web:app",)) as server,
        watching(server.pid, stalls.append) as watch,
    ):
        dice = random.Random(f"{plan.seed} {loop}")
        exchanges = Exchanges(server, watch, dice, stalls, kinds=(raw.Grpc,))

        def work(number: int) -> float:
            started = time.monotonic()
            for _ in range(number // LEAVE_EVERY):
                leaving = Never(watch, server.address)
                data = leaving.request(0)
                # Some are cut amid the call, some before the upstream hears of it.
                leaving.line.sendall(data[: dice.randrange(len(data) // 2, len(data) + 1)])
                exchanges.run(LEAVE_EVERY)
                leaving.line.close()
            return time.monotonic() - started

        work(WARM_UP)
        (seconds, left), _ = kept(
            behind,
            lambda: kept(server, lambda: work(requests), blocks=BLOCKS, memory=MEMORY),
            blocks=BLOCKS,
            memory=MEMORY,
        )
        for one in (server, behind):
            one.check_log()
    wait = f"longest wait {watch.longest * 1000:.0f} ms"
    return Row(loop, f"{requests:,} calls, {requests / seconds:,.0f} a second, {wait}", left)
