"""Charts of the scoreboard. Each returns an SVG, or None if there is nothing to draw."""

from typing import Any

from markupsafe import Markup

from slipcast.reports.figures import BLUE, GREY, INK, VERMILION, chart
from slipcast.reports.formatting import percent, plain, short

LEVELS = {"p10": ("P10", 0.1), "p50": ("P50", 0.5), "p80": ("P80", 0.8), "p90": ("P90", 0.9)}
# More rows make a chart too long for a screen; the table has them all.
MOST_BARS = 15


def levels(total: dict[str, Any] | None) -> Markup | None:
    """Return for each level the share of finishes that came by its date, next to what the level says."""
    shown = [(name, *words) for name, words in LEVELS.items() if total and total[f"{name}_judged"]]
    if not total or not shown:
        return None
    parts = [
        f"{label}: {percent(total[f'{name}_held'])} held, {percent(wanted, 0)} said" for name, label, wanted in shown
    ]
    with chart("levels", "Share that held, by level", "; ".join(parts), height=0.75 + 0.42 * len(shown)) as drawn:
        axes = drawn.axes(grid="x")
        for place, (name, _, wanted) in enumerate(shown):
            _interval(axes, place, total, name, wanted)
            axes.plot(
                [wanted] * 2, [place - 0.36, place + 0.36], color=INK, linewidth=2, label=None if place else "said"
            )
        _rows(drawn, axes, [label for _, label, _ in shown])
    return drawn.markup


def groups(column: str, heading: str, rows: list[dict[str, Any]]) -> Markup | None:
    """Return the share of finishes within the P80 for each group; None for a single one."""
    shown = [row for row in rows if row["p80_judged"]][:MOST_BARS]
    if len(shown) < 2:
        return None
    parts = [f"{row[column]}: {percent(row['p80_held'])} of {row['p80_judged']}" for row in shown]
    with chart(f"groups-{column}", f"P80 {heading[0].lower()}{heading[1:]}", "; ".join(parts),
               height=0.75 + 0.3 * len(shown)) as drawn:  # fmt: skip
        axes = drawn.axes(grid="x")
        axes.axvline(0.8, color=INK, linewidth=1, label="said")
        for place, row in enumerate(shown):
            _interval(axes, place, row, "p80", 0.8)
            if (planned := row["planned_finish_held"]) is not None:
                axes.plot([planned], [place], "D", color=GREY, markersize=5)
        axes.plot([], [], "D", color=GREY, markersize=5, label="planner's date")
        label = plain if column == "stage" else short
        _rows(drawn, axes, [label(row[column]) for row in shown])
    return drawn.markup


def _interval(axes: Any, place: int, row: dict[str, Any], name: str, wanted: float) -> None:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    color = BLUE if low <= wanted <= high else VERMILION
    axes.plot([low, high], [place] * 2, color=color, linewidth=3, alpha=0.45, solid_capstyle="butt")
    axes.plot([row[f"{name}_held"]], [place], "o", color=color, markersize=6)


def _rows(drawn: Any, axes: Any, names: list[str]) -> None:
    axes.plot([], [], "o", color=BLUE, markersize=6, label="held, 95 %")
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.set_xlim(-0.02, 1.02)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_formatter(lambda value, _: percent(value, 0))
    drawn.figure.legend(loc="outside lower center", ncols=3)
