"""Benchmark of forecasts on DSLIB: activities and completions, every method on the same rows, folds by project fixed.

Times are working days of each project's calendar, lateness is in calendar days. Each figure is a mean over the means of
projects, so that long projects count no more than others. Everything that is learned is learned from other projects.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from slipcast.forecast import completion
from slipcast.forecast.stage import Stage
from slipcast.forecast.training import project_folds
from slipcast.metrics.bootstrap import interval, multiplicities
from slipcast.metrics.scores import auc
from slipcast_cli.bench_dslib_methods import (
    EARNED,
    FORECAST,
    NETWORK,
    SEED,
    Said,
    activity_methods,
    completion_methods,
    share_above,
    thirds,
)
from slipcast_cli.bench_dslib_tables import LEVELS, TOLERANCE_DAYS, Tables
from slipcast_cli.bench_text import COLUMNS, markdown, plain

FOLDS = 6
# Quantiles within this part of a working day of the truth hold: data are in hours.
ROUNDING = 0.26
FEWEST_IN_CLASS = 5

SELECTIONS: dict[str, Sequence[Stage]] = {
    "open, not yet late": (Stage.NOT_STARTED, Stage.IN_PROGRESS, Stage.OVERDUE),
    "not started": (Stage.NOT_STARTED,),
    "in progress": (Stage.IN_PROGRESS,),
    "overdue": (Stage.OVERDUE,),
    "already late": (Stage.ALREADY_LATE,),
    "all open": tuple(Stage),
}


class ProjectMeans:
    """Means over the means of projects, with 95 % intervals by the bootstrap of whole projects."""

    def __init__(self, projects: pd.Series) -> None:
        self._names, self._codes = np.unique(projects.to_numpy(dtype=str), return_inverse=True)

    def each(self, values: np.ndarray, chosen: np.ndarray | None = None) -> np.ndarray:
        """Return the mean of each project that has chosen rows."""
        rows = np.isfinite(values) if chosen is None else chosen & np.isfinite(values)
        count = np.bincount(self._codes[rows], minlength=len(self._names))
        total = np.bincount(self._codes[rows], values[rows], len(self._names))
        means: np.ndarray = total[count > 0] / count[count > 0]
        return means

    def mean(self, values: np.ndarray, chosen: np.ndarray | None = None) -> float:
        """Return the mean over projects."""
        return float(np.mean(self.each(values, chosen)))

    def difference(
        self, ours: np.ndarray, theirs: np.ndarray, chosen: np.ndarray | None = None
    ) -> tuple[float, list[float], float, list[float]]:
        """Return the paired difference of two scores with its interval, and its ratio to the second with its own."""
        one, other = self.each(ours, chosen), self.each(theirs, chosen)
        drawn = np.concatenate(
            [weights @ np.column_stack([one, other]) / len(one) for weights in multiplicities(len(one), 2000, 0)]
        )
        change, ratio = drawn[:, 0] - drawn[:, 1], drawn[:, 0] / drawn[:, 1] - 1
        return (
            float(one.mean() - other.mean()),
            interval(change),
            float(one.mean() / other.mean() - 1),
            interval(ratio),
        )


def pinball(truth: np.ndarray, quantiles: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Return the pinball losses, shape (n_rows, n_levels)."""
    error = truth[:, None] - quantiles
    losses: np.ndarray = np.maximum(levels * error, (levels - 1) * error)
    return losses


def activity_scores(table: pd.DataFrame, methods: Mapping[str, Said]) -> dict[str, pd.DataFrame]:
    """Return the scores of each method by selection of stages."""
    means = ProjectMeans(table["project_id"])
    late = (table["days_late"] > TOLERANCE_DAYS).to_numpy()
    truth = table["true_remaining"].to_numpy()
    found = {}
    for selection, stages in SELECTIONS.items():
        chosen = table["stage"].isin(list(stages)).to_numpy()
        rows = []
        for name, said in methods.items():
            row: dict[str, Any] = {"method": name, "rows": int(chosen.sum())}
            if said.p_late is not None and 0 < late[chosen].mean() < 1:
                row["auc"] = auc(late[chosen].astype(int), said.p_late[chosen])
                row["auc_within"] = _within(table["project_id"][chosen], late[chosen], said.p_late[chosen])
                row["brier"] = means.mean((said.p_late - late) ** 2, chosen)
            if said.quantiles is not None:
                losses = pinball(truth, said.quantiles, LEVELS)
                row["crps"] = means.mean(2 * losses.mean(axis=1), chosen)
                row |= {f"pinball_{level}": means.mean(losses[:, _column(level)], chosen) for level in (50, 80, 90)}
                if said.spread:
                    row |= _coverage(means, truth, said.quantiles, chosen)
            rows.append(row)
        found[selection] = pd.DataFrame(rows)
    return found


