"""All results of an interpreter in one Markdown page beside its chart."""

from collections.abc import Iterator
from typing import Any

from bench import report

PAGE = "README.md"


def write(order: list[str]) -> list[str]:
    """Writes the page of what there is, in this order; returns its name."""
    found = report.read()
    results = [found[name] for name in order if name in found]
    if not results:
        return []
    path = report.folder() / PAGE
    path.write_text("\n".join(_page(results)) + "\n")
    return [str(path.relative_to(report.RESULTS.parent.parent))]


def _page(results: list[dict[str, Any]]) -> Iterator[str]:
    python, computer = results[0]["interpreter"], _computer(results[0])
    yield f"# {python['implementation']} {python['version']}"
    yield ""
    yield f"One worker on one core of {computer}, where nothing else is said."
    yield "Written by `make bench`; the method is in [bench/README.md](../../README.md), every round in the JSON files."
    yield ""
    yield "![The chart](chart.svg)"
    for result in results:
        yield ""
        yield from _scenario(result, "" if _computer(result) == computer else f" On one core of {_computer(result)}.")


def _computer(result: dict[str, Any]) -> str:
    computer = result["machine"]
    return f"{computer['cores']} of {'a virtual' if computer['virtual'] else 'an'} {computer['cpu']}"


def _scenario(result: dict[str, Any], elsewhere: str) -> Iterator[str]:
    method, columns = result["method"], result["columns"]
    yield f"## {result['scenario']}: {result['title']}"
    yield ""
    yield (
        f"{method['measure']}; {method['cores']}; medians of {method['rounds']} x {method['seconds']} s; "
        f"commit {result['commit']}, {result['date']}.{elsewhere}"
    )
    yield ""
    for warning in filter(None, (report.unpublished(result), report.disturbed(result))):
        yield f"**{warning[0].upper()}{warning[1:]}.**"
        yield ""
    yield _row(["", *(column["title"] for column in columns), "ours is"])
    yield _row(["---", *("---:" for _ in columns), "---:"])
    for row in result["servers"]:
        yield _row(_server(row, columns))
    for verdict in result["expectations"]:
        word = {True: "met", False: "**not met**", None: "unknown"}[verdict["met"]]
        yield ""
        yield f"Expected {verdict['expected']}: {verdict['measured']}, {word}."


def _server(row: dict[str, Any], columns: list[dict[str, Any]]) -> list[str]:
    name = f"{row['server']} ({row['note']})" if row["note"] else row["server"]
    if not row["figures"]:
        return [f"{name}: refused, its answers were wrong", *("-" for _ in columns), ""]
    figures = [column["form"].format(row["figures"][column["key"]]) for column in columns]
    return [name, *figures, f"{row['ratio']:.2f} x" if "ratio" in row and not row["ours"] else ""]


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
