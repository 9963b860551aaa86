"""The real history replayed: when the monitor speaks, and what retraining on its word gains.

``nice .venv/bin/python benchmarks/history_replay.py RAW.csv`` takes the raw file of the New York School Construction
Authority (June 2025, see examples/README.md), reconstructs for each quarter's end what was known then, as
``examples/make_examples.py`` does, and lets every activity be predicted at its start by the model that is live on that
day. Models that are asked for are fitted at a quarter's end on the labels that had matured; the monitor sees
predictions and labels as it would have. Writes ``.cache/history_replay/result-<rows>.json`` and prints the tables of
docs/monitoring.md.

Two ways of releasing: ``refit`` fits on all labels known and replaces the champion always; ``pipeline`` does what
Slipcast's pipeline does: 18 months are held back, and the gate decides against the champion on them.
"""

import argparse
import json
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]

from examples.nyc_sca import as_of, canonical  # noqa: E402
from slipcast.datasets import labels, splits  # noqa: E402
from slipcast.evaluation import gate  # noqa: E402
from slipcast.features.point_in_time_table import history_table  # noqa: E402
from slipcast.features.table import feature_table  # noqa: E402
from slipcast.metrics.scores import auc, brier, evaluate  # noqa: E402
from slipcast.monitoring import realized_performance  # noqa: E402 - the path is set above
from slipcast.monitoring.drift import assess, findings_of  # noqa: E402
from slipcast.monitoring.drift_rule import Rule  # noqa: E402
from slipcast.monitoring.pending_outcomes import asked_of, join  # noqa: E402
from slipcast.monitoring.reference_profile import profile  # noqa: E402
from slipcast.monitoring.window import Sketch  # noqa: E402
from slipcast.training.calibration import Calibration, recalibrate  # noqa: E402
from slipcast.training.candidates import load_candidates  # noqa: E402
from slipcast.training.pipeline import build_pipeline  # noqa: E402
from slipcast.training.search.folds import FoldError, time_folds  # noqa: E402

TOLERANCE_DAYS = 30
HOLDOUT_MONTHS = 18
SEED = 1
# Near the best points of the searches on this data (docs/evaluation.md): the search itself would take an hour.
FAMILY, PARAMS = "random_forest", {"min_samples_leaf": 10, "max_features": 0.3}
MIN_LABELS = {"refit": 50, "pipeline": 200}


@dataclass
class Model:
    """A model of one quarter's end.

    Attributes
    ----------
    p : its probability for every activity
    rows, y : training activities and their outcomes
    score_rows, scores : positions in `rows` with out-of-fold probabilities, and those
    holdout : activities that were held back
    measured : figures on those, or out of fold
    """

    day: pd.Timestamp
    p: np.ndarray
    rows: np.ndarray
    y: np.ndarray
    score_rows: np.ndarray
    scores: np.ndarray
    holdout: np.ndarray
    measured: dict[str, Any]

    def profile(self, history: "History") -> dict[str, Any]:
        """Return the profile that the monitor compares with."""
        described = history.rows.iloc[self.rows].reset_index(drop=True)
        return profile(
            history.features.iloc[self.rows].reset_index(drop=True),
            self.scores,
            self.y,
            days=described["start"],
            projects=described["project_id"],
            score_rows=self.score_rows,
            holdout=self.measured,
        )


