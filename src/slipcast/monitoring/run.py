"""Monitor run: logged predictions of a window, their outcomes so far, and one conclusion in words."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any

import numpy as np

from slipcast.monitoring import drift as drifting
from slipcast.monitoring import drift_rule
from slipcast.monitoring.drift_rule import Rule
from slipcast.monitoring.estimated_performance import estimate
from slipcast.monitoring.pending_outcomes import day_of
from slipcast.monitoring.record import Conclusion, Drift, Estimated, Realised, Record
from slipcast.monitoring.window import Distinct, Sketch

# Number of predictions held as Python objects at once.
CHUNK = 5_000


@dataclass
class Window:
    """Result of one pass over the predictions of a window.

    Attributes
    ----------
    sketch
        of the distinct predictions of the version
    predictions
        of the version, repeated ones too
    other_versions
        of any other
    """

    sketch: Sketch
    predictions: int = 0
    other_versions: int = 0


def read(
    items: Iterable[Mapping[str, Any]],
    profile: Mapping[str, Any],
    *,
    model_version: str,
    also: Callable[[list[Mapping[str, Any]]], None] | None = None,
) -> Window:
    """Count the logged predictions of one model version, in one pass and in bounded memory.

    Parameters
    ----------
    items
        logged predictions with ``activity_id``, ``model_version``, ``features`` and ``score``; perhaps ``at``,
        ``data_date``, ``project_id`` and ``redacted`` (features that are kept out of the log). Delivered at least once,
        so duplicates are possible
    profile
        training profile of that version
    model_version
        predictions of other versions are only counted
    also
        called with each chunk of predictions, whatever their version
    """
    window, seen = Window(Sketch(profile)), Distinct()
    names = list(profile["features"])
    stream = iter(items)
    while chunk := list(islice(stream, CHUNK)):
        if also:
            also(chunk)
        own = [item for item in chunk if item["model_version"] == model_version]
        window.predictions += len(own)
        window.other_versions += len(chunk) - len(own)
        if own:
            _add(window.sketch, seen, own, names)
    return window


def _add(sketch: Sketch, seen: Distinct, items: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
    # Count repeated predictions of an activity once, otherwise n is inflated: a few activities, repeated every hour,
    # would look like a large sample that differs from the training data. The project is part of the key, because
    # several projects may use the same identifier.
    values = [tuple(item["features"].get(name) for name in names) for item in items]
    sketch.hidden.update(name for item in items for name in item.get("redacted", ()))
    keys = [hash((item.get("project_id"), item["activity_id"], row)) for item, row in zip(items, values, strict=True)]
    fresh = np.flatnonzero(seen.new(np.array(keys, dtype="int64"))).tolist()
    if not fresh:
        return
    rows = [values[at] for at in fresh]
    kept = [items[at] for at in fresh]
    projects = [item["project_id"] for item in kept if item.get("project_id")]
    sketch.add(
        {name: [row[place] for row in rows] for place, name in enumerate(names)},
        np.array([item["score"] for item in kept], dtype="float64"),
        days=[day_of(item) for item in kept] if "at" in kept[0] else None,
        projects=projects or None,
    )


def conclude(
    window: Window,
    profile: Mapping[str, Any],
    *,
    at: datetime,
    since: datetime,
    version: str,
    model_id: str,
    realised: Realised,
    rule: Rule,
    earlier: Sequence[Mapping[str, Any]] = (),
    unreadable: int = 0,
) -> Record:
    """Return the record of a run.

    Parameters
    ----------
    earlier
        as for `drift.assess`
    unreadable
        lines of the log that were quarantined
    """
    sketch = window.sketch
    found = drifting.assess(profile, sketch, rule, earlier)
    estimated = estimate(
        profile.get("calibration"),
        sketch.scores,
        min_n=rule.min_n,
        outside=sketch.outside,
        scores_drifted=bool(found.score and found.score.drifted),
        miscalibrated=realised.state in ("miscalibrated", "degraded"),
    )
    conclusion, reasons = _judge(found, realised, estimated)
    if unreadable:
        reasons = [
            *reasons,
            f"Lines of the prediction log that could not be read and do not count: {unreadable}. "
            "They are in the bucket under prediction-log/unreadable/.",
        ]
    record = Record(
        at=at.isoformat(),
        since=since.isoformat(),
        until=at.isoformat(),
        version=version,
        model_id=model_id,
        conclusion=conclusion,
        reasons=reasons,
        n=sketch.n,
        predictions=window.predictions,
        other_versions=window.other_versions,
        unreadable=unreadable,
        score_mean=sketch.score.total / sketch.n if sketch.n else None,
        score_reference_mean=profile["score"]["mean"],
        scores_by_day=[
            {"day": day, "n": int(count), "mean": total / count} for day, (count, total) in sorted(sketch.days.items())
        ],
        drift=found,
        realised=realised,
        estimated=estimated,
    )
    return replace(record, metrics=metrics(record))


def _judge(drift: Drift, realised: Realised, estimated: Estimated) -> tuple[Conclusion, list[str]]:
    reasons = _of_labels(realised) + _of_drift(drift)
    if estimated.state == "estimate_invalid":
        reasons.append(f"Performance cannot be estimated without labels: {estimated.why}.")
    conclusion: Conclusion
    if realised.state in ("degraded", "miscalibrated"):
        conclusion = realised.state
    elif drift.confirmed:
        conclusion = "drift"
        reasons = _of_drift(drift) + _of_labels(realised) + reasons[len(_of_drift(drift)) + len(_of_labels(realised)) :]
    elif drift.state == "insufficient_data" and realised.state == "insufficient_data":
        conclusion = "insufficient_data"
    else:
        conclusion = "healthy"
    return conclusion, reasons


def _of_labels(found: Realised) -> list[str]:
    if found.late_rate is None or found.mean_score is None or found.calibration_gap is None:
        if not found.n and not found.awaiting:
            return ["No prediction awaits its outcome."]
        return [f"{found.n} of {found.n + found.awaiting} outcomes are known: too few for a verdict."]
    rates = (
        f"Of {found.n} activities that matured since {found.since} {found.late_rate:.1%} were late, "
        f"their mean score was {found.mean_score:.1%}"
    )
    direction = "too pessimistic" if found.calibration_gap > 0 else "too optimistic"
    if found.state == "miscalibrated":
        return [f"{rates}: {direction} by {abs(found.calibration_gap):.1%}, beyond chance."]
    if found.state == "degraded":
        worse = f"Brier score {found.brier:.3f}, on the holdout {found.reference_brier:.3f}"
        if found.auc is not None:
            worse += f"; AUC {found.auc:.3f}, on the holdout {found.reference_auc:.3f}"
        return [f"{worse}: worse beyond chance.", f"{rates}."]
    worst = [item for item in found.slices if item.worse]
    parts = [
        f"{item.column} {item.value}: {item.late_rate:.1%} late, mean score {item.mean_score:.1%}, beyond chance."
        for item in worst[:3]
    ]
    return [f"{rates}: within tolerance or chance.", *parts]


def _of_drift(found: Drift) -> list[str]:
    if found.state == "insufficient_data":
        return [f"{found.n} distinct predictions in the window, {found.min_n} are needed to look for drift."]
    if found.state == "ok":
        return [f"Inputs and scores of {found.n} predictions look like the training data."]
    items = {**found.features, **({drift_rule.SCORE: found.score} if found.score else {})}
    said = []
    for name in found.drifted:
        words = "; ".join(finding.words for finding in items[name].findings)
        when = f"in {found.needed} of the last {found.of} windows" if items[name].confirmed else "in this window only"
        called = "The score" if name == drift_rule.SCORE else name
        said.append(f"{called} differs from the training {when}: {words}.")
    return said


def metrics(record: Record) -> dict[str, float]:
    """Return the CloudWatch metrics of a run; values without a verdict are not reported."""
    values: dict[str, float | None] = {"MonitorRuns": 1.0, "MonitoredPredictions": float(record.n)}
    if record.unreadable:
        values["LogLinesUnreadable"] = float(record.unreadable)
    drift, realised, estimated = record.drift, record.realised, record.estimated
    if drift and drift.state != "insufficient_data":
        values |= {
            "Drift": float(drift.confirmed),
            "DriftInWindow": float(drift.state == "drift"),
            "MaxPSI": drift.max_psi,
            "DriftedFeatureShare": drift.drifted_share,
            "ScoreMean": record.score_mean,
            "ScoreShift": _less(record.score_mean, record.score_reference_mean),
        }
    if realised and realised.coverage is not None:
        values["LabelCoverage"] = realised.coverage
    if realised and realised.state != "insufficient_data":
        values |= {
            "CalibrationGap": realised.calibration_gap,
            "RealisedBrier": realised.brier,
            "LateRate": realised.late_rate,
            "Miscalibrated": float(realised.state == "miscalibrated"),
            "Degraded": float(realised.state == "degraded"),
        }
        if realised.auc is not None:
            values["RealisedAUC"] = realised.auc
    if estimated and estimated.state != "insufficient_data":
        values["EstimateInvalid"] = float(estimated.state == "estimate_invalid")
        if estimated.state == "ok":
            values |= {"EstimatedBrier": estimated.brier, "EstimatedAUC": estimated.auc}
    if record.conclusion not in ("insufficient_data", "no_model"):
        values["Unhealthy"] = float(record.conclusion != "healthy")
    return {name: value for name, value in values.items() if value is not None}


def _less(value: float | None, reference: float | None) -> float | None:
    return None if value is None or reference is None else value - reference
