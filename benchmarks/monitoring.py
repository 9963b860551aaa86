"""Verdicts of the monitor on streams whose truth is known, next to simpler rules on the same streams.

``nice .venv/bin/python benchmarks/monitoring.py`` draws streams from the real activities of the June 2025 example. A
profile is made of 2,215 of them (drawn with replacement), hourly windows are drawn from all of them, changed in known
ways. Writes ``.cache/monitoring/result.json``, the figure ``docs/monitoring.svg`` and prints the tables of
docs/monitoring.md. ``--evidently`` runs Evidently's default preset on some of the same windows, in an environment under
``.cache/evidently`` that it makes of benchmarks/evidently/requirements.txt. Sizes are options.

Rows are changed by weights alone, so what is drawn are real rows with all that hangs together in them. A window is then
a vector of multiplicities, and all windows are counted at once; before anything is measured a window is counted by the
monitor's own sketch too, and both must agree.
"""

import argparse
import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit, kolmogorov, logit

ROOT = Path(__file__).resolve().parents[1]

from slipcast.datasets import labels  # noqa: E402 - the path is set above
from slipcast.features.point_in_time_table import history_table  # noqa: E402
from slipcast.features.row import MISSING, NUMERIC  # noqa: E402
from slipcast.features.table import feature_table  # noqa: E402
from slipcast.monitoring.distances import psi  # noqa: E402
from slipcast.monitoring.drift import assess, counts_of, findings_of  # noqa: E402
from slipcast.monitoring.drift_rule import SCORE, Counts, Reference, Rule, Verdicts, confirmed  # noqa: E402
from slipcast.monitoring.realized_performance import performance  # noqa: E402
from slipcast.monitoring.reference_profile import profile  # noqa: E402
from slipcast.monitoring.window import Sketch  # noqa: E402
from slipcast.training.candidates import load_candidates  # noqa: E402
from slipcast.training.pipeline import build_pipeline  # noqa: E402

EXAMPLE = ROOT / "examples" / "nyc_sca_2025-06.csv"
CACHE = ROOT / ".cache" / "monitoring"
TOLERANCE_DAYS = 30
TRAINING_ROWS = 2_215
MONTH = 720
SIZES = (20, 50, 200, 1_000, 100_000)
SHIFTED = "baseline_duration_days"
LOST = "log_budget"
METHODS = ("Slipcast", "PSI > 0.2", "KS p < .05")


class Population:
    """The activities that all streams are drawn from, with a model's probabilities and what happened."""

    def __init__(self) -> None:
        days = ["data_date", "start", "baseline_finish", "actual_finish"]
        table = pd.read_csv(EXAMPLE, parse_dates=days, dtype={"project_id": str, "activity_id": str})
        rows = labels.label(table, TOLERANCE_DAYS)
        rows = pd.concat([rows, history_table(table, rows, TOLERANCE_DAYS)], axis=1)
        self.features, self.y = feature_table(rows), rows["is_late"].to_numpy()
        self.days, self.month = rows["start"], rows["start"].dt.month.to_numpy()
        candidate = next(item for item in load_candidates() if item.name == "decision_tree")
        half = np.random.default_rng(0).random(len(rows)) < 0.5
        self.p = np.empty(len(rows))
        for part in (half, ~half):
            model = build_pipeline(candidate, 1, max_depth=6, min_samples_leaf=50)
            model.fit(self.features[~part], self.y[~part])
            self.p[part] = model.predict_proba(self.features[part])[:, 1]
        # Two trees give few different values: as continuous as a forest's.
        self.p = expit(logit(np.clip(self.p, 0.02, 0.98)) + np.random.default_rng(1).normal(0, 0.3, len(rows)))


