"""Two real histories replayed: what each way of retraining, releasing and recalibrating would have gained.

``nice .venv/bin/python benchmarks/history_replay.py RAW.csv`` takes the raw file of the New York School Construction
Authority (June 2025, see examples/README.md), reconstructs for each quarter's end what was known then, as
``examples/make_examples.py`` does, and lets every activity be predicted at its start by the model that is live on that
day. ``--snapshots FILE`` takes the releases of "Capital Projects" (NYC Open Data 95tx-snak) instead, where nothing has
to be reconstructed: at each release every open project is asked whether it will complete within 30 days of the date
that the release gives. Models that are asked for are fitted at a quarter's end (or release) on the labels that had
matured; the monitor sees predictions and labels as it would have. Writes ``.cache/history_replay/<source>.json`` and
prints the tables of docs/monitoring.md.

Ways of releasing: ``held back`` releases the very model that the gate measured, which has not seen the last months;
``refitted`` has the gate compare held-out twins and releases the challenger fitted on all matured labels; ``logged``
compares the challenger's rolling-origin predictions with those that the champion gave when asked, and releases the
refitted challenger; ``always`` releases the refitted challenger without a gate.
"""

import argparse
import json
import pickle
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from examples.nyc_sca import as_of, canonical  # noqa: E402
from slipcast.datasets import labels, splits  # noqa: E402
from slipcast.evaluation import gate  # noqa: E402
from slipcast.features.point_in_time_table import history_table  # noqa: E402
from slipcast.features.table import category, feature_table  # noqa: E402
from slipcast.metrics.confidence_sequence import mean_of  # noqa: E402
from slipcast.metrics.groups import project_codes  # noqa: E402
from slipcast.metrics.scores import auc, brier, evaluate  # noqa: E402
from slipcast.monitoring import level, realized_performance  # noqa: E402
from slipcast.monitoring.drift import assess, findings_of  # noqa: E402
from slipcast.monitoring.drift_rule import Rule  # noqa: E402
from slipcast.monitoring.pending_outcomes import asked_of, join  # noqa: E402
from slipcast.monitoring.reference_profile import profile  # noqa: E402
from slipcast.monitoring.window import Sketch  # noqa: E402
from slipcast.training.calibration import recalibrate  # noqa: E402
from slipcast.training.candidates import load_candidates  # noqa: E402
from slipcast.training.pipeline import build_pipeline  # noqa: E402
from slipcast.training.search.folds import FoldError, time_folds  # noqa: E402
from slipcast_cli import bench_snapshots  # noqa: E402

TOLERANCE_DAYS = 30
SEED = 1
# Near the best points of the searches on this data (docs/evaluation.md): the search itself would take an hour.
FAMILY, PARAMS = "random_forest", {"min_samples_leaf": 10, "max_features": 0.3}
MIN_LABELS = 200
# A comparison on fewer logged predictions would be decided by chance.
MIN_LOGGED = 100
DESIGNS = ("held back", "refitted", "logged", "always")
SCHEDULES = ("never", "yearly", "every look", "alarm", "yearly + alarm")


class History:
    """All activities with their features at their start, and what was known of their outcomes on a day.

    Attributes
    ----------
    name
        name of the source
    rows, features
        DataFrames of shape (n_activities, n_columns), ordered by start
    days
        days on which models may be fitted and the monitor looks
    months
        months that the gate holds back
    yearly
        every n-th of `days` is a scheduled training
    outcome, matured_at
        as known on the last day, NaN where not; last day in time
    """

    name: str
    rows: pd.DataFrame
    features: pd.DataFrame
    days: list[pd.Timestamp]
    months: int
    yearly: int
    outcome: np.ndarray
    matured_at: pd.Series

    def labelled(self, day: pd.Timestamp) -> pd.DataFrame:
        """Return what had a label on `day`, with ``row``, its place in `rows`."""
        raise NotImplementedError

    def columns(self) -> tuple[list[str], list[str]]:
        """Return the numeric and the categorical features."""
        numeric = list(self.features.select_dtypes("number").columns)
        return numeric, [name for name in self.features if name not in numeric]


