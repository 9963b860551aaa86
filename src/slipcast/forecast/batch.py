"""Batch scoring: the open activities of a schedule with stage, probability of delay and forecast, as tables."""

import csv
import gzip
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from slipcast.csv_safety import neutral
from slipcast.features.point_in_time import CURRENT, HISTORY
from slipcast.forecast import serving
from slipcast.forecast.distribution import FinishDistribution
from slipcast.forecast.evaluator import Forecaster
from slipcast.forecast.serving import Forecast
from slipcast.forecast.stage import Known, Stage, as_of
from slipcast.model.explain import contributions
from slipcast.model.explain.phrases import sentence
from slipcast.model.scorer import Scorer

GIVEN = ("project_id", "activity_id", "activity_name", "wbs", "status", "start", "baseline_finish")
COLUMNS = (
    *GIVEN,
    *("probability", "risk_band", "at_risk", "reasons", "model_version", "model_id"),
    *Forecast._fields,
    *("criticality", "completion_days", "late_reasons"),
)
# Columns of the table of forecasts that are kept, to be judged when the finishes are known.
KEPT = (
    *("source", "project_id", "activity_id", "data_date", "model_id", "stage", "planned_finish", "baseline_finish"),
    *("probability_late", "p10", "p50", "p80", "p90"),
)
# Number of activities whose features are looked up and held in memory at a time.
CHUNK = 1_000
# Number of activities that get reasons: a forest takes about 30 ms for each, and the Lambda function's time is limited.
EXPLAINED = 10_000
BANDS = ("low", "medium", "high")
LATE = "late"


class Detail(NamedTuple):
    """Basis of the forecast of an open activity.

    Attributes
    ----------
    facts
        what is known of the activity
    features
        features of its forecast, as `serving.features` returns them
    judged
        probability of delay, judged at the start
    finish
        distribution of the days from the data date to its finish
    """

    facts: Known
    features: Mapping[str, Any]
    judged: float
    finish: FinishDistribution


# Adds the point-in-time features of the given names to activities, as of their start.
History = Callable[[Sequence[Mapping[str, Any]], Sequence[str]], Sequence[Mapping[str, Any]]]
Log = Callable[
    [Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]], Sequence[float], Sequence[Known]],
    None,
]


def risk_band(probability: float, threshold: float) -> str:
    """Return ``high`` from the threshold on, ``medium`` from half of it on, else ``low``.

    The threshold is the probability from which a warning costs less than an unexpected delay.

    Examples
    --------
    >>> [risk_band(p, 0.4) for p in (0.1, 0.3, 0.5)]
    ['low', 'medium', 'high']
    """
    return BANDS[(probability >= threshold / 2) + (probability >= threshold)]


