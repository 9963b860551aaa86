"""What the canary's judge decides, and on how much."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.stats

from slipcast.metrics import hypothesis_tests
from slipcast.release.canary import ALPHA, CHECKS, Evidence, Plan, Predicted, judge, pause, steps

PLAN = Plan(
    steps=(10, 50),
    min_requests=200,
    min_seconds=60,
    max_seconds=600,
    max_error_rate=0.01,
    max_latency_ratio=1.5,
    max_score_shift=0.1,
    max_unpredicted_shift=0.25,
)


def evidence(n: int, seed: int, *, mean: float = 0.4, ms: float = 4.0, failed: int = 0, **more: int) -> Evidence:
    """What a version did with `n` answered requests of two activities."""
    random = np.random.default_rng(seed)
    scores = np.clip(random.normal(mean, 0.15, (n, 2)), 0, 1)
    return Evidence(list(random.gamma(8, ms / 8, n)), scores.tolist(), failed=failed, **more)


LIVE = evidence(1800, 1)


def decide(new: Evidence, *, live: Evidence = LIVE, plan: Plan = PLAN, predicted: Predicted | None = None, **how):
    return judge(plan, **{"step": 0, "seconds": 90.0, **how}, live=live, new=new, predicted=predicted)


def test_a_good_step_leads_to_the_next_and_the_last_to_promotion():
    assert decide(evidence(200, 2)).action == "advance"
    last = decide(evidence(200, 2), step=1)
    assert last.action == "promote"
    assert "200 requests, nothing worse" in last.why


@pytest.mark.parametrize(("n", "seconds"), [(199, 90.0), (200, 59.0), (0, 0.0)])
def test_a_step_is_not_over_before_both_its_requests_and_its_time_are_there(n, seconds):
    assert decide(evidence(n, 2), seconds=seconds).action == "wait"


BAD = {
    "errors": evidence(190, 2, failed=10),
    "errors by crashes": evidence(190, 2, crashed=10),
    "refusals": evidence(180, 2, refused=20),
    "latency_median": evidence(200, 2, ms=20.0),
    "score_mean": evidence(200, 2, mean=0.75),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_worse_beyond_chance_is_rolled_back_and_named(name):
    verdict = decide(BAD[name])

    assert verdict.action == "roll_back"
    broken = [check for check in verdict.checks if check.broken]
    assert name.split()[0] in {check.name for check in broken}
    assert all(check.words in verdict.why for check in broken)


def test_what_is_plainly_bad_is_rolled_back_before_its_step_is_over():
    verdict = decide(evidence(30, 2, failed=10), seconds=5.0)

    assert verdict.action == "roll_back"
    assert verdict.numbers["level"] == pytest.approx(ALPHA / len(CHECKS) / 2 / 10)


def test_a_slow_tail_is_found_where_the_median_is_the_same():
    new = evidence(200, 2)
    slow = [duration * (10 if number % 10 == 0 else 1) for number, duration in enumerate(new.milliseconds)]

    assert [check.name for check in decide(replace(new, milliseconds=slow)).checks if check.broken] == ["latency_p95"]


def test_a_few_milliseconds_are_no_reason_whatever_their_ratio():
    assert decide(evidence(200, 2, ms=3.0), live=evidence(1800, 1, ms=1.0)).action == "advance"


def test_a_model_that_says_the_same_of_everybody_is_found_though_its_mean_is_right():
    constant = Evidence(evidence(200, 2).milliseconds, [[0.4, 0.4]] * 200)
    verdict = decide(constant, predicted=Predicted(0.0, 0.1))

    assert [check.name for check in verdict.checks if check.broken] == ["score_distribution"]


def test_a_shift_that_the_replay_predicted_is_no_surprise():
    new = evidence(200, 2, mean=0.6)

    assert decide(new, predicted=Predicted(shift=0.2, distance=0.5)).action == "advance"
    assert decide(new, predicted=Predicted(shift=0.0, distance=0.5)).action == "roll_back"
    assert decide(new).action == "advance"


def test_a_shift_within_the_limit_is_left_alone_also_at_the_looks_of_a_small_sample():
    """Tested against no shift at all, one in fifty such looks would roll back."""
    looks = [decide(evidence(20, seed, mean=0.45), seconds=5.0, predicted=Predicted(0.0, 0.3)) for seed in range(200)]

    assert {verdict.action for verdict in looks} == {"wait"}


def test_errors_that_both_have_stop_a_release_all_the_same():
    verdict = decide(evidence(160, 2, failed=40), live=evidence(1440, 1, failed=360))

    assert verdict.action == "roll_back"
    assert [check.name for check in verdict.checks if check.broken] == ["errors_at_all"]


def test_one_error_among_enough_requests_is_chance():
    assert decide(evidence(199, 2, failed=1)).action == "advance"


@pytest.mark.parametrize(("predicted", "basis"), [(Predicted(0.0, 0.1), "the replay decides"), (None, "known answers")])
def test_without_traffic_the_time_ends_a_step_and_says_on_what_it_was_decided(predicted, basis):
    verdict = decide(Evidence(), live=evidence(3, 1), seconds=600.0, predicted=predicted, step=1)

    assert (verdict.action, verdict.thin) == ("promote", True)
    assert "0 of 200 requests" in verdict.why
    assert basis in verdict.why


def test_an_error_among_few_requests_is_not_excused():
    verdict = decide(evidence(9, 2, failed=1), seconds=600.0)

    assert (verdict.action, verdict.thin) == ("roll_back", True)
    assert "failed 1 of 10 requests" in verdict.why


def test_an_error_that_the_live_version_might_as_well_have_had_is_excused():
    assert decide(evidence(89, 2, failed=1), live=evidence(90, 1), seconds=600.0, step=1).action == "promote"


def test_durations_that_an_older_version_did_not_log_are_not_compared():
    silent = replace(LIVE, milliseconds=[])

    assert decide(evidence(200, 2, ms=50.0), live=silent).action == "advance"


def test_the_level_is_shared_by_checks_and_steps():
    assert decide(evidence(200, 2)).numbers["level"] == pytest.approx(ALPHA / len(CHECKS) / 2)


@pytest.mark.parametrize(("text", "expected"), [("10,50", (10, 50)), ("", ()), (" ", ()), ("1", (1,)), ("99", (99,))])
def test_steps_are_read(text, expected):
    assert steps(text) == expected


@pytest.mark.parametrize("text", ["50,10", "10,10", "0", "100", "ten", "10,,50"])
def test_steps_that_do_not_rise_from_1_to_99_are_refused(text):
    with pytest.raises(ValueError, match=r"canary steps|invalid literal"):
        steps(text)


def test_the_next_look_comes_when_the_step_may_be_over():
    assert pause(PLAN, 0.0) == 30
    assert pause(PLAN, 50.0) == 10
    assert pause(PLAN, 599.9) == 1
    assert pause(replace(PLAN, min_seconds=0, max_seconds=6), 0.0) == 2


@pytest.mark.parametrize(("seconds", "n"), [(60.0, 200), (600.0, 1)])
def test_the_last_look_is_at_the_very_second_of_a_limit(seconds, n):
    def level(at: float, requests: int) -> float:
        return decide(evidence(requests, 2), seconds=at).numbers["level"]

    assert level(seconds, n) == pytest.approx(ALPHA / (len(CHECKS) * 2))
    assert level(seconds - 0.1, n) < level(seconds, n)


def test_what_is_not_counted_is_nothing_and_a_release_is_stopped_by_chance_once_in_twenty():
    assert Evidence([], []).invocations == 0
    assert ALPHA == 0.05


def test_a_check_that_had_too_little_to_look_at_has_no_figures():
    few = [check for check in decide(evidence(1, 2)).checks if "too few" in check.words]

    assert len(few) > 1
    assert {(check.value, check.p, check.broken) for check in few} == {(0.0, None, False)}
    assert {check.limit for check in few if check.name.startswith("latency")} == {0.0}


def test_what_a_version_answered_failed_and_refused_are_its_requests():
    found = evidence(180, 2, failed=3, crashed=2, refused=20)

    assert found.errors == 5
    assert found.requests == 205
    assert found.asked == 205


def check_of(verdict, name: str):
    return next(check for check in verdict.checks if check.name == name)


def test_the_figures_of_a_check_are_those_that_are_counted_by_hand():
    milliseconds = [float(number) for number in range(1, 201)]
    new = Evidence(milliseconds, [[0.2, 0.4], [0.6]] * 100, failed=4, refused=6, crashed=2)
    live = Evidence([10.0] * 400, [[0.3]] * 400, failed=4, refused=8)
    verdict = decide(new, live=live, seconds=61.26)

    errors, refusals = check_of(verdict, "errors"), check_of(verdict, "refusals")
    assert (errors.value, errors.limit) == (pytest.approx(6 / 212 - 4 / 412), 0.01)
    assert refusals.value == pytest.approx(6 / 212 - 8 / 412)
    assert check_of(verdict, "errors_at_all").value == pytest.approx(6 / 212)
    median, tail = check_of(verdict, "latency_median"), check_of(verdict, "latency_p95")
    # A ratio of 1.5, and five milliseconds.
    assert (median.value, median.limit) == (pytest.approx(np.quantile(milliseconds, 0.5)), pytest.approx(20.0))
    assert tail.value == pytest.approx(np.quantile(milliseconds, 0.95))
    assert median.words.startswith("median of 100.5 ms, more than 20.0 ms")
    assert tail.words.startswith("95% quantile of 190.0 ms")
    assert verdict.numbers["seconds"] == 61.3
    assert verdict.numbers["live"]["score_mean"] == pytest.approx(0.3)
    assert verdict.numbers["new"] == {
        **{"requests": 212, "failed": 4, "crashed": 2, "refused": 6, "predictions": 300},
        **{"score_mean": pytest.approx(0.4), "median_ms": 100.5, "p95_ms": 190.05},
    }
    thirds = decide(replace(new, milliseconds=[1 / 3] * 200), live=live).numbers["new"]
    assert (thirds["median_ms"], thirds["p95_ms"]) == (0.333, 0.333)


@pytest.mark.parametrize(("ms", "broken"), [(20.0, False), (20.1, True)])
def test_a_duration_at_its_limit_is_within_it(ms, broken):
    new, live = replace(evidence(200, 2), milliseconds=[ms] * 200), replace(LIVE, milliseconds=[10.0] * 1800)

    assert check_of(decide(new, live=live), "latency_median").broken is broken
    # More are above it than chance explains, and yet it is where it may be.
    some = replace(new, milliseconds=[20.0] * 120 + [25.0] * 80)
    assert not check_of(decide(some, live=live), "latency_median").broken


@pytest.mark.parametrize(
    ("name", "least"), [("latency_median", 20), ("latency_p95", 100), ("score_mean", 20), ("score_distribution", 20)]
)
def test_so_many_observations_are_compared_and_no_fewer(name, least):
    assert check_of(decide(evidence(least, 2)), name).p is not None
    assert check_of(decide(evidence(least - 1, 2)), name).p is None
    assert check_of(decide(evidence(200, 2), live=evidence(least, 1)), name).p is not None
    assert check_of(decide(evidence(200, 2), live=evidence(least - 1, 1)), name).p is None


def test_only_a_step_without_enough_requests_is_thin():
    assert not decide(evidence(200, 2)).thin
    assert not decide(evidence(3, 2)).thin
    assert not decide(BAD["errors"]).thin


@pytest.mark.parametrize(
    ("new", "live", "action"),
    [
        # By chance with a probability of 10 / (10 + n): a fifth is the limit.
        (evidence(9, 2, failed=1), evidence(38, 1), "advance"),
        (evidence(9, 2, failed=1), evidence(42, 1), "roll_back"),
        # As often as the live version, though more often than any may.
        (evidence(9, 2, failed=1), evidence(900, 1, failed=100), "advance"),
        # One in a hundred more is what may be.
        (evidence(99, 2, failed=1), LIVE, "advance"),
        (evidence(98, 2, failed=1), LIVE, "roll_back"),
    ],
)
def test_an_error_among_few_requests_is_excused_where_chance_explains_it(new, live, action):
    assert decide(new, live=live, seconds=600.0).action == action


def test_where_nobody_asked_nothing_failed():
    failing, silent = evidence(90, 2, failed=10, refused=20), Evidence()

    for name, share in (("errors", 10 / 120), ("refusals", 20 / 120)):
        first = check_of(decide(failing, live=silent, seconds=600.0), name)
        assert (first.value, first.p, first.broken) == (pytest.approx(share), None, False)
        last = check_of(decide(silent, live=failing, seconds=600.0), name)
        assert (last.value, last.p, last.broken) == (pytest.approx(-share), None, False)
    none = check_of(decide(silent, live=failing, seconds=600.0), "errors_at_all")
    assert (none.value, none.p, none.broken) == (0.0, None, False)


def test_an_excess_at_its_limit_is_within_it():
    """Beyond chance, as the live version did so much more, but no more than what may be."""
    live = Evidence([], [[0.4]] * 20_000)

    assert not check_of(decide(evidence(198, 2, failed=2), live=live), "errors").broken
    assert check_of(decide(evidence(197, 2, failed=3), live=live), "errors").broken


def test_requests_above_the_limit_are_counted_exactly():
    """Fisher's test by another library, of durations of which many are exactly the limit."""
    new, live = replace(evidence(200, 2), milliseconds=[20.0] * 150 + [20.1] * 50), [10.0] * 1790 + [30.0] * 10
    check = check_of(decide(new, live=replace(LIVE, milliseconds=live)), "latency_median")

    assert check.limit == pytest.approx(20.0)
    expected = scipy.stats.fisher_exact([[50, 150], [10, 1790]], alternative="greater").pvalue
    assert check.p == pytest.approx(expected, rel=1e-6, abs=0)


@pytest.mark.parametrize("mean", [0.45, 0.66, 0.665, 0.7])
def test_only_what_a_mean_is_beyond_its_limit_is_tested(mean):
    new = evidence(200, 2, mean=mean)
    check = check_of(decide(new), "score_mean")
    _, error = hypothesis_tests.shift(new.scores, LIVE.scores)
    beyond = (check.value - 0.25) / error

    assert check.p == pytest.approx(scipy.stats.norm.sf(beyond) if beyond > 0 else 1.0, rel=1e-6, abs=0)


def test_a_distance_that_chance_explains_breaks_nothing():
    new = evidence(20, 2, mean=0.52)
    check = check_of(decide(new, predicted=Predicted(0.0, 0.0)), "score_distribution")

    assert check.value > check.limit
    assert check.p > 0.01
    assert not check.broken