class SchoolConstruction(History):
    """Schedules reconstructed from the last file: a quarter's end is a look."""

    name, months, yearly = "nyc_sca", 18, 4

    def __init__(self, raw: Path, begin: str) -> None:
        self.table = canonical(raw)
        last = pd.Timestamp("2025-06-30")
        self.days = list(pd.date_range(begin, last, freq="QE"))
        whole = as_of(self.table, last)
        # Point in time: only what was known before the start of an activity enters.
        whole = pd.concat([whole, history_table(whole, whole, TOLERANCE_DAYS)], axis=1)
        self.rows = whole.sort_values("start", kind="stable").reset_index(drop=True)
        self.features = feature_table(self.rows)
        self.matured_at = self.rows["baseline_finish"] + pd.Timedelta(days=TOLERANCE_DAYS)
        finish = self.rows["actual_finish"]
        self.outcome = np.where(
            self.matured_at <= last, (finish.isna() | (finish > self.matured_at)).astype(float), np.nan
        )
        self.place = pd.Series(
            np.arange(len(self.rows)), index=pd.MultiIndex.from_frame(self.rows[["project_id", "activity_id"]])
        )

    def labelled(self, day: pd.Timestamp) -> pd.DataFrame:
        """Return what had a label on `day`."""
        found = labels.label(as_of(self.table, day), TOLERANCE_DAYS)
        keys = pd.MultiIndex.from_frame(found[["project_id", "activity_id"]])
        found["row"] = self.place.reindex(keys).to_numpy()
        return found


class Snapshots(History):
    """Releases as published: each open project with a date to come is a row of its release."""

    name, months, yearly = "nyc_snapshots", 8, 3

    def __init__(self, path: Path) -> None:
        self.table = bench_snapshots.read(path)
        released = self.table.groupby("period")["data_date"].max().cummax()
        self.days = list(released)
        self.released = released
        features = bench_snapshots._features(self.table)
        features = features[features["to_date"] > 0].reset_index(drop=True)
        self.rows = pd.DataFrame(
            {
                "project_id": features["project_id"],
                "activity_id": features["project_id"] + "@" + features["period"].astype(str),
                "period": features["period"],
                "start": features["period"].map(released),
                "baseline_finish": features["data_date"] + pd.to_timedelta(features["to_date"], unit="D"),
            }
        )
        names = [name for name in bench_snapshots.FEATURES if name not in ("phase", "agency", "reason")]
        self.features = features[names].astype("float64")
        raw = self.table.set_index(["project_id", "period"])
        keys = pd.MultiIndex.from_frame(features[["project_id", "period"]])
        for name in ("phase", "agency", "reason"):
            self.features[name] = category(raw[name].reindex(keys)).to_numpy()
        order = np.argsort(self.rows["start"].to_numpy(), kind="stable")
        self.rows, self.features = (part.iloc[order].reset_index(drop=True) for part in (self.rows, self.features))
        self.matured_at = self.rows["baseline_finish"] + pd.Timedelta(days=TOLERANCE_DAYS)
        self.outcome = np.full(len(self.rows), np.nan)
        known = self.labelled(self.days[-1])
        self.outcome[known["row"]] = known["is_late"]

    def labelled(self, day: pd.Timestamp) -> pd.DataFrame:
        """Return what the releases up to `day` tell: a project that a release no longer names is not followed."""
        table = self.table[self.table["period"].isin(self.released.index[self.released <= day])]
        done = table[table["actual"] & (table["date"] <= table["data_date"])].groupby("project_id")["date"].first()
        followed = self.rows["project_id"].map(table.groupby("project_id")["data_date"].max())
        matured = (self.matured_at <= followed) & (self.rows["start"] < day)
        found = self.rows[matured].copy()
        finish = found["project_id"].map(done)
        found["matured_at"] = self.matured_at[matured]
        found["is_late"] = (finish.isna() | (finish > found["matured_at"])).astype("int64")
        found["row"] = np.flatnonzero(matured)
        return found.reset_index(drop=True)


