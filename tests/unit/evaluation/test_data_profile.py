"""What training rows are like, and how far they moved."""

import numpy as np
import pandas as pd
import pytest

from slipcast.evaluation.data_profile import data_profile, moved
from slipcast.features.row import CATEGORICAL, NUMERIC
from slipcast.features.table import feature_table
from slipcast.monitoring.reference_profile import profile
from slipcast.provenance import provenance, source_digest
from support.search_records import labelled_rows


def test_columns_are_described():
    features = pd.DataFrame(
        {
            "days": [1.0, 3.0, np.nan, 5.0],
            "float": [np.nan] * 4,
            "phase": ["a", "b", "a", "(missing)"],
        }
    )
    found = data_profile(features, np.array([0, 1, 1, 1]), numeric=["days", "float"], categorical=["phase"])

    assert (found["rows"], found["late_rate"]) == (4, 0.75)
    days, empty, phase = found["columns"]
    assert days == {
        **{"name": "days", "kind": "numeric", "missing_share": 0.25, "mean": 3.0, "min": 1.0, "max": 5.0},
        "std": pytest.approx(np.std([1, 3, 5])),
    }
    assert empty == {
        **{"name": "float", "kind": "numeric", "missing_share": 1.0},
        **dict.fromkeys(["mean", "std", "min", "max"]),
    }
    assert phase == {
        **{"name": "phase", "kind": "categorical", "missing_share": 0.25, "distinct": 2},
        "top": [["a", 2], ["b", 1]],
    }


def test_the_feature_that_moved_comes_first():
    before, after = feature_table(labelled_rows(400, seed=0)), feature_table(labelled_rows(400, seed=1))
    scores = np.linspace(0.1, 0.9, 400)
    known = profile(before, scores, np.tile([0, 1], 200))
    after["baseline_duration_days"] += 300
    found = moved(known, after, scores)

    assert found[0]["feature"] == "baseline_duration_days"
    assert found[0]["psi"] > 1
    assert {item["feature"] for item in found} == {*NUMERIC, *CATEGORICAL}
    assert all(item["psi"] < 0.2 for item in found[1:])


def test_features_that_are_no_longer_computed_are_left_out():
    features = feature_table(labelled_rows(100))
    known = profile(features, np.linspace(0, 1, 100), np.tile([0, 1], 50))

    assert [item["feature"] for item in moved(known, features[["phase"]], np.linspace(0, 1, 100))] == ["phase"]
    assert moved(known, pd.DataFrame({"other": [1.0]}), np.array([0.5])) == []


def test_features_of_its_own_have_a_profile():
    features = pd.DataFrame({"crew": [1.0, 2.0, np.nan], "site": ["x", "y", "y"]})
    found = profile(
        features, np.array([0.1, 0.2, 0.3]), np.array([0, 1, 1]), numeric=["crew"], categorical=["site"], bins=2
    )

    crew, site = found["features"]["crew"], found["features"]["site"]
    assert (crew["kind"], crew["edges"], crew["counts"]) == ("numeric", [1.5], [1, 1, 1])
    assert (crew["min"], crew["max"], crew["mean"]) == (1.0, 2.0, 1.5)
    assert (site["kind"], site["categories"], site["counts"]) == ("categorical", ["x", "y"], [1, 2, 0])
    assert (site["seen"], site["once"], site["missing"]) == (["x", "y"], 1, 0)


def test_the_code_has_a_digest_that_follows_its_content(tmp_path):
    (tmp_path / "a.py").write_text("x = 1\n")
    (tmp_path / "notes.txt").write_text("not code")
    before = source_digest(tmp_path)
    (tmp_path / "notes.txt").write_text("changed")
    assert source_digest(tmp_path) == before
    (tmp_path / "a.py").write_text("x = 2\n")

    assert source_digest(tmp_path) != before


def test_what_runs_here_is_said_in_full():
    found = provenance()

    assert found["code_version"].startswith("0.1.0+")
    assert len(found["lock_sha256"]) == 64
    assert found["python"].startswith("3.13")
