"""What a person is shown before a release, and what a decision means."""

import pytest

from slipcast.release import approval
from support.approval_records import METRICS, evaluation

RECORD = {
    **{"outcome": "approved", "by": "Ann", "decided_at": "2026-01-05T08:58:18.000000Z", "comment": "looks right"},
    **{"expires_at": "2026-01-08T08:00:00.000000Z", "champion": "3", "live": "3"},
}


def test_figures_are_those_of_what_is_released_beside_the_live_model():
    assert approval.figures(evaluation()) == [
        {
            "measure": "Brier score (lower is better)",
            **{"challenger": "0.182 (0.160–0.203)", "champion": "0.210"},
        },
        {
            "measure": "AUC (higher is better)",
            **{"challenger": "0.742 (0.650–0.791)", "champion": "0.600 (0.500–0.700)"},
        },
    ]


def test_figures_of_a_first_model_have_nothing_beside_them():
    rows = approval.figures(evaluation(champion=None, champion_metrics=None))

    assert [row["champion"] for row in rows] == ["-", "-"]


def test_figures_of_an_older_record_are_those_of_the_challenger_among_the_candidates():
    record = evaluation(
        candidates=[
            {"family": "decision_tree", "metrics": {"auc": 0.5}},
            {"family": "hist_gradient_boosting", "metrics": METRICS},
        ]
    )
    del record["metrics"]

    assert approval.figures(record) == approval.figures(evaluation())


def test_facts_name_model_digest_data_and_what_is_replaced():
    facts = dict(approval.facts(evaluation()))

    assert facts["Model"] == "hist_gradient_boosting, abc123"
    assert facts["SHA-256"] == "9" * 64
    assert facts["Trained on"] == "dataset d1, data date 2022-12-31"
    assert facts["Would replace"] == "version 3, model old"
    assert facts["The gate says"] == "better than the champion; all limits are kept"


def test_facts_of_a_first_model_say_that_it_replaces_nothing():
    facts = dict(approval.facts(evaluation(champion=None, dataset={"dataset_id": "d1", "data_date": None})))

    assert facts["Would replace"] == "nothing: it is the first model"
    assert facts["Trained on"] == "dataset d1, data date unknown"


@pytest.mark.parametrize(
    ("status", "in_time", "live", "expected"),
    [
        ("approved", True, "3", "approved"),
        ("approved", True, "4", "superseded"),
        ("approved", True, None, "superseded"),
        ("approved", False, "3", "undelivered"),
        ("rejected", True, "4", "rejected"),
        ("rejected", False, "3", "rejected"),
        ("expired", False, "3", "expired"),
        ("expired", True, "3", "unrecorded"),
    ],
)
def test_only_an_approval_in_time_of_what_was_compared_releases(status, in_time, live, expected):
    assert approval.outcome(status, in_time=in_time, champion="3", live=live) == expected


def test_a_first_model_is_released_only_while_there_is_none():
    assert approval.outcome("approved", in_time=True, champion=None, live=None) == "approved"
    assert approval.outcome("approved", in_time=True, champion=None, live="1") == "superseded"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "approved by Ann on 2026-01-05 08:58 UTC: looks right"),
        ({"by": "", "comment": ""}, "approved by a person with the link on 2026-01-05 08:58 UTC"),
        ({"outcome": "rejected"}, "the release was rejected by Ann on 2026-01-05 08:58 UTC: looks right"),
        ({"outcome": "expired"}, "nobody decided until 2026-01-08 08:00 UTC"),
        ({"outcome": "undelivered"}, "reached the pipeline only after it had stopped waiting (2026-01-08 08:00 UTC)"),
        ({"outcome": "superseded", "live": "4"}, "compared with version 3, and version 4 is live now: looks right"),
        ({"outcome": "superseded", "champion": None, "live": "1"}, "compared with no model, and version 1 is live now"),
        ({"outcome": "unrecorded"}, "no decision is recorded: nothing was released"),
    ],
)
def test_the_sentence_says_who_and_why(changes, expected):
    assert expected in approval.sentence(RECORD | changes)
