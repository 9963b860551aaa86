"""Charts of a monitor's page. Each returns an SVG, or None if there is nothing to draw."""

from datetime import date, datetime, timedelta
from typing import Any

from markupsafe import Markup
from matplotlib import dates

from slipcast.reports.figures import BLUE, GREEN, GREY, HALF, INK, MUTED, ORANGE, VERMILION, chart
from slipcast.reports.formatting import percent, plain, short

WIDE = 9.0
# Limit of the bars: otherwise a feature with many categories makes the chart too long.
MOST_BINS = 14
# Minimum number of days on a timeline.
SHORTEST = 14


def distribution(name: str, found: dict[str, Any]) -> Markup | None:
    """Return the chart of a feature's bins, training next to window."""
    bins = _most(found["bins"])
    if not bins:
        return None
    said = "; ".join(
        f"{item['label']}: {percent(item['reference'])} then, {percent(item['window'])} now" for item in bins
    )
    title = f"Distribution of {plain(name)}"
    with chart(f"bins-{name}", title, said, width=HALF, height=0.75 + 0.34 * len(bins)) as drawn:
        axes = drawn.axes(grid="x")
        for place, item in enumerate(bins):
            axes.barh(place - 0.18, item["reference"], height=0.32, color=GREY, label="training" if not place else None)
            axes.barh(place + 0.18, item["window"], height=0.32, color=BLUE, label="window" if not place else None)
        axes.set_yticks(range(len(bins)), [short(item["label"], 20) for item in bins])
        axes.set_ylim(len(bins) - 0.45, -0.55)
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.xaxis.set_major_formatter(lambda value, _: percent(value, 0))
        axes.locator_params(axis="x", nbins=4)
        drawn.figure.legend(loc="outside lower center", ncols=2)
    return drawn.markup


