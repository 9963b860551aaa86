"""The search cut into tasks, next to ``GridSearchCV`` over the same families, grids and folds.

``.venv/bin/python benchmarks/training.py`` draws 10,000, 100,000 and 1,000,000 rows from the June 2025 example (whole
activities with replacement, numbers jittered, projects renamed), then runs in turns: ``GridSearchCV`` with ``n_jobs=1``
and ``n_jobs=2`` for one family after the other, and the tasks of `slipcast.training.search` in two processes, which is
what two Lambda functions would do. All arms choose by the Brier score and fit the best point on all rows; every
estimator works on one thread. From the measured seconds of the tasks it then computes what 2, 10, 100 and 1,000
functions at a time would take and cost. ``--rows 10000`` for less, ``--families`` for others, ``--repeats 3`` for
medians.
"""

import argparse
import heapq
import os
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

# Before NumPy is imported, here and in every process that is started.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests")]

import numpy as np  # noqa: E402 - the path and the threads are set above
import pandas as pd  # noqa: E402
from sklearn.model_selection import GridSearchCV  # noqa: E402

from slipcast.datasets import labels, splits  # noqa: E402
from slipcast.features.point_in_time_table import history_table  # noqa: E402
from slipcast.training.candidates import Candidate, load_candidates  # noqa: E402
from slipcast.training.pipeline import build_pipeline  # noqa: E402
from slipcast.training.search import rounds as conduct  # noqa: E402
from slipcast.training.search.data import SearchData, pack, unpack  # noqa: E402
from slipcast.training.search.protocols import time_protocol  # noqa: E402
from slipcast.training.search.worker import Worker  # noqa: E402
from support import schedules  # noqa: E402

SEED = 20240101
# Families whose whole grid a single process searches in minutes at that size.
FAMILIES = {
    10_000: tuple(candidate.name for candidate in load_candidates() if candidate.name != "rbf_svc"),
    100_000: ("prior", "logistic_regression", "linear_svc", "decision_tree", "hist_gradient_boosting", "naive_bayes"),
    1_000_000: ("prior", "logistic_regression", "decision_tree", "hist_gradient_boosting"),
}
CONCURRENCY = (2, 10, 100, 1_000)
# us-east-1, x86_64, November 2026: https://aws.amazon.com/lambda/pricing and https://aws.amazon.com/step-functions/pricing
DOLLARS_GB_SECOND, DOLLARS_REQUEST, DOLLARS_TRANSITION = 0.0000166667, 0.20e-6, 25e-6
MEMORY_GB = 3008 / 1024
# Start of a warm function, its reading of plan, round and rows, and Step Functions' own steps, for each task.
OVERHEAD_SECONDS = 0.5
TRANSITIONS = 3


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=list(FAMILIES))
    parser.add_argument("--families", nargs="+")
    parser.add_argument("--repeats", type=int, default=1)
    options = parser.parse_args()
    for rows in options.rows:
        names = options.families or FAMILIES.get(rows, FAMILIES[1_000_000])
        candidates = [candidate for candidate in load_candidates() if candidate.name in names]
        compare(rows, candidates, options.repeats)


def compare(rows: int, candidates: list[Candidate], repeats: int) -> None:
    """Run the three arms in turns and print them, then the model."""
    data, plan = drawn(rows, candidates)
    points = sum(len(candidate.points()) for candidate in candidates)
    print(f"\n{rows:,} rows, {len(data.folds)} folds, {len(candidates)} families, {points} points: ", end="")
    print(", ".join(candidate.name for candidate in candidates))
    taken: dict[str, list[tuple[float, float]]] = {
        "GridSearchCV n_jobs=1": [],
        "GridSearchCV n_jobs=2": [],
        "tasks": [],
    }
    for _ in range(repeats):
        taken["GridSearchCV n_jobs=1"].append(timed(lambda: grid_search(data, candidates, 1)))
        taken["GridSearchCV n_jobs=2"].append(timed(lambda: grid_search(data, candidates, 2)))
        seconds: list[list[float]] = []
        taken["tasks"].append(timed(lambda seconds=seconds: seconds.extend(fan_out(data, plan))))
    base = statistics.median(wall for wall, _ in taken["GridSearchCV n_jobs=2"])
    print(f"  {'':24} {'wall s':>8} {'CPU s':>8} {'x n_jobs=2':>11}")
    for name, runs in taken.items():
        wall, cpu = (statistics.median(run[part] for run in runs) for part in (0, 1))
        print(f"  {name:24} {wall:8.1f} {cpu:8.1f} {wall / base:11.2f}", flush=True)
    model(seconds)


