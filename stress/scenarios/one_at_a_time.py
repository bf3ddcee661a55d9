"""100,000 requests one at a time, over HTTP/1.1, HTTP/2 and gRPC in turns: where one wake-up is lost, all stands still."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from stress import raw
from stress.balance import kept
from stress.plan import Plan, Row
from stress.server import Server
from stress.stall import Stall, Watch, watching

REQUESTS = 100_000
# So many before the first count: by then all that is allocated once is there.
WARM_UP = 20_000
KINDS = (raw.Http1, raw.Http2, raw.Grpc)
RENEW = 2_000
# The bounds of growth, however many the requests. Blocks are counted exactly: so few are the interpreter's own ups and
# downs, and a leak of one object in 500 requests is as many. Of memory, 20,000 requests after the first have been seen to take
# 0 to 130 KiB; a step of 820 KiB once; a leak of 16 bytes in each of 100,000 is 1,563 KiB.
BLOCKS = 200
MEMORY = 1536 * 1024


@dataclass
class Exchanges:
    """Sends requests in turns and now and then does it badly: pauses of about the standby's tick, requests in two parts."""

    server: Server
    watch: Watch
    random: random.Random
    stalls: list[Stall]
    kinds: Sequence[type[raw.Http1 | raw.Http2]] = KINDS
    clients: list[raw.Http1 | raw.Http2] = field(default_factory=list)

    def run(self, requests: int) -> float:
        """Sends so many; returns the seconds that took."""
        started = time.monotonic()
        # From 1 on: a message with a zero is empty.
        for number in range(1, requests + 1):
            if number % RENEW == 1:
                self.renew()
            client = self.clients[number % len(self.kinds)]
            client.line.doing = f"{client.name}, request {number}"
            self._send(client, client.request(number))
            client.answer(number)
            if self.stalls:
                raise self.server.stalled(self.stalls[0])
        self.close()
        return time.monotonic() - started

    def renew(self) -> None:
        """New connections."""
        self.close()
        self.clients = [kind(self.watch, self.server.address) for kind in self.kinds]

    def close(self) -> None:
        """No connections."""
        for client in self.clients:
            client.line.close()
        self.clients = []

    def _send(self, client: raw.Http1 | raw.Http2, data: bytes) -> None:
        chance = self.random.random()
        if chance < 0.005:
            time.sleep(self.random.uniform(0, 0.012))
        elif chance < 0.025:
            cut = self.random.randrange(1, len(data))
            client.line.sendall(data[:cut])
            if chance < 0.01:
                time.sleep(self.random.uniform(0, 0.001))
            data = data[cut:]
        client.line.sendall(data)


def run(plan: Plan) -> list[Row]:
    """On both kinds of loop."""
    return [_run(plan, loop) for loop in ("uvloop", "asyncio")]


def _run(plan: Plan, loop: str) -> Row:
    requests = int(REQUESTS * plan.scale)
    stalls: list[Stall] = []
    with Server(plan.protos, loop=loop) as server, watching(server.pid, stalls.append) as watch:
        exchanges = Exchanges(server, watch, random.Random(f"{plan.seed} {loop}"), stalls)
        exchanges.run(WARM_UP)
        seconds, left = kept(server, lambda: exchanges.run(requests), blocks=BLOCKS, memory=MEMORY)
        server.check_log()
    wait = f"longest wait {watch.longest * 1000:.0f} ms"
    return Row(loop, f"{requests:,} requests, {requests / seconds:,.0f} a second, {wait}", left)
