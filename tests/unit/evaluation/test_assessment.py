"""The verdict on what a search found."""

import hashlib
import io
import json
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest

from slipcast.evaluation import assessment, importance
from slipcast.evaluation import forecast as forecasts
from slipcast.evaluation.assessment import Assessment, Champion, Policy, assess
from slipcast.evaluation.challenger import AssessmentError, choose, ranked
from slipcast.model import artifact, scorer, sklearn_estimators
from slipcast.schema import POST_HOC
from support.once import once
from support.search_records import in_memory, labelled_rows, search_record, tables

POLICY = Policy(2, 1, ("location",), dict.fromkeys(("selection_rate", "false_negative_rate", "calibration_gap"), 1.0))
FAMILIES = ("decision_tree", "logistic_regression", "k_nearest_neighbours")


@pytest.fixture(scope="module", autouse=True)
def computed_once():
    """Those seconds are of test_importance.py."""
    with once((assessment, "permutation"), (assessment, "dependence")):
        yield


class Case:
    """A search and its objects; `verdict` assesses it."""

    def __init__(self) -> None:
        self.parts = tables()
        self.objects, write = in_memory()
        self.search = search_record(self.parts, write, families=FAMILIES)

    def scored(self, **cv_scores: float) -> dict[str, Any]:
        """Return the search with other cross-validated scores."""
        families = [
            item | {"cv_score": cv_scores[item["family"]]} if item["family"] in cv_scores else item
            for item in self.search["families"]
            if item["family"] in cv_scores or item["status"] != "fitted"
        ]
        return self.search | {"families": families}

    def holdout_p(self, search: dict[str, Any]) -> dict[str, np.ndarray]:
        return {item["family"]: np.load(io.BytesIO(self.objects[item["holdout_p"]["uri"]])) for item in ranked(search)}

    def challenger(self, search: dict[str, Any]):
        return choose(
            search,
            lambda item: joblib.load(io.BytesIO(self.objects[item["model"]["uri"]])),
            lambda item: dict(np.load(io.BytesIO(self.objects[item["oof"]["uri"]]))),
        )

    def verdict(self, search: dict[str, Any] | None = None, **changes: Any) -> Assessment:
        search = search or self.scored(decision_tree=0.2, logistic_regression=0.1)
        given = {
            "search": search,
            **self.parts,
            "holdout_p": self.holdout_p(search),
            "challenger": self.challenger(search),
            "champion": None,
            "policy": POLICY,
            "reason": "new_data",
            "metadata": {"dataset_id": "d", "tolerance_days": 30},
            "forecast": forecasts.Found(why="no landmarks"),
        }
        return assess(**given | changes)


@pytest.fixture(scope="module")
def case() -> Case:
    return Case()


@pytest.fixture(scope="module")
def first(case) -> Assessment:
    """The first verdict on the search: no champion."""
    return case.verdict()


def champion(found: Assessment, **changes: Any) -> Champion:
    """Return what was assessed as the live model."""
    digest = hashlib.sha256(found.artifact).hexdigest()
    return Champion(
        **{"version": "3", "model_id": found.model_id, "sha256": digest, "artifact": found.artifact} | changes
    )


def test_the_challenger_is_chosen_by_cross_validation_not_by_the_holdout(case):
    assert case.challenger(case.scored(decision_tree=0.1, logistic_regression=0.2)).family == "decision_tree"
    assert case.challenger(case.scored(decision_tree=0.2, logistic_regression=0.1)).family == "logistic_regression"
    by_accuracy = case.scored(decision_tree=0.8, logistic_regression=0.7) | {"select_by": "accuracy"}
    assert case.challenger(by_accuracy).family == "decision_tree"


