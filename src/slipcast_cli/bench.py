"""Benchmark of forecasts on public data: every method on the same landmarks, splits and seeds fixed."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from slipcast.datasets import labels
from slipcast.datasets.tables import DATE_COLUMNS
from slipcast.features.point_in_time import HISTORY
from slipcast.features.point_in_time_table import history_table
from slipcast.features.row import CATEGORICAL, NUMERIC
from slipcast.features.table import feature_table
from slipcast.forecast import baselines, scores, training
from slipcast.forecast.landmarks import landmark_table
from slipcast.forecast.scores import Forecasts
from slipcast.forecast.stage import Stage
from slipcast.training import candidates, pipeline
from slipcast_cli.bench_text import COLUMNS, markdown, plain

TOLERANCE_DAYS = 30
SEED = 0
# The family that the pipeline releases on these data, near its best point.
AT_START = ("random_forest", {"min_samples_leaf": 10, "max_features": 0.3})
FORECAST, FROZEN, SLIPS = "forecast", "frozen at the start", "slips of the past"

SELECTIONS: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "open, not yet late": lambda rows: rows["stage"] != Stage.ALREADY_LATE,
    "not started": lambda rows: rows["stage"] == Stage.NOT_STARTED,
    "in progress": lambda rows: rows["stage"] == Stage.IN_PROGRESS,
    "overdue": lambda rows: rows["stage"] == Stage.OVERDUE,
    "already late": lambda rows: rows["stage"] == Stage.ALREADY_LATE,
    "all open": lambda rows: rows["stage"].notna(),
}
# Score, rows, and the method that the forecast is compared with.
COMPARED = (
    ("brier", "open, not yet late", FROZEN),
    ("brier", "overdue", FROZEN),
    ("brier", "open, not yet late", SLIPS),
    ("crps", "all open", SLIPS),
)


@dataclass(frozen=True)
class Period:
    """Training up to a cut, and quarterly landmarks after it that are judged.

    Attributes
    ----------
    cut
        last day that training knows
    first, last
        first and last landmark
    """

    cut: pd.Timestamp
    first: pd.Timestamp
    last: pd.Timestamp

    def landmarks(self) -> list[pd.Timestamp]:
        """Return the landmarks that are judged."""
        return list(pd.date_range(self.first, self.last, freq="QE"))


NYC_SCA = (
    Period(pd.Timestamp("2020-12-31"), pd.Timestamp("2021-03-31"), pd.Timestamp("2022-06-30")),
    Period(pd.Timestamp("2022-12-31"), pd.Timestamp("2023-03-31"), pd.Timestamp("2024-06-30")),
)


@dataclass(frozen=True)
class Result:
    """Judged landmarks and what each method said of them."""

    rows: pd.DataFrame
    methods: dict[str, Forecasts]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the scores by selection of rows; selections without rows are left out."""
        return {
            name: scores.table(self.rows, self.methods, select)
            for name, select in SELECTIONS.items()
            if select(self.rows).any()
        }

    def differences(self) -> list[dict[str, Any]]:
        """Return the paired differences of `COMPARED`, with intervals from whole projects."""
        found = []
        for score, selection, other in COMPARED:
            if other not in self.methods or not SELECTIONS[selection](self.rows).any():
                continue
            mean, low_high, ratio = scores.difference(
                self.rows, self.methods[FORECAST], self.methods[other], score, SELECTIONS[selection]
            )
            found.append(
                {
                    "score": score,
                    "rows": selection,
                    "less": other,
                    "difference": mean,
                    "ci": low_high,
                    "ratio_ci": ratio,
                }
            )
        return found


def read(path: Path) -> pd.DataFrame:
    """Return a canonical CSV, such as the examples of the New York School Construction Authority."""
    header = pd.read_csv(path, nrows=0).columns
    days = [name for name in DATE_COLUMNS if name in header]
    return pd.read_csv(path, parse_dates=days, dtype={"project_id": str, "activity_id": str})


