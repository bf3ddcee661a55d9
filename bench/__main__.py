"""``python -m bench [SCENARIO ...]``: measures, prints tables, writes bench/results with a page and a chart of all."""

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from bench import chart, machine, report, summary
from bench.load import require_generators
from bench.runner import Settings, compile_protos, run
from bench.scenarios import SCENARIOS


def main() -> int:
    """Runs what was asked for; 1 if a server was refused."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("scenario", nargs="*", help="which to run: all unless named")
    parser.add_argument("--seconds", type=int, default=5, help="how long each run measures (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="how many runs the medians are of (default: %(default)s)")
    parser.add_argument("--only", action="append", help="only servers with this in their names; nothing is written")
    parser.add_argument("--list", action="store_true", help="list the scenarios")
    parser.add_argument("--chart", action="store_true", help="only draw and write what shows the results that there are")
    options = parser.parse_args()
    names = [scenario.name for scenario in SCENARIOS]
    if options.list:
        print("\n".join(f"{scenario.name:22} {scenario.title}" for scenario in SCENARIOS))
        return 0
    if options.chart:
        print("\n".join(chart.draw(names) + summary.write(names)))
        return 0
    if unknown := [name for name in options.scenario if name not in names]:
        parser.error(f"no such scenario: {', '.join(unknown)}; there are {', '.join(names)}")
    require_generators()
    # The servers are ended on the way out, whichever way that is.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    machine.cores()
    machine.wheel()
    if (load := machine.busy()) > machine.QUIET_LOAD:
        print(f"The load average is {load:.2f}: something else runs here; do not trust the figures.", file=sys.stderr)
    refused = False
    with tempfile.TemporaryDirectory(prefix="narthex-bench-") as folder:
        protos = compile_protos(Path(folder))
        for scenario in SCENARIOS:
            if options.scenario and scenario.name not in options.scenario:
                continue
            result = run(scenario, Settings(options.seconds, options.rounds), protos, options.only)
            report.judge(result, scenario.expectations)
            if not options.only:
                report.write(result)
            print(report.table(result), end="\n\n", flush=True)
            refused = refused or any(row["refused"] for row in result["servers"])
    if not options.only:
        for path in chart.draw(names) + summary.write(names):
            print(f"written: {path}")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
