"""Drift: quiet without it, loud with it, silent on too little data."""

import json
import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance

from slipcast.features.row import CATEGORICAL, MISSING, NUMERIC
from slipcast.monitoring.drift import assess, compare, counts_of, findings_of
from slipcast.monitoring.drift_rule import Counts, Reference, Rule, Verdicts, confirmed
from slipcast.monitoring.record import Drift
from slipcast.monitoring.reference_profile import profile
from slipcast.monitoring.window import Sketch


def sample(n: int, seed: int, *, shift: float = 0.0, category: str = "") -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    features = pd.DataFrame({name: rng.normal(shift, 1, n) for name in NUMERIC})
    features.iloc[rng.random(n) < 0.1, 0] = np.nan
    # An export that never fills a column: it has no bins at all.
    features[NUMERIC[-1]] = np.nan
    for name in CATEGORICAL:
        features[name] = rng.choice(["a", "b", "c", "rare"], n, p=[0.5, 0.3, 0.19, 0.01])
    if category:
        features[CATEGORICAL[0]] = category
    return features, np.clip(rng.normal(0.4 + 0.2 * shift, 0.1, n), 0, 1)


@pytest.fixture(scope="module")
def known() -> dict:
    features, scores = sample(2000, 0)
    return profile(features, scores, (scores > 0.4).astype(int))


def drifted(found: Drift) -> set[str]:
    return {f"{finding.split(':')[0]}" for finding in findings_of(found)}


@pytest.mark.parametrize("n", [50, 200, 2000])
def test_without_drift_the_monitor_is_quiet(known, n):
    found = [compare(known, *sample(n, seed)) for seed in range(1, 51)]

    # One window alone may speak, as often as the level of all its tests; two of three then have to find the same.
    assert [item.state for item in found].count("drift") <= 50 * found[0].alpha < 10


def test_false_alarms_of_a_quiet_year_stay_below_what_is_allowed(known):
    """A thousand windows by the very functions that judge one, with the bins' probabilities as truth."""
    reference, rule, rng = Reference(known), Rule(), np.random.default_rng(5)
    windows, n = 8640, 50
    bins = {
        name: rng.multinomial(n, counts / counts.sum(), size=windows).astype(float)
        for name, counts in reference.counts.items()
    }
    shares = {test: rng.binomial(n, seen / reference.n, size=windows) for test, seen in reference.seen.items()}
    verdict = Verdicts(reference, Counts(n, bins, shares, np.zeros(12)), rule)
    alarms = confirmed(verdict.found, rule).any(axis=1)
    begins = int((alarms[1:] & ~alarms[:-1]).sum() + alarms[0])

    # Twelve are allowed; twice as many would be chance with a probability below .001.
    assert begins <= 24
    assert 0 < verdict.found.any(axis=1).mean() < 0.25


@pytest.mark.parametrize("n", [200, 2000])
def test_a_shift_of_one_deviation_is_found(known, n):
    found = compare(known, *sample(n, 1, shift=1.0))

    assert found.state == "drift"
    assert found.score.drifted
    assert found.features[NUMERIC[1]].drifted
    assert found.features[NUMERIC[1]].wasserstein == pytest.approx(1.0, abs=0.25)
    assert not found.features[CATEGORICAL[0]].drifted
    assert found.features[NUMERIC[1]].mean > found.features[NUMERIC[1]].reference_mean + 0.7
    assert 0 < found.drifted_share < 1
    assert not found.confirmed


@pytest.mark.parametrize(("category", "what"), [("a", "distribution"), ("never seen", "unseen")])
def test_a_change_of_categories_is_found(known, category, what):
    found = compare(known, *sample(300, 1, category=category))

    assert found.drifted == [CATEGORICAL[0]]
    assert what in [finding.what for finding in found.features[CATEGORICAL[0]].findings]


def test_a_category_that_is_new_is_named(known):
    found = compare(known, *sample(300, 1, category="Phase X"))
    (finding,) = [item for item in found.features[CATEGORICAL[0]].findings if item.what == "unseen"]

    assert finding.words == "100% have a value that training did not know, such as Phase X"
    assert found.features[CATEGORICAL[0]].unseen_share == 1.0


@pytest.mark.parametrize("name", [NUMERIC[1], CATEGORICAL[1]])
def test_a_column_that_goes_missing_is_found_in_a_small_window(known, name):
    features, scores = sample(60, 1)
    features[name] = np.nan if name in NUMERIC else MISSING
    found = compare(known, features, scores)

    assert found.features[name].missing_share == 1.0
    assert "missing" in [finding.what for finding in found.features[name].findings]
    assert drifted(found) == {name}