def score(
    activities: Iterable[Mapping[str, Any]],
    scorer: Scorer,
    history: History,
    *,
    data_date: date,
    model_version: str,
    forecaster: Forecaster | None = None,
    own_names: Mapping[str, str] | None = None,
    explained: int = EXPLAINED,
    log: Log | None = None,
    detail: Callable[[Mapping[str, Any], Detail], None] | None = None,
) -> list[dict[str, Any]]:
    """Return a prediction and a forecast for each activity, the highest probability first.

    Parameters
    ----------
    activities
        canonical columns of open activities
    history
        adds the point-in-time features of the given names to a list of activities, as of their ``start``
    data_date
        day that the schedule describes, where an activity names none
    model_version
        version of the function that serves the model
    forecaster
        forecast model of the release; without one the columns of the forecast are empty
    own_names
        canonical column → name in the user's schedule, for the reasons
    explained
        number of activities that get reasons: those with the highest probabilities that are not late already
    log
        called with activities, the features that the model saw, their probabilities and what is known of them, chunk by
        chunk in their order
    detail
        called with each open activity and what its forecast rests on; not without a forecaster

    Returns
    -------
    list[dict[str, Any]]
        rows with `COLUMNS` and ``planned_finish``; ``reasons`` is empty if the model gives none; ``risk_band`` is
        `LATE` for what is late already, otherwise as `risk_band` says; ``criticality``, ``completion_days`` and
        ``late_reasons`` are None
    """
    rows: list[dict[str, Any]] = []
    chunk: list[Mapping[str, Any]] = []
    # Rows that may get reasons, with their features: never many more than needed.
    urgent: list[tuple[dict[str, Any], Mapping[str, Any]]] = []
    tolerance: int = scorer.metadata["tolerance_days"]
    # A forecast takes all features of the start, whichever of them the model of the probability takes.
    names = scorer.history if forecaster is None else HISTORY
    if contributions.unavailable(scorer) is not None:
        explained = 0

    def flush() -> None:
        dated, facts = zip(*(as_of(activity, data_date, tolerance) for activity in chunk), strict=True)
        features = [scorer.features(activity) for activity in history(dated, names)]
        judged = scorer.score(features)
        probabilities = list(map(Known.probability, facts, judged))
        if log:
            log(chunk, features, probabilities, facts)
        forecasts, details = _forecasts(forecaster, history, dated, facts, features, judged, tolerance)
        if detail:
            for activity, found in zip(chunk, details, strict=True):
                if found is not None:
                    detail(activity, found)
        for activity, row_features, known, probability, forecast in zip(
            chunk, features, facts, probabilities, forecasts, strict=True
        ):
            late = known.stage is Stage.ALREADY_LATE
            row = {
                **{name: activity.get(name) for name in GIVEN},
                "probability": probability,
                "risk_band": LATE if late else risk_band(probability, scorer.threshold),
                "at_risk": probability >= scorer.threshold,
                "reasons": f"late already, {known.days_late} days after the baseline finish so far" if late else "",
                "model_version": model_version,
                "model_id": scorer.metadata["model_id"],
                **forecast._asdict(),
                # What the project of an activity says of it: `projects.documents` knows.
                **dict.fromkeys(("criticality", "completion_days", "late_reasons")),
                "planned_finish": activity.get("planned_finish"),
            }
            rows.append(row)
            if not late:
                urgent.append((row, row_features))
        chunk.clear()
        urgent.sort(key=lambda item: _urgency(item[0]))
        del urgent[explained:]

    for activity in activities:
        chunk.append(activity)
        if len(chunk) == CHUNK:
            flush()
    if chunk:
        flush()
    for row, features in urgent:
        reasons = contributions.contributions_of(scorer, features)
        if reasons is not None:
            row["reasons"] = sentence(reasons, features, own_names)
    return sorted(rows, key=_urgency)


def _forecasts(
    forecaster: Forecaster | None,
    history: History,
    activities: Sequence[Mapping[str, Any]],
    facts: Sequence[Known],
    features: Sequence[Mapping[str, Any]],
    judged: Sequence[float],
    tolerance_days: int,
) -> tuple[list[Forecast], list[Detail | None]]:
    """Return the forecasts of activities and what they rest on, None where that is no model."""
    if forecaster is None:
        return [serving.forecast(None, {}, known, tolerance_days, 0.0) for known in facts], [None] * len(facts)
    now = history([serving.current(*pair) for pair in zip(activities, facts, strict=True)], CURRENT)
    forecasts: list[Forecast] = []
    details: list[Detail | None] = []
    for at_start, activity, known, current, probability in zip(features, activities, facts, now, judged, strict=True):
        if known.stage is Stage.COMPLETE:
            forecasts.append(serving.forecast(forecaster, {}, known, tolerance_days, probability))
            details.append(None)
            continue
        row = serving.features(at_start, activity, known, current["history"])
        finish = serving.finish(forecaster, row, known, tolerance_days, probability)
        forecasts.append(serving.stated(finish, row, known, tolerance_days))
        details.append(Detail(known, row, probability, finish))
    return forecasts, details


def _urgency(row: Mapping[str, Any]) -> tuple[float, str, str]:
    return -row["probability"], str(row["project_id"]), str(row["activity_id"])


def to_csv(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Return predictions as CSV for a spreadsheet: probabilities with four digits, no cell is a formula."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        cells = {name: neutral(row[name]) for name in COLUMNS}
        cells["at_risk"] = "yes" if row["at_risk"] else "no"
        cells |= {name: _digits(row[name], 4) for name in ("probability", "probability_late")}
        cells["expected_days_late"] = _digits(row["expected_days_late"], 1)
        cells["criticality"] = _digits(row["criticality"], 4)
        cells["completion_days"] = _digits(row["completion_days"], 1)
        writer.writerow(cells.values())
    return buffer.getvalue().encode()


def kept(rows: Iterable[Mapping[str, Any]], source: str) -> bytes:
    """Return the forecasts of a source as gzipped CSV with the columns `KEPT`; the same rows give the same bytes."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(KEPT)
    for row in rows:
        cells = {**row, "source": source}
        writer.writerow("" if cells[name] is None else cells[name] for name in KEPT)
    return gzip.compress(buffer.getvalue().encode(), mtime=0)


def _digits(value: float | None, count: int) -> str:
    return "" if value is None else f"{value:.{count}f}"
