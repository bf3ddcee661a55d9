"""The bar chart of all results of an interpreter: one panel for each scenario, as SVG and PNG."""

from typing import Any

import matplotlib

matplotlib.use("agg")
# Text stays text, and the same figures give the same file.
matplotlib.rcParams["svg.fonttype"] = "none"
matplotlib.rcParams["svg.hashsalt"] = "narthex"

from matplotlib import pyplot  # noqa: E402 - after the settings
from matplotlib.axes import Axes  # noqa: E402

from bench import report  # noqa: E402

OURS, THEIRS, INK = "#c8553d", "#9aa5b1", "#1f2933"
COLUMNS, MOST_BARS = 2, 5


def draw(order: list[str]) -> list[str]:
    """Draws what there is, in this order; returns the names of the files."""
    found = report.read()
    results = [found[name] for name in order if name in found and any(row["figures"] for row in found[name]["servers"])]
    if not results:
        return []
    rows = -(-len(results) // COLUMNS)
    figure, axes = pyplot.subplots(rows, COLUMNS, figsize=(12, 1.9 * rows), squeeze=False, layout="constrained")
    for place, axis in enumerate(axes.flat):
        if place < len(results):
            _panel(axis, results[place])
        else:
            axis.set_axis_off()
    python = results[0]["interpreter"]
    figure.suptitle(
        f"{python['implementation']} {python['version']}, one worker on one core of a {results[0]['machine']['cpu']}",
        fontsize=10,
        color=INK,
    )
    paths = [report.folder() / f"chart.{kind}" for kind in ("svg", "png")]
    for path in paths:
        figure.savefig(path, dpi=110, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(figure)
    return [str(path.relative_to(report.RESULTS.parent.parent)) for path in paths]


def _panel(axis: Axes, result: dict[str, Any]) -> None:
    lead = result["columns"][0]
    rows = [row for row in result["servers"] if row["figures"]]
    values = [row["figures"][lead["key"]] for row in rows]
    colours = [OURS if row["ours"] else THEIRS for row in rows]
    bars = axis.barh([row["server"] for row in rows], values, color=colours, height=0.7)
    labels = [lead["form"].format(value) for value in values]
    axis.bar_label(bars, labels, padding=3, fontsize=8, color=INK)
    # Bars are as high in every panel, however many there are.
    axis.set_ylim(MOST_BARS - 0.4, -0.6)
    axis.set_xlim(0, max(values) * 1.18)
    axis.set_xticks([])
    axis.tick_params(axis="y", length=0, labelsize=8, labelcolor=INK)
    axis.spines[["top", "right", "bottom"]].set_visible(False)
    better = "more" if lead["more_is_better"] else "less"
    axis.set_title(f"{result['title']}: {lead['title']} ({better} is better)", fontsize=9, loc="left", color=INK)
