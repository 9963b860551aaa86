"""ROC, precision against recall, and reliability of the challenger on the holdout."""

from typing import Any

from markupsafe import Markup

from slipcast.reports.figures import BLUE, GREY, INK, VERMILION, chart
from slipcast.reports.formatting import interval, number, percent


def roc(record: dict[str, Any]) -> Markup | None:
    """Return the ROC curve with chance and with the point of the cost threshold."""
    points, metrics = record["curves"]["roc"], record["metrics"]
    if not points:
        return None
    said = (
        f"Area under the curve {number(metrics['auc'])}, 95 % interval {interval(metrics['auc_ci'])}. "
        "The dotted diagonal is guessing."
    )
    with chart("roc", "ROC curve", said, width=3.7, height=3.5) as drawn:
        axes = drawn.axes(grid="both")
        axes.plot([0, 1], [0, 1], ":", color=GREY, label="guessing, AUC 0.5")
        axes.plot(
            *zip(*points, strict=True), color=BLUE, linewidth=1.8, label=f"challenger, AUC {number(metrics['auc'])}"
        )
        (tn, fp), (fn, tp) = record["threshold"]["confusion"]
        if tn + fp and fn + tp:
            axes.plot(fp / (tn + fp), tp / (fn + tp), "o", color=VERMILION, label="at the threshold", clip_on=False)
        _square(axes)
        axes.set(xlabel="timely activities warned (false alarms)", ylabel="late activities warned (recall)")
        axes.legend(loc="lower right")
    return drawn.markup


def precision_recall(record: dict[str, Any]) -> Markup | None:
    """Return precision against recall with the late rate, which a blind warning would have as its precision."""
    points, metrics = record["curves"]["pr"], record["metrics"]
    if not points:
        return None
    rate = metrics["late_rate"]
    said = (
        f"Average precision {number(metrics['average_precision'])}. "
        f"The dotted line is the late rate of the holdout, {percent(rate)}."
    )
    with chart("pr", "Precision and recall", said, width=3.7, height=3.5) as drawn:
        axes = drawn.axes(grid="both")
        axes.axhline(rate, linestyle=":", color=GREY, label=f"late rate {percent(rate)}")
        label = f"challenger, AP {number(metrics['average_precision'])}"
        axes.step(*zip(*points, strict=True), where="post", color=BLUE, linewidth=1.8, label=label)
        threshold = record["threshold"]
        if threshold["recall"] is not None and threshold["precision"] is not None:
            point = threshold["recall"], threshold["precision"]
            axes.plot(*point, "o", color=VERMILION, label="at the threshold", clip_on=False)
        _square(axes)
        axes.set(xlabel="late activities warned (recall)", ylabel="correct warnings (precision)")
        axes.legend(loc="best")
    return drawn.markup


def reliability(record: dict[str, Any]) -> Markup | None:
    """Return the share late against the mean probability of groups of activities, with 95 % intervals."""
    groups = record["curves"]["reliability"]
    if not groups:
        return None
    said = "; ".join(
        f"said {percent(group['mean_score'], 0)}, late {percent(group['late_rate'], 0)} of {group['n']}"
        for group in groups
    )
    with chart("reliability", "Reliability diagram", said, height=3.9) as drawn:
        axes, below = drawn.figure.subplots(2, sharex=True, height_ratios=[4, 1])
        axes.grid(axis="both")
        axes.plot([0, 1], [0, 1], ":", color=GREY, label="what is said comes true")
        for group in groups:
            if group["late_rate_ci"] is not None:
                axes.plot([group["mean_score"]] * 2, group["late_rate_ci"], color=INK, linewidth=1)
        scores, rates = [group["mean_score"] for group in groups], [group["late_rate"] for group in groups]
        axes.plot(scores, rates, "o-", color=BLUE, linewidth=1.4, markersize=5, label="challenger, 95 % intervals")
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), ylabel="share late")
        axes.legend(loc="upper left")
        below.bar(scores, [group["n"] for group in groups], width=0.018, color=GREY)
        below.set(xlabel="probability of being late", ylabel="activities")
        drawn.figure.align_ylabels()
    return drawn.markup


def _square(axes: Any) -> None:
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