def lateness_auc(table: pd.DataFrame, methods: Mapping[str, Said]) -> pd.DataFrame:
    """Return the AUC of being more than 0, 7 and 30 calendar days late, of what has not started."""
    chosen = (table["stage"] == Stage.NOT_STARTED).to_numpy()
    rows = []
    for name, said in methods.items():
        if said.quantiles is None:
            continue
        row: dict[str, Any] = {"method": name, "rows": int(chosen.sum())}
        for days in (0, 7, 30):
            limit = table["limit"].to_numpy() - (TOLERANCE_DAYS - days) * 5 / 7
            late = (table["days_late"] > days).to_numpy()[chosen]
            # A date ranks by how late it is.
            score = share_above(said.quantiles, limit) if said.spread else said.quantiles[:, 0] - limit
            row[f"late_{days}"] = auc(late.astype(int), score[chosen])
        rows.append(row)
    return pd.DataFrame(rows)


def _column(level: int) -> int:
    return int(np.flatnonzero(np.round(LEVELS * 100) == level)[0])


def _coverage(means: ProjectMeans, truth: np.ndarray, said: np.ndarray, chosen: np.ndarray) -> dict[str, float]:
    def held(low: int | None, high: int) -> float:
        inside = truth <= said[:, _column(high)] + ROUNDING
        if low is not None:
            inside &= truth >= said[:, _column(low)] - ROUNDING
        return means.mean(inside.astype("float64"), chosen)

    return {"held_80": held(None, 80), "cover_80": held(10, 90), "cover_90": held(5, 95)}


def _within(projects: pd.Series, late: np.ndarray, p: np.ndarray) -> float:
    names = projects.to_numpy(dtype=str)
    areas = []
    for name in np.unique(names):
        own = late[names == name]
        if min(own.sum(), len(own) - own.sum()) >= FEWEST_IN_CLASS:
            areas.append(auc(own.astype(int), p[names == name]))
    return float(np.median(areas)) if areas else float("nan")