class Stream:
    """A profile and windows drawn against it.

    Parameters
    ----------
    seed : of the profile's rows and of all windows
    seasons : whether the profile knows the days
    """

    def __init__(self, population: Population, seed: int, *, seasons: bool = True) -> None:
        self.population, self.rng = population, np.random.default_rng(seed)
        self.rows = self.rng.integers(0, len(population.p), TRAINING_ROWS)
        of = population.features.iloc[self.rows].reset_index(drop=True)
        days = population.days.iloc[self.rows].reset_index(drop=True) if seasons else None
        self.profile = profile(of, population.p[self.rows], population.y[self.rows], days=days)
        self.reference = Reference(self.profile)
        self.inside = {name: self._inside(name) for name in self.reference.entries}

    def _values(self, name: str) -> np.ndarray:
        return self.population.p if name == SCORE else self.population.features[name].to_numpy()

    def _place(self, name: str) -> np.ndarray:
        """Return the bin of each activity of the population."""
        entry, values = self.reference.entries[name], self._values(name)
        if entry["kind"] == "numeric":
            edges = np.array(entry["edges"])
            known = np.searchsorted(edges, values.astype("float64"), side="left")
            return np.where(np.isnan(values.astype("float64")), len(edges) + 1, known)
        number = {value: place for place, value in enumerate(entry["categories"])}
        return np.array([number.get(value, len(number)) for value in values])

    def _inside(self, name: str) -> np.ndarray:
        """Return whether each activity is in each bin, shape (n_activities, n_bins)."""
        place = self._place(name)
        inside = np.zeros((len(place), len(self.reference.counts[name])))
        inside[np.arange(len(place)), place] = 1
        return inside

    def draw(self, n: int, windows: int, weights: np.ndarray | None = None) -> np.ndarray:
        """Return how often each activity is in each window, shape (windows, n_activities).

        Parameters
        ----------
        weights : of the activities, for all windows or for each, shape ([windows,] n_activities); None: all alike
        """
        size = len(self.population.p)
        weights = np.full(size, 1.0) if weights is None else weights
        return self.rng.multinomial(n, weights / weights.sum(axis=-1, keepdims=True), size=windows).astype("float64")

    def counts(self, times: np.ndarray, n: int, *, lost: float = 0.0, months: np.ndarray | None = None) -> Counts:
        """Return windows as the monitor counts them; of a share `lost` of the rows the feature `LOST` is missing."""
        bins, shares = {}, {}
        for name, inside in self.inside.items():
            bins[name] = times @ inside
            if name == LOST and lost:
                gone = self.rng.binomial(bins[name].astype("int64"), lost)
                bins[name] = bins[name] - gone
                bins[name][:, -1] += gone.sum(axis=1)
        for name, what in self.reference.seen:
            shares[name, what] = self._share(name, what, times, bins)
        return Counts(n, bins, shares, np.zeros(12) if months is None else months)

    def _share(self, name: str, what: str, times: np.ndarray, bins: dict[str, np.ndarray]) -> np.ndarray:
        entry, values = self.reference.entries[name], self._values(name)
        if entry["kind"] == "numeric":
            if what == "missing":
                return bins[name][:, -1]
            numbers = values.astype("float64")
            return times @ ((numbers < entry["min"]) | (numbers > entry["max"])).astype("float64")
        if what == "missing":
            return times @ (values == MISSING).astype("float64")
        return times @ (~np.isin(values, entry["seen"]) & (values != MISSING)).astype("float64")

    def speak(self, times: np.ndarray, counts: Counts, rule: Rule, streams: int = 1) -> dict[str, np.ndarray]:
        """Return for each method whether it raises the alarm at each window of `streams` one after the other."""
        if counts.n < rule.min_n:
            ours = np.zeros(len(times), dtype=bool)
        else:
            parts = np.split(Verdicts(self.reference, counts, rule).found, streams)
            ours = np.concatenate([confirmed(part, rule).any(axis=1) for part in parts])
        indices = [psi(self.reference.counts[name], counts.bins[name]) for name in counts.bins]
        return {
            "Slipcast": ours,
            "PSI > 0.2": (np.stack(indices) > 0.2).any(axis=0),
            "KS p < .05": np.stack(list(self._kolmogorov(times, counts))).any(axis=0),
        }

    def _kolmogorov(self, times: np.ndarray, counts: Counts) -> Any:
        """Yield for each number whether the two-sample test of Kolmogorov and Smirnov rejects (asymptotic p-value)."""
        for name in (*NUMERIC, SCORE):
            values = self._values(name).astype("float64")
            known = np.flatnonzero(~np.isnan(values))
            ours = values[self.rows][~np.isnan(values[self.rows])]
            if len(known) == 0 or len(ours) == 0:
                continue
            order = known[np.argsort(values[known], kind="stable")]
            ends = np.append(np.diff(values[order]) != 0, True)
            of_window = np.cumsum(times[:, order], axis=1)[:, ends]
            m, n = len(ours), np.maximum(of_window[:, -1], 1)
            of_reference = np.searchsorted(np.sort(ours), values[order][ends], side="right") / m
            distance = np.abs(of_window / n[:, None] - of_reference).max(axis=1)
            yield kolmogorov(np.sqrt(n * m / (n + m)) * distance) < 0.05


