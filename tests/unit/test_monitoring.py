"""One run of the monitor over logged predictions."""

import numpy as np
import pytest
from serving_cases import feature_frame

from slipcast.monitoring import metrics, summarise
from slipcast.profile import profile


def logged(n: int, version: str = "3", seed: int = 1) -> list[dict]:
    rows = feature_frame(n, seed).astype(object)
    rows = rows.where(rows.notna(), None)
    scores = np.random.default_rng(seed).uniform(0.2, 0.6, n)
    return [
        {"activity_id": f"A{i}", "model_version": version, "features": row, "score": float(score)}
        for i, (row, score) in enumerate(zip(rows.to_dict("records"), scores, strict=True))
    ]


@pytest.fixture
def known():
    frame = feature_frame(1000, 1)
    scores = np.random.default_rng(0).uniform(0.2, 0.6, 1000)
    return profile(frame, scores, (scores > 0.4).astype(int))


def test_a_prediction_that_was_delivered_twice_counts_once(known):
    items = logged(300)

    assert summarise(items + items, known, model_version="3", min_n=200).n == 300


def test_an_activity_that_is_asked_about_again_is_one_observation(known):
    few = [item | {"request_id": str(hour)} for hour in range(48) for item in logged(20, seed=7)]
    report = summarise(few, known, model_version="3", min_n=200)

    assert (report.n, report.state) == (20, "insufficient_data")


def test_an_activity_that_changed_and_one_of_another_project_count(known):
    first, second = logged(2)
    changed = first | {"features": second["features"]}

    assert summarise([first, changed], known, model_version="3", min_n=200).n == 2


def test_predictions_of_other_versions_are_left_out(known):
    report = summarise(logged(300) + logged(50, version="2"), known, model_version="2", min_n=200)

    assert (report.n, report.state) == (50, "insufficient_data")


def test_missing_values_in_the_log_are_missing_values(known):
    report = summarise(logged(300), known, model_version="3", min_n=200)

    assert report.state in ("ok", "drift")
    assert all(0 <= item["p_value"] <= 1 for item in report.features.values())


def test_metrics_of_a_verdict(known):
    report = summarise(logged(300), known, model_version="3", min_n=200)
    found = metrics(report)

    assert found["Drift"] == float(report.state == "drift")
    assert found["MonitoredPredictions"] == 300
    assert found["ScoreShift"] == pytest.approx(report.score_mean - report.score_reference_mean)


def test_without_a_verdict_only_the_run_is_counted(known):
    report = summarise([], known, model_version="3", min_n=200)

    assert metrics(report) == {"MonitorRuns": 1, "MonitoredPredictions": 0}
