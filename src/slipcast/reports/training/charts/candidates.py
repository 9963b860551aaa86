"""Bars of all candidates on the holdout."""

from typing import Any

from markupsafe import Markup

from slipcast.reports.figures import BLUE, INK, ORANGE, SKY, VERMILION, chart
from slipcast.reports.formatting import number, plain, short


def bars(record: dict[str, Any], metric: str) -> Markup:
    """Return horizontal bars of ``accuracy`` or ``auc`` with 95 % intervals, and the lines a model has to pass.

    The lines are the majority's accuracy and the prior: a model that predicts the training late rate for every
    activity.
    """
    rows = [
        (plain(item["family"]), item["metrics"], BLUE if item["family"] == record["challenger"] else SKY)
        for item in record["candidates"]
    ]
    if record["champion_metrics"] is not None:
        version = short(record["champion"]["version"], 8)
        rows.append((f"live model (v{version})", record["champion_metrics"], ORANGE))
    title = {"accuracy": "Accuracy of every candidate on the holdout", "auc": "AUC of every candidate on the holdout"}
    said = "; ".join(f"{name} {number(metrics[metric])}" for name, metrics, _ in rows)
    with chart(f"bars-{metric}", title[metric], said, height=0.95 + 0.25 * len(rows)) as drawn:
        axes = drawn.axes(grid="x")
        for place, (_, metrics, color) in enumerate(rows):
            _bar(axes, place, metrics, metric, color)
        lines = _lines(record, metric)
        for x, color, style, label in lines:
            axes.axvline(x, color=color, linestyle=style, linewidth=1.4, label=label)
        axes.set_yticks(range(len(rows)), [short(name, 24) for name, _, _ in rows])
        axes.set_ylim(len(rows) - 0.45, -0.55)
        axes.set_xlim(0, 1.12)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        for tick, (_, _, color) in zip(axes.get_yticklabels(), rows, strict=True):
            tick.set_fontweight("bold" if color == BLUE else "normal")
        if lines:
            drawn.figure.legend(loc="outside lower center", ncols=2, handlelength=1.8, columnspacing=1.2)
    return drawn.markup


def _bar(axes: Any, place: int, metrics: dict[str, Any], metric: str, color: str) -> None:
    value, ends = metrics[metric], metrics[f"{metric}_ci"]
    if value is None:
        axes.text(0.02, place, "not defined", va="center", fontsize=8)
        return
    axes.barh(place, value, height=0.62, color=color)
    if ends is not None:
        axes.plot(ends, [place, place], color=INK, linewidth=1.1, solid_capstyle="butt")
        axes.plot(ends, [place, place], "|", color=INK, markersize=5, markeredgewidth=1.1)
    axes.text(1.115, place, f"{value:.3f}", va="center", ha="right", fontsize=8.5)


def _lines(record: dict[str, Any], metric: str) -> list[tuple[float, str, Any, str]]:
    prior, majority = record["prior"][metric], record["metrics"]["majority_accuracy"]
    if metric == "accuracy" and prior == majority:
        return [(majority, VERMILION, "--", f"majority and prior {number(majority)}")]
    lines = [(majority, VERMILION, "--", f"majority {number(majority)}")] if metric == "accuracy" else []
    return lines if prior is None else [*lines, (prior, INK, ":", f"prior {number(prior)}")]
