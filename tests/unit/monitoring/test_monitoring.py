"""One run of the monitor over logged predictions."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from slipcast.features.row import CATEGORICAL, NUMERIC
from slipcast.monitoring.drift_rule import Rule
from slipcast.monitoring.record import SCHEMA, Realised
from slipcast.monitoring.reference_profile import profile
from slipcast.monitoring.run import conclude, read
from slipcast.monitoring.window import Distinct
from support.monitor_records import record
from support.serving_cases import feature_frame

NOW = datetime(2026, 11, 25, 7, tzinfo=UTC)
NO_LABELS = Realised("insufficient_data", awaiting=5, coverage=0.0)


def logged(n: int, version: str = "3", seed: int = 1, **changed) -> list[dict]:
    rows = feature_frame(1000, 1).sample(n, random_state=seed, replace=n > 1000).astype(object)
    rows = rows.where(rows.notna(), None)
    scores = np.random.default_rng(seed).uniform(0.2, 0.6, n)
    return [
        {"activity_id": f"A{i}", "model_version": version, "features": row | changed, "score": float(score)}
        for i, (row, score) in enumerate(zip(rows.to_dict("records"), scores, strict=True))
    ]


@pytest.fixture(scope="module")
def known():
    frame = feature_frame(1000, 1)
    scores = np.random.default_rng(0).uniform(0.2, 0.6, 1000)
    holdout = {"n": 300, "late_rate": 0.4, "mean_score": 0.4, "auc": 0.7, "brier": 0.2}
    holdout |= {"auc_ci": [0.6, 0.8], "brier_ci": [0.18, 0.22]}
    return profile(frame, scores, (scores > 0.4).astype(int), holdout=holdout)


def run(known, items, *, version="3", realised=NO_LABELS, earlier=(), **rule):
    return conclude(
        read(items, known, model_version=version),
        known,
        **{"at": NOW, "since": NOW - timedelta(days=7), "version": version, "model_id": "m"},
        **{"realised": realised, "rule": Rule(**rule), "earlier": earlier},
    )


def test_a_prediction_that_was_delivered_twice_counts_once(known):
    items = logged(300)
    found = run(known, items + items)

    assert (found.n, found.predictions) == (300, 600)


def test_an_activity_that_is_asked_about_again_is_one_observation(known):
    few = [item | {"request_id": str(hour)} for hour in range(48) for item in logged(20, seed=7)]
    found = run(known, few)

    assert (found.n, found.drift.state, found.conclusion) == (20, "insufficient_data", "insufficient_data")


def test_an_activity_that_changed_and_one_of_another_project_count(known):
    first, second = logged(2)
    changed = first | {"features": second["features"]}

    assert run(known, [first, changed]).n == 2
    assert run(known, [first | {"project_id": "P"}, first | {"project_id": "Q"}]).n == 2


def test_predictions_of_other_versions_are_left_out(known):
    found = run(known, logged(300) + logged(40, version="2"), version="2")

    assert (found.n, found.other_versions, found.conclusion) == (40, 300, "insufficient_data")


def test_missing_values_in_the_log_are_missing_values(known):
    found = run(known, logged(300, **{NUMERIC[0]: None}))

    assert found.drift.features[NUMERIC[0]].missing_share == 1.0
    assert "missing" in [finding.what for finding in found.drift.features[NUMERIC[0]].findings]


@pytest.mark.parametrize("name", [NUMERIC[0], CATEGORICAL[0]])
def test_a_feature_that_is_kept_out_of_the_log_is_not_missing(known, name):
    items = logged(300)
    for item in items:
        del item["features"][name]
    hidden = run(known, [item | {"redacted": [name]} for item in items])

    assert name not in hidden.drift.features
    assert hidden.drift.state == "ok"
    assert run(known, items).drift.features[name].missing_share == 1.0


def test_every_chunk_is_handed_on_whatever_its_version(known):
    seen: list = []
    read(logged(6000) + logged(10, version="2"), known, model_version="3", also=seen.extend)

    assert len(seen) == 6010


def test_a_quiet_window_is_healthy(known):
    found = run(known, logged(300, seed=3))

    assert found.conclusion == "healthy"
    assert found.reasons == [
        "0 of 5 outcomes are known: too few for a verdict.",
        "Inputs and scores of 300 predictions look like the training data.",
    ]
    assert found.estimated.state == "ok"
    assert found.metrics["Unhealthy"] == found.metrics["Drift"] == found.metrics["DriftInWindow"] == 0.0
    assert found.metrics["ScoreShift"] == pytest.approx(found.score_mean - found.score_reference_mean)
    assert found.metrics["LabelCoverage"] == 0.0
    assert "RealisedBrier" not in found.metrics


def test_drift_in_one_window_waits_for_a_second(known):
    moved = logged(300, **{NUMERIC[0]: 1e6})
    before = {"until": "x", "state": "drift", "findings": [f"{NUMERIC[0]}:out_of_range"]}
    alone, confirmed = run(known, moved), run(known, moved, earlier=[before])

    assert (alone.conclusion, alone.metrics["Drift"], alone.metrics["DriftInWindow"]) == ("healthy", 0.0, 1.0)
    assert "in this window only" in alone.reasons[1]
    assert (confirmed.conclusion, confirmed.metrics["Drift"]) == ("drift", 1.0)
    assert confirmed.reasons[0].startswith(f"{NUMERIC[0]} differs from the training in 2 of the last 3 windows: ")
    assert confirmed.metrics["Unhealthy"] == 1.0


@pytest.mark.parametrize("state", ["miscalibrated", "degraded"])
def test_what_labels_show_weighs_more_than_drift(known, state):
    shown = record().realised
    realised = Realised(**{**shown.__dict__, "state": state})
    before = {"until": "x", "state": "drift", "findings": [f"{NUMERIC[0]}:out_of_range"]}
    found = run(known, logged(300, **{NUMERIC[0]: 1e6}), realised=realised, earlier=[before])

    assert found.conclusion == state
    assert found.metrics[state.capitalize()] == 1.0
    assert found.metrics["CalibrationGap"] == pytest.approx(0.143)
    assert found.estimated.state == "estimate_invalid"
    assert found.metrics["EstimateInvalid"] == 1.0
    assert "EstimatedBrier" not in found.metrics


def test_labels_alone_are_enough_for_a_conclusion(known):
    realised = Realised(**{**record().realised.__dict__, "state": "ok"})

    assert run(known, logged(3), realised=realised).conclusion == "healthy"


def test_without_predictions_only_the_run_is_counted(known):
    found = run(known, [], realised=Realised("insufficient_data"))

    assert found.metrics == {"MonitorRuns": 1.0, "MonitoredPredictions": 0.0}
    assert found.reasons[0] == "No prediction awaits its outcome."


def test_days_and_seasons_of_a_window(known):
    items = [item | {"at": f"2026-11-{20 + number % 2}T01:00:00+00:00"} for number, item in enumerate(logged(100))]
    days = run(known, items).scores_by_day

    assert [(item["day"], item["n"]) for item in days] == [("2026-11-20", 50), ("2026-11-21", 50)]
    window = read([items[0] | {"data_date": "2026-03-31"}], known, model_version="3")
    assert window.sketch.months.tolist() == [0, 0, 1] + [0] * 9


def test_a_record_is_json_and_says_its_schema(known):
    document = run(known, logged(300, **{NUMERIC[0]: None})).as_dict()

    assert json.loads(json.dumps(document, allow_nan=False))["schema"] == SCHEMA
    # What readers of records test with has the same fields.
    example = record().as_dict()
    assert document.keys() == example.keys()
    assert document["drift"].keys() == example["drift"].keys()


def test_keys_that_come_again_are_known_in_any_order():
    rng = np.random.default_rng(0)
    keys = rng.integers(0, 5000, 20_000)
    distinct, fresh = Distinct(), 0
    for begin in range(0, 20_000, 700):
        chunk = keys[begin : begin + 700]
        new = distinct.new(chunk)
        assert len(np.unique(chunk[new])) == new.sum()
        fresh += int(new.sum())

    assert fresh == len(np.unique(keys))
    assert len(distinct.runs) <= 13