def _most(bins: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the bins; if there are too many, the smallest are merged into one before the missing values."""
    if len(bins) <= MOST_BINS:
        return bins
    weight = sorted(bins, key=lambda item: max(item["reference"], item["window"]), reverse=True)
    kept = [item for item in bins if any(item is one for one in weight[: MOST_BINS - 1])]
    rest = [item for item in bins if not any(item is one for one in kept)]
    summed = {part: sum(item[part] for item in rest) for part in ("reference", "window")}
    return [*kept, {"label": f"({len(rest)} others)", **summed}]


def by_index(record: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the features and the score, the largest index first."""
    drift = record["drift"]
    if drift is None or not drift["features"]:
        return []
    rows = [*drift["features"].items(), *([("score", drift["score"])] if drift["score"] else [])]
    return sorted(rows, key=lambda row: -row[1]["psi"])


def by_gap(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the parts of the portfolio, the largest gap between score and late rate first."""
    return sorted((record["realised"] or {}).get("slices", []), key=lambda row: -abs(row["calibration_gap"]))


def indices(record: dict[str, Any]) -> Markup | None:
    """Return the population stability index of each feature with its limit at this window size."""
    rows = by_index(record)
    if not rows:
        return None
    said = "; ".join(f"{plain(name)} {item['psi']:.3f}, limit {item['psi_limit']:.3f}" for name, item in rows)
    with chart("indices", "Population stability indices", said, height=0.95 + 0.26 * len(rows)) as drawn:
        axes = drawn.axes(grid="x")
        for place, (_, item) in enumerate(rows):
            axes.barh(place, item["psi"], height=0.6, color=VERMILION if item["drifted"] else BLUE)
            ends = [place - 0.38, place + 0.38]
            limit = "has to exceed" if not place else None
            axes.plot([item["psi_limit"]] * 2, ends, color=INK, linewidth=2, label=limit)
            chance = "mean of chance" if not place else None
            axes.plot([item["psi_chance"]] * 2, ends, color=GREY, linewidth=2, label=chance)
        axes.set_yticks(range(len(rows)), [short(plain(name)) for name, _ in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.set_xlim(left=0)
        axes.set_xlabel("population stability index")
        drawn.figure.legend(loc="outside lower center", ncols=2)
    return drawn.markup


def timeline(record: dict[str, Any], past: dict[str, Any]) -> Markup | None:
    """Return mean scores by day, late rates by month in which they became known, and where the version changed."""
    if not past["scores"] and not past["late"]:
        return None
    said, today = _said(past), date.fromisoformat(record["at"][:10])
    with chart("timeline", "Scores and late rates over time", said, width=WIDE, height=3.6) as drawn:
        axes, below = drawn.figure.subplots(2, sharex=True, height_ratios=[5, 1])
        axes.grid(axis="y")
        if past["scores"]:
            days = [date.fromisoformat(item["day"]) for item in past["scores"]]
            means = [item["mean"] for item in past["scores"]]
            axes.plot(days, means, "o-", color=BLUE, markersize=3.5, linewidth=1.3, label="mean score by day")
            below.bar(days, [item["n"] for item in past["scores"]], width=0.8, color=GREY)
        for place, item in enumerate(past["late"]):
            first = date.fromisoformat(f"{item['month']}-01")
            ends = [first, min((first + timedelta(days=31)).replace(day=1) - timedelta(days=1), today)]
            rate, mean = ("realized late rate", "mean score of the same") if not place else (None, None)
            axes.plot(ends, [item["late_rate"]] * 2, color=VERMILION, linewidth=3, label=rate)
            axes.plot(ends, [item["mean_score"]] * 2, color=ORANGE, linewidth=1.6, linestyle="--", label=mean)
        if record["score_reference_mean"] is not None:
            axes.axhline(record["score_reference_mean"], color=GREY, linestyle=":", linewidth=1.3, label="in training")
        for item in past["versions"][1:]:
            at = datetime.fromisoformat(item["at"]).replace(tzinfo=None)
            axes.axvline(at, color=GREEN, linewidth=1.2)
            axes.annotate(
                f"version {short(item['version'], 8)}",
                (at, 1.0),
                xycoords=("data", "axes fraction"),
                fontsize=8,
                xytext=(3, -9),
                textcoords="offset points",
                color=GREEN,
            )
        # With one or two days only, the axis would show hours.
        left = min(axes.get_xlim()[0], dates.date2num(today - timedelta(days=SHORTEST)))
        axes.set(
            xlim=(left, dates.date2num(today + timedelta(days=1))), ylim=_limits(past, record), ylabel="share late"
        )
        axes.yaxis.set_major_formatter(lambda value, _: percent(value, 0))
        below.set(ylabel="asked")
        below.yaxis.label.set_color(MUTED)
        locator = dates.AutoDateLocator(minticks=3, maxticks=9)
        below.xaxis.set_major_locator(locator)
        below.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
        below.locator_params(axis="y", nbins=2)
        drawn.figure.align_ylabels()
        drawn.figure.legend(loc="outside lower center", ncols=4)
    return drawn.markup


def _limits(past: dict[str, Any], record: dict[str, Any]) -> tuple[float, float]:
    values = [item["mean"] for item in past["scores"]]
    values += [value for item in past["late"] for value in (item["late_rate"], item["mean_score"])]
    values += [record["score_reference_mean"]] if record["score_reference_mean"] is not None else []
    low, high = min(values), max(values)
    room = max(0.05, 0.15 * (high - low))
    return max(0.0, low - room), min(1.0, high + room)


def _said(past: dict[str, Any]) -> str:
    parts = []
    if past["scores"]:
        first, last = past["scores"][0], past["scores"][-1]
        parts.append(f"Mean score {percent(first['mean'])} on {first['day']}, {percent(last['mean'])} on {last['day']}")
    parts += [
        f"{item['month']}: {percent(item['late_rate'])} of {item['n']} late, mean score {percent(item['mean_score'])}"
        for item in past["late"]
    ]
    return "; ".join(parts)


def slices(record: dict[str, Any]) -> Markup | None:
    """Return the chart of mean score and realized late rate by part of the portfolio."""
    rows = sorted((record["realised"] or {}).get("slices", []), key=lambda row: -abs(row["calibration_gap"]))[
        :MOST_BINS
    ]
    if not rows:
        return None
    said = "; ".join(
        f"{plain(row['column'])} {short(row['value'])}: "
        f"said {percent(row['mean_score'])}, late {percent(row['late_rate'])}"
        for row in rows
    )
    with chart("slices", "Mean score and late rate by part", said, height=0.95 + 0.28 * len(rows)) as drawn:
        axes = drawn.axes(grid="x")
        for place, row in enumerate(rows):
            color = VERMILION if row["worse"] else GREY
            axes.plot([row["mean_score"], row["late_rate"]], [place, place], color=color, linewidth=1.6)
            axes.plot(row["mean_score"], place, "o", color=BLUE, label="mean score" if not place else None)
            axes.plot(row["late_rate"], place, "D", color=VERMILION, label="late rate" if not place else None)
        names = [f"{short(plain(row['column']) + ': ' + str(row['value']), 24)} ({row['n']:,})" for row in rows]
        axes.set_yticks(range(len(rows)), names)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.xaxis.set_major_formatter(lambda value, _: percent(value, 0))
        axes.locator_params(axis="x", nbins=5)
        drawn.figure.legend(loc="outside lower center", ncols=2)
    return drawn.markup