def completion_scores(table: pd.DataFrame, methods: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return errors in % of the true duration by thirds of the earned value, coverage of the P80, and pinball loss."""
    means, third = ProjectMeans(table["project_id"]), thirds(table)
    truth = table["remaining"].to_numpy()
    duration = truth + table["elapsed"].to_numpy()
    parts = {"early": third == 0, "middle": third == 1, "late": third == 2, "all": third >= 0}
    rows = []
    for name, said in methods.items():
        row: dict[str, Any] = {"method": name, "rows": len(table)}
        error = 100 * np.abs(said[:, 1] - truth) / duration
        row |= {f"error_{part}": means.mean(error, chosen) for part, chosen in parts.items()}
        if (said[:, 0] < said[:, -1]).any():
            held = (truth <= said[:, 2] + ROUNDING).astype("float64")
            row |= {f"held_{part}": means.mean(held, chosen) for part, chosen in parts.items()}
        row["pinball"] = means.mean(_relative_pinball(table, said))
        rows.append(row)
    return pd.DataFrame(rows)


def _relative_pinball(table: pd.DataFrame, said: np.ndarray) -> np.ndarray:
    truth = table["remaining"].to_numpy()
    losses = pinball(truth, said, np.array(completion.LEVELS)).mean(axis=1)
    values: np.ndarray = 100 * losses / (truth + table["elapsed"].to_numpy())
    return values


@dataclass(frozen=True)
class Result:
    """Scores of activities and completions, and of activities with whole sectors held out; none if none is known."""

    found: Tables
    activities: dict[str, pd.DataFrame]
    not_started: pd.DataFrame
    out_of_sector: dict[str, pd.DataFrame]
    completion: pd.DataFrame
    differences: list[dict[str, Any]]


def run(found: Tables) -> Result:
    """Judge every method on the tables of a download."""
    table, projects = found.activities, found.projects
    usable = projects[(projects["earned"] > 0) & (projects["earned"] < 1)].reset_index(drop=True)
    methods = activity_methods(table, list(project_folds(table["project_id"], FOLDS, SEED)))
    sector = sectors(table["sector"])
    names = np.unique(sector)
    out_of_sector: dict[str, pd.DataFrame] = {}
    # Without the overview of the database no sector is known, and none can be held out.
    if len(names) > 1:
        others = activity_methods(
            table, [(np.flatnonzero(sector != name), np.flatnonzero(sector == name)) for name in names]
        )
        scores = activity_scores(table, others)
        out_of_sector = {name: scores[name] for name in ("open, not yet late", "all open")}
    completions = completion_methods(usable)
    return Result(
        found,
        activity_scores(table, methods),
        lateness_auc(table, methods),
        out_of_sector,
        completion_scores(usable, completions),
        _differences(table, methods, usable, completions),
    )


def sectors(names: pd.Series) -> np.ndarray:
    """Return the sectors, those of few projects as one."""
    kind = names.str.extract(r"^(construction \([a-z ]+\)|it|engineering)")[0].fillna("other")
    values: np.ndarray = kind.to_numpy(dtype=str)
    return values


def _differences(
    table: pd.DataFrame,
    methods: Mapping[str, Said],
    projects: pd.DataFrame,
    completions: Mapping[str, np.ndarray],
) -> list[dict[str, Any]]:
    means = ProjectMeans(table["project_id"])
    truth, late = table["true_remaining"].to_numpy(), (table["days_late"] > TOLERANCE_DAYS).to_numpy()

    def crps(name: str) -> np.ndarray:
        values: np.ndarray = 2 * pinball(truth, np.asarray(methods[name].quantiles), LEVELS).mean(axis=1)
        return values

    found = []
    for other in (NETWORK, "slips of the past"):
        found.append(_difference("crps, all open", other, means.difference(crps(FORECAST), crps(other))))
    open_ = (table["stage"] != Stage.ALREADY_LATE).to_numpy()
    for other in (NETWORK, "frozen at the start", "slips of the past"):
        ours, theirs = ((np.asarray(methods[name].p_late) - late) ** 2 for name in (FORECAST, other))
        found.append(_difference("brier, open, not yet late", other, means.difference(ours, theirs, open_)))
    whole = ProjectMeans(projects["project_id"])
    for other in (f"{EARNED} + spread", f"{NETWORK} + spread", "mean of both + spread"):
        ours, theirs = (_relative_pinball(projects, completions[name]) for name in (FORECAST, other))
        found.append(_difference("pinball of the completion", other, whole.difference(ours, theirs)))
    return found


def _difference(score: str, other: str, values: tuple[float, list[float], float, list[float]]) -> dict[str, Any]:
    mean, bounds, ratio, ratio_bounds = values
    return {"score": score, "less": other, "difference": mean, "ci": bounds, "ratio": ratio, "ratio_ci": ratio_bounds}


# Heading → score, decimals.
LATE_COLUMNS = {"> 0 days": ("late_0", 3), "> 7 days": ("late_7", 3), "> 30 days": ("late_30", 3)}
COMPLETION_COLUMNS = {
    **{f"error, {part}": (f"error_{part}", 1) for part in ("early", "middle", "late", "all")},
    **{f"≤ P80, {part}": (f"held_{part}", 2) for part in ("early", "middle", "late", "all")},
    "pinball": ("pinball", 2),
}


def text(result: Result) -> str:
    """Return the tables as Markdown."""
    table, projects = result.found.activities, result.found.projects
    lines = [
        f"{projects['project_id'].nunique()} projects, {len(projects):,} status dates, {len(table):,} open activities.",
        "Left out: " + ", ".join(f"{count} {reason}" for reason, count in sorted(result.found.left_out.items())) + ".",
        *(
            f"{name.capitalize()} knows the finish in {share:.0%} of {records:,} records of work in progress."
            for name, (share, records) in result.found.leaks.items()
        ),
        "",
    ]
    for name, scores in result.activities.items():
        lines += markdown(f"{name} ({scores['rows'].iloc[0]:,} rows)", scores, COLUMNS)
    lines += markdown("not started: AUC of lateness in calendar days", result.not_started, LATE_COLUMNS)
    if not result.out_of_sector:
        lines += [
            "Sectors are not held out: the overview of the database (DSLIB_Analysis_Scheet.xlsx) is not there.",
            "",
        ]
    for name, scores in result.out_of_sector.items():
        lines += markdown(f"{name}, learned from other sectors alone", scores, COLUMNS)
    lines += markdown(
        f"completion ({result.completion['rows'].iloc[0]:,} status dates)", result.completion, COMPLETION_COLUMNS
    )
    for item in result.differences:
        (low, high), (least, most) = item["ci"], item["ratio_ci"]
        lines.append(
            f"- {item['score']}: {FORECAST} less {item['less']} {item['difference']:+.3f} [{low:+.3f}, {high:+.3f}], "
            f"{100 * item['ratio']:+.1f} % [{100 * least:+.1f}, {100 * most:+.1f}]"
        )
    return "\n".join(lines)


def document(result: Result) -> dict[str, Any]:
    """Return the tables as JSON values; undefined scores are None."""
    return {
        "left_out": dict(result.found.left_out),
        "leaks": {name: share for name, (share, _) in result.found.leaks.items()},
        "activities": {name: plain(scores) for name, scores in result.activities.items()},
        "not_started": plain(result.not_started),
        "out_of_sector": {name: plain(scores) for name, scores in result.out_of_sector.items()},
        "completion": plain(result.completion),
        "differences": result.differences,
    }
