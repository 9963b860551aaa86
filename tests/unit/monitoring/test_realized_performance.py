"""Performance on labels that matured later, and what scores alone let one expect."""

import numpy as np
import pandas as pd
import pytest

from slipcast.monitoring.estimated_performance import estimate, expected, histogram
from slipcast.monitoring.pending_outcomes import asked_of, join, of_version, pack, together, unpack
from slipcast.monitoring.realized_performance import Tolerance, performance

HOLDOUT = {"brier": 0.2, "brier_ci": [0.19, 0.21], "auc": 0.75, "auc_ci": [0.72, 0.78]}
LONG_AGO = pd.Timestamp("2020-01-01")


def asked(*rows: tuple) -> np.ndarray:
    return asked_of(
        [
            {
                **{"model_version": "1", "project_id": project, "activity_id": activity, "score": score},
                "at": f"{day}T{hour:02}:00:00+00:00",
            }
            for hour, (project, activity, score, day) in enumerate(rows)
        ]
    )


def labelled(*rows: tuple) -> pd.DataFrame:
    found = pd.DataFrame(rows, columns=["project_id", "activity_id", "is_late", "matured_at"])
    return found.assign(matured_at=pd.to_datetime(found["matured_at"]), phase="Design")


def test_the_first_prediction_of_an_activity_counts():
    found = join(
        asked(("P", "A", 0.2, "2025-01-01"), ("P", "A", 0.9, "2025-03-01"), ("P", "B", 0.4, "2025-01-02")),
        labelled(("P", "A", 1, "2025-06-01"), ("Q", "B", 1, "2025-06-01")),
        known_until=LONG_AGO,
    )

    assert found[["activity_id", "is_late"]].to_numpy().tolist() == [["A", 1]]
    assert found["score"].tolist() == pytest.approx([0.2])


def test_without_a_project_the_id_counts_if_it_is_of_one_alone():
    found = join(
        asked((None, "A", 0.2, "2025-01-01"), (None, "B", 0.3, "2025-01-01")),
        labelled(("P", "A", 1, "2025-06-01"), ("P", "B", 0, "2025-06-01"), ("Q", "B", 1, "2025-06-01")),
        known_until=None,
    )

    assert found[["activity_id", "project_id"]].to_numpy().tolist() == [["A", "P"]]


def test_one_activity_asked_about_with_and_without_its_project_counts_once():
    found = join(
        asked((None, "A", 0.2, "2025-01-01"), ("P", "A", 0.3, "2025-01-02")),
        labelled(("P", "A", 1, "2025-06-01")),
        known_until=None,
    )

    assert found["score"].tolist() == pytest.approx([0.2])


def test_what_the_model_learned_or_what_had_matured_when_asked_is_no_test():
    found = join(
        asked(("P", "A", 0.2, "2025-01-01"), ("P", "B", 0.2, "2025-07-01"), ("P", "C", 0.2, "2025-07-01")),
        labelled(("P", "A", 1, "2024-12-31"), ("P", "B", 1, "2025-07-01"), ("P", "C", 1, "2025-07-02")),
        known_until=pd.Timestamp("2024-12-31"),
    )

    assert found["activity_id"].tolist() == ["C"]


def test_what_is_kept_of_predictions_is_read_as_it_was_written():
    rows = asked(("P", "A", 0.2, "2025-01-01"), (None, "B", 0.3, "2025-01-02"), ("P", "A", 0.4, "2025-01-03"))
    later = asked(("P", "A", 0.5, "2025-02-01"), ("P", "Ä", 0.5, "2025-02-01"))
    found = together([unpack(pack(later)), unpack(pack(rows))])

    assert found["score"].tolist() == pytest.approx([0.2, 0.3, 0.5])
    assert len(of_version(found, "1")) == 3
    assert len(of_version(found, "2")) == 0
    assert len(together([])) == 0
    assert join(together([]), labelled(("P", "A", 1, "2025-06-01")), known_until=None).empty


def test_the_data_date_of_a_prediction_is_the_day_it_is_as_of():
    item = {"model_version": "1", "activity_id": "A", "score": 0.5, "at": "2026-11-25T07:00:00.123Z"}
    rows = asked_of([item | {"data_date": "2024-05-01"}])

    assert rows["as_of"].astype("datetime64[D]").astype(str).tolist() == ["2024-05-01"]
    assert str(rows["at"][0]) == "2026-11-25T07:00:00.123"


def outcomes(n: int, *, seed: int = 0, shift: float = 0.0, shuffled: bool = False) -> pd.DataFrame:
    """Activities whose scores are too high by `shift`; `shuffled` scores know nothing."""
    rng = np.random.default_rng(seed)
    truth = rng.beta(2, 3, n)
    late = (rng.random(n) < truth).astype(int)
    score = rng.permutation(truth) if shuffled else np.clip(truth + shift, 0, 1)
    return pd.DataFrame(
        {
            "project_id": [f"P{i // 2}" for i in range(n)],
            "activity_id": [f"A{i}" for i in range(n)],
            **{"score": score, "is_late": late},
            "as_of": pd.Timestamp("2025-01-01"),
            "matured_at": pd.Timestamp("2025-01-01") + pd.to_timedelta(rng.integers(60, 400, n), "D"),
            "phase": np.where(np.arange(n) % 2, "Design", "Scope"),
        }
    )


