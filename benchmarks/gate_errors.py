"""Error rates of the gate: releases of what is not better, releases of what is, fairness alarms without a gap.

``nice .venv/bin/python benchmarks/gate_errors.py`` takes the June 2025 example: a forest with the parameters released
there is fitted to the training rows, its probabilities of the 698 holdout activities are taken as the truth, and
outcomes are drawn from them. Champion and challenger are that truth with noise on the log-odds, so that their expected
Brier scores are known exactly. Each share is of 500 simulated holdouts, drawn from the projects with replacement.
``--simulations 100`` for less.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import norm

ROOT = Path(__file__).resolve().parents[1]

from slipcast.datasets import labels, splits, versions  # noqa: E402 - the path is set above
from slipcast.evaluation.fairness import MEASURES, fairness_report  # noqa: E402
from slipcast.evaluation.gate import decide  # noqa: E402
from slipcast.evaluation.threshold import cost_threshold  # noqa: E402
from slipcast.features.point_in_time_table import history_table  # noqa: E402
from slipcast.features.table import feature_table  # noqa: E402
from slipcast.ingest.schedule import read_schedule  # noqa: E402
from slipcast.training.candidates import load_candidates  # noqa: E402
from slipcast.training.pipeline import build_pipeline  # noqa: E402

EXAMPLE = ROOT / "examples" / "nyc_sca_2025-06.csv"
SIMULATIONS = 500
SAMPLES = 500
# What the champion loses to the truth: as much as the champion of end 2022 lost to that of June 2025.
CHAMPION_LOSS = 0.011
# The errors of two models of the same data are alike.
CORRELATION = 0.7
GAINS = (-0.01, -0.005, -0.0025, 0.0, 0.0025, 0.005, 0.0075, 0.01)
LIMITS = {"selection_rate": 1.0, "false_negative_rate": 0.2, "calibration_gap": 0.15}


def truth() -> tuple[pd.DataFrame, np.ndarray, float]:
    """Return the holdout, the probability of each activity, and the late rate of the training rows."""
    with tempfile.TemporaryDirectory() as folder:
        schedule = read_schedule(EXAMPLE, EXAMPLE.name, workdir=Path(folder))
        table = versions.read_table(schedule.table)
    labelled = labels.label(table, 30)
    labelled = labelled.join(history_table(table, labelled, 30))
    train, holdout = splits.split(labelled, splits.holdout_cut(schedule.data_date))
    forest = next(item for item in load_candidates() if item.name == "random_forest")
    model = build_pipeline(forest, 1, min_samples_leaf=10, max_features=0.3)
    model.fit(feature_table(train), train["is_late"])
    p = model.predict_proba(feature_table(holdout))[:, 1]
    return holdout, np.clip(p, 0.01, 0.99), float(train["is_late"].mean())


def expected_loss(p: np.ndarray, size: float) -> float:
    """Return by how much noise of standard deviation `size` on the log-odds raises the expected Brier score."""
    nodes = norm.ppf((np.arange(200) + 0.5) / 200)
    return float(np.mean((expit(logit(p)[:, None] + size * nodes) - p[:, None]) ** 2))


def noise_for(p: np.ndarray, loss: float) -> float:
    """Return the standard deviation of the noise that costs `loss`."""
    return 0.0 if loss <= 0 else brentq(lambda size: expected_loss(p, size) - loss, 0, 20)


def outcomes(p: np.ndarray, projects: np.ndarray, correlation: float, rng: np.random.Generator) -> np.ndarray:
    """Draw outcomes with probabilities `p`; those of one project share a normal factor (one-factor Gaussian copula)."""
    factor = rng.normal(size=projects.max() + 1)[projects]
    latent = np.sqrt(correlation) * factor + np.sqrt(1 - correlation) * rng.normal(size=len(p))
    return (norm.cdf(latent) < p).astype("int64")


def releases(p: np.ndarray, projects: np.ndarray, rate: float, gain: float, correlation: float) -> np.ndarray:
    """Return the shares released as better, and as needed and not worse on top."""
    sizes = [noise_for(p, loss) for loss in (CHAMPION_LOSS, CHAMPION_LOSS - gain)]
    rng = np.random.default_rng(7)
    members = pd.Series(np.arange(len(p))).groupby(projects).apply(list).to_list()
    found = np.zeros(2)
    for seed in range(SIMULATIONS):
        # Whole projects are drawn: what belongs together stays together.
        drawn = [members[place] for place in rng.integers(0, len(members), len(members))]
        rows = np.concatenate(drawn)
        project = np.repeat(np.arange(len(drawn)), [len(group) for group in drawn])
        q = p[rows]
        y = outcomes(q, project, correlation, rng)
        shared, own = rng.normal(size=(2, len(q)))
        champion = expit(logit(q) + sizes[0] * shared)
        mixed = CORRELATION * shared + np.sqrt(1 - CORRELATION**2) * own
        challenger = expit(logit(q) + sizes[1] * mixed)
        decision = decide(y, challenger, champion, rate, seed=seed, needed="drift alarm", n_boot=SAMPLES)
        better = decision.release and decision.reasons[0].startswith("better")
        found += [better, decision.release]
    return found / SIMULATIONS


def first_models(p: np.ndarray, rate: float) -> float:
    """Return the share of first models that are released though the outcomes have nothing to do with the scores."""
    rng = np.random.default_rng(8)
    released = 0
    for seed in range(SIMULATIONS):
        q = rng.permutation(p)
        y = (rng.random(len(p)) < rate).astype("int64")
        # A model of such labels would say little more than the late rate.
        timid = expit(logit(rate) + 0.2 * (logit(q) - logit(q).mean()))
        released += decide(y, timid, None, rate, seed=seed, n_boot=SAMPLES).release
    return released / SIMULATIONS


def alarms(
    p: np.ndarray,
    groups: Callable[[np.random.Generator], np.ndarray],
    limits: dict[str, float],
    *,
    factor: float = 1.0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return for each measure how often the limit is broken, how often the observed gap alone passes it, and its mean.

    Parameters
    ----------
    groups : draws a group for each activity, without regard to score and outcome
    factor : what the probabilities of the first group are multiplied by
    """
    rng = np.random.default_rng(9)
    broken, observed, gaps = (np.zeros(len(MEASURES)) for _ in range(3))
    threshold = cost_threshold(2, 1)
    for seed in range(SIMULATIONS):
        member = groups(rng)
        y = (rng.random(len(p)) < p).astype("int64")
        scores = np.where(member == "group 0", p * factor, p)
        table = pd.DataFrame({"group": member})
        report = fairness_report(
            table, y, scores, columns=["group"], threshold=threshold, limits=limits, seed=seed, n_boot=SAMPLES
        )
        for gap in report["gaps"]:
            at = MEASURES.index(gap["measure"])
            broken[at] += gap["broken"]
            observed[at] += gap["gap"] > gap["limit"]
            gaps[at] += gap["gap"]
    return broken / SIMULATIONS, observed / SIMULATIONS, gaps / SIMULATIONS


