"""What is done to a server once it answers, and the figures that come of it."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench import machine
from bench.load import Load, LoadError
from bench.servers import Server

WARM_UP_SECONDS = 1
Figures = dict[str, float]


@dataclass(frozen=True)
class Column:
    """A figure as the table shows it."""

    key: str
    title: str
    form: str = "{:,.0f}"
    more_is_better: bool = False


RATE = Column("rps", "requests/s", more_is_better=True)
CPU = Column("cpu_us", "CPU us/request", "{:.1f}")
OWN_CPU = Column("own_cpu_us", "of it not the proxy's", "{:.1f}")
MEMORY = Column("peak_mib", "peak MiB", "{:.0f}")
P50, P99 = Column("p50_ms", "p50 ms", "{:.3f}"), Column("p99_ms", "p99 ms", "{:.3f}")
P999, WORST = Column("p999_ms", "p99.9 ms", "{:.3f}"), Column("max_ms", "max ms", "{:.2f}")


@dataclass(frozen=True)
class Bench:
    """The circumstances of one measurement."""

    port: int
    seconds: int
    client_cores: set[int]
    folder: Path
    peer: str


class Measure(Protocol):
    """A way to get figures of a server."""

    # The first column is the one that ratios are of.
    columns: tuple[Column, ...]

    def describe(self) -> str:
        """What is done, in short."""
        ...

    def take(self, server: Server, bench: Bench) -> Figures:
        """Measures once."""
        ...


@dataclass(frozen=True)
class Throughput:
    """As many requests as the server can take."""

    load: Load
    columns: tuple[Column, ...] = (RATE, CPU, MEMORY)

    def describe(self) -> str:
        """The load generator's command."""
        return self.load.describe()

    def take(self, server: Server, bench: Bench) -> Figures:
        """One run after a short one that warms up."""
        self.load.run(bench.port, WARM_UP_SECONDS, bench.client_cores, bench.folder)
        before = server.usage()
        seen = self.load.run(bench.port, bench.seconds, bench.client_cores, bench.folder)
        after = server.usage()
        each = 1e6 / seen.requests
        cpu, own = after.cpu_seconds - before.cpu_seconds, after.first_cpu_seconds - before.first_cpu_seconds
        return {"rps": seen.rate, "cpu_us": cpu * each, "own_cpu_us": own * each, "peak_mib": after.peak_mib}


WITH_FRONT = (RATE, CPU, OWN_CPU, MEMORY)