class History:
    """All activities with their features at their start, and what was known of their outcomes on a day."""

    def __init__(self, raw: Path) -> None:
        self.table = canonical(pd.read_csv(raw, dtype=str, keep_default_na=False))
        self.last = pd.Timestamp("2025-06-30")
        whole = as_of(self.table, self.last)
        # Point in time: only what was known before the start of an activity enters.
        whole = pd.concat([whole, history_table(whole, whole, TOLERANCE_DAYS)], axis=1)
        self.rows = whole.sort_values("start", kind="stable").reset_index(drop=True)
        self.features = feature_table(self.rows)
        limit = self.rows["baseline_finish"] + pd.Timedelta(days=TOLERANCE_DAYS)
        self.matured_at = limit
        finish = self.rows["actual_finish"]
        self.outcome = np.where(limit <= self.last, (finish.isna() | (finish > limit)).astype(float), np.nan)
        self.place = pd.Series(
            np.arange(len(self.rows)), index=pd.MultiIndex.from_frame(self.rows[["project_id", "activity_id"]])
        )

    def labelled(self, day: pd.Timestamp) -> pd.DataFrame:
        """Return what had a label on `day`, with ``row`` and ``matured_at``."""
        found = labels.label(as_of(self.table, day), TOLERANCE_DAYS)
        keys = pd.MultiIndex.from_frame(found[["project_id", "activity_id"]])
        found["row"] = self.place.reindex(keys).to_numpy()
        found["matured_at"] = found["baseline_finish"] + pd.Timedelta(days=TOLERANCE_DAYS)
        return found

    def outcome_known(self, day: pd.Timestamp) -> np.ndarray:
        """Return outcomes as they were known on `day`, NaN where not."""
        return np.where(self.matured_at <= day, self.outcome, np.nan)


def fit(history: History, day: pd.Timestamp, protocol: str) -> Model | None:
    """Return the model that a training on `day` leads to; None without enough labels."""
    known = history.labelled(day)
    if len(known) < MIN_LABELS[protocol]:
        return None
    train, holdout = known, known.iloc[:0]
    if protocol == "pipeline":
        train, holdout = splits.split(known, splits.holdout_cut(day.date(), HOLDOUT_MONTHS))
    if train["is_late"].nunique() < 2 or (protocol == "pipeline" and holdout["is_late"].nunique() < 2):
        return None
    candidate = next(item for item in load_candidates() if item.name == FAMILY)
    train = train.sort_values("start", kind="stable").reset_index(drop=True)
    rows, y = train["row"].to_numpy(), train["is_late"].to_numpy()
    x = history.features.iloc[rows].reset_index(drop=True)

    def fitted(part: np.ndarray) -> Any:
        return build_pipeline(candidate, SEED, **PARAMS).fit(x.iloc[part], y[part])

    try:
        folds = time_folds(train)
    except FoldError:
        folds = []
    out = {"row": [], "fold": [], "p": []}
    for number, fold in enumerate(folds):
        out["row"].append(fold.test)
        out["fold"].append(np.full(len(fold.test), number))
        out["p"].append(fitted(fold.train).predict_proba(x.iloc[fold.test])[:, 1])
    model = fitted(np.arange(len(train)))
    line = Calibration()
    score_rows, scores = np.arange(len(train)), model.predict_proba(x)[:, 1]
    if folds:
        oof = {name: np.concatenate(parts) for name, parts in out.items()}
        line, _ = recalibrate(y[oof["row"]], oof["p"], oof["fold"])
        score_rows, scores = oof["row"], oof["p"]
    scores = line.apply(scores)
    p = line.apply(model.predict_proba(history.features)[:, 1])
    if protocol == "pipeline":
        held = holdout["row"].to_numpy()
        measured = evaluate(holdout["is_late"].to_numpy(), p[held], seed=SEED, n_boot=300)
    else:
        held = np.array([], dtype="int64")
        measured = evaluate(y[score_rows], scores, seed=SEED, n_boot=300)
    return Model(day, p, rows, y, score_rows, scores, held, measured)


def models(history: History, days: list[pd.Timestamp], protocol: str, cache: Path) -> dict[pd.Timestamp, Model]:
    """Return the model of each day that has one."""
    found = {}
    for day in days:
        file = cache / f"{protocol}-{day.date()}.pickle"
        if not file.exists():
            file.write_bytes(pickle.dumps(fit(history, day, protocol)))
            print(f"fitted {file.stem}", flush=True)
        # Written by this very script.
        model = pickle.loads(file.read_bytes())  # noqa: S301
        if model is not None:
            found[day] = model
    return found