def onsets(alarm: np.ndarray) -> int:
    """Return how often an alarm begins in a stream of windows."""
    return int((alarm[1:] & ~alarm[:-1]).sum() + alarm[0])


def tilt(population: Population, target: float) -> np.ndarray:
    """Return weights under which the ten bins of `SHIFTED` have the stability index `target`; 0 changes nothing."""
    values = population.features[SHIFTED]
    rank = values.rank(pct=True).to_numpy() - 0.5
    place = np.minimum((values.rank(pct=True, method="first").to_numpy() * 10).astype(int), 9)

    def index(strength: float) -> float:
        weights = np.exp(strength * rank)
        moved = np.bincount(place, weights, 10) * 1e6 / weights.sum()
        return float(psi(np.bincount(place, minlength=10) * 1e6 / len(place), moved)) - target

    return np.ones(len(rank)) if target == 0 else np.exp(brentq(index, 1e-6, 20) * rank)


def quiet(population: Population, months: int, batch: int) -> list[dict[str, Any]]:
    """Return the alarms of streams in which nothing happens, for each size of the windows."""
    found = []
    for n in SIZES:
        alarms = {method: [] for method in (*METHODS, "Slipcast, from 20 rows")}
        for month in range(months):
            stream = Stream(population, 1000 + month, seasons=False)
            spoken = {method: [] for method in alarms}
            for _ in range(MONTH // batch):
                times = stream.draw(n, batch)
                counts = stream.counts(times, n)
                for method, spoke in stream.speak(times, counts, Rule()).items():
                    spoken[method].append(spoke)
                small = confirmed(Verdicts(stream.reference, counts, Rule(min_n=20)).found, Rule()).any(axis=1)
                spoken["Slipcast, from 20 rows"].append(small)
            for method, parts in spoken.items():
                alarms[method].append(np.concatenate(parts))
        found.append(
            {
                "n": n,
                **{
                    method: {
                        "alarms_per_month": float(np.mean([onsets(alarm) for alarm in streams])),
                        "worst_month": int(max(onsets(alarm) for alarm in streams)),
                        "hours_in_alarm": float(np.mean([alarm.sum() for alarm in streams])),
                    }
                    for method, streams in alarms.items()
                },
            }
        )
        print(json.dumps(found[-1]), flush=True)
    return found


@dataclass(frozen=True)
class Change:
    """A change: `kind` and `size` in words, weights of the activities, share lost, windows until it is whole."""

    kind: str
    size: str
    weights: np.ndarray | None = None
    lost: float = 0.0
    over: int = 0


def changes(population: Population) -> list[Change]:
    """Return the changes that are tried."""
    found = [Change("sudden", f"PSI {target}", tilt(population, target)) for target in (0.1, 0.25, 0.5)]
    found += [
        Change("gradual over 72 windows", f"PSI {target}", tilt(population, target), over=72) for target in (0.25, 0.5)
    ]
    found += [Change("feature missing", f"{share:.0%}", lost=share) for share in (0.05, 0.1, 0.3, 1.0)]
    rate = population.y.mean()
    for late in (0.5, 0.65):
        weights = np.where(population.y == 1, late / rate, (1 - late) / (1 - rate))
        found.append(Change("label shift", f"{rate:.0%} to {late:.0%} late", weights))
    return found


def detect(population: Population, n: int, runs: int, windows: int, references: int) -> list[dict[str, Any]]:
    """Return how soon each change is found in windows of `n` rows."""
    found, streams = [], [Stream(population, 2000 + number, seasons=False) for number in range(references)]
    for change in changes(population):
        long = max(windows, change.over + 24 if change.over else 0)
        delays: dict[str, list[float]] = {method: [] for method in METHODS}
        for stream in streams:
            # A long stream says as much as several short ones. What came before was quiet: none of it counts.
            many = max(1, (runs // 4 if change.over else runs) // references)
            weights = change.weights
            if weights is not None and change.over:
                grown = np.minimum(np.arange(long) / change.over, 1.0)
                weights = np.tile(weights[None, :] ** grown[:, None], (many, 1))
            times = stream.draw(n, many * long, weights)
            counts = stream.counts(times, n, lost=change.lost)
            for method, spoke in stream.speak(times, counts, Rule(), many).items():
                for alarm in np.split(spoke, many):
                    delays[method].append(float(np.argmax(alarm)) + 1 if alarm.any() else np.inf)
        found.append({"kind": change.kind, "size": change.size, "n": n, **_delays(delays)})
        print(json.dumps(found[-1]), flush=True)
    return found


def _delays(delays: dict[str, list[float]]) -> dict[str, Any]:
    described = {}
    for method, values in delays.items():
        found = np.array(values)
        median = float(np.median(found))
        described[method] = {
            "within_3": float(np.mean(found <= 3)),
            "ever": float(np.mean(np.isfinite(found))),
            "median_windows": median if np.isfinite(median) else None,
        }
    return described


def seasonal(population: Population, n: int, streams: int, a_month: int) -> dict[str, Any]:
    """Return the alarms of a year in which each month looks as that month always did."""
    hours = {method: [] for method in (*METHODS, "Slipcast, without seasons")}
    for number in range(streams):
        aware, blind = (Stream(population, 3000 + number, seasons=seasons) for seasons in (True, False))
        alarms = {method: [] for method in hours}
        for month in range(1, 13):
            weights = (population.month == month).astype("float64")
            times = aware.draw(n, a_month, weights)
            months = np.zeros(12)
            months[month - 1] = n
            for method, spoke in aware.speak(times, aware.counts(times, n, months=months), Rule()).items():
                alarms[method].append(spoke)
            alarms["Slipcast, without seasons"].append(blind.speak(times, blind.counts(times, n), Rule())["Slipcast"])
        for method, parts in alarms.items():
            hours[method].append(np.concatenate(parts).mean())
    found = {method: float(np.mean(shares)) for method, shares in hours.items()}
    print(json.dumps(found), flush=True)
    return found


def outcomes(population: Population, models: int, years: int, a_day: int) -> list[dict[str, Any]]:
    """Return what labels that come 60 to 400 days late say of models that are right, and of ones that no longer are.

    The truth of an activity is the model's probability; from the first day on its log-odds are higher by `shift`, or it
    is another activity's (`shuffled`). The labels so far are looked at every 60 days.
    """
    found = []
    for name, shift, shuffled in (
        ("nothing", 0.0, False),
        ("log-odds + 0.3", 0.3, False),
        ("log-odds + 0.5", 0.5, False),
        ("log-odds + 1.0", 1.0, False),
        ("scores know nothing", 0.0, True),
    ):
        delays, states = [], []
        # How rare a false alarm is takes more models than how soon a true one comes.
        for number in range(models if name != "nothing" else 4 * models):
            rng = np.random.default_rng(4000 + number)
            day = np.repeat(np.arange(years * 365), a_day)
            p = population.p[rng.integers(0, len(population.p), len(day))]
            truth = expit(logit(rng.permutation(p) if shuffled else p) + shift)
            table = pd.DataFrame(
                {
                    "project_id": [f"P{at}" for at in range(len(day))],
                    **{"score": p, "is_late": (rng.random(len(day)) < truth).astype("int64"), "day": day},
                    "known": day + rng.integers(60, 401, len(day)),
                }
            )
            start = pd.Timestamp("2026-01-01")
            table["as_of"] = start + pd.to_timedelta(table["day"], "D")
            table["matured_at"] = start + pd.to_timedelta(table["known"], "D")
            expected = float(np.mean(population.p * (1 - population.p)))
            reference = {"brier": expected, "brier_ci": [expected - 0.01, expected + 0.01], **_area(population.p)}
            state, when = "ok", np.inf
            for look in range(90, years * 365 + 1, 60):
                known = table[table["known"] <= look]
                result = performance(
                    known, int((table["day"] <= look).sum()), reference, dataset_id=None, data_date=None
                )
                if result.state not in ("ok", "insufficient_data"):
                    state, when = result.state, look
                    break
            delays.append(when)
            states.append(state)
        spoke = np.isfinite(delays)
        median = float(np.median(delays))
        found.append(
            {
                **{"change": name, "models": len(delays)},
                "spoke": float(spoke.mean()),
                "within_180_days": float(np.mean(np.array(delays) <= 180)),
                "median_days": median if np.isfinite(median) else None,
                "states": {state: states.count(state) for state in sorted(set(states))},
            }
        )
        print(json.dumps(found[-1]), flush=True)
    return found


def _area(p: np.ndarray) -> dict[str, Any]:
    from slipcast.monitoring.estimated_performance import expected, histogram

    area = expected(histogram(p))["auc"]
    return {"auc": area, "auc_ci": [area - 0.035, area + 0.035]}


def evidently(population: Population, windows: int) -> list[dict[str, Any]]:
    """Return what Evidently's default preset says of some of the same windows: any column, or half of them."""
    python = ROOT / ".cache" / "evidently" / "bin" / "python"
    if not python.exists():
        uv = str(ROOT / ".local" / "tools" / "bin" / "uv")
        base = ["--python", str(ROOT / ".venv" / "bin" / "python")]
        subprocess.run([uv, "venv", "-q", *base, str(python.parents[1])], check=True)
        requirements = ROOT / "benchmarks" / "evidently" / "requirements.txt"
        subprocess.run([uv, "pip", "install", "-q", "--python", str(python), "-r", str(requirements)], check=True)
    cases = [("no drift", n, None, 0.0, max(2, windows if n < 100_000 else 2)) for n in SIZES]
    cases += [
        (f"{item.kind}, {item.size}", 200, item.weights, item.lost, windows)
        for item in changes(population)
        if not item.over
    ]
    found = []
    for name, n, weights, lost, count in cases:
        stream = Stream(population, 5000, seasons=False)
        folder = CACHE / "evidently"
        folder.mkdir(parents=True, exist_ok=True)
        # A column that is missing altogether is no column to Evidently.
        whole = population.features.assign(**{SCORE: population.p})
        columns = [column for column in whole if whole[column].notna().any()]
        whole.iloc[stream.rows][columns].to_csv(folder / "reference.csv", index=False)
        parts = []
        for number in range(count):
            share = np.ones(len(whole)) if weights is None else weights
            rows = stream.rng.choice(len(whole), n, p=share / share.sum())
            part = whole.iloc[rows][columns].assign(window=number)
            part[LOST] = part[LOST].where(stream.rng.random(n) >= lost)
            parts.append(part)
        pd.concat(parts).to_csv(folder / "windows.csv", index=False)
        script = ROOT / "benchmarks" / "evidently" / "verdicts.py"
        done = subprocess.run([str(python), str(script), str(folder)], check=False, capture_output=True, text=True)
        if done.returncode:
            found.append({"case": name, "n": n, "windows": count, "failed": done.stderr.strip().splitlines()[-1]})
            print(json.dumps(found[-1]), flush=True)
            continue
        verdicts = json.loads((folder / "verdicts.json").read_text())
        found.append(
            {
                **{"case": name, "n": n, "windows": count},
                "any_column": float(np.mean([item["count"] > 0 for item in verdicts])),
                "dataset": float(np.mean([item["share"] >= 0.5 for item in verdicts])),
                "seconds": float(np.median([item["seconds"] for item in verdicts])),
            }
        )
        print(json.dumps(found[-1]), flush=True)
    return found


def draw(result: dict[str, Any], target: Path) -> None:
    """Write the figure: alarms where nothing happens, and shares found within three windows of 200 rows."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams |= {"svg.hashsalt": "slipcast", "svg.fonttype": "none", "font.size": 9}
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    colours = dict(zip(METHODS, ("#1b6ca8", "#c2571a", "#8a8a8a"), strict=True))
    for method in METHODS:
        hours = [max(item[method]["hours_in_alarm"], 0.05) for item in result["quiet"]]
        left.plot([item["n"] for item in result["quiet"]], hours, "o-", color=colours[method], label=method)
    left.set(
        xscale="log", yscale="log", xlabel="rows in an hourly window", title="Nothing happens: hours in alarm of 720"
    )
    left.axhline(1, color="black", linewidth=0.6, linestyle=":")
    left.legend(frameon=False)
    shown = [item for item in result["detect"] if item["n"] == 200 and item["kind"] in ("sudden", "feature missing")]
    for at, method in enumerate(METHODS):
        places = np.arange(len(shown)) + (at - 1) * 0.27
        right.bar(places, [item[method]["within_3"] for item in shown], 0.27, color=colours[method])
    names = [item["size"] if item["kind"] == "sudden" else f"{item['size']}\nmissing" for item in shown]
    right.set(ylim=(0, 1.02), title="Found within 3 windows of 200 rows")
    right.set_xticks(np.arange(len(shown)), names)
    for axis in (left, right):
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(target, metadata={"Date": None})


def check(population: Population) -> None:
    """Look whether a window is counted here as the monitor counts it, and judged alike."""
    stream = Stream(population, 1, seasons=False)
    times = stream.draw(300, 1, tilt(population, 0.25))
    rows = np.repeat(np.arange(len(population.p)), times[0].astype(int))
    sketch = Sketch(stream.profile)
    sketch.add(population.features.iloc[rows], population.p[rows])
    ours, counted = counts_of(stream.reference, sketch), stream.counts(times, 300)
    assert all((ours.bins[name] == counted.bins[name][0]).all() for name in ours.bins)
    assert all(float(ours.shares[test]) == float(counted.shares[test][0]) for test in stream.reference.seen)
    found = Verdicts(stream.reference, counted, Rule()).found[0]
    names = {f"{name}:{what}" for (name, what), spoke in zip(stream.reference.tests, found, strict=True) if spoke}
    assert names == set(findings_of(assess(stream.profile, sketch)))


def tables(result: dict[str, Any]) -> str:
    """Return the tables of docs/monitoring.md."""
    lines: list[str] = []
    if "quiet" in result:
        lines += ["| nothing happens | Slipcast | PSI > 0.2 | KS p < .05 |", "|---|--:|--:|--:|"]
        for item in result["quiet"]:
            cells = [
                f"{item[method]['alarms_per_month']:.2f} / {item[method]['hours_in_alarm']:.1f}" for method in METHODS
            ]
            lines.append(f"| {item['n']:,} rows | {' | '.join(cells)} |")
    if "detect" in result:
        lines += ["", "| change | rows | Slipcast | PSI > 0.2 | KS p < .05 |", "|---|--:|--:|--:|--:|"]
        for item in sorted(result["detect"], key=lambda item: (item["n"] != 200, item["n"])):
            cells = []
            for method in METHODS:
                found = item[method]
                median = "–" if found["median_windows"] is None else f"{found['median_windows']:g}"
                cells.append(f"{found['within_3']:.1%} / {found['ever']:.1%} / {median}")
            lines.append(f"| {item['kind']}, {item['size']} | {item['n']:,} | {' | '.join(cells)} |")
    if "seasonal" in result:
        lines += ["", *(f"{method}: {share:.1%} of the windows" for method, share in result["seasonal"].items())]
    if "outcomes" in result:
        lines += [
            "",
            "| truth | models | called wrong | within 180 days | median days | as |",
            "|---|--:|--:|--:|--:|---|",
        ]
        for item in result["outcomes"]:
            states = ", ".join(f"{state} {count}" for state, count in item["states"].items())
            lines.append(
                f"| {item['change']} | {item['models']} | {item['spoke']:.0%} | {item['within_180_days']:.0%} | "
                f"{item['median_days'] or '–'} | {states} |"
            )
    if "evidently" in result:
        lines += ["", "| Evidently | rows | any column | half of the columns | seconds |", "|---|--:|--:|--:|--:|"]
        for item in result["evidently"]:
            lines.append(
                f"| {item['case']} ({item['windows']} windows) | {item['n']:,} | {item['any_column']:.0%} | "
                f"{item['dataset']:.0%} | {item['seconds']:.2f} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--months", type=int, default=24, help="quiet months for each size")
    parser.add_argument("--runs", type=int, default=200, help="streams for each change")
    parser.add_argument("--windows", type=int, default=24, help="windows after a change")
    parser.add_argument("--sizes", type=int, nargs="*", default=[50, 200, 1000], help="rows in a window with a change")
    parser.add_argument("--references", type=int, default=10, help="profiles that the streams are spread over")
    parser.add_argument("--models", type=int, default=100, help="models for each change of outcomes")
    parser.add_argument(
        "--evidently", type=int, default=0, metavar="WINDOWS", help="windows of each kind for Evidently"
    )
    parser.add_argument("--only", nargs="*", default=["quiet", "detect", "seasonal", "outcomes"])
    arguments = parser.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    file = CACHE / "result.json"
    population = Population()
    began = time.perf_counter()
    steps = {
        "quiet": lambda: quiet(population, arguments.months, 360),
        "detect": lambda: [
            item
            for n in arguments.sizes
            for item in detect(population, n, arguments.runs, arguments.windows, arguments.references)
        ],
        "seasonal": lambda: seasonal(population, 200, arguments.references, 60),
        "outcomes": lambda: outcomes(population, arguments.models, 2, 3),
        "evidently": lambda: evidently(population, arguments.evidently),
    }
    check(population)
    result: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    for name in [*arguments.only, *(["evidently"] if arguments.evidently else [])]:
        made = steps[name]()
        # Another run may have added a section meanwhile.
        result = json.loads(file.read_text()) if file.exists() else {}
        if name == "detect":
            made += [item for item in result.get(name, []) if item["n"] not in arguments.sizes]
        result |= {name: made, "options": {**result.get("options", {}), name: vars(arguments)}}
        file.write_text(json.dumps(result, indent=1))
    print(f"{time.perf_counter() - began:.0f} s")
    print(tables(result))
    if {"quiet", "detect"} <= result.keys():
        draw(result, ROOT / "docs" / "monitoring.svg")


if __name__ == "__main__":
    main()