def test_a_family_that_cannot_be_served_is_measured_but_passed_over(case, monkeypatch):
    monkeypatch.setattr(sklearn_estimators, "MAX_BYTES", 1000)
    found = case.verdict(case.scored(k_nearest_neighbours=0.1, decision_tree=0.15, logistic_regression=0.2))

    assert found.record["challenger"] == "decision_tree"
    best, *_ = found.record["candidates"]
    assert best["family"] == "k_nearest_neighbours"
    assert 0.5 < best["metrics"]["auc"] < 1
    assert {item["family"]: item["status"] for item in found.record["failed"]} == {
        "rbf_svc": "failed",
        "k_nearest_neighbours": "not servable",
    }
    assert "cannot be exported" in found.record["failed"][-1]["why"]


def test_a_family_that_only_scikit_learn_can_evaluate_may_be_challenger_and_champion(case):
    found = case.verdict(case.scored(k_nearest_neighbours=0.1, decision_tree=0.15))

    assert found.record["challenger"] == "k_nearest_neighbours"
    assert artifact.runtime(found.artifact) == artifact.SCIKIT_LEARN
    digest = artifact.digest(found.artifact)
    scores = scorer.load(found.artifact, digest).predict_proba(found.golden["activities"])
    assert scores == pytest.approx(found.golden["scores"], abs=1e-9)


@pytest.mark.parametrize("outdated", ["another scikit-learn", "pickle"])
def test_a_champion_that_is_not_opened_any_more_is_replaced_by_a_model_with_signal(case, outdated):
    """To train again is the remedy that its refusal names: it must not fail for the same reason."""
    live = case.verdict(case.scored(k_nearest_neighbours=0.1, decision_tree=0.15))
    document = json.loads(live.artifact)
    if outdated == "pickle":
        document["model"]["pickle"] = document["model"].pop("skops")
    else:
        document["model"]["scikit_learn"] = "1.0.0"
    raw = artifact.encode(document)
    found = case.verdict(champion=champion(live, artifact=raw, sha256=artifact.digest(raw)))

    assert found.record["decision"]["release"]
    assert found.record["champion_metrics"] is None
    (why,) = found.record["decision"]["reasons"]
    assert "cannot be read" in why
    assert "train again" in why


def test_without_a_family_that_can_be_served_there_is_no_challenger(case, monkeypatch):
    monkeypatch.setattr(sklearn_estimators, "MAX_BYTES", 1000)
    with pytest.raises(AssessmentError, match="k_nearest_neighbours: KNeighborsClassifier cannot be exported"):
        case.challenger(case.scored(k_nearest_neighbours=0.1))
    with pytest.raises(AssessmentError, match=r"rbf_svc: States\.Timeout"):
        case.challenger(case.scored())


def test_a_first_model_with_signal_is_released_and_every_figure_is_json(first):
    record = first.record

    assert record["decision"]["release"]
    assert [item["family"] for item in record["candidates"]] == ["logistic_regression", "decision_tree"]
    assert record["champion_metrics"] is None
    assert record["drift"] is None
    assert record["metrics"]["auc"] > 0.6 > record["prior"]["auc"] == 0.5
    assert record["importance"][0]["feature"] == "baseline_duration_days"
    assert record["partial_dependence"][0]["feature"] == "baseline_duration_days"
    assert record["slices"]["columns"] == ["phase", "location", "project_size"]
    assert record["fairness"]["columns"] == ["location"]
    assert record["data_profile"]["rows"] == 455
    json.dumps({**record, "profile": first.profile, "golden": first.golden}, allow_nan=False)


def test_the_figures_are_those_of_the_recalibrated_challenger(case):
    search = case.scored(decision_tree=0.1)
    doubtful = case.challenger(search)
    # Out-of-fold probabilities that are far too extreme: the line has to draw the model back.
    p = doubtful.oof["p"]
    held = np.clip(p, 1e-3, 1 - 1e-3)
    doubtful.oof["p"] = 1 / (1 + ((1 - held) / held) ** 4)
    found = case.verdict(search, challenger=doubtful)

    calibration, record = found.record["calibration"], found.record
    assert calibration["used"]
    assert calibration["slope"] < 0.6
    raw = record["candidates"][0]["metrics"]
    assert record["metrics"]["brier"] != raw["brier"]
    assert record["metrics"]["auc"] == pytest.approx(raw["auc"], abs=1e-12)
    # Means of the same losses, summed in another order.
    assert record["decision"]["numbers"]["challenger_brier"] == pytest.approx(record["metrics"]["brier"], rel=1e-14)
    assert json.loads(found.artifact)["calibration"]["slope"] == calibration["slope"]
    loaded = scorer.load(found.artifact, hashlib.sha256(found.artifact).hexdigest())
    np.testing.assert_allclose(loaded.predict_proba(found.golden["activities"]), found.golden["scores"], atol=1e-9)