@dataclass(frozen=True)
class Download:
    """A table of so many rows as lines of JSON, again and again, each byte of which is compared."""

    rows: int
    columns: tuple[Column, ...] = (
        Column("mb_s", "MB/s", more_is_better=True),
        Column("rows_s", "messages/s", more_is_better=True),
        Column("cpu_ms", "CPU ms/MB", "{:.2f}"),
        MEMORY,
        Column("more_mib", "of it since before", "{:.1f}"),
    )

    def describe(self) -> str:
        """How many."""
        return f"{self.rows:,} messages of a kilobyte as lines of JSON on one connection"

    def take(self, server: Server, bench: Bench) -> Figures:
        """At least one after a short one that warms up."""
        client("bench.json_lines", bench, str(self.rows // 100), "0")
        before = server.usage()
        seen = client("bench.json_lines", bench, str(self.rows), str(bench.seconds))
        after = server.usage()
        megabytes = seen["bytes"] / 1e6
        return {
            "mb_s": megabytes / seen["seconds"],
            "rows_s": seen["rows"] / seen["seconds"],
            "cpu_ms": (after.cpu_seconds - before.cpu_seconds) * 1e3 / megabytes,
            "peak_mib": after.peak_mib,
            "more_mib": after.peak_mib - before.peak_mib,
        }


@dataclass(frozen=True)
class FixedRate:
    """The latencies at a rate that everybody can keep, counted from when a request was due, not from when it was sent."""

    rate: int
    connections: int = 32
    protocol: str = "http1"
    columns: tuple[Column, ...] = (P99, P50, P999, WORST, CPU)

    def describe(self) -> str:
        """The rate."""
        return f"{self.rate:,} requests/s on {self.connections} connections"

    def take(self, server: Server, bench: Bench) -> Figures:
        """One run after a short one that warms up."""
        self._run(bench, WARM_UP_SECONDS)
        before = server.usage()
        figures = self._run(bench, bench.seconds)
        cpu = server.usage().cpu_seconds - before.cpu_seconds
        return {**figures, "cpu_us": cpu * 1e6 / (self.rate * bench.seconds)}

    def _run(self, bench: Bench, seconds: int) -> Figures:
        return client("bench.fixed_rate", bench, self.protocol, str(self.rate), str(seconds), str(self.connections))


@dataclass(frozen=True)
class Health:
    """The latencies of gRPC health checks while a handler holds up the event loop, again and again, for 200 ms."""

    rate: int = 100
    columns: tuple[Column, ...] = (P99, P50, WORST)

    def describe(self) -> str:
        """The rate."""
        return f"{self.rate} checks/s beside one call at a time that blocks for 200 ms"

    def take(self, server: Server, bench: Bench) -> Figures:
        """One run; which way the handler blocks is in the peer's name."""
        how = "spin" if "spin" in bench.peer else "sleep"
        return client("bench.health", bench, str(self.rate), str(bench.seconds), how)


@dataclass(frozen=True)
class StartUp:
    """From the command to the first right answer, measured by asking every millisecond."""

    columns: tuple[Column, ...] = (Column("start_ms", "start-up ms", "{:.0f}"), MEMORY)

    def describe(self) -> str:
        """What counts."""
        return "from the start of the command to the first right answer"

    def take(self, server: Server, bench: Bench) -> Figures:
        """The server noted it when it was waited for."""
        return {"start_ms": server.started_in * 1000, "peak_mib": server.usage().peak_mib}


@dataclass(frozen=True)
class IdleStreams:
    """The memory for streams on which nothing happens, after each was answered once."""

    connections: int
    streams: int
    columns: tuple[Column, ...] = (
        Column("stream_kib", "KiB for a stream", "{:.2f}"),
        Column("resident_mib", "MiB with all", "{:.0f}"),
        Column("before_mib", "MiB before", "{:.0f}"),
    )

    def describe(self) -> str:
        """How many."""
        return f"{self.streams} streams on each of {self.connections} connections"

    def take(self, server: Server, bench: Bench) -> Figures:
        """Looks at the server before, and while a client holds the streams."""
        before = server.usage().resident_mib
        holding = subprocess.Popen(
            own_client("bench.idle_streams", bench, str(self.connections), str(self.streams)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=machine.ROOT,
        )
        with holding:
            assert holding.stdout is not None, "it is a pipe"
            ready = holding.stdout.readline()
            resident = server.usage().resident_mib
            _, errors = holding.communicate()
        if holding.returncode or not ready:
            raise LoadError(errors.strip()[-1000:])
        opened = json.loads(ready)["streams"]
        return {"stream_kib": (resident - before) * 1024 / opened, "resident_mib": resident, "before_mib": before}


def own_client(module: str, bench: Bench, *arguments: str) -> list[str]:
    """The command of one of our own clients, which pins itself to the client's core: its threads are made after that."""
    cores = ",".join(map(str, sorted(bench.client_cores)))
    return [sys.executable, "-m", module, cores, str(bench.port), *arguments]


def client(module: str, bench: Bench, *arguments: str) -> Figures:
    """Runs one of our own clients to its end; it prints its figures as JSON."""
    command = own_client(module, bench, *arguments)
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=machine.ROOT)
    if done.returncode:
        raise LoadError(done.stderr.strip()[-1000:])
    return json.loads(done.stdout)
