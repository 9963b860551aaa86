"""Costs of reasons: time of a prediction without and with them, next to the shap library, and the artifact's size.

``.venv/bin/python benchmarks/explain.py`` fits logistic regression, a forest (200 trees, min_samples_leaf 10) and
histogram gradient boosting to 2,200 matured activities of the June 2025 example, takes rows it has not seen one by one,
and prints medians, ratios and the largest difference from shap. It takes less than a minute.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import shap

ROOT = Path(__file__).resolve().parents[1]

from slipcast.datasets import labels, versions  # noqa: E402
from slipcast.features.point_in_time_table import history_table  # noqa: E402
from slipcast.features.row import CATEGORICAL, NUMERIC  # noqa: E402
from slipcast.features.table import feature_table  # noqa: E402
from slipcast.ingest.schedule import read_schedule  # noqa: E402
from slipcast.model import artifact, scorer  # noqa: E402
from slipcast.model.explain import contributions  # noqa: E402 - the path is set above
from slipcast.model.export.pipeline import export  # noqa: E402
from slipcast.training.candidates import load_candidates  # noqa: E402
from slipcast.training.pipeline import build_pipeline  # noqa: E402

EXAMPLE = ROOT / "examples" / "nyc_sca_2025-06.csv"
TOLERANCE_DAYS = 30
TRAINING_ROWS = 2200
ROWS = 40
ROUNDS = 3
PARAMS: dict[str, dict[str, Any]] = {
    "logistic_regression": {"C": 0.1},
    "random_forest": {"n_estimators": 200, "min_samples_leaf": 10, "max_features": 0.3},
    "hist_gradient_boosting": {"max_iter": 100, "learning_rate": 0.03, "max_leaf_nodes": 16},
}


def tables() -> tuple[Any, Any, Any]:
    """Return features and labels of the training rows, and the features of `ROWS` later ones."""
    with tempfile.TemporaryDirectory() as folder:
        schedule = read_schedule(EXAMPLE, EXAMPLE.name, workdir=Path(folder))
        table = versions.read_table(schedule.table)
    labelled = labels.label(table, TOLERANCE_DAYS).sort_values("start")
    rows = feature_table(labelled.join(history_table(table, labelled, TOLERANCE_DAYS)))
    later = rows.iloc[TRAINING_ROWS:].sample(ROWS, random_state=0)
    return rows.iloc[:TRAINING_ROWS], labelled["is_late"].iloc[:TRAINING_ROWS], later


def median_ms(call: Callable[[Any], Any], items: list[Any]) -> float:
    """Return the median time of one call, after one that is not counted."""
    call(items[0])
    times = []
    for _ in range(ROUNDS):
        for item in items:
            begin = time.perf_counter()
            call(item)
            times.append(time.perf_counter() - begin)
    return statistics.median(times) * 1000


def library(model: Any, prepared: np.ndarray, background: np.ndarray) -> tuple[Callable[[Any], Any], int | None]:
    """Return shap's explainer of the fitted model, and which of its outputs is the late class, None for one output."""
    estimator = model.named_steps["model"]
    if hasattr(estimator, "coef_"):
        masker = shap.maskers.Independent(background, max_samples=len(background))
        return shap.LinearExplainer(estimator, masker).shap_values, None
    explain = shap.TreeExplainer(estimator, feature_perturbation="tree_path_dependent").shap_values
    return explain, 1 if np.ndim(explain(prepared[:1])) == 3 else None


def difference(model: scorer.Scorer, row: dict[str, Any], values: np.ndarray) -> float:
    """Return how far our contributions are from shap's values for the prepared columns of one row.

    A forest's are shap's of the probability times one factor for the row: that of the two sums.
    """
    theirs = dict.fromkeys((*NUMERIC, *CATEGORICAL), 0.0)
    for name, value in zip(model.prepare.columns, values, strict=True):
        theirs[name] += value
    ours = contributions.contributions_of(model, row).features
    scale = 1.0
    if model.document["model"]["kind"] == "forest":
        scale = sum(ours.values()) / sum(theirs.values())
    return max(abs(ours[name] - scale * theirs[name]) for name in ours)


def records(frame: Any) -> list[dict[str, Any]]:
    """Return rows of features as the scorer takes them."""
    return [{name: None if v != v else v for name, v in row.items()} for row in frame.to_dict("records")]


def size_without(raw: bytes) -> int:
    """Return the bytes of an artifact that only predicts."""
    document = artifact.decode(raw, artifact.digest(raw))
    document["model"].pop("reference", None)
    for tree in document["model"].get("trees", []):
        del tree["cover"]
    return len(artifact.encode(document))


def main() -> None:
    """Measure and print."""
    train, late, later = tables()
    families = {candidate.name: candidate for candidate in load_candidates()}
    print(f"{len(train)} training rows, {ROWS} rows explained one by one, {ROUNDS} rounds; medians of one row in ms\n")
    print(
        f"{'':24}{'predict':>9}{'+ reasons':>11}{'ratio':>8}{'first':>8}{'shap':>8}{'ours/shap':>11}"
        f"{'largest difference':>20}{'kB without':>12}{'kB with':>9}"
    )
    for family, params in PARAMS.items():
        model = build_pipeline(families[family], 1, **params).fit(train, late)
        raw = export(model, family=family, threshold=0.5, training=train)
        loaded = scorer.load(raw, artifact.digest(raw))
        rows = records(later)
        begin = time.perf_counter()
        contributions.contributions_of(loaded, rows[0])
        first = (time.perf_counter() - begin) * 1000
        bare = median_ms(lambda row, loaded=loaded: loaded.score([row]), rows)
        both = median_ms(
            lambda row, loaded=loaded: (loaded.score([row]), contributions.contributions_of(loaded, row)), rows
        )
        prepare = model.named_steps["prepare"]
        prepared = np.asarray(prepare.transform(later))
        explain, output = library(model, prepared, np.asarray(prepare.transform(train)))
        single = [prepared[place : place + 1] for place in range(ROWS)]
        theirs = median_ms(explain, single)
        values = [explain(row)[0] for row in single]
        values = values if output is None else [row[:, output] for row in values]
        worst = max(difference(loaded, row, value) for row, value in zip(rows, values, strict=True))
        print(
            f"{family:24}{bare:9.3f}{both:11.3f}{both / bare:8.1f}{first:8.0f}{theirs:8.3f}"
            f"{(both - bare) / theirs:11.1f}{worst:20.0e}{size_without(raw) / 1000:12.1f}{len(raw) / 1000:9.1f}"
        )


if __name__ == "__main__":
    main()