def test_numbers_outside_all_of_training_are_found(known):
    features, scores = sample(200, 1)
    features.loc[:19, NUMERIC[1]] = 40.0
    found = compare(known, features, scores).features[NUMERIC[1]]

    assert found.out_of_range_share == pytest.approx(0.1, abs=0.01)
    assert [finding.what for finding in found.findings] == ["out_of_range"]


@pytest.mark.parametrize("n", [0, 1, 49])
def test_too_few_predictions_give_no_verdict(known, n):
    found = compare(known, *sample(n, 1, shift=5.0))

    assert found.state == "insufficient_data"
    assert found.max_psi is None
    assert found.n == n
    json.dumps(found.features)


def test_the_same_finding_in_two_of_three_windows_is_confirmed(known):
    sketch = Sketch(known)
    sketch.add(*sample(200, 1, shift=1.0))
    alone = assess(known, sketch)
    before = {"until": "x", "state": "drift", "findings": [f"{NUMERIC[1]}:distribution"]}
    quiet, other = before | {"findings": []}, before | {"findings": [f"{NUMERIC[1]}:missing"]}

    assert not alone.confirmed
    assert assess(known, sketch, Rule(), [quiet, before]).confirmed_features == [NUMERIC[1]]
    assert not assess(known, sketch, Rule(), [quiet, quiet, before]).confirmed
    assert not assess(known, sketch, Rule(), [other, quiet]).confirmed
    assert assess(known, sketch, Rule(needed=1, of=1)).confirmed


@pytest.fixture(scope="module")
def small() -> tuple[dict, Sketch]:
    """A profile of 200 rows and a window of 100 whose figures can be counted by hand."""
    reference = pd.DataFrame({"x": np.tile(np.arange(1.0, 11), 20), "quiet": np.repeat(np.arange(20.0), 10)})
    reference["c"] = np.repeat(["a", "b"], [120, 80])
    scores = np.tile(np.linspace(0.1, 0.9, 20), 10)
    known = profile(reference, scores, np.tile([0, 1], 100), numeric=["x", "quiet"], categorical=["c"])
    window = pd.DataFrame({"x": np.repeat([np.nan, 10.0, 12.0], [20, 60, 20]), "quiet": np.repeat(np.arange(20.0), 5)})
    window["c"] = np.tile(["a", "z"], 50)
    sketch = Sketch(known)
    sketch.add(window, np.tile(np.linspace(0.1, 0.9, 20), 5))
    return known, sketch


def test_the_figures_of_a_window_are_those_that_are_counted_by_hand(small):
    known, sketch = small
    found = assess(known, sketch)
    x, c, quiet = (found.features[name] for name in ("x", "c", "quiet"))

    assert (found.state, found.n, found.confirmed, found.confirmed_features) == ("drift", 100, False, [])
    assert (x.kind, x.drifted, c.drifted, quiet.drifted, found.score.drifted) == ("numeric", True, True, False, False)
    assert found.drifted_share == pytest.approx(2 / 3)
    assert found.max_psi == max(x.psi, c.psi) > found.score.psi
    strength = {name: max(f.effect / f.limit for f in found.features[name].findings) for name in ("x", "c")}
    assert found.drifted == sorted(strength, key=lambda name: -strength[name])
    assert (x.mean, x.reference_mean) == (pytest.approx(10.5), pytest.approx(5.5))
    assert (x.missing_share, x.reference_missing_share, x.out_of_range_share) == (0.2, 0.0, 0.2)
    # All of the window lies above all of the reference but its 10: the distance is that of the means.
    assert x.wasserstein == pytest.approx(5.0 / np.std(np.arange(1.0, 11)), rel=0.1)
    assert quiet.wasserstein == pytest.approx(0.0, abs=0.05)
    assert {finding.what: finding.words for finding in x.findings if finding.what != "distribution"} == {
        "missing": "missing in 20% of the window, 0% of the reference",
        "out_of_range": "20% lie outside 1 to 10, where all of training was",
    }
    assert (c.kind, c.unseen_share, c.missing_share, c.out_of_range_share) == ("categorical", 0.5, 0.0, None)
    assert [(bin_.label, bin_.reference, bin_.window) for bin_ in c.bins] == [
        ("a", pytest.approx(0.6), pytest.approx(0.5)),
        ("b", pytest.approx(0.4), 0.0),
        ("(other)", 0.0, pytest.approx(0.5)),
    ]
    inner = ("1.9", "2.8", "3.7", "4.6", "5.5", "6.4", "7.3", "8.2", "9.1")
    labels = ["≤ 1.9", *(f"{low} to {high}" for low, high in pairwise(inner)), "> 9.1", "(missing)"]
    assert [bin_.label for bin_ in x.bins] == labels
    assert [(bin_.reference, bin_.window) for bin_ in x.bins[-3:]] == [(0.1, 0.0), (0.1, 0.8), (0.0, 0.2)]
    # An independent judge of the distance; half a count is added to each bin.
    apart = jensenshannon([120.5, 80.5, 0.5], [50.5, 0.5, 50.5], base=2)
    assert c.js_distance == pytest.approx(float(apart), abs=1e-9)
    tests = len(Reference(known).tests)
    assert found.alpha == pytest.approx(Rule().level(tests) * tests)
    words = next(finding.words for finding in c.findings if finding.what == "distribution")
    assert words.startswith(f"PSI {c.psi:.2f} where chance gives {c.psi_chance:.2f} and up to {c.psi_limit:.2f}")
    assert c.p_value == next(finding.p_value for finding in c.findings if finding.what == "distribution")