@dataclass
class Fits:
    """Raw probabilities of the models of one day.

    Attributes
    ----------
    rows, y
        activities whose labels had matured by the cut, and their outcomes
    held, held_y
        held-back ones
    twin, refitted
        probabilities of all activities by the model of `rows`, and by that of `rows` and `held`
    oof
        ``row`` (place in `rows`), ``fold`` and ``p``: out of fold, in the order of time
    """

    day: pd.Timestamp
    rows: np.ndarray
    y: np.ndarray
    held: np.ndarray
    held_y: np.ndarray
    twin: np.ndarray
    refitted: np.ndarray
    oof: dict[str, np.ndarray]


@dataclass
class Model:
    """Calibrated model of one day.

    Attributes
    ----------
    p
        probabilities that it answers when live, for every activity
    twin
        those of its held-out twin
    rolling
        rolling-origin probabilities, NaN for what no window holds
    measured
        figures on the holdout
    """

    fits: Fits
    p: np.ndarray
    twin: np.ndarray
    rolling: np.ndarray
    measured: dict[str, Any]
    profile: dict[str, Any] = field(repr=False)


def fit(history: History, day: pd.Timestamp) -> Fits | None:
    """Return the fits of a training on `day`; None without enough labels."""
    known = history.labelled(day).sort_values("start", kind="stable").reset_index(drop=True)
    if len(known) < MIN_LABELS:
        return None
    train, held = splits.split(known, splits.holdout_cut(day.date(), history.months))
    if train["is_late"].nunique() < 2 or held["is_late"].nunique() < 2:
        return None
    candidate = next(item for item in load_candidates() if item.name == FAMILY)
    rows, y = train["row"].to_numpy(), train["is_late"].to_numpy()

    def fitted(places: np.ndarray, outcomes: np.ndarray, of: pd.DataFrame) -> np.ndarray:
        model = build_pipeline(candidate, SEED, columns=history.features, **PARAMS)
        return np.asarray(model.fit(history.features.iloc[places], outcomes).predict_proba(of)[:, 1])

    try:
        folds = time_folds(train)
    except FoldError:
        return None
    oof: dict[str, list[np.ndarray]] = {"row": [], "fold": [], "p": []}
    for number, fold in enumerate(folds):
        oof["row"].append(fold.test)
        oof["fold"].append(np.full(len(fold.test), number))
        oof["p"].append(fitted(rows[fold.train], y[fold.train], history.features.iloc[rows[fold.test]]))
    # What a refit knows beyond its twin: everything matured, started before the cut or not.
    return Fits(
        day,
        rows,
        y,
        held["row"].to_numpy(),
        held["is_late"].to_numpy(),
        fitted(rows, y, history.features),
        fitted(known["row"].to_numpy(), known["is_late"].to_numpy(), history.features),
        {name: np.concatenate(parts) for name, parts in oof.items()},
    )


def all_fits(history: History, cache: Path) -> dict[pd.Timestamp, Fits]:
    """Return the fits of each day that has enough labels."""
    found = {}
    for day in history.days:
        file = cache / f"{history.name}-{day.date()}.pickle"
        if not file.exists():
            fits = fit(history, day)
            # As a dict: another script has another __main__.
            file.write_bytes(pickle.dumps(None if fits is None else vars(fits)))
            print(f"fitted {file.stem}", flush=True)
        # Written by this very script.
        stored = pickle.loads(file.read_bytes())  # noqa: S301
        if stored is not None:
            found[day] = Fits(**stored)
    return found


def calibrated(history: History, fits: Fits) -> Model:
    """Return the model of fits as the pipeline calibrates it."""
    y, oof = fits.y[fits.oof["row"]], fits.oof
    line, _ = recalibrate(y, oof["p"], oof["fold"])
    # To the refitted model the holdout is one more window of the past, predicted by a model that had not seen it.
    windows = {
        "y": np.append(y, fits.held_y),
        "p": np.append(oof["p"], fits.twin[fits.held]),
        "fold": np.append(oof["fold"], np.full(len(fits.held), oof["fold"].max() + 1)),
    }
    own, _ = recalibrate(windows["y"], windows["p"], windows["fold"])
    rolling = np.full(len(history.rows), np.nan)
    rolling[fits.rows[oof["row"]]] = oof["p"]
    rolling[fits.held] = fits.twin[fits.held]
    twin = line.apply(fits.twin)
    measured = evaluate(fits.held_y, twin[fits.held], seed=SEED, n_boot=200)
    rows = np.concatenate([fits.rows, fits.held])
    described = history.rows.iloc[rows].reset_index(drop=True)
    numeric, categorical = history.columns()
    reference = profile(
        history.features.iloc[rows].reset_index(drop=True),
        own.apply(windows["p"]),
        np.concatenate([fits.y, fits.held_y]),
        numeric=numeric,
        categorical=categorical,
        days=described["start"],
        projects=described["project_id"],
        score_rows=np.concatenate([oof["row"], len(fits.rows) + np.arange(len(fits.held))]),
        holdout=measured,
    )
    return Model(fits, own.apply(fits.refitted), twin, rolling, measured, reference)