def print_releases(holdout: pd.DataFrame, p: np.ndarray, rate: float) -> None:
    """Print how often challengers of known quality are released."""
    projects = pd.factorize(holdout["project_id"])[0]
    ideal = float(np.mean(p * (1 - p)))
    print(f"{len(p)} activities of {projects.max() + 1} projects")
    print(f"Brier score of the truth {ideal:.4f}, of the champion {ideal + CHAMPION_LOSS:.4f}\n")
    print(f"first model, outcomes without signal: released {first_models(p, rate):.1%}\n")
    print(f"{'Brier gained':>12} {'correlation':>12} {'better':>8} {'or needed, not worse':>21}")
    for correlation in (0.0, 0.5):
        for gain in GAINS:
            better, needed = releases(p, projects, rate, gain, correlation)
            print(f"{gain:>12.4f} {correlation:>12.1f} {better:>8.1%} {needed:>21.1%}", flush=True)


def print_alarms(holdout: pd.DataFrame, p: np.ndarray) -> None:
    """Print how often a fairness limit is broken where there is no gap, and where there is one."""
    location = holdout["location"].fillna("").to_numpy(dtype=object)

    def districts(rng: np.random.Generator) -> np.ndarray:
        return rng.permutation(location)

    def equal(number: int) -> Callable[[np.random.Generator], np.ndarray]:
        return lambda rng: np.array([f"group {i}" for i in rng.integers(0, number, len(p))])

    none = dict.fromkeys(MEASURES, 0.0)
    cases = [
        (f"{what}, limit {name}", groups, limits, 1.0)
        for name, limits in (("0", none), ("default", LIMITS))
        for what, groups in (("districts at random", districts), ("2 groups", equal(2)), ("10 groups", equal(10)))
    ]
    cases += [(f"4 groups, one scored x {factor}, limit default", equal(4), LIMITS, factor) for factor in (0.7, 0.5)]
    print(f"\n{'':44}" + "".join(f"{name.replace('_', ' '):>30}" for name in MEASURES))
    print(f"{'':44}" + f"{'mean gap':>14}{'alone':>8}{'broken':>8}" * len(MEASURES))
    for name, groups, limits, factor in cases:
        broken, observed, gaps = alarms(p, groups, limits, factor=factor)
        cells = zip(gaps, observed, broken, strict=True)
        print(f"{name:44}" + "".join(f"{gap:>14.3f}{alone:>8.1%}{hit:>8.1%}" for gap, alone, hit in cells), flush=True)


def main() -> None:
    """Measure and print."""
    global SIMULATIONS
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulations", type=int, default=SIMULATIONS)
    SIMULATIONS = parser.parse_args().simulations
    holdout, p, rate = truth()
    print_releases(holdout, p, rate)
    print_alarms(holdout, p)


if __name__ == "__main__":
    main()
