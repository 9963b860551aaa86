"""Charts of the forecast: probability integral transform, coverage by stage, and one project backtested."""

from datetime import date
from typing import Any

from markupsafe import Markup
from matplotlib import dates as ticks

from slipcast.reports.figures import BLUE, GREY, INK, MUTED, ORANGE, SKY, VERMILION, chart
from slipcast.reports.formatting import clean, number, percent, plain, short

FORECAST = "forecast"
LEVELS = (("cover_80", 0.8), ("cover_90", 0.9))


def histogram(record: dict[str, Any]) -> Markup | None:
    """Return the share of finishes in each tenth of the stated probability; all are alike if what is said holds."""
    shares = record["forecast"]["histogram"]
    if not shares:
        return None
    said = "; ".join(f"part {place + 1} of {len(shares)}: {percent(share)}" for place, share in enumerate(shares))
    with chart("pit", "Where the finishes fell in their distributions", said, width=3.7, height=2.8) as drawn:
        axes = drawn.axes(grid="y")
        width = 1 / len(shares)
        places = [(place + 0.5) * width for place in range(len(shares))]
        axes.bar(places, [share * 100 for share in shares], width=width * 0.92, color=BLUE)
        axes.axhline(100 * width, linestyle="--", color=VERMILION, linewidth=1.2, label="what is said comes true")
        axes.set(xlim=(0, 1), xlabel="stated probability of a finish by then", ylabel="% of the finishes")
        axes.set_ylim(top=1.25 * max(100 * max(shares), 100 * width))
        axes.legend(loc="upper center")
    return drawn.markup


def coverage(record: dict[str, Any]) -> Markup | None:
    """Return the share of finishes inside the 80 % and 90 % intervals by stage, with 95 % intervals."""
    stages = [stage for stage in record["forecast"]["stages"] if stage["coverage_ci"]]
    if not stages:
        return None
    found = [(stage, _own(stage)) for stage in stages]
    said = "; ".join(
        f"{plain(stage['stage'])}: {percent(own['cover_80'], 0)} and {percent(own['cover_90'], 0)}"
        for stage, own in found
    )
    with chart("coverage", "Finishes inside the 80 % and 90 % intervals", said, height=1.3 + 0.4 * len(found)) as drawn:
        axes = drawn.axes(grid="x")
        for (name, level), shift, color, sign in zip(LEVELS, (-0.14, 0.14), (BLUE, SKY), ("o", "s"), strict=True):
            axes.axvline(level * 100, linestyle="--", color=color, linewidth=1.0)
            for place, (stage, own) in enumerate(found):
                low, high = stage["coverage_ci"][name]
                axes.plot([low * 100, high * 100], [place + shift] * 2, color=color, linewidth=1.6)
                label = f"{level:.0%} interval".replace("%", " %") if place == 0 else None
                axes.plot(own[name] * 100, place + shift, sign, color=color, markersize=5.5, label=label)
        names = [f"{short(plain(stage['stage']))} ({number(stage['finished'])})" for stage, _ in found]
        axes.set_yticks(range(len(found)), names)
        axes.set_ylim(len(found) - 0.5, -0.5)
        axes.set_xlabel("% of the finishes that are inside")
        axes.tick_params(axis="y", length=0)
        drawn.figure.legend(loc="outside lower center", ncols=2)
    return drawn.markup


def fan(record: dict[str, Any]) -> Markup | None:
    """Return what was said of one project's activities at one landmark, and what came."""
    shown = record["forecast"]["backtest"]
    if not shown:
        return None
    rows = shown["activities"]
    said = "; ".join(
        f"{short(row['activity_id'])}: P10 {row['p10']}, P50 {row['p50']}, P80 {row['p80']}, P90 {row['p90']}, "
        f"planned {row['baseline_finish']}, finished {row['finish'] or 'not by ' + row['last_seen']}"
        for row in rows
    )
    title = f"Project {clean(shown['project_id'])}, forecast on {shown['data_date']}"
    with chart("fan", title, said, width=7.0, height=1.35 + 0.3 * len(rows)) as drawn:
        axes = drawn.axes(grid="x")
        marks: dict[str, Any] = {}
        for place, row in enumerate(rows):
            day = {name: _day(row[name]) for name in ("p10", "p50", "p80", "p90", "baseline_finish")}
            (marks["P10 to P90"],) = axes.plot(
                [day["p10"], day["p90"]], [place] * 2, color=SKY, linewidth=7, alpha=0.55
            )
            (marks["P50 to P80"],) = axes.plot([day["p50"], day["p80"]], [place] * 2, color=BLUE, linewidth=7)
            (marks["planned"],) = axes.plot(day["baseline_finish"], place, "|", color=INK, markersize=13, mew=1.8)
            if row["finish"]:
                (marks["finished"],) = axes.plot(_day(row["finish"]), place, "D", color=VERMILION, markersize=6)
            else:
                (marks["still open then"],) = axes.plot(
                    _day(row["last_seen"]), place, ">", color=ORANGE, markersize=7, mec=MUTED, mew=0.5
                )
        data_date = _day(shown["data_date"])
        marks["data date"] = axes.axvline(data_date, color=GREY, linestyle="--", linewidth=1.2)
        axes.set_yticks(range(len(rows)), [short(row["activity_id"], 30) for row in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        locator = ticks.AutoDateLocator(maxticks=7)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ticks.ConciseDateFormatter(locator))
        drawn.figure.legend(marks.values(), marks.keys(), loc="outside lower center", ncols=3)
    return drawn.markup


def _own(stage: dict[str, Any]) -> dict[str, Any]:
    own: dict[str, Any] = next(item for item in stage["methods"] if item["method"] == FORECAST)
    return own


def _day(text: str) -> float:
    return float(ticks.date2num(date.fromisoformat(text)))