def allowed(
    history: History, challenger: Model, champion: Model | None, design: str, reason: str, given: np.ndarray
) -> bool:
    """Return whether the challenger goes live; `given` are the probabilities that were given when asked."""
    if design == "always":
        return True
    fits = challenger.fits
    rows, p = fits.held, challenger.twin
    other = champion.twin if champion else None
    if design == "logged" and champion is not None:
        known = np.concatenate([fits.rows, fits.held])
        rows = known[~np.isnan(given[known]) & ~np.isnan(challenger.rolling[known])]
        p, other = challenger.rolling, given
    y = history.outcome[rows]
    if len(rows) < MIN_LOGGED or len(np.unique(y)) < 2:
        return False
    age = champion and (fits.day - champion.fits.day).days
    decision = gate.decide(
        y,
        p[rows],
        None if other is None else other[rows],
        float(fits.y.mean()),
        seed=SEED,
        needed=gate.need(reason, age, 365),
        n_boot=500,
    )
    return decision.release


def look(
    history: History,
    live: np.ndarray,
    model: Model,
    since: pd.Timestamp,
    before: pd.Timestamp,
    day: pd.Timestamp,
    earlier: list[dict[str, Any]],
) -> tuple[str, pd.DataFrame, list[dict[str, Any]]]:
    """Return what the monitor concludes on a day, the labels that it joined, and the windows of drift so far."""
    begin, drifted = history.rows["start"], []
    ends = pd.date_range(before + pd.Timedelta(days=1), day, freq="ME")
    for first, end in zip([before, *ends], ends if len(ends) else [day], strict=False):
        rows = np.flatnonzero((begin > first) & (begin <= end) & (begin > since))
        sketch = Sketch(model.profile)
        if len(rows):
            sketch.add(
                history.features.iloc[rows],
                live[rows],
                days=begin.iloc[rows].dt.strftime("%Y-%m-%d").tolist(),
                projects=history.rows["project_id"].iloc[rows].tolist(),
            )
        found = assess(model.profile, sketch, Rule(), earlier)
        earlier = [{"until": str(end.date()), "state": found.state, "findings": findings_of(found)}, *earlier]
        drifted += found.confirmed_features
    rows = np.flatnonzero((begin > since) & (begin <= day))
    columns = {name: history.rows[name].iloc[rows] for name in ("project_id", "activity_id")}
    said = zip(*columns.values(), live[rows], begin.iloc[rows].dt.strftime("%Y-%m-%dT00:00:00+00:00"), strict=True)
    names = ("project_id", "activity_id", "score", "at")
    asked = asked_of([{"model_version": "1", **dict(zip(names, item, strict=True))} for item in said])
    joined = join(asked, history.labelled(day), known_until=model.fits.day)
    result = realized_performance.performance(
        joined, len(asked), model.profile["performance"], dataset_id=None, data_date=str(day.date())
    )
    wrong = result.state in ("miscalibrated", "degraded")
    return result.state if wrong else "drift" if drifted else "ok", joined, earlier