def allowed(history: History, challenger: Model, champion: Model | None, protocol: str, reason: str) -> bool:
    """Return whether the challenger goes live."""
    if protocol == "refit":
        return True
    age = champion and (challenger.day - champion.day).days
    decision = gate.decide(
        history.outcome_known(challenger.day)[challenger.holdout],
        challenger.p[challenger.holdout],
        champion.p[challenger.holdout] if champion else None,
        float(challenger.y.mean()),
        seed=SEED,
        needed=gate.need(reason, age, 365),
        n_boot=1000,
    )
    return decision.release


def look(
    history: History,
    model: Model,
    known: dict[str, Any],
    since: pd.Timestamp,
    day: pd.Timestamp,
    earlier: list[dict[str, Any]],
    rule: Rule,
) -> tuple[str, list[str], list[dict[str, Any]]]:
    """Return what the monitor concludes at a quarter's end: the worst of its three months' windows, and labels so far.

    Parameters
    ----------
    known : profile of the model
    since : day from which the model was live
    earlier : windows of the same model before, newest first
    """
    begin = history.rows["start"]
    drifted: list[str] = []
    for month in pd.date_range(day - pd.DateOffset(months=2), day, freq="ME"):
        first = month - pd.offsets.MonthBegin(1)
        rows = np.flatnonzero((begin >= first) & (begin <= month) & (begin > since))
        sketch = Sketch(known)
        if len(rows):
            sketch.add(
                history.features.iloc[rows],
                model.p[rows],
                days=begin.iloc[rows].dt.strftime("%Y-%m-%d").tolist(),
                projects=history.rows["project_id"].iloc[rows].tolist(),
            )
        found = assess(known, sketch, rule, earlier)
        earlier = [{"until": str(month.date()), "state": found.state, "findings": findings_of(found)}, *earlier]
        drifted += found.confirmed_features
    rows = np.flatnonzero((begin > since) & (begin <= day))
    said_of = zip(
        history.rows["project_id"].iloc[rows],
        history.rows["activity_id"].iloc[rows],
        model.p[rows],
        begin.iloc[rows].dt.strftime("%Y-%m-%dT00:00:00+00:00"),
        strict=True,
    )
    asked = asked_of(
        [
            {"model_version": "1", "project_id": project, "activity_id": activity, "score": p, "at": at}
            for project, activity, p, at in said_of
        ]
    )
    joined = join(asked, history.labelled(day), known_until=model.day)
    result = realized_performance.performance(
        joined, len(asked), known["performance"], dataset_id=None, data_date=str(day.date())
    )
    said = []
    if result.state in ("miscalibrated", "degraded"):
        said.append(
            f"{result.state}: n {result.n}, late {result.late_rate:.2f}, mean score {result.mean_score:.2f}, "
            f"Brier {result.brier:.3f} (reference {result.reference_brier:.3f}), AUC {result.auc:.2f}"
        )
    if drifted:
        said.append(f"drift: {', '.join(sorted(set(drifted)))}")
    conclusion = (
        result.state if said and result.state in ("miscalibrated", "degraded") else "drift" if drifted else "ok"
    )
    return conclusion, said, earlier


def replay(
    history: History,
    found: dict[pd.Timestamp, Model],
    days: list[pd.Timestamp],
    strategy: str,
    protocol: str,
    rule: Rule,
) -> dict[str, Any]:
    """Return what a strategy did: releases, trainings, what the monitor said, and the probability of each activity."""
    begin = history.rows["start"]
    p = np.full(len(begin), np.nan)
    champion: Model | None = None
    since, earlier, known = days[0], [], {}
    events, releases, trainings = [], 0, 0
    for number, day in enumerate(days):
        conclusion, said = "no_model", []
        if champion is not None:
            rows = np.flatnonzero((begin > days[number - 1]) & (begin <= day))
            p[rows] = champion.p[rows]
            if strategy == "never" or strategy.startswith("alarm"):
                conclusion, said, earlier = look(history, champion, known, since, day, earlier, rule)
        challenger = found.get(day)
        asked = (
            champion is None
            or {
                "never": False,
                "yearly": day.month == 12,
                "quarterly": True,
                "alarm: labels": conclusion in ("miscalibrated", "degraded"),
                "alarm: labels or drift": conclusion in ("miscalibrated", "degraded", "drift"),
            }[strategy]
        )
        entry = {"day": str(day.date()), "conclusion": conclusion, "said": said}
        if challenger is not None and asked:
            trainings += champion is not None
            reason = "alarm" if strategy.startswith("alarm") else "schedule"
            if allowed(history, challenger, champion, protocol, reason):
                releases += champion is not None
                entry["released"] = True
                champion, since, earlier, known = challenger, day, [], challenger.profile(history)
            else:
                entry["kept"] = True
        events.append(entry)
    return {"p": p, "trainings": trainings, "releases": releases, "events": events}


