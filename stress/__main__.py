"""``python -m stress [SCENARIO ...]``: runs the scenarios, prints what was counted, and exits with 1 if anything was wrong."""

import argparse
import importlib
import random
import resource
import signal
import sys
import time
import traceback

from stress import server
from stress.failures import Failed, NotRun
from stress.plan import Plan, Row

SCENARIOS = {
    "one-at-a-time": "requests one at a time over three protocols, each answer checked",
    "mixed": "all flows at once, with clients that leave at every point of the exchange",
    "upstream": "calls that are forwarded, and clients that leave theirs",
    "handlers": "handlers that block, spin, raise, never finish, go on after the client left",
    "python-io": "sockets, subprocesses, threads, database drivers inside handlers",
    "idle": "10,000 idle connections",
    "storm": "thousands of connections a second that come and go",
    "exhaustion": "more clients than descriptors",
}
# How long a run of everything takes by default.
MINUTES = 5.0
NOTE_LINES = 30


def main() -> int:
    """Runs what was asked for."""
    parser = argparse.ArgumentParser(prog="stress", description=__doc__)
    parser.add_argument("scenario", nargs="*", help=f"which to run: all unless named ({', '.join(SCENARIOS)})")
    parser.add_argument(
        "--minutes", type=float, default=MINUTES, help="about how long all of it may take (default: %(default)g)"
    )
    parser.add_argument("--seed", type=int, help="of all that is random; a run's own is printed")
    options = parser.parse_args()
    if unknown := [name for name in options.scenario if name not in SCENARIOS]:
        parser.error(f"no such scenario: {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1_000_000)
    # Servers are ended on the way out, whichever way that is.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    _raise_limit()
    print(f"CPython {sys.version.split()[0]}, about {options.minutes:g} minutes for all of it, SEED={seed}", flush=True)
    failures: list[str] = []
    with server.compiled() as protos:
        sys.path.insert(0, str(protos))
        plan = Plan(options.minutes / MINUTES, seed, protos)
        for name in options.scenario or SCENARIOS:
            if account := _run(name, plan):
                failures.append(account)
    print("Not run: " + ("; ".join(plan.not_run) or "nothing"))
    for account in failures:
        print(f"\nFAILED: {account}", file=sys.stderr)
    if failures:
        print(f"\nAgain: make stress SEED={seed}", file=sys.stderr)
    return 1 if failures else 0


def _run(name: str, plan: Plan) -> str | None:
    """Runs a scenario and prints its rows; returns the account of its failure."""
    print(f"\n{name}: {SCENARIOS[name]}", flush=True)
    started = time.monotonic()
    account = None
    try:
        rows: list[Row] = importlib.import_module(f"stress.scenarios.{name.replace('-', '_')}").run(plan)
        width = max(len(row.what) for row in rows)
        for row in rows:
            print(f"  {row.what:{width}}  {row.counted}" + (f"; left behind: {row.kept}" if row.kept else ""))
    except NotRun as reason:
        plan.not_run.append(f"{name}: {reason}")
        print(f"  not run: {reason}")
    except Failed as failure:
        account = "\n".join([f"{name}: {failure}", *map(_shortened, getattr(failure, "__notes__", []))])
        print(f"  FAILED: {str(failure).splitlines()[0]}")
    except Exception:
        account = f"{name}: {traceback.format_exc()}"
        print("  FAILED: an error of its own")
    print(f"  {time.monotonic() - started:.0f} s", flush=True)
    return account


def _shortened(note: str) -> str:
    """The first line and the last ones: a server's whole log may be in it."""
    first, *rest = note.splitlines()
    return "\n".join([first, *(["..."] if len(rest) > NOTE_LINES else []), *rest[-NOTE_LINES:]])


def _raise_limit() -> None:
    """As many descriptors as may be had, for the clients and for the servers that inherit it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
