"""Charts of the search: score by budget spent, and training and test windows of the folds."""

from datetime import date
from typing import Any

from markupsafe import Markup
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num

from slipcast.reports.figures import BLUE, ORANGE, SKY, VERMILION, chart
from slipcast.reports.formatting import number, plain, seconds


def budget(record: dict[str, Any]) -> Markup | None:
    """Return the best cross-validated score found so far against the seconds spent."""
    found = record["search"]["budget"]
    if not found["curve"]:
        return None
    times, scores = zip(*found["curve"], strict=True)
    measure = record["search"]["select_by"]
    better = "lower" if measure == "brier" else "higher"
    said = f"Best {measure} {number(scores[0], 4)} at first, {number(scores[-1], 4)} after {seconds(times[-1])}."
    with chart("budget", "What the budget bought", said, height=2.7) as drawn:
        axes = drawn.axes(grid="both")
        axes.step(times, scores, "o-", where="post", color=BLUE, markersize=3.5, linewidth=1.6)
        if found["limit_seconds"] is not None:
            label = f"limit {seconds(found['limit_seconds'])}"
            axes.axvline(found["limit_seconds"], color=VERMILION, linestyle="--", linewidth=1.4, label=label)
            drawn.figure.legend(loc="outside lower center")
        axes.set(xlabel="seconds of computing", ylabel=f"best CV {plain(measure)}, {better} is better")
        axes.set_xlim(left=0)
        axes.locator_params(nbins=5)
    return drawn.markup


def windows(record: dict[str, Any]) -> Markup | None:
    """Return the test windows of the folds and the holdout on a time axis; None for a dataset without dates."""
    folds, cut = record["search"]["folds"], record["cut"]
    dated = [fold for fold in folds if fold["begin"] is not None and fold["end"] is not None]
    if not dated or cut is None:
        return None
    spans = [(_number(fold["begin"]), _number(fold["end"])) for fold in dated]
    last = _number(cut)
    first, span = min(begin for begin, _ in spans), last - min(begin for begin, _ in spans)
    left, right = first - 0.35 * span, last + 0.3 * span
    said = "; ".join(
        f"fold {place}: trained on {fold['train']}, tested on {fold['test']} from {fold['begin']} to {fold['end']}"
        for place, fold in enumerate(dated, 1)
    )
    with chart("windows", "The time protocol", f"{said}; holdout from {cut}", height=1.15 + 0.28 * len(spans)) as drawn:
        axes = drawn.axes(grid="x")
        for place, (begin, end) in enumerate(spans):
            axes.barh(place, begin - left, left=left, height=0.5, color=SKY, label="training" if not place else None)
            axes.barh(place, end - begin, left=begin, height=0.5, color=BLUE, label="test" if not place else None)
        axes.barh(len(spans), last - left, left=left, height=0.5, color=SKY)
        axes.barh(len(spans), right - last, left=last, height=0.5, color=ORANGE, label="holdout")
        axes.set_yticks(range(len(spans) + 1), [*(f"fold {place}" for place in range(1, len(spans) + 1)), "judged"])
        axes.set_ylim(len(spans) + 0.5, -0.5)
        axes.set_xlim(left, right)
        locator = AutoDateLocator(minticks=3, maxticks=6)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        drawn.figure.legend(loc="outside lower center", ncols=3)
    return drawn.markup


def _number(day: str) -> float:
    return float(date2num(date.fromisoformat(day[:10])))
