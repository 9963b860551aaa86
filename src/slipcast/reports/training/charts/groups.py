"""Charts of weaker slices of the holdout, and of gaps between groups."""

from typing import Any

from markupsafe import Markup

from slipcast.reports.figures import BLUE, GREY, INK, VERMILION, chart
from slipcast.reports.formatting import clean, number, plain, short

MOST = 20
MEASURES = {
    "selection_rate": "share warned",
    "false_negative_rate": "delays missed",
    "calibration_gap": "forecast minus late",
}


def slices(record: dict[str, Any]) -> Markup | None:
    """Return the Brier score of the weakest slices with 95 % intervals and that of the whole holdout."""
    worst = record["slices"]["worst"]
    rows = sorted((row for row in record["slices"]["rows"] if row["brier"] is not None), key=lambda row: -row["brier"])
    rows = rows[:MOST]
    if not rows:
        return None
    overall = record["metrics"]["brier"]
    said = "; ".join(f"{plain(row['column'])} {short(row['value'])} {number(row['brier'], 4)}" for row in rows)
    with chart("slices", "Brier score of slices of the holdout", said, height=0.95 + 0.24 * len(rows)) as drawn:
        axes = drawn.axes(grid="x")
        for place, row in enumerate(rows):
            named = worst is not None and (row["column"], row["value"]) == (worst["column"], worst["value"])
            color = VERMILION if named else BLUE
            if row["brier_ci"] is not None:
                axes.plot(row["brier_ci"], [place, place], color=color, linewidth=1.4)
            axes.plot(row["brier"], place, "D" if named else "o", color=color, markersize=5.5)
        names = [f"{plain(row['column'])}: {clean(row['value'])}" for row in rows]
        _places(axes, [f"{short(name)} ({number(row['n'])})" for name, row in zip(names, rows, strict=True)])
        axes.axvline(overall, color=GREY, linestyle="--", linewidth=1.2, label=f"whole holdout {number(overall, 4)}")
        axes.set_xlabel("Brier score, lower is better")
        axes.locator_params(axis="x", nbins=5)
        drawn.figure.legend(loc="outside lower center")
    return drawn.markup


def gaps(record: dict[str, Any]) -> Markup | None:
    """Return the largest gap between two groups for each column and measure, with its 95 % interval and its limit."""
    rows = [row for row in record["fairness"]["gaps"] if row["gap"] is not None][:MOST]
    if not rows:
        return None
    said = "; ".join(
        f"{plain(row['column'])}, {MEASURES.get(row['measure'], plain(row['measure']))}: {number(row['gap'])}, "
        f"limit {number(row['limit'])}"
        for row in rows
    )
    with chart("gaps", "Gaps between groups and their limits", said, height=0.95 + 0.27 * len(rows)) as drawn:
        axes = drawn.axes(grid="x")
        marks: dict[str, Any] = {}
        for place, row in enumerate(rows):
            color = VERMILION if row["broken"] else BLUE
            if row["gap_ci"] is not None:
                axes.plot(row["gap_ci"], [place, place], color=color, linewidth=1.4)
            label = "gap above its limit" if row["broken"] else "gap within its limit"
            (marks[label],) = axes.plot(row["gap"], place, "D" if row["broken"] else "o", color=color, markersize=5.5)
            if row["limit"] is not None:
                x = row["limit"]
                (marks["limit"],) = axes.plot([x, x], [place - 0.35, place + 0.35], color=INK, linewidth=2.2)
        names = [f"{short(plain(row['column']), 14)}: {MEASURES.get(row['measure'], row['measure'])}" for row in rows]
        _places(axes, names)
        axes.set_xlim(left=min(0.0, axes.get_xlim()[0]))
        axes.locator_params(axis="x", nbins=5)
        drawn.figure.legend(marks.values(), marks.keys(), loc="outside lower center", ncols=2)
    return drawn.markup


def _places(axes: Any, names: list[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