def main() -> None:
    """Replay each strategy by each protocol and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("raw", type=Path)
    parser.add_argument("--protocol", choices=["refit", "pipeline"], nargs="*", default=["refit", "pipeline"])
    parser.add_argument("--begin", default="2015-03-31")
    parser.add_argument("--min-rows", type=int, default=Rule().min_n, help="predictions that a month's window needs")
    arguments = parser.parse_args()
    cache = ROOT / ".cache" / "history_replay"
    cache.mkdir(parents=True, exist_ok=True)
    history = History(arguments.raw)
    days = list(pd.date_range(arguments.begin, history.last, freq="QE"))
    result = {}
    for protocol in arguments.protocol:
        found = models(history, days, protocol, cache)
        runs = {
            strategy: replay(history, found, days, strategy, protocol, Rule(min_n=arguments.min_rows))
            for strategy in ("never", "yearly", "quarterly", "alarm: labels", "alarm: labels or drift")
        }
        judged = ~np.isnan(history.outcome) & ~np.isnan(runs["never"]["p"])
        y = history.outcome[judged].astype(int)
        result[protocol] = _table(history, runs, judged, y, protocol)
    (cache / f"result-{arguments.min_rows}.json").write_text(json.dumps(result, indent=1))


def _table(
    history: History, runs: dict[str, dict[str, Any]], judged: np.ndarray, y: np.ndarray, protocol: str
) -> dict[str, Any]:
    starts = history.rows["start"][judged]
    print(f"\n{protocol}: {judged.sum()} activities that started {starts.min().date()} to {starts.max().date()}")
    print(f"{'':<24} {'Brier':>7} {'AUC':>6} {'gap':>7} {'trainings':>10} {'releases':>9}")
    best = min(brier(y, run["p"][judged]) for run in runs.values())
    out: dict[str, Any] = {"activities": int(judged.sum()), "from": str(starts.min().date()), "strategies": {}}
    for name, run in runs.items():
        p = run["p"][judged]
        scores = {"brier": brier(y, p), "auc": auc(y, p), "gap": float(p.mean() - y.mean())}
        years = starts.dt.year.to_numpy()
        out["strategies"][name] = {
            **scores,
            "above_best": scores["brier"] / best - 1,
            **{"trainings": run["trainings"], "releases": run["releases"], "events": run["events"]},
            "by_year": {
                int(year): {
                    "n": int((years == year).sum()),
                    "late_rate": float(y[years == year].mean()),
                    "mean_score": float(p[years == year].mean()),
                    "brier": brier(y[years == year], p[years == year]),
                    "auc": auc(y[years == year], p[years == year]),
                }
                for year in np.unique(years)
            },
        }
        print(
            f"{name:<24} {scores['brier']:>7.4f} {scores['auc']:>6.3f} {scores['gap']:>+7.3f} {run['trainings']:>10} "
            f"{run['releases']:>9}   {scores['brier'] / best - 1:+.1%} of the best"
        )
    for name in ("never", "alarm: labels or drift"):
        print(f"\nwhat the monitor said, {name}")
        for event in runs[name]["events"]:
            if event["said"] or event.get("released") or event.get("kept"):
                mark = "released" if event.get("released") else "kept" if event.get("kept") else ""
                print(f"  {event['day']} {event['conclusion']:<14} {mark:<9} {' | '.join(event['said'])}")
    return out


if __name__ == "__main__":
    main()