def test_the_strongest_finding_of_a_feature_says_where_it_ranks(small):
    known, _ = small
    sketch = Sketch(known)
    window = pd.DataFrame({"x": np.repeat([10.0, 12.0], [80, 20]), "quiet": np.repeat(np.arange(20.0), 5)})
    window["c"] = np.repeat(["a", "b"], [20, 80])
    sketch.add(window, np.tile(np.linspace(0.1, 0.9, 20), 5))
    found = assess(known, sketch)

    # x has the strongest finding and the weakest one.
    assert [[item.what for item in found.features[name].findings] for name in ("x", "c")] == [
        ["distribution", "out_of_range"],
        ["distribution"],
    ]
    assert found.drifted == ["x", "c"]


def test_a_window_above_all_of_training_is_so_far_away(small):
    """All of it lies beyond the last edge, fine ones included."""
    known, _ = small
    sketch = Sketch(known)
    window = {
        "x": [40.0] * 60 + [math.nan] * 40,
        "quiet": [math.nan] * 100,
        "c": [f"{'n' * 70}{n % 5}" for n in range(100)],
    }
    sketch.add(window, np.tile(np.linspace(0.1, 0.9, 20), 5))
    found = assess(known, sketch)

    values = np.arange(1.0, 11)
    expected = wasserstein_distance(values, [40.0]) / np.std(values)
    assert found.features["x"].wasserstein == pytest.approx(expected, rel=0.01)
    assert found.features["quiet"].wasserstein is None
    unseen = next(finding.words for finding in found.features["c"].findings if finding.what == "unseen")
    assert unseen.endswith(f"such as {', '.join(['n' * 60] * 3)}")


def test_the_shares_of_bins_add_up_to_one_however_few_there_are():
    known = profile(
        pd.DataFrame({"x": [1.0], "c": ["a"]}), np.array([0.5]), np.array([1]), numeric=["x"], categorical=["c"]
    )
    sketch = Sketch(known)
    sketch.add({"x": [1.0], "c": ["a"]}, np.array([0.5]))
    found = assess(known, sketch, Rule(min_n=1))

    for item in (*found.features.values(), found.score):
        assert sum(bin_.reference for bin_ in item.bins) == sum(bin_.window for bin_ in item.bins) == 1


def test_without_any_feature_the_score_is_judged_alone():
    """As in a window in which no feature was logged."""
    scores = np.tile(np.linspace(0.1, 0.9, 20), 10)
    known = profile(pd.DataFrame(index=range(200)), scores, np.tile([0, 1], 100), numeric=[], categorical=[])
    sketch = Sketch(known)
    sketch.add({}, np.full(100, 0.9))
    found = assess(known, sketch)

    assert (found.state, found.drifted, found.drifted_share) == ("drift", ["score"], 0.0)


def test_a_feature_without_any_value_in_training_has_two_bins(known):
    found = compare(known, *sample(100, 1))

    assert [bin_.label for bin_ in found.features[NUMERIC[-1]].bins] == ["any", "(missing)"]


def test_one_confirmed_feature_confirms_the_window_and_no_other(small):
    known, sketch = small
    before, quiet = ({"until": "x", "state": "drift", "findings": found} for found in (["x:missing"], []))

    found = assess(known, sketch, Rule(), [quiet, before])
    assert (found.confirmed, found.confirmed_features) == (True, ["x"])
    assert not assess(known, sketch, Rule(needed=3, of=3), [before, quiet]).confirmed
    assert assess(known, sketch, Rule(needed=3, of=3), [before, before]).confirmed_features == ["x"]