@pytest.fixture(scope="module")
def refitted(case) -> Assessment:
    """The first verdict where some labels matured between training and holdout."""
    return case.verdict(between=labelled_rows(150, seed=9))


def test_what_is_released_has_learned_from_all_labels_and_its_twin_is_kept(case, first, refitted):
    rows = sum(len(part) for part in case.parts.values()) + 150

    assert refitted.record["metrics"] == first.record["metrics"]
    assert refitted.record["refit"]["rows"] == rows
    assert refitted.twin is not None
    twin, released = (json.loads(raw)["metadata"] for raw in (refitted.twin, refitted.artifact))
    assert (twin["training_rows"], released["training_rows"]) == (len(case.parts["train"]), rows)
    assert released["twin"]["sha256"] == hashlib.sha256(refitted.twin).hexdigest()
    known = scorer.load(refitted.artifact, hashlib.sha256(refitted.artifact).hexdigest())
    assert known.predict_proba(refitted.golden["activities"]) == pytest.approx(refitted.golden["scores"])
    assert refitted.golden["scores"] != first.golden["scores"]


def test_a_champion_is_compared_by_its_twin_which_has_not_seen_the_holdout(case, refitted):
    digest = hashlib.sha256(refitted.twin).hexdigest()
    again = case.verdict(champion=champion(refitted, twin=refitted.twin, twin_sha256=digest))
    gone = case.verdict(champion=champion(refitted, twin=b"", twin_sha256=digest))

    assert not again.record["decision"]["release"]
    assert "gives the same probabilities" in again.record["decision"]["reasons"][0]
    assert again.twin is None
    assert again.record["refit"] == {"why": "nothing is released"}
    assert "cannot be read" in gone.record["decision"]["reasons"][0]


def test_the_same_model_again_is_not_released_not_even_if_it_is_needed(case, first):
    again = case.verdict(champion=champion(first, profile=first.profile, age_days=1000.0), reason="alarm")

    assert again.record["decision"]["needed"] == "drift alarm"
    assert not again.record["decision"]["release"]
    assert "the same probabilities" in again.record["decision"]["reasons"][0]
    assert again.record["champion_metrics"]["auc"] == pytest.approx(again.record["metrics"]["auc"], abs=1e-9)
    assert again.record["drift"]["against"] == f"training rows of model {first.model_id}, version 3"
    assert all(item["psi"] < 1e-9 for item in again.record["drift"]["features"])


def test_what_is_not_better_is_released_only_if_it_is_needed(case, first):
    search = case.scored(logistic_regression=0.1)
    nearly = case.challenger(search)
    nearly.pipeline.named_steps["model"].intercept_ = nearly.pipeline.named_steps["model"].intercept_ + 0.01
    given = {
        "search": search,
        "challenger": nearly,
        "holdout_p": {"logistic_regression": nearly.pipeline.predict_proba(_features(case))[:, 1]},
    }
    decisions = {
        name: case.verdict(**given, champion=champion(first, age_days=age), reason=reason).record["decision"]
        for name, reason, age in [("news", "new_data", 100.0), ("age", "schedule", 366.0)]
    }

    assert {name: decision["release"] for name, decision in decisions.items()} == {"news": False, "age": True}
    assert decisions["news"]["needed"] is None
    assert decisions["age"]["needed"] == "the champion is 366 days old, more than 365"


def _features(case: Case) -> pd.DataFrame:
    from slipcast.features.table import feature_table

    return feature_table(case.parts["holdout"])


