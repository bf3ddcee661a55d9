"""Nothing is left behind: tasks, threads, descriptors and memory, counted before and after.

Tasks, threads and descriptors must be the same. Memory must have grown less than the leak that matters: what is allocated once
(a cache, a pool's arena) is found by a first pass, so each scenario runs a part of itself before it counts.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from stress import process
from stress.failures import Failed
from stress.server import Server

T = TypeVar("T")

# How long after the last exchange whatever is on its way out may take: handlers that go on after their client has left,
# the kernel's news of a client's end, all on a machine with other work.
PATIENCE = 20.0
# Threads that are made when needed, up to a bound, and stay: lanes and executors.
POOLS = ("narthex-lane", "asyncio_", "ThreadPoolExecutor")


@dataclass(frozen=True)
class Count:
    """What a server has at one moment."""

    tasks: Counter[str]
    threads: Counter[str]
    native_threads: int
    descriptors: Counter[str]
    blocks: int
    anonymous: int

    def left_behind(self, before: "Count") -> list[str]:
        """What is there besides what was there before, and what is missing."""
        found: list[str] = []
        for name, mine, theirs in (
            ("task", self.tasks, before.tasks),
            ("thread", self.threads, before.threads),
            ("descriptor", self.descriptors, before.descriptors),
        ):
            found += [f"{count} {name}(s) more: {what}" for what, count in (mine - theirs).items()]
            found += [f"{count} {name}(s) fewer: {what}" for what, count in (theirs - mine).items()]
        if self.native_threads != before.native_threads:
            found.append(f"{self.native_threads} threads instead of {before.native_threads}")
        return found


def count(server: Server) -> Count:
    """Counts."""
    told = server.ask("count")
    pooled = Counter({name: number for name, number in told["threads"].items() if name.startswith(POOLS)})
    return Count(
        tasks=Counter(told["tasks"]),
        threads=Counter(told["threads"]) - pooled,
        native_threads=process.threads(server.pid) - pooled.total(),
        descriptors=process.descriptors(server.pid),
        blocks=told["blocks"],
        anonymous=told["anonymous"],
    )


def settled(server: Server, like: Count | None = None) -> Count:
    """Counts when all is quiet: when it is as before or, without a before, when two counts agree."""
    deadline = time.monotonic() + PATIENCE
    last: Count | None = None
    while True:
        now = count(server)
        if like is not None:
            if not (left := now.left_behind(like)):
                return now
            if time.monotonic() > deadline:
                raise Failed("left behind:\n  " + "\n  ".join(left) + "\n" + "\n".join(server.ask("tasks")))
        elif last is not None and not now.left_behind(last) and abs(now.blocks - last.blocks) < 50:
            return now
        elif time.monotonic() > deadline:
            raise Failed("the server does not come to rest")
        last = now
        time.sleep(0.1)


class Grown(Failed):
    """There is more memory than before."""


def kept(server: Server, work: Callable[[], T], *, blocks: int, memory: int) -> tuple[T, str]:
    """What the work returns, and what was kept after it; where that is too much, the work is done once more.

    A leak grows each time. The interpreter's and the allocators' own ups and downs, which a single comparison of 100,000
    requests has been seen to catch, do not.
    """
    balance = Balance(server)
    done = work()
    try:
        return done, balance.check(blocks=blocks, memory=memory)
    except Grown as grown:
        print(f"  {grown}\n  Once more: a leak grows each time.", flush=True)
    balance = Balance(server)
    return work(), balance.check(blocks=blocks, memory=memory)


class Balance:
    """What a server had before, to be compared with what it has in the end."""

    def __init__(self, server: Server) -> None:
        self._server = server
        # First, since asking for it the first time leaves something itself.
        self._objects: dict[str, int] = server.ask("objects")
        self._before = settled(server)

    def check(self, *, blocks: int, memory: int) -> str:
        """Fails unless all is as before, but for so many of Python's blocks and bytes of memory; says what they were."""
        after = settled(self._server, like=self._before)
        more_blocks = after.blocks - self._before.blocks
        more_memory = after.anonymous - self._before.anonymous
        said = f"{more_blocks:+} blocks, {more_memory // 1024:+} KiB"
        if more_blocks > blocks or more_memory > memory:
            raise Grown(
                f"memory has grown: {said} (at most {blocks} and {memory // 1024} KiB are nobody's leak)\n{self._grown()}"
            )
        return said

    def _grown(self) -> str:
        now: dict[str, int] = self._server.ask("objects")
        more = Counter(now) - Counter(self._objects)
        return "objects more: " + ", ".join(f"{name} {number}" for name, number in more.most_common(12))