def test_the_least_number_of_predictions_is_enough(small):
    known, sketch = small
    nothing = assess(known, Sketch(known), Rule(min_n=0))

    assert assess(known, sketch, Rule(min_n=100)).state == "drift"
    assert assess(known, sketch, Rule(min_n=101)).state == "insufficient_data"
    assert (nothing.state, nothing.confirmed, nothing.score) == ("insufficient_data", False, None)
    assert findings_of(nothing) == []
    one = Sketch(known)
    one.add({"x": [1.0], "quiet": [1.0], "c": ["a"]}, np.array([0.5]))
    assert assess(known, one, Rule(min_n=0)).state == "ok"


def test_a_finding_of_the_score_is_listed_by_its_name(known):
    found = compare(known, *sample(300, 1, shift=1.0))

    assert "score:distribution" in findings_of(found)


def test_confirmation_of_many_windows():
    found = np.array([[1, 0], [0, 1], [1, 1], [0, 1], [0, 0], [1, 0]], dtype=bool)

    assert confirmed(found, Rule()).tolist() == [[0, 0], [0, 0], [1, 1], [0, 1], [0, 0], [0, 0]]


def test_fewer_false_alarms_take_more_evidence():
    strict, plain, one = Rule(false_alarms_per_month=0.1), Rule(), Rule(needed=1, of=1)

    assert strict.level(40) < plain.level(40)
    assert one.level(40) == pytest.approx(1 / (720 * 40))
    assert plain.level(10) > plain.level(40)


def seasonal_rows(n: int, months: list[int], seed: int) -> tuple[pd.DataFrame, np.ndarray, pd.Series]:
    rng = np.random.default_rng(seed)
    month = rng.choice(months, n)
    features = pd.DataFrame({"load": rng.normal(np.cos(month / 12 * 2 * np.pi) * 1.2, 1, n)})
    days = pd.Series(pd.to_datetime([f"{year}-{m:02}-15" for year, m in zip(rng.integers(2015, 2021, n), month)]))  # noqa: B905
    return features, rng.uniform(0.2, 0.6, n), days


@pytest.mark.parametrize("month", [1, 7])
def test_what_the_season_always_did_is_no_drift(month):
    features, scores, days = seasonal_rows(3000, list(range(1, 13)), 0)
    args = {"numeric": ["load"], "categorical": []}
    aware = profile(features, scores, np.tile([0, 1], 1500), days=days, **args)
    blind = profile(features, scores, np.tile([0, 1], 1500), **args)
    window, later, when = seasonal_rows(300, [month], 1)

    def judged(known: dict, shift: float = 0.0) -> Drift:
        sketch = Sketch(known)
        sketch.add({"load": window["load"].to_numpy() + shift}, later, days=when.dt.strftime("%Y-%m-%d").tolist())
        return assess(known, sketch)

    assert judged(blind).drifted == ["load"]
    assert judged(aware).state == "ok"
    # Beyond the season, and beyond all others.
    assert judged(aware, shift=-5 if month == 1 else 5).drifted == ["load"]


def test_two_years_are_no_season():
    features, scores, days = seasonal_rows(1000, list(range(1, 13)), 0)
    days = days.map(lambda day: day.replace(year=2015 + day.year % 2))
    found = profile(features, scores, np.tile([0, 1], 500), numeric=["load"], categorical=[], days=days)

    assert found["features"]["load"]["seasonal"] is None


def test_activities_of_one_project_count_for_fewer(known):
    rng = np.random.default_rng(0)
    projects = np.repeat(np.arange(200), 10)
    features = pd.DataFrame({"place": rng.choice(list("abcdefgh"), 200)[projects], "noise": rng.normal(size=2000)})
    scores = rng.uniform(0.2, 0.6, 2000)
    args = {"numeric": ["noise"], "categorical": ["place"], "projects": pd.Series(projects)}
    found = profile(features, scores, np.tile([0, 1], 1000), **args)
    assert found["features"]["place"]["alike"] == pytest.approx(1.0)
    assert found["features"]["noise"]["alike"] == pytest.approx(0.0, abs=0.02)

    def states(**said) -> list[str]:
        answers = []
        for seed in range(20):
            draw = np.random.default_rng(seed)
            of = draw.choice(200, 8, replace=False)
            rows = np.flatnonzero(np.isin(projects, of))
            sketch = Sketch(found)
            own = {"projects": [str(project) for project in projects[rows]]} if said else {}
            sketch.add(features.iloc[rows], scores[rows], **own)
            answers.append(assess(found, sketch).state)
        return answers

    assert states().count("drift") > 10
    assert states(known=True).count("drift") <= 3