def replay(
    history: History, models: dict[pd.Timestamp, Model], design: str, schedule: str, steps: bool
) -> dict[str, Any]:
    """Return what a design did: trainings, releases, and the probability that each activity was given."""
    begin = history.rows["start"]
    p = np.full(len(begin), np.nan)
    champion: Model | None = None
    since, earlier = history.days[0], []
    offset, taken, rejected = 0.0, [], False
    events, releases, trainings = [], 0, 0
    for number, day in enumerate(history.days):
        conclusion = "no_model"
        if champion is not None:
            before = history.days[number - 1]
            answered = champion.twin if design == "held back" else champion.p
            rows = np.flatnonzero((begin > before) & (begin <= day))
            p[rows] = level.shifted(answered[rows], offset)
            if schedule != "never" and ("alarm" in schedule or steps):
                conclusion, joined, earlier = look(history, p, champion, since, before, day, earlier)
                if steps:
                    raw = answered[joined["row"].to_numpy()]
                    step = level.step(joined["is_late"], raw, offset, joined["project_id"], joined["matured_at"])
                    if step is not None:
                        offset += step.size
                        taken.append((str(day.date()), round(step.size, 3)))
        challenger = models.get(day)
        yearly = "yearly" in schedule and (number + 1) % history.yearly == 0
        alarm = "alarm" in schedule and (conclusion in ("miscalibrated", "degraded", "drift") or rejected)
        if challenger is not None and (champion is None or yearly or alarm or schedule == "every look"):
            trainings += champion is not None
            reason = "alarm" if alarm else "schedule"
            if allowed(history, challenger, champion, design, reason, p):
                releases += champion is not None
                events.append((str(day.date()), conclusion, "released"))
                champion, since, earlier, offset, rejected = challenger, day, [], 0.0, False
            else:
                events.append((str(day.date()), conclusion, "kept"))
                # Judged again at the next look, when new labels came.
                rejected = champion is not None and alarm
    return {"p": p, "trainings": trainings, "releases": releases, "events": events, "steps": taken}


def main() -> None:
    """Replay each design by each schedule and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("raw", type=Path, nargs="?")
    parser.add_argument("--snapshots", type=Path)
    parser.add_argument("--begin", default="2015-03-31")
    arguments = parser.parse_args()
    cache = ROOT / ".cache" / "history_replay"
    cache.mkdir(parents=True, exist_ok=True)
    history: History = (
        Snapshots(arguments.snapshots) if arguments.snapshots else SchoolConstruction(arguments.raw, arguments.begin)
    )
    models = {day: calibrated(history, fits) for day, fits in all_fits(history, cache).items()}
    runs = {}
    for design in DESIGNS:
        for schedule in SCHEDULES:
            for steps in (False, True):
                if schedule == "never" and (design != "refitted" or steps):
                    continue
                runs[f"{design}, {schedule}{', level steps' if steps else ''}"] = replay(
                    history, models, design, schedule, steps
                )
    judged = ~np.isnan(history.outcome) & np.logical_and.reduce([~np.isnan(run["p"]) for run in runs.values()])
    (cache / f"{history.name}.json").write_text(json.dumps(_table(history, runs, judged), indent=1))


def _table(history: History, runs: dict[str, dict[str, Any]], judged: np.ndarray) -> dict[str, Any]:
    y = history.outcome[judged].astype(int)
    starts = history.rows["start"][judged]
    print(f"{history.name}: {judged.sum()} activities that started {starts.min().date()} to {starts.max().date()}")
    squared = {name: (run["p"][judged] - y) ** 2 for name, run in runs.items()}
    best = min(squared, key=lambda name: float(squared[name].mean()))
    projects = project_codes(history.rows["project_id"][judged])
    out = {}
    for name, run in runs.items():
        p = run["p"][judged]
        above = mean_of(squared[name] - squared[best], projects)
        low, high = (value / squared[best].mean() for value in above.interval())
        out[name] = {
            **{"brier": brier(y, p), "auc": auc(y, p), "gap": float(p.mean() - y.mean())},
            **{"above_best": above.value / squared[best].mean(), "above_best_ci": [low, high]},
            **{key: run[key] for key in ("trainings", "releases", "events", "steps")},
        }
        print(
            f"{name:<40} Brier {out[name]['brier']:.4f} AUC {out[name]['auc']:.3f} gap {out[name]['gap']:+.3f} "
            f"above best {out[name]['above_best']:+.1%} [{low:+.1%}, {high:+.1%}] trainings {run['trainings']} "
            f"releases {run['releases']} steps {len(run['steps'])}",
            flush=True,
        )
    return out


if __name__ == "__main__":
    main()
