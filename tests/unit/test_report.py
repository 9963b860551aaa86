"""The report says what was measured and decided."""

from slipcast.report import render

METRICS = {
    "auc": 0.7641,
    "auc_ci": [0.73, 0.8],
    "brier": 0.1822,
    "brier_ci": [0.17, 0.19],
    "accuracy": 0.689,
    "majority_accuracy": 0.648,
}
EVALUATION = {
    "execution": "new-data-1",
    "reason": "new_data",
    "dataset": {"dataset_id": "abc", "data_date": "2025-06-30", "rows": 9, "labels": {"matured": 8}},
    "tables": {"train": {"rows": 5}, "holdout": {"rows": 3}},
    "cut": "2024-01-01",
    "challenger": "random_forest",
    "champion": {"version": "2", "model_id": "m"},
    "candidates": [
        {"family": "random_forest", "cv_brier": 0.19, "seconds": 1.25, "metrics": METRICS},
        {"family": "decision_tree", "cv_brier": 0.21, "seconds": 0.5, "metrics": METRICS},
    ],
    "prior": METRICS,
    "champion_metrics": METRICS,
    "random_split": METRICS | {"auc": 0.8123},
    "failed": [{"family": "svc", "error": "MemoryError: no"}],
    "decision": {
        "release": True,
        "rule": "the rule",
        "reasons": ["better"],
        "numbers": {"probability": 0.987654, "ci": [0.1, 0.25], "none": None, "n": 3},
    },
    "model": {"model_id": "m2", "sha256": "ff"},
}


def test_every_candidate_and_the_champion_have_a_row():
    page = render(EVALUATION)

    assert "| random_forest (challenger) | 0.1900 | 0.764 | 0.730–0.800 | 0.1822 |" in page
    assert "| decision_tree | 0.2100 |" in page
    assert "| champion, version 2 |" in page
    assert "| prior (training late rate) |" in page
    assert "svc failed: MemoryError: no" in page
    assert "split of the same rows would say AUC 0.812" in page


def test_the_decision_stands_with_its_numbers():
    page = render(EVALUATION)

    assert "## Decision: release" in page
    assert "- better" in page
    assert "| probability | 0.98765 |" in page
    assert "| ci | 0.1 to 0.25 |" in page
    assert "| none | - |" in page


def test_without_a_champion_there_is_no_row_for_it():
    page = render(EVALUATION | {"champion": None, "champion_metrics": None})

    assert "champion" not in page
