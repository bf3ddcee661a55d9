"""Results as JSON under bench/results, and as a table for a person."""

import json
from pathlib import Path
from typing import Any

from bench import machine
from bench.expected import Expectation, Verdict

RESULTS = Path(__file__).resolve().parent / "results"


def folder() -> Path:
    """Where the results of this interpreter are."""
    return RESULTS / machine.folder()


def judge(result: dict[str, Any], expectations: tuple[Expectation, ...]) -> None:
    """Adds ratios and verdicts."""
    lead = result["columns"][0]
    ours = next((row for row in result["servers"] if row["ours"] and row["figures"]), None)
    for row in result["servers"]:
        if ours is not None and row["figures"]:
            own, other = ours["figures"][lead["key"]], row["figures"][lead["key"]]
            # Above 1 always means that ours is better.
            row["ratio"] = round(own / other if lead["more_is_better"] else other / own, 3)
    verdicts = [expectation.judge(result["servers"]) for expectation in expectations]
    result["expectations"] = [vars(verdict) for verdict in verdicts]


def write(result: dict[str, Any]) -> None:
    """Writes the scenario's file."""
    folder().mkdir(parents=True, exist_ok=True)
    (folder() / f"{result['scenario']}.json").write_text(json.dumps(result, indent=1) + "\n")


def read() -> dict[str, dict[str, Any]]:
    """All results of this interpreter, by scenario."""
    found = {}
    for path in folder().glob("*.json"):
        result = json.loads(path.read_text())
        if "scenario" in result:
            found[result["scenario"]] = result
    return found


def disturbed(result: dict[str, Any]) -> str:
    """What to say of a result that others had a part in; else nothing."""
    others = max((figures["others"] for row in result["servers"] for figures in row["rounds"]), default=0.0)
    if others <= machine.QUIET_OTHERS:
        return ""
    return f"not quiet: meanwhile others used up to {others:.0%} of a core; do not trust these figures"


def unpublished(result: dict[str, Any]) -> str:
    """What to say of a result of another wheel than that which is published; else nothing."""
    kind = result.get("wheel", "plain")
    # What is Rust alone has no wheel.
    served = any(row["ours"] and "tonic" not in row["server"] for row in result["servers"])
    return f"narthex is a {kind} release build, slower than what is published" if served and kind != "profile-guided" else ""


def table(result: dict[str, Any]) -> str:
    """The result as text, with the ratio of ours to each."""
    python, method = result["interpreter"], result["method"]
    lines = [
        f"{result['title']} ({result['scenario']})",
        f"  {python['implementation']} {python['version']}; {method['measure']}; {method['cores']}; "
        f"median of {method['rounds']} x {method['seconds']} s",
    ]
    columns = result["columns"]
    cells = [["", *(column["title"] for column in columns), "ours is"]]
    for row in result["servers"]:
        name = f"{row['server']} ({row['note']})" if row["note"] else row["server"]
        figures = row["figures"]
        ratio = "" if row["ours"] and row.get("ratio") == 1 else f"{row['ratio']:.2f} x" if "ratio" in row else ""
        cells.append([name, *(column["form"].format(figures[column["key"]]) if figures else "-" for column in columns), ratio])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        figures = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        lines.append("  ".join(["  " + row[0].ljust(widths[0]), *figures]).rstrip())
    lines += [f"  {warning}" for warning in (unpublished(result), disturbed(result)) if warning]
    for row in result["servers"]:
        if row["refused"]:
            lines.append(f"  not reported: {row['server']}: {row['refused'].strip().splitlines()[0][:300]}")
    for verdict in (Verdict(**found) for found in result["expectations"]):
        word = {True: "met", False: "NOT MET", None: "unknown"}[verdict.met]
        lines.append(f"  expected {verdict.expected}: {verdict.measured}: {word}")
    return "\n".join(lines)