def drawn(rows: int, candidates: list[Candidate]) -> tuple[SearchData, dict]:
    """Return `rows` training rows like those of the example, and the plan of their search."""
    example = schedules.example("nyc_sca_2025-06.csv")
    labelled = labels.label(example.table, 30)
    labelled = labelled.join(history_table(example.table, labelled, 30))
    train, holdout = splits.split(labelled, splits.holdout_cut(example.data_date, 18))
    rng = np.random.default_rng(SEED)
    more = train.iloc[rng.integers(0, len(train), rows)].reset_index(drop=True)
    shift = pd.to_timedelta(rng.integers(-15, 16, rows), unit="D")
    for name in ("start", "matured_at"):
        more[name] = more[name] + shift
    for name in more.select_dtypes("float64"):
        more[name] = more[name] * rng.normal(1.0, 0.02, rows)
    more["project_id"] = (
        more["project_id"] + "-" + pd.Series(rng.integers(0, max(rows // len(train), 1), rows)).astype(str)
    )
    track = time_protocol(more, holdout)
    plan = {
        "seed": SEED,
        "budget_seconds": None,
        "tolerated_share": 0.0,
        "candidates": [vars(candidate) | {"max_rows": None} for candidate in candidates],
        "forecast": {"why": "the classifiers alone are measured", "points": [], "tables": {}},
        "tracks": {
            "main": {"folds": track.folds, "rows": rows, "columns": 60, "select_by": "brier", "majority_accuracy": 0.5}
        },
    }
    return track.data, plan


def timed(run) -> tuple[float, float]:
    """Return wall and CPU seconds of `run`, its processes included."""
    before, began = os.times(), time.perf_counter()
    run()
    wall, after = time.perf_counter() - began, os.times()
    return wall, sum(after[part] - before[part] for part in range(4))


def grid_search(data: SearchData, candidates: list[Candidate], jobs: int) -> None:
    """Search every family by `GridSearchCV`, its best point fitted on all rows."""
    features, late = data.features.iloc[: data.fitted], data.late[: data.fitted]
    folds = [(fold.train, fold.test) for fold in data.folds]
    for candidate in candidates:
        grid = {f"model__{name}": values for name, values in candidate.grid.items()}
        if candidate.calibrate:
            grid = {name.replace("model__", "model__estimator__"): values for name, values in grid.items()}
        search = GridSearchCV(
            build_pipeline(candidate, SEED), grid, scoring="neg_brier_score", cv=folds, n_jobs=jobs, refit=True
        )
        search.fit(features, late)
    if jobs > 1:
        # The pool is shared by all families; stopped here so that its processor time is counted.
        from joblib.externals.loky import get_reusable_executor

        get_reusable_executor().shutdown(wait=True)


def fan_out(data: SearchData, plan: dict) -> list[list[float]]:
    """Run the rounds of the search in two processes; return the seconds of each task, round by round."""
    packed = pack(data)
    # As in the cloud, halving would save most of it; here all arms fit the same.
    race_rounds = []
    with ProcessPoolExecutor(
        2, mp_context=get_context("spawn"), initializer=open_rows, initargs=(packed, plan)
    ) as pool:
        ran = all_at_once(plan)
        while True:
            results = dict(zip([t["id"] for t in ran["tasks"]], pool.map(carry_out, ran["tasks"]), strict=True))
            race_rounds.append([result["seconds"] for result in results.values()])
            if ran["kind"] == "fit":
                found = conduct.conclude(plan, ran, results)
                assert all(family["status"] == "fitted" for family in found["families"]), found["families"]
                return race_rounds
            ran = conduct.next_round(plan, ran, results)


def all_at_once(plan: dict) -> dict:
    """Return a first round with every point on all rows."""
    race = conduct.race_of(plan, conduct.MAIN)
    planned = conduct._search_tasks(race, race.entries(), 1.0, conduct.MAIN)
    return conduct._round(0, "search", planned, {conduct.MAIN: race.entries()}, 1.0, [], {}, [])


def open_rows(packed: bytes, plan: dict) -> None:
    """Make this process ready for tasks, as a Lambda function is by its first."""
    global worker, families
    worker = Worker(unpack(packed), SEED)
    families = {candidate.name: candidate for candidate in conduct.candidates_of(plan)}


def carry_out(task: dict) -> dict:
    """Carry out one task."""
    began = time.perf_counter()
    if task["kind"] == "fit":
        _, _, measured = worker.fit(families[task["family"]], task["params"])
        seconds = time.perf_counter() - began
        stored = dict.fromkeys(("model", "oof", "holdout_p"))
        return {"seconds": seconds, "fit_seconds": seconds, "test": measured, **stored}
    units = []
    for family in dict.fromkeys(unit[0] for unit in task["units"]):
        wanted = [(point, fold) for name, point, fold in task["units"] if name == family]
        measured, _ = worker.search(families[family], wanted, task["share"])
        units += [{"unit": [family, item["point"], item["fold"]], **item} for item in measured]
    return {"units": units, "seconds": time.perf_counter() - began}


def model(rounds: list[list[float]]) -> None:
    """Print what more functions at a time would take and cost, from the measured seconds of the tasks."""
    tasks, total = sum(map(len, rounds)), sum(map(sum, rounds))
    widest = max(map(len, rounds))
    busy = total + tasks * OVERHEAD_SECONDS
    dollars = busy * MEMORY_GB * DOLLARS_GB_SECOND + tasks * (DOLLARS_REQUEST + TRANSITIONS * DOLLARS_TRANSITION)
    print(
        f"  {tasks} tasks in {len(rounds)} rounds ({' + '.join(str(len(each)) for each in rounds)}), {total:.1f} s, ",
        end="",
    )
    print(f"the longest {max(map(max, rounds)):.1f} s")
    print(
        f"  dollars: ({total:.1f} s + {tasks} x {OVERHEAD_SECONDS} s) x {MEMORY_GB:.2f} GB x {DOLLARS_GB_SECOND} ",
        end="",
    )
    print(f"+ {tasks} x ({DOLLARS_REQUEST} + {TRANSITIONS} x {DOLLARS_TRANSITION}) = {dollars:.4f}")
    for functions in CONCURRENCY:
        searched = makespan(rounds[0], functions)
        wall = sum(makespan(each, functions) for each in rounds)
        lone = sum(rounds[0]) + len(rounds[0]) * OVERHEAD_SECONDS
        print(
            f"  {functions:5} at a time: {wall:8.1f} s, {busy / wall:6.1f} times as fast as one; the search alone "
            f"{lone / searched:6.1f} = {lone / searched / min(functions, len(rounds[0])):.2f} x min(functions, tasks)"
        )
    print(f"  more than {widest} at a time have nothing to do")


def makespan(seconds: list[float], functions: int) -> float:
    """Return when the last task ends if each goes to the function that is free first, in the order of the plan."""
    free = [0.0] * min(functions, len(seconds))
    for each in seconds:
        heapq.heapreplace(free, free[0] + each + OVERHEAD_SECONDS)
    return max(free)


if __name__ == "__main__":
    main()