def judged(table: pd.DataFrame, **changed):
    return performance(table, len(table) + 100, HOLDOUT | changed, dataset_id="d", data_date="2026-03-31")


def test_a_calibrated_model_is_ok():
    found = judged(outcomes(800), brier=0.2, auc=0.73)

    assert found.state == "ok"
    assert (found.n, found.awaiting) == (800, 100)
    assert found.coverage == pytest.approx(8 / 9)
    assert 200 < found.lag_days < 260
    assert found.calibration_gap_bounds[0] < found.calibration_gap_ci[0] < 0 < found.calibration_gap_ci[1]
    assert sum(item["n"] for item in found.timeline) == 800
    assert {item.value for item in found.slices} == {"Design", "Scope"}
    assert not any(item.worse for item in found.slices)


def test_scores_that_are_too_high_are_miscalibrated():
    found = judged(outcomes(400, seed=4, shift=0.15), brier=0.22)

    assert found.state == "miscalibrated"
    assert found.calibration_gap == pytest.approx(0.15, abs=0.05)
    assert all(item.worse for item in found.slices)


def test_what_was_right_for_years_does_not_hide_what_is_wrong_now():
    right, wrong = outcomes(3000), outcomes(300, seed=5, shift=0.2)
    wrong["matured_at"] += pd.Timedelta(days=800)
    found = judged(pd.concat([right, wrong.assign(activity_id=wrong["activity_id"] + "b")], ignore_index=True))

    assert found.state in ("miscalibrated", "degraded")
    assert found.n == 300
    assert found.coverage == pytest.approx(3300 / 3400)


def test_a_small_gap_is_tolerated_however_certain_it_is():
    found = judged(outcomes(20_000, shift=0.03))

    assert found.calibration_gap_bounds[0] > 0
    assert found.state == "ok"


def test_scores_that_know_nothing_any_more_are_degraded():
    assert judged(outcomes(600, shuffled=True)).state == "degraded"


def test_harder_activities_are_no_degradation():
    rng = np.random.default_rng(4)
    table = outcomes(2000)
    truth = rng.uniform(0.4, 0.6, 2000)
    table = table.assign(score=truth, is_late=(rng.random(2000) < truth).astype(int))
    # The reference's AUC as for activities that are as hard.
    found = judged(table, auc=0.55)

    assert found.brier > HOLDOUT["brier"] + 0.04
    assert found.state == "ok"


@pytest.mark.parametrize("n", [0, 1, 49])
def test_few_labels_give_no_verdict(n):
    found = judged(outcomes(n, shift=0.5))

    assert found.state == "insufficient_data"
    assert found.brier is None
    assert found.n == n
    assert found.awaiting == 100


def test_one_class_alone_has_no_area():
    found = judged(outcomes(60).assign(is_late=1))

    assert found.auc is None
    assert found.state in ("miscalibrated", "degraded")


def test_a_profile_without_reference_can_still_be_miscalibrated():
    found = performance(outcomes(400, shift=0.2), 400, None, dataset_id=None, data_date=None, tolerance=Tolerance())

    assert found.state == "miscalibrated"
    assert found.reference_brier is None


def test_hourly_looks_at_a_right_model_do_not_cry_wolf():
    """Labels of models that are right, looked at again and again; benchmarks/monitoring.py does it at length."""
    spoke = 0
    for seed in range(40):
        table = outcomes(400, seed=seed)
        spoke += any(
            performance(table.iloc[:n], n, HOLDOUT | {"brier": 0.2, "auc": 0.73}, dataset_id=None, data_date=None).state
            not in ("ok", "insufficient_data")
            for n in range(80, 401, 80)
        )

    assert spoke <= 2


# Without labels


def calibration(scores: np.ndarray) -> dict:
    return {"low": float(scores.min()), "high": float(scores.max()), "histogram": histogram(scores).tolist()}


def test_the_estimate_is_what_labels_later_show():
    rng = np.random.default_rng(0)
    p = rng.beta(2, 3, 50_000)
    y = (rng.random(50_000) < p).astype(int)
    found = expected(histogram(p))
    from slipcast.metrics.scores import auc, brier

    assert found["brier"] == pytest.approx(brier(y, p), abs=0.003)
    assert found["auc"] == pytest.approx(auc(y, p), abs=0.006)
    assert found["late_rate"] == pytest.approx(y.mean(), abs=0.006)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"scores_drifted": True}, "distribution of the scores"),
        ({"miscalibrated": True}, "labels show"),
        ({"outside": 60}, "lie outside 0.10 to 0.60"),
    ],
)
def test_the_estimate_says_when_it_rests_on_nothing(changed, why):
    scores = np.linspace(0.1, 0.6, 500)
    usual = {"min_n": 50, "outside": 0, "scores_drifted": False, "miscalibrated": False}
    good = estimate(calibration(scores), histogram(scores), **usual)
    found = estimate(calibration(scores), histogram(scores), **usual | changed)

    assert good.state == "ok"
    assert good.brier == pytest.approx(good.reference_brier)
    assert (found.state, found.brier) == ("estimate_invalid", None)
    assert why in found.why
    assert estimate(calibration(scores), histogram(scores[:49]), **usual).state == "insufficient_data"
    assert estimate(None, histogram(scores), **usual).state == "estimate_invalid"