def run(table: pd.DataFrame, periods: tuple[Period, ...], **params: Any) -> Result:
    """Train and judge every method on each period; periods are judged together.

    Parameters
    ----------
    table
        canonical activities, each once, with everything that is known today
    params
        parameters of the forest that replace the defaults
    """
    parts = [_period(table, period, params) for period in periods]
    methods = {}
    for name in parts[0][1]:
        several = [methods_of[name] for _, methods_of in parts]
        methods[name] = Forecasts(
            None if several[0].p_late is None else np.concatenate([item.p_late for item in several]),
            None if several[0].cdf is None else np.concatenate([item.cdf for item in several]),
            None if several[0].transform is None else np.concatenate([item.transform for item in several]),
        )
    return Result(pd.concat([rows for rows, _ in parts], ignore_index=True), methods)


def _period(table: pd.DataFrame, period: Period, params: dict[str, Any]) -> tuple[pd.DataFrame, dict[str, Forecasts]]:
    known = table[table["start"] <= period.cut].reset_index(drop=True)
    known["actual_finish"] = known["actual_finish"].where(known["actual_finish"] <= period.cut)
    known["data_date"] = period.cut
    begin = known["start"].min() + pd.offsets.QuarterEnd()
    train = landmark_table(
        known, list(pd.date_range(begin, period.cut - pd.Timedelta(days=1), freq="QE")), TOLERANCE_DAYS
    )
    rows = landmark_table(table, period.landmarks(), TOLERANCE_DAYS)
    at_start = _at_start(known, rows)
    forecaster = training.fit(train, SEED, **params).forecaster()
    said = [
        forecaster.forecast(row, row["stage"], row["limit"], p)
        for row, p in zip(rows.to_dict("records"), at_start.tolist(), strict=True)
    ]
    past = baselines.slips_of_the_past(rows, train, scores.DAYS)
    # In the middle of the day of the finish: a day is an interval, and its end would favor late forecasts.
    seen = rows["remaining"].sub(0.5).fillna(rows["follow_up"]).to_numpy()
    limit = rows["limit"].clip(0, scores.CAP_DAYS).to_numpy(dtype="int64")
    methods = {
        "plan": scores.point(rows, baselines.plan(rows)),
        "plan and delay so far": scores.point(rows, baselines.plan_and_delay(rows, train)),
        SLIPS: Forecasts(
            1 - past[np.arange(len(rows)), limit],
            past,
            baselines.slips_of_the_past(rows, train, seen[:, None])[:, 0],
        ),
        FROZEN: Forecasts(at_start, None),
        FORECAST: Forecasts(
            np.array([finish.p_late(value) for finish, value in zip(said, rows["limit"], strict=True)]),
            np.array([np.interp(scores.DAYS, finish.days, finish.probability) for finish in said]),
            np.array([finish.cdf(day) for finish, day in zip(said, seen, strict=True)]),
        ),
    }
    return rows, {name: scores.with_facts(rows, forecasts) for name, forecasts in methods.items()}


def _at_start(known: pd.DataFrame, rows: pd.DataFrame) -> np.ndarray:
    """Return the probability judged at the start, by a model of the labels known at the cut."""
    labelled = labels.label(known, TOLERANCE_DAYS)
    names = [*NUMERIC, *CATEGORICAL]
    features = feature_table(pd.concat([labelled, history_table(known, labelled, TOLERANCE_DAYS, HISTORY)], axis=1))
    family, params = AT_START
    candidate = next(item for item in candidates.load_candidates() if item.name == family)
    model = pipeline.build_pipeline(candidate, SEED, **params).fit(features[names], labelled["is_late"])
    p: np.ndarray = model.predict_proba(rows[names])[:, 1]
    return p


def text(result: Result) -> str:
    """Return the tables as Markdown, without columns that are empty."""
    lines = []
    for name, table in result.tables().items():
        lines += markdown(f"{name} ({table['rows'].iloc[0]:,} landmarks)", table, COLUMNS)
    for item in result.differences():
        low, high = item["ci"]
        lines.append(
            f"- {item['score']}, {item['rows']}: {FORECAST} less {item['less']} {item['difference']:+.4f} "
            f"[{low:+.4f}, {high:+.4f}]{_percent(item['ratio_ci'])}"
        )
    return "\n".join(lines)


def document(result: Result) -> dict[str, Any]:
    """Return tables and differences as JSON values; undefined scores are None."""
    tables = {name: plain(table) for name, table in result.tables().items()}
    return {"tables": tables, "differences": result.differences()}


def _percent(ratio: list[float] | None) -> str:
    return "" if ratio is None else f", in % [{100 * ratio[0]:+.0f}, {100 * ratio[1]:+.0f}]"
