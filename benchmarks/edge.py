"""The edge bundle of three models: sizes, seconds and memory of ``score.py``, next to scikit-learn and ONNX Runtime.

``.venv/bin/python benchmarks/edge.py [--rows 10000] [--rounds 5] [--also PYTHON ...]`` trains a random forest (300
trees), histogram gradient boosting (300 iterations) and logistic regression on the June 2025 example, makes the bundle
of each and scores the same CSV file in new processes, in turn: ``score.py`` by this interpreter and by each that
`--also` names, and a script of ten lines with pandas and scikit-learn. ONNX Runtime is measured in this process,
features given. Medians of one run; the ratio is that of processor seconds.
"""

import argparse
import csv
import io
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests")]

from slipcast.datasets import labels  # noqa: E402
from slipcast.edge import bundle, cli, onnx_graph, onnx_parity, table, trial  # noqa: E402
from slipcast.features.point_in_time import HISTORY  # noqa: E402
from slipcast.features.point_in_time_table import history_table  # noqa: E402
from slipcast.features.table import feature_table  # noqa: E402
from slipcast.model import scorer  # noqa: E402
from slipcast.model.artifact import digest  # noqa: E402
from slipcast.model.export.pipeline import export  # noqa: E402
from slipcast.training.candidates import load_candidates  # noqa: E402
from slipcast.training.pipeline import build_pipeline  # noqa: E402
from support.schedules import example  # noqa: E402

MODELS = {
    "random_forest": {"n_estimators": 300, "max_depth": 12, "min_samples_leaf": 5},
    "hist_gradient_boosting": {"max_iter": 300},
    "logistic_regression": {},
}
GOLDEN = 100
# What a user without the bundle would write: read the file, make the features, load the pipeline, score.
SCIKIT_LEARN = """
import sys
sys.path[:0] = [{domain!r}]
import joblib, pandas as pd
from slipcast.features.table import feature_table
from slipcast.features.point_in_time import HISTORY
rows = pd.read_csv({source!r}, parse_dates=["start", "baseline_start", "baseline_finish"])
model = joblib.load({model!r})
rows["probability"] = model.predict_proba(feature_table(rows))[:, 1]
rows[["activity_id", "probability"]].to_csv({target!r}, index=False)
"""


@cache
def training() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the labelled activities of the example with their point-in-time features, and their feature table."""
    schedule = example("nyc_sca_2025-06.csv").table
    labelled = labels.label(schedule, 30)
    known = history_table(schedule, labelled, 30)
    for name in known:
        labelled[name] = known[name].to_numpy()
    return labelled, feature_table(labelled)


def make(family: str, folder: Path) -> tuple[scorer.Scorer, dict[str, bytes], list[dict]]:
    """Train a model, write its bundle and its pipeline into `folder` and return its scorer, files and golden rows."""
    labelled, features = training()
    candidate = next(item for item in load_candidates() if item.name == family)
    # Threads that wait for each other on a busy machine take many times as long to fit it.
    with threadpool_limits(1):
        model = build_pipeline(candidate, 1, **MODELS[family]).fit(features, labelled["is_late"])
    raw = export(
        model, family=family, threshold=1 / 3, metadata={"model_id": family, "tolerance_days": 30}, training=features
    )
    loaded = scorer.load(raw, digest(raw))
    activities = []
    for row in labelled.head(GOLDEN).to_dict("records"):
        present = {name: value for name, value in row.items() if name in table.COLUMNS and not pd.isna(value)}
        given = {name: present[name] for name in HISTORY if name in present}
        activity = {
            name: value.date().isoformat() if name in table.DAYS else value
            for name, value in present.items()
            if name not in HISTORY
        }
        activities.append(activity | {"history": given})
    golden = {"activities": activities, "scores": model.predict_proba(features.head(GOLDEN))[:, 1].tolist()}
    rows = [loaded.features(activity) for activity in activities]
    onnx = onnx_graph.build(loaded, digest(raw))
    print(
        f"{family}: ONNX differs by {onnx_parity.compare(onnx, loaded, onnx_parity.probes(loaded, rows)):.1e} at most"
    )
    files = bundle.files(raw, loaded, golden, onnx)
    print(f"  {trial.check(folder, files)}")
    joblib.dump(model, folder / "pipeline.joblib")
    return loaded, files, rows


def run(command: list[str]) -> tuple[float, float]:
    """Return the seconds that a new process takes, by the clock and of the processor (which others disturb less)."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def peak(command: list[str]) -> float:
    """Return the largest resident set of a process in MB."""
    done = subprocess.run([sys.executable, "-c", trial._MEASURE, *command], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1]) / 1024


def equal(one: Path, other: Path) -> float:
    """Return the largest difference between two files of predictions."""
    found = [[float(row["probability"]) for row in csv.DictReader(io.StringIO(p.read_text()))] for p in (one, other)]
    return float(np.abs(np.array(found[0]) - found[1]).max())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--also", nargs="*", default=[], help="other interpreters that run score.py")
    options = parser.parse_args()
    lines = []
    for family in MODELS:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            loaded, files, rows = make(family, folder)
            many, ours, theirs = folder / "many.csv", folder / "ours.csv", folder / "theirs.csv"
            many.write_bytes(trial.repeated(files[cli.GOLDEN], options.rows))
            tail = [str(folder / bundle.SCORER), str(many), "-o", str(ours)]
            script = SCIKIT_LEARN.format(
                domain=str(ROOT / "layers" / "slipcast"),
                source=str(many),
                model=str(folder / "pipeline.joblib"),
                target=str(theirs),
            )
            commands = {f"score.py, {Path(python).name}": [python, *trial.ALONE, *tail] for python in options.also}
            commands = {"score.py": [sys.executable, *trial.ALONE, *tail], **commands}
            commands["pandas and scikit-learn"] = [sys.executable, "-c", script]
            times: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
            for _ in range(options.rounds):
                for way, command in commands.items():
                    times[way].append(run(command))
            medians = {way: tuple(map(statistics.median, zip(*found, strict=True))) for way, found in times.items()}
            for way, command in commands.items():
                (clock, processor), (_, base) = medians[way], medians["pandas and scikit-learn"]
                ratio = base / processor
                lines.append(
                    f"| {family} | {way} | {clock:.2f} | {processor:.2f} | {peak(command):.0f} | {ratio:.1f} |"
                )
            apart = equal(ours, theirs)
            repeated = [rows[number % len(rows)] for number in range(options.rows)]
            began = time.perf_counter()
            onnx_parity.run(files["model.onnx"], loaded, repeated)
            onnx_seconds = time.perf_counter() - began
            lines.append(f"| {family} | ONNX Runtime, from features, session included | {onnx_seconds:.2f} | | | |")
            packed = len(bundle.archive(files, "edge"))
            sizes = ", ".join(
                f"{part} {len(files[part]) / 1000:.0f}" for part in ("model.json", "model.onnx", "score.py")
            )
            print(f"  zip {packed / 1000:.0f} kB ({sizes}); score.py and scikit-learn differ by {apart:.1e} at most")
    print(f"\n{options.rows} activities, medians of {options.rounds} runs in turn\n")
    print("| model | | seconds | of the processor | peak MB | scikit-learn's processor seconds by these |")
    print("|---|---|--:|--:|--:|--:|")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
