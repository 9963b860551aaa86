"""The page of a run of the monitor: it says what the record says, whatever stands in it, and needs nothing else."""

import ast
from dataclasses import replace
from pathlib import Path

import pytest

from slipcast.monitoring.record import Realised
from slipcast.reports.monitoring import advice, render
from slipcast.reports.monitoring.past import past
from support.monitor_records import record
from support.page import Page

ROOT = Path(__file__).resolve().parents[3]
HOSTILE = (
    "</title></style></svg>'\"><script>alert(1)</script><img src=//x.example/y onerror=z>$\\frac{a}$ \x00\ud800é漢"
)


def healthy():
    found = record()
    drift = found.drift
    calm = {name: replace(item, drifted=False, confirmed=False, findings=[]) for name, item in drift.features.items()}
    quiet = {"state": "ok", "confirmed": False, "drifted": [], "confirmed_features": [], "features": calm}
    return record(
        conclusion="healthy",
        reasons=[],
        drift=replace(drift, **quiet, score=replace(drift.score, drifted=False)),
        realised=Realised("insufficient_data", awaiting=111, coverage=0.0),
    )


def unseen():
    """More features than are drawn, one whose values are missing and one with new ones, and the score."""
    found = record()
    moved = found.drift.features["baseline_duration_days"]
    gone = replace(moved.findings[0], what="missing", words="missing in 41 % of the window")
    new = replace(moved.findings[0], what="unseen", words="new values in 30 % of the window")
    more = {f"feature_{number}": moved for number in range(14)}
    features = {
        **found.drift.features,
        **more,
        "total_float_days": replace(moved, findings=[gone], missing_share=0.41, confirmed=False),
        "work_type": replace(found.drift.features["phase"], drifted=True, findings=[new], unseen_share=0.3),
    }
    drifted = ["total_float_days", "work_type", "score", *more]
    score = replace(found.drift.score, drifted=True, findings=moved.findings)
    drift = replace(found.drift, features=features, drifted=drifted, confirmed_features=["work_type"], score=score)
    return record(conclusion="drift", drift=drift)


def starved():
    drift = replace(record().drift, state="insufficient_data", confirmed=False, drifted=[], features={}, score=None)
    drift = replace(drift, confirmed_features=[], max_psi=None, drifted_share=None, n=12)
    return record(conclusion="degraded", drift=drift, estimated=None, scores_by_day=[])


VARIANTS = {"full": record, "healthy": healthy, "unseen": unseen, "starved": starved}


@pytest.fixture(scope="module")
def pages():
    return {name: render(make().as_dict(), [record().as_dict()]) for name, make in VARIANTS.items()}


def earlier(at: str, version: str, **changed) -> dict:
    return record(at=at, version=version, **changed).as_dict()


@pytest.mark.parametrize("name", VARIANTS)
def test_a_page_is_whole_and_needs_no_script_no_network_and_no_other_file(pages, name):
    page = Page(pages[name])

    assert page.problems == []
    assert page.outside == 0
    assert not {tag for tag, _ in page.elements} & {"script", "img", "iframe", "link", "object", "form"}
    addresses = [value for _, found in page.elements for key, value in found.items() if key in ("src", "href")]
    assert all(address.startswith("#") for address in addresses)
    assert "default-src 'none'" in pages[name]
    ids = [found["id"] for _, found in page.elements if "id" in found]
    assert len(ids) == len(set(ids))


def test_the_conclusion_its_reasons_and_what_to_do_come_first(pages):
    page = Page(pages["full"])

    for text in (
        "Miscalibrated: the scores differ from the outcomes",
        record().reasons[0],
        "read the scores as a ranking: they are too high as probabilities",
        "111 predicted activities have no known outcome yet",
        "make history",
    ):
        assert page.text.index(text) < page.text.index("Grey is what the model was trained on")
    assert 'class="verdict"' in pages["full"]
    assert 'class="verdict release"' in pages["healthy"]