def test_a_fairness_limit_that_is_surely_broken_keeps_a_model_out(case):
    strict = dict.fromkeys(("selection_rate", "false_negative_rate", "calibration_gap"), 0.0)
    # Two districts of which one has short activities only: its delays are those that the model does not see coming.
    holdout = case.parts["holdout"]
    days = (holdout["baseline_finish"] - holdout["start"]).dt.days
    holdout = holdout.assign(district=np.where(days > 200, "harbour", "hill"))
    assert case.verdict(holdout=holdout).record["decision"]["release"]
    found = case.verdict(holdout=holdout, policy=Policy(2, 1, ("district",), strict))

    decision = found.record["decision"]
    assert not decision["release"]
    assert any(reason.startswith("unfair: false negative rate by district") for reason in decision["reasons"])
    broken = [item["name"] for item in decision["limits"] if item["broken"]]
    assert "fairness: false negative rate by district, lower bound of the gap" in broken


def test_a_feature_that_knows_the_outcome_keeps_a_model_out(case):
    parts = {name: part.assign(budget=np.where(part["is_late"] == 1, 5e5, 1e3)) for name, part in case.parts.items()}
    objects, write = in_memory()
    search = search_record(parts, write, families=["decision_tree"])
    leaking = Case.__new__(Case)
    leaking.parts, leaking.objects, leaking.search = parts, objects, search
    found = leaking.verdict(search)

    assert found.record["leakage"]["suspected"]
    assert not found.record["decision"]["release"]
    assert any("log_budget alone has an AUC of 1.000" in reason for reason in found.record["decision"]["reasons"])


def test_undated_data_is_measured_and_never_released(case):
    rng = np.random.default_rng(0)
    parts = {
        name: pd.DataFrame({"crew_days": rng.normal(0, 1, n), "is_late": rng.integers(0, 2, n)})
        for name, n in {"train": 400, "holdout": 200}.items()
    }
    for part in parts.values():
        part["crew_days"] += part["is_late"]
    objects, write = in_memory()
    search = search_record(
        parts,
        write,
        families=["decision_tree"],
        protocol="paper",
        features={"numeric": ["crew_days"], "categorical": []},
    )
    undated = Case.__new__(Case)
    undated.parts, undated.objects, undated.search = parts, objects, search
    found = undated.verdict(search, reason="alarm")

    assert found.record["metrics"]["auc"] > 0.6
    assert not found.record["decision"]["release"]
    assert any("the protocol has no time order" in reason for reason in found.record["decision"]["reasons"])
    assert found.golden == {"activities": [], "scores": []}
    assert list(found.profile["features"]) == ["crew_days"]
    assert found.record["slices"] == {"columns": [], "rows": [], "worst": None}


def test_probabilities_of_another_model_are_noticed(case):
    search = case.scored(decision_tree=0.1)
    with pytest.raises(AssessmentError, match="decision_tree: the stored probabilities"):
        case.verdict(search, holdout_p={"decision_tree": np.full(245, 0.5)})


def test_the_same_data_and_seed_give_the_same_bytes(case, first, monkeypatch):
    # Computed again.
    monkeypatch.setattr(assessment, "permutation", importance.permutation)
    monkeypatch.setattr(assessment, "dependence", importance.dependence)
    second = case.verdict()

    assert first.model_id == second.model_id
    assert first.artifact == second.artifact
    assert first.record == second.record
    elsewhere = case.verdict(metadata={"dataset_id": "other"})
    assert elsewhere.model_id == first.model_id
    assert elsewhere.artifact != first.artifact


def test_the_golden_activities_are_requests_with_known_answers(first):
    loaded = scorer.load(first.artifact, hashlib.sha256(first.artifact).hexdigest())

    assert len(first.golden["activities"]) == 20
    assert not POST_HOC & {name for activity in first.golden["activities"] for name in activity}
    np.testing.assert_allclose(loaded.predict_proba(first.golden["activities"]), first.golden["scores"], atol=1e-9)
    assert loaded.threshold == pytest.approx(1 / 3)
    assert loaded.metadata["metrics"]["n"] == 245
