"""Slices of the holdout, and which of them is worst."""

import numpy as np
import pandas as pd
import pytest

from slipcast.evaluation.slices import slice_report
from slipcast.metrics.groups import OTHER, group_values, project_sizes
from slipcast.metrics.scores import evaluate


def case(n: int = 900, spoiled: str | None = None, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Return activities of three phases and ten locations; in the spoiled phase the scores are turned round."""
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.05, 0.95, n)
    y = (rng.random(n) < p).astype(int)
    table = pd.DataFrame(
        {
            "phase": rng.choice(["Scope", "Design", "Build"], n),
            "location": rng.choice([f"district {i}" for i in range(10)], n),
            "project_id": [f"P{i}" for i in rng.integers(0, n // 3, n)],
        }
    )
    return table, y, np.where(table["phase"] == spoiled, 1 - p, p)


def report(table, y, p, **options):
    return slice_report(table, y, p, **{"known_projects": table["project_id"], "seed": 1, "n_boot": 300} | options)


def test_every_column_parts_the_holdout():
    found = report(*case())

    assert found["columns"] == ["phase", "location", "project_size"]
    for column in found["columns"]:
        assert sum(row["n"] for row in found["rows"] if row["column"] == column) == 900


def test_a_slice_has_the_figures_of_its_activities():
    table, y, p = case()
    found = next(row for row in report(table, y, p)["rows"] if row["value"] == "Scope")
    inside = (table["phase"] == "Scope").to_numpy()
    expected = evaluate(y[inside], p[inside], seed=0, n_boot=1000)

    for name in ("n", "n_late", "late_rate", "mean_score", "auc", "brier"):
        assert found[name] == pytest.approx(expected[name], abs=1e-12)
    assert found["brier_ci"] == pytest.approx(expected["brier_ci"], abs=0.01)
    assert found["auc_ci"] == pytest.approx(expected["auc_ci"], abs=0.02)


def test_the_slice_that_the_model_gets_wrong_is_named():
    worst = report(*case(spoiled="Build"))["worst"]

    assert (worst["column"], worst["value"]) == ("phase", "Build")
    assert worst["significant"]
    assert 0 < worst["excess_lower_bound"] < worst["brier"]
    assert worst["why"].startswith("phase Build: Brier 0.")


def test_among_many_slices_alike_one_is_seldom_called_worse():
    alarms = [report(*case(400, seed=seed), n_boot=200)["worst"]["significant"] for seed in range(60)]

    # 5 % of 60 is 3; more than 9 has a probability below one in a hundred. One by one it would be over a third.
    assert sum(alarms) <= 9


def test_small_groups_are_put_together_and_judged_only_if_they_are_enough():
    table, y, p = case(200)
    table["location"] = ["x"] * 150 + [f"rare {i}" for i in range(50)]
    table["work_type"] = ["a"] * 190 + ["b"] * 10
    table["phase"] = "Scope"
    found = report(table, y, 1 - p)

    assert {row["value"]: row["n"] for row in found["rows"] if row["column"] == "location"} == {OTHER: 50, "x": 150}
    # The ten of work type b are shown but cannot be the worst, and a column with one value is the whole.
    assert next(row for row in found["rows"] if row["column"] == "work_type" and row["value"] == OTHER)["n"] == 10
    assert (found["worst"]["column"], found["worst"]["n"]) != ("work_type", 10)
    assert found["worst"]["column"] != "phase"


def test_a_slice_of_one_class_has_no_auc():
    table, y, p = case()
    found = report(table, np.where(table["phase"] == "Scope", 0, y), p)

    row = next(row for row in found["rows"] if row["value"] == "Scope")
    assert row["auc"] is None
    assert row["auc_ci"] is None
    assert row["brier"] > 0


def test_a_table_without_columns_has_no_slices():
    table, y, p = case(50)

    assert report(table[["project_id"]], y, p, known_projects=None) == {"columns": [], "rows": [], "worst": None}


def test_what_is_missing_is_a_group():
    assert list(group_values(pd.Series(["a", None, "", np.nan, "a"]), 2)) == ["a", *["(missing)"] * 3, "a"]


def test_sizes_make_thirds_of_the_activities():
    projects = pd.Series(["a", "b", "b", *["c"] * 3, *["d"] * 6])
    found = project_sizes(projects, projects)

    assert list(found.unique()) == ["1 to 3 activities", "6 activities"]
    assert list(project_sizes(pd.Series(["a", "b", "c"]), pd.Series(["a", "b", "b", "c", "c", "c"]))) == [
        "1 activity",
        "2 activities",
        "3 activities",
    ]