def test_what_moved_is_drawn_with_both_distributions(pages):
    svg = pages["full"][pages["full"].index('id="bins-baseline_duration_days-title"') - 200 :]

    assert "baseline duration days, confirmed" in pages["full"]
    assert "≤ 61: 33.0 % then, 10.0 % now; 61 to 182: 33.0 % then, 30.0 % now" in svg
    assert "training" in svg
    assert "bins-log_budget" not in pages["full"]


def test_only_the_first_of_many_are_drawn_and_the_others_named(pages):
    page = Page(pages["unseen"])

    assert pages["unseen"].count('aria-labelledby="bins-') == 12
    assert "Also: feature 9, feature 10" in page.text
    # Confirmed ones first.
    assert pages["unseen"].index("bins-work_type") < pages["unseen"].index("bins-total_float_days")


def test_missing_and_new_values_point_at_the_source_and_not_at_the_world():
    said = " ".join(advice.advice(unseen().as_dict()))

    assert "total float days (41 % missing). Fix the client or the export" in said
    assert "work type (30 % unseen)" in said
    assert "docs/profiles.md" in said


def test_a_release_is_suspected_where_the_model_got_worse():
    assert "make rollback" in " ".join(advice.advice(starved().as_dict()))
    assert "make rollback" not in " ".join(advice.advice(record().as_dict()))
    assert advice.advice(healthy().as_dict()) == ["Nothing."]


def test_where_nothing_can_be_said_the_page_says_so(pages):
    healthy_page, starved_page = Page(pages["healthy"]), Page(pages["starved"])

    assert "No feature differs from training" in healthy_page.text
    assert "None of the predicted activities has a known outcome yet; 111 are pending" in healthy_page.text
    assert "12 predictions are not enough for a verdict on features; it takes 50" in starved_page.text
    assert "No feature was compared" in starved_page.text


def test_what_is_broken_is_marked_in_the_tables(pages):
    assert pages["full"].count('<tr class="broken">') == 3
    assert pages["healthy"].count('<tr class="broken">') == 0
    (rows,) = [rows for caption, rows in Page(pages["full"]).tables.items() if caption.startswith("Window against")]
    assert rows[0][0] == "baseline duration days"


def test_the_timeline_takes_of_a_day_the_run_that_saw_most_of_it():
    first = earlier("2026-11-22T07:00:00+00:00", "3", scores_by_day=[{"day": "2026-11-22", "n": 5, "mean": 0.9}])
    second = earlier(
        "2026-11-23T07:00:00+00:00",
        "4",
        scores_by_day=[{"day": "2026-11-22", "n": 50, "mean": 0.4}, {"day": "2026-11-23", "n": 9, "mean": 0.5}],
    )
    found = past(record().as_dict(), [second, first])

    assert [(item["day"], item["mean"]) for item in found["scores"]] == [
        *(("2026-11-22", 0.4), ("2026-11-23", 0.47), ("2026-11-24", 0.44))
    ]
    assert [item["version"] for item in found["versions"]] == ["3", "4"]
    assert "version 4" in render(record().as_dict(), [second, first])


def test_names_from_a_file_stay_text():
    found = record()
    features = {HOSTILE: found.drift.features["baseline_duration_days"]}
    drift = replace(found.drift, features=features, drifted=[HOSTILE], confirmed_features=[HOSTILE])
    part = replace(found.realised.slices[0], column=HOSTILE, value=HOSTILE)
    text = render(record(reasons=[HOSTILE], drift=drift, realised=replace(found.realised, slices=[part])).as_dict(), [])
    page = Page(text)

    assert page.problems == []
    assert not [tag for tag, _ in page.elements if tag in ("script", "img")]
    assert "alert(1)" in page.text


def test_the_same_record_makes_the_same_page():
    assert render(record().as_dict()) == render(record().as_dict())


def test_only_the_report_function_needs_what_draws_it():
    importing = set()
    for path in [*(ROOT / "functions").rglob("*.py"), *(ROOT / "src" / "slipcast").rglob("*.py")]:
        if "reports" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("slipcast.reports.monitoring"):
                importing.add(path.parent.name)

    assert importing == {"report"}
