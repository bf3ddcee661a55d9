"""What the kernel tells of a process: its time on the processors, its threads, its descriptors, where it stands."""

import contextlib
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Activity:
    """How much a process had done by some moment, in nanoseconds."""

    # On a processor.
    used: int
    # Runnable, without a processor: a machine with other work makes it wait.
    waited: int
    # Whether a thread is running or runnable, or in the disk's hands, right now.
    busy: bool
    threads: frozenset[int]

    def since(self, before: "Activity") -> int:
        """Nanoseconds it has used or waited for a processor since then."""
        return self.used + self.waited - before.used - before.waited


def activity(pid: int) -> Activity:
    """The sum over the threads; where the kernel keeps no schedstat, by the clock's ticks of stat."""
    used = waited = 0
    busy = False
    threads: set[int] = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        # A thread may end meanwhile.
        with contextlib.suppress(OSError):
            fields = (task / "stat").read_text().rpartition(")")[2].split()
            threads.add(int(task.name))
            busy = busy or fields[0] in "RD"
            try:
                on_processor, in_queue, _ = (task / "schedstat").read_text().split()
            except FileNotFoundError:
                on_processor, in_queue = str((int(fields[11]) + int(fields[12])) * TICK), "0"
            used += int(on_processor)
            waited += int(in_queue)
    return Activity(used, waited, busy, frozenset(threads))


def threads(pid: int) -> int:
    """How many threads it has, Python's and others."""
    return len(os.listdir(f"/proc/{pid}/task"))  # noqa: PTH208 - names are enough


def descriptors(pid: int) -> Counter[str]:
    """What its descriptors are: files and pipes by name, sockets and the like by kind."""
    found: Counter[str] = Counter()
    folder = Path(f"/proc/{pid}/fd")
    for entry in folder.iterdir():
        with contextlib.suppress(OSError):
            target = str(entry.readlink())
            found[target if target.startswith(("/", "anon_inode:")) else target.partition(":")[0]] += 1
    return found


def places(pid: int) -> str:
    """Where the kernel sees each thread."""
    lines: list[str] = []
    for task in sorted(Path(f"/proc/{pid}/task").iterdir(), key=lambda task: int(task.name)):
        told = [f"thread {task.name}"]
        for name in ("comm", "wchan", "syscall", "stack"):
            with contextlib.suppress(OSError):
                told.append(f"{name} {(task / name).read_text().strip()!r}")
        with contextlib.suppress(OSError):
            status = (task / "status").read_text().splitlines()
            told += [line.replace("\t", " ") for line in status if line.startswith(("State", "voluntary", "nonvoluntary"))]
        lines.append(", ".join(told))
    return "\n".join(lines)


def queues(local: tuple[str, int], peer: tuple[str, int]) -> str:
    """What the kernel holds for both ends of an IPv4 connection: bytes not yet read, bytes not yet acknowledged."""
    ends = {_hexadecimal(local): "client", _hexadecimal(peer): "server"}
    lines: list[str] = []
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1] in ends and fields[2] in ends:
            unacknowledged, unread = (int(part, 16) for part in fields[4].split(":"))
            lines.append(f"{ends[fields[1]]}'s end: {unread} bytes unread, {unacknowledged} unacknowledged, state {fields[3]}")
    return "; ".join(lines) or "the kernel knows no such connection any more"


def _hexadecimal(address: tuple[str, int]) -> str:
    packed = bytes(int(part) for part in reversed(address[0].split(".")))
    return f"{packed.hex().upper()}:{address[1]:04X}"
