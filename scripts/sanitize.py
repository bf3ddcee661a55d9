"""Runs the reactor's tests under loom, Miri and ThreadSanitizer, and says which of them could not run here, and why.

loom needs no more than Cargo; the others need the nightly toolchain with the components `miri` and `rust-src`, which are
installed if rustup may. What did not run is written as cargo writes an ignored test, for `not_run.py`.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from rustup import CannotInstallError, component

NIGHTLY = os.environ.get("NIGHTLY", "nightly")
TARGET = "x86_64-unknown-linux-gnu"
CRATE = ["--locked", "-p", "narthex-reactor"]


def cargo(target: Path, *arguments: str, **environment: str) -> None:
    """A run of cargo, in a target directory of its own so that the flags of one do not rebuild the others."""
    # The descriptors that MAKEFLAGS speaks of are make's: Python does not pass them on.
    own = {"CARGO_TARGET_DIR": str(target), "MAKEFLAGS": ""}
    subprocess.run(["cargo", *arguments], env=os.environ | environment | own, check=True)


def loom(target: Path) -> None:
    """Every order of the steps of the wake-up protocol and of readiness, on the real code."""
    cargo(target, "test", *CRATE, "--lib", "interleavings", RUSTFLAGS="--cfg loom")


def thread_sanitizer(target: Path) -> None:
    """Data races: all tests, with a standard library that is instrumented too."""
    component(NIGHTLY, "rust-src")
    cargo(
        target,
        f"+{NIGHTLY}",
        "test",
        *CRATE,
        "-Zbuild-std",
        f"--target={TARGET}",
        "--tests",
        RUSTFLAGS="-Zsanitizer=thread",
        TSAN_OPTIONS="second_deadlock_stack=1",
    )


def miri(target: Path) -> None:
    """Undefined behaviour: the tests of tasks, on Miri's own epoll; it has no sockets and no timerfd."""
    component(NIGHTLY, "miri")
    cargo(
        target,
        f"+{NIGHTLY}",
        "miri",
        "test",
        *CRATE,
        "--test=it",
        "tasks::",
        MIRIFLAGS="-Zmiri-disable-isolation",
        RUST_BACKTRACE="0",  # Miri is slow to make one, and some tests panic on purpose.
    )


def main(results: Path) -> int:
    """Runs them all; the number that failed."""
    results.mkdir(parents=True, exist_ok=True)
    root = Path(os.environ.get("CARGO_TARGET_DIR", "target"))
    left_out: list[str] = []
    failed = 0
    for tool in (loom, thread_sanitizer, miri):
        start = time.monotonic()
        name = tool.__name__
        print(f"---- {name}", flush=True)
        try:
            tool(root / name)
        except CannotInstallError as reason:
            left_out.append(f"test sanitize::{name} ... ignored, {reason}")
            print(f"not run: {reason}")
        except subprocess.CalledProcessError as error:
            failed += 1
            print(f"{name} failed: {error}", file=sys.stderr)
        else:
            print(f"{name} passed in {time.monotonic() - start:.0f} s", flush=True)
    (results / "sanitize.log").write_text("".join(f"{line}\n" for line in left_out))
    return failed


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