def test_a_profile_of_an_earlier_version_is_read(known):
    old = {"n": known["n"], "late_rate": known["late_rate"]}
    kept = ("kind", "edges", "counts", "categories", "mean")
    old["score"] = {name: value for name, value in known["score"].items() if name in kept}
    old["features"] = {
        name: {key: value for key, value in entry.items() if key in kept and key != "mean"}
        for name, entry in known["features"].items()
    }
    now, before = compare(known, *sample(300, 1, shift=1.0)), compare(old, *sample(300, 1, shift=1.0))

    assert before.features[NUMERIC[1]].psi == pytest.approx(now.features[NUMERIC[1]].psi)
    assert NUMERIC[1] in before.drifted
    assert before.features[CATEGORICAL[0]].reference_missing_share == 0
    assert compare(old, *sample(300, 1)).state == "ok"


def test_a_window_in_chunks_is_the_window():
    features, scores = sample(1000, 2)
    known = profile(features, scores, (scores > 0.4).astype(int))
    whole, parts = Sketch(known), Sketch(known)
    whole.add(features, scores)
    for begin in range(0, 1000, 130):
        parts.add(features.iloc[begin : begin + 130], scores[begin : begin + 130])
    reference = Reference(known)
    one, other = counts_of(reference, whole), counts_of(reference, parts)

    assert all(np.array_equal(one.bins[name], other.bins[name]) for name in one.bins)
    assert {test: int(count) for test, count in one.shares.items()} == {
        test: int(count) for test, count in other.shares.items()
    }
    assert all(np.array_equal(one.bins[name], reference.counts[name]) for name in one.bins)


def test_the_report_and_the_profile_are_json(known):
    found = compare(known, *sample(300, 1, category="new"))

    from dataclasses import asdict

    json.dumps([asdict(found), known], allow_nan=False)


@pytest.mark.parametrize("reference_share", [0.1, 0.3])
def test_the_effect_of_a_share_is_what_the_window_has_more_than_the_reference(reference_share):
    def table(n: int, share: float) -> tuple[pd.DataFrame, np.ndarray]:
        features, scores = sample(n, 1)
        features[NUMERIC[1]] = np.where(np.arange(n) < share * n, np.nan, features[NUMERIC[1]])
        return features, scores

    features, scores = table(2000, reference_share)
    found = compare(profile(features, scores, (scores > 0.4).astype(int)), *table(200, 0.5))
    (finding,) = [item for item in found.features[NUMERIC[1]].findings if item.what == "missing"]

    assert finding.effect == pytest.approx(0.5 - reference_share, abs=0.01)
    assert finding.limit == Rule().share_excess
    assert finding.words == f"missing in 50% of the window, {reference_share:.0%} of the reference"
    assert found.features[NUMERIC[1]].reference_missing_share == pytest.approx(reference_share)


def test_the_usual_rule():
    rule = Rule()

    assert (rule.min_n, rule.psi_excess, rule.share_excess) == (50, 0.1, 0.05)
    assert (rule.needed, rule.of, rule.false_alarms_per_month) == (2, 3, 1.0)


@pytest.mark.parametrize(("needed", "of"), [(0, 3), (4, 3)])
def test_a_rule_that_could_never_or_always_confirm_is_refused(needed, of):
    with pytest.raises(ValueError, match="`needed` must be between 1 and `of`"):
        Rule(needed=needed, of=of)
    assert Rule(needed=1, of=1).needed == Rule(needed=1, of=1).of


@pytest.mark.parametrize("allowed", [0.0, -1.0])
def test_false_alarms_are_a_number_above_nothing(allowed):
    with pytest.raises(ValueError, match="a number above 0"):
        Rule(false_alarms_per_month=allowed)
    assert Rule(false_alarms_per_month=0.5).level(1) > 0


def test_the_level_is_that_at_which_the_allowed_false_alarms_come():
    # One alarm a month of 720 windows, 10 tests, and one of two windows before that finds the same: sqrt(1 / 14,400).
    assert Rule().level(10) == pytest.approx((1 / (720 * 10 * 2)) ** 0.5)
    assert Rule(needed=1, of=1).level(10) == pytest.approx(1 / 7200)
    assert Rule(false_alarms_per_month=1e9).level(10) == pytest.approx(0.05)


def test_without_a_feature_that_is_logged_only_the_score_is_judged(small):
    known, _ = small
    sketch = Sketch({**known, "features": {}})
    sketch.add({}, np.full(100, 0.9))
    found = assess({**known, "features": {}}, sketch)

    assert (found.drifted, found.drifted_share, found.features) == (["score"], 0.0, {})
