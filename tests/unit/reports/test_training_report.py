"""The report of an execution: one page that says what the record says, whatever stands in the record."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jinja2
import pytest

from slipcast.reports import formatting
from slipcast.reports.training import page as training_page
from slipcast.reports.training import render
from slipcast.reports.training.page import SECTIONS
from slipcast.reports.training.verdict import card
from slipcast.reports.training.verdict import words as verdict
from support.page import Page
from support.report_records import VARIANTS, record

ROOT = Path(__file__).resolve().parents[3]
# Fields whose text decides what is drawn, or has to be a day.
FIXED = {"protocol", "kind", "select_by", "measure", "cut", "begin", "end", "created_at", "data_date", "trained_at"}
FIXED |= {"method", "released", "p10", "p50", "p80", "p90", "baseline_finish", "finish", "last_seen"}
HOSTILE = (
    "</title></style></svg>'\"><script>alert(1)</script><img src=//x.example/y onerror=z>$\\frac{a}$ \x00\x1b\ud800é漢🏗"
)


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    """The page of each variant, drawn once."""
    return {name: render(make()) for name, make in VARIANTS.items()}


@pytest.fixture(scope="module")
def full(pages) -> Page:
    return Page(pages["full"])


@pytest.fixture(scope="module")
def charts() -> dict[str, Any]:
    return training_page._charts(record())


@pytest.fixture
def without_charts(monkeypatch, charts) -> None:
    """For tests of what stands next to the charts, which take seconds to draw: all pages have the same ones."""
    monkeypatch.setattr(training_page, "_charts", lambda _: charts)


def hostile(value: Any, key: str = "") -> Any:
    """The same record with hostile text behind every name, the same wherever the name stands."""
    if isinstance(value, dict):
        return {name: hostile(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [hostile(item, key) for item in value]
    return f"{value}{HOSTILE}" if isinstance(value, str) and key not in FIXED else value


def test_the_same_record_makes_the_same_page(pages):
    assert render(record()) == pages["full"]


def test_the_page_says_nothing_of_when_it_was_drawn(pages):
    days = set(re.findall(r"\b20\d\d-\d\d-\d\d", Page(pages["full"]).text))
    known = {value[:10] for value in _strings(record()) if re.match(r"20\d\d-\d\d-\d\d", value)}

    assert days <= known


def _strings(value: Any) -> list[str]:
    if isinstance(value, dict | list):
        return [text for item in (value.values() if isinstance(value, dict) else value) for text in _strings(item)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("name", VARIANTS)
def test_every_section_is_there_and_can_be_reached(name, pages):
    page = Page(pages[name])

    sections = [key for key, _ in SECTIONS if key != "edge"]
    assert [attributes["id"] for tag, attributes in page.elements if tag == "section"] == sections
    links = [attributes["href"] for tag, attributes in page.elements if tag == "a"]
    assert links == [f"#{key}" for key in sections]


def test_every_template_is_used():
    folder = ROOT / "src/slipcast/reports/training/templates/sections"

    assert {path.name.split(".")[0] for path in folder.iterdir()} == {"verdict", *(key for key, _ in SECTIONS)}


@pytest.mark.parametrize("name", VARIANTS)
def test_the_page_is_well_formed(name, pages):
    page = Page(pages[name])

    assert page.problems == []
    assert len(page.ids) == len(set(page.ids))


@pytest.mark.parametrize("name", VARIANTS)
def test_the_page_fetches_nothing_and_runs_nothing(name, pages):
    page = Page(pages[name])

    assert page.addresses
    assert all(address.startswith("#") and address[1:] in page.ids for address in page.addresses)
    assert "script" not in {tag for tag, _ in page.elements}
    policy = [found["content"] for tag, found in page.elements if tag == "meta" and "http-equiv" in found]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"]


@pytest.mark.parametrize("name", VARIANTS)
def test_every_chart_has_words_for_who_does_not_see_it(name, pages):
    page = Page(pages[name])
    charts = [attributes for tag, attributes in page.elements if tag == "svg"]

    assert len(charts) >= 3
    for chart in charts:
        assert chart["role"] == "img"
        assert set(chart["aria-labelledby"].split()) <= set(page.ids)


def test_nothing_is_wider_than_the_screen(full, pages):
    assert full.outside == 0
    assert full.tables
    assert "svg{display:block;max-width:100%;height:auto" in pages["full"]
    assert not re.search(r"[{;]width:\d+(px|pt|em|rem)", pages["full"])


def test_the_candidates_stand_with_their_figures(full):
    rows = full.tables["All candidates on the holdout, best by cross-validation first"]
    found = record()

    for candidate, row in zip(found["candidates"], rows, strict=False):
        metrics = candidate["metrics"]
        low, high = metrics["auc_ci"]
        assert row[0].startswith(formatting.plain(candidate["family"]))
        assert row[1] == f"{metrics['auc']:.3f} {low:.3f} to {high:.3f}"
        assert row[3].startswith(f"{metrics['brier']:.4f} ")
        assert row[5:7] == [f"{candidate['cv_score']:.4f}", f"{candidate['cv_auc']:.3f}"]
    said = {row[0]: row[1:] for row in rows[len(found["candidates"]) :]}
    assert said["live model, version 4"][0].startswith(f"{found['champion_metrics']['auc']:.3f}")
    assert said["prior: the training late rate for all"][2].startswith(f"{found['prior']['brier']:.4f}")


def test_what_is_out_stands_with_its_reason(full):
    rows = full.tables["Families that are out, and why"]

    assert rows == [[formatting.plain(f["family"]), f["status"], f["why"]] for f in record()["failed"]]


def test_the_confusion_matrix_holds_the_counts(pages):
    (tn, fp), (fn, tp) = record()["threshold"]["confusion"]
    said = re.search(r'id="confusion-desc">([^<]*)<', pages["full"])[1]

    assert said == f"left alone: {tn}; false alarms: {fp}; missed delays: {fn}; delays found: {tp}"


@pytest.mark.parametrize(
    ("caption", "part", "columns"),
    [
        ("Permutation importances", lambda r: r["importance"], {1: ("mean", "{:.4f}")}),
        ("AUC of each feature alone", lambda r: r["leakage"]["features"], {1: ("auc", "{:.3f}")}),
        ("Population stability index", lambda r: r["drift"]["features"], {1: ("psi", "{:.3f}")}),
        ("Gaps and limits", lambda r: r["fairness"]["gaps"], {2: ("limit", "{:.3f}"), 3: ("highest", "{}")}),
        ("Groups", lambda r: r["fairness"]["groups"], {1: ("value", "{}"), 2: ("n", "{}"), 3: ("n_late", "{}")}),
        ("Limits", lambda r: r["decision"]["limits"], {0: ("name", "{}")}),
        ("Folds of the cross-validation", lambda r: r["search"]["folds"], {3: ("test", "{}"), 4: ("begin", "{}")}),
        ("Rounds", lambda r: r["search"]["rounds"], {1: ("points", "{}"), 2: ("kept", "{}")}),
    ],
)
def test_tables_repeat_the_record(caption, part, columns, full):
    rows, items = full.tables[caption], part(record())

    assert len(rows) == len(items) > 0
    for row, item in zip(rows, items, strict=True):
        for place, (key, form) in columns.items():
            said = item[key] + 0.0 if isinstance(item[key], float) else item[key]
            assert row[place].replace("-0.0000", "0.0000") == form.format(said).replace("-0.0000", "0.0000").replace(
                "_", " "
            )


def test_the_worst_slice_is_named_and_marked(full):
    worst = record()["slices"]["worst"]
    (caption,) = [name for name in full.tables if name.startswith("Slices of the holdout")]
    marked = [row for row in full.tables[caption] if "(weakest)" in row[0]]

    assert worst["why"] in full.text
    assert [row[0] for row in marked] == [f"{formatting.plain(worst['column'])}: {worst['value']} (weakest)"]
    assert marked[0][5].startswith(f"{worst['brier']:.4f}")


def test_the_paper_stands_beside_the_time_protocol(full):
    found = record()
    rows = {row[0]: row[1:] for row in full.tables["The same families by the paper's protocol and by this report's"]}

    for family in found["paper"]["families"]:
        here = next(item for item in found["candidates"] if item["family"] == family["family"])
        row = rows[formatting.plain(family["family"])]
        assert row[1] == f"{family['test']['accuracy']:.3f}"
        assert row[4] == f"{here['metrics']['accuracy']:.3f}"


def test_what_makes_a_run_again_is_there(full):
    found = record()

    for value in found["reproducibility"].values():
        assert str(value) in full.text
    for table in found["tables"].values():
        assert table["sha256"] in full.text


def test_without_a_champion_nothing_is_said_of_one(pages):
    page = Page(pages["first_release"])

    assert "live model" not in " ".join(row[0] for rows in page.tables.values() for row in rows if row)
    assert "No model is live, so there is nothing to compare with." in page.text
    assert "The paper's protocol was not run on this dataset." in page.text


def test_a_dataset_without_dates_is_told_what_that_means(pages):
    page = Page(pages["undated"])

    assert "Rejected: no model goes live" in page.text
    assert "activities without dates" in page.text
    assert 'id="windows-title"' not in pages["undated"]
    assert "The same families by the paper's protocol and by this report's" in page.tables


def test_what_could_not_be_measured_is_said_to_be_missing(pages):
    text = Page(pages["one_family"]).text

    for said in ("No curve", "No importances were measured.", "No slice of the holdout is large enough"):
        assert said in text
    assert "No column has two groups" in text
    assert "There is no profile of the live model to compare with." in text


def test_undefined_metrics_are_drawn_as_such():
    found = record()
    for metrics in (found["metrics"], found["prior"], *(item["metrics"] for item in found["candidates"])):
        metrics.update(
            {
                name: None
                for name in metrics
                if name not in ("n", "n_late", "late_rate", "mean_score", "majority_accuracy")
            }
        )
    found["metrics"]["brier"] = 0.2
    found["threshold"] |= {"precision": None, "recall": None, "f1": None, "confusion": [[9, 0], [0, 0]]}

    page = Page(render(found))

    assert page.problems == []
    assert "it would have given no warning" in page.text
    assert page.tables["All candidates on the holdout, best by cross-validation first"][0][1] == formatting.NONE


def test_hostile_text_stays_text():
    page = Page(render(hostile(record())))

    assert page.problems == []
    assert not {tag for tag, _ in page.elements} & {"script", "img"}
    assert all(address.startswith("#") for address in page.addresses)
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert "alert(1)" in page.text
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]", page.text)


def test_a_long_name_is_cut_in_charts_and_whole_in_tables(pages):
    found = record()
    name = "concrete" * 200
    found["slices"]["rows"][0]["value"] = name

    page = render(found)

    labels = re.findall(r"<text[^>]*>([^<]*)</text>", page)
    assert labels
    assert max(map(len, labels)) < 60
    assert name in page


EDGE = {
    **{"version": "3", "bundle_uri": "s3://data/edge/3-m/slipcast-edge-3-m.zip", "check": "100 known activities agree"},
    "bytes": {"zip": 593_412, "model.json": 1_054_000},
    "measured": {"rows": 10_000, "seconds": 4.8, "peak_mb": 26.2},
    "onnx": {"published": True, "rows": 512, "max_difference": 2.2e-16},
}


def test_the_bundle_of_a_released_model_has_its_sizes_on_the_page(pages, without_charts):
    page = Page(render(record(), EDGE))

    assert page.problems == []
    assert ["all of it, zipped", "593.4"] in page.tables["Files"]
    assert "10,000 activities 4.8 s and 26 MB" in " ".join(page.text.split())
    assert "by at most 2.2e-16 on 512 rows" in page.text
    assert "Edge bundle" not in pages["full"]


def test_a_bundle_without_onnx_says_why(without_charts):
    page = render(record(), EDGE | {"onnx": {"published": False, "why": HOSTILE}})

    assert Page(page).problems == []
    assert "not published: &lt;/title&gt;" in page


def test_a_record_that_lacks_a_field_is_refused(without_charts):
    found = record()
    del found["threshold"]["cost_never_warn"]

    with pytest.raises(jinja2.UndefinedError, match="cost_never_warn"):
        render(found)


@pytest.mark.parametrize(
    ("release", "champion", "headline"),
    [
        (True, None, "Released: the new model may go live"),
        (True, {"version": "4"}, "Released: the new model takes over"),
        (False, None, "Rejected: no model goes live"),
        (False, {"version": "4"}, "Kept: version 4 stays live"),
    ],
)
def test_the_verdict_says_what_becomes_of_the_model(release, champion, headline):
    found = record()
    found["decision"]["release"], found["champion"] = release, champion

    assert verdict(found)["headline"] == headline


def test_reasons_and_the_rule_stand_in_full(full):
    decision = record()["decision"]

    for said in (*decision["reasons"], decision["rule"], decision["needed"]):
        assert " ".join(said.split()) in full.text


@pytest.mark.parametrize(
    ("licence", "said"),
    [({"licence": "NYC Open Data"}, "Licence of the data NYC Open Data."), ({}, "not stated by the dataset")],
)
def test_the_licence_of_the_data_is_stated_where_it_is_known(licence, said, without_charts):
    found = record()
    found["dataset"] |= licence

    assert said in Page(render(found)).text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (-0.00001, "0.000"), (1234, "1,234"), (1234.5, "1,234.500"), (True, "yes"), (0, "0")],
)
def test_numbers(value, text):
    assert formatting.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([0.25, 0.5], "0.25 to 0.5"),
        ([1, 2, 3], "1, 2, 3"),
        ({"max_depth": 4, "C": 0.1}, "max_depth 4, C 0.1"),
        ([], "–"),
        (None, "–"),
        (123456.789, "123,456.79"),
        (1e-7, "1e-07"),
    ],
)
def test_anything(value, text):
    assert formatting.anything(value) == text


def test_each_page_is_drawn_by_one_function_and_only_report_loads_matplotlib():
    """Every function has the domain package; jinja2 is in the layers of three, matplotlib in one's."""
    drawing = set()
    for path in [*ROOT.glob("functions/**/*.py"), *ROOT.glob("src/**/*.py")]:
        if "reports" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            drawing |= {
                (path.relative_to(ROOT).as_posix(), name) for name in names if name.startswith("slipcast.reports")
            }

    assert drawing == {
        ("functions/approve/page.py", "slipcast.reports.approval"),
        ("functions/prepare/intake.py", "slipcast.reports.intake"),
        ("functions/projects/exporting.py", "slipcast.reports.export"),
        ("functions/projects/mailing.py", "slipcast.reports.project"),
        ("functions/report/app.py", "slipcast.reports.training"),
        ("functions/report/monitoring.py", "slipcast.reports.monitoring"),
        ("functions/report/scoreboard.py", "slipcast.reports.scoreboard"),
        ("src/slipcast_cli/export.py", "slipcast.reports.export"),
    }
    pages = ", ".join(f"slipcast.reports.{page}" for page in ("approval", "export", "intake", "project"))
    loads = f"import sys, {pages}; sys.exit('matplotlib' in sys.modules)"
    subprocess.run([sys.executable, "-c", loads], check=True, timeout=300)


def test_the_forecast_is_shown_by_stage_with_its_charts(full):
    forecast = record()["forecast"]
    whole = forecast["stages"][-1]
    own = next(item for item in whole["methods"] if item["method"] == "forecast")
    rows = full.tables[f"All open: {whole['rows']:,} landmarks, {whole['finished']:,} finishes known"]
    assert [row[0] for row in rows] == [item["method"] for item in whole["methods"]]
    assert rows[0][5] == f"{own['crps']:.1f}"
    assert [row[0] for row in full.tables["Limits of the forecast"]] == [item["name"] for item in forecast["limits"]]
    assert f"{own['held_80']:.0%}".replace("%", " %") in full.text
    for name in ("Where the finishes fell", "Finishes inside the 80 %", "One project backtested"):
        assert name in full.text


@pytest.mark.parametrize(
    ("judged", "said"),
    [
        (None, ""),
        (
            {"why": "3 projects with a network before the cut, 20 are needed", "released": False, "completion": None},
            "get the draws of a Monte Carlo: 3 projects with a network before the cut, 20 are needed.",
        ),
        (
            {"released": False, "reasons": ["its P80 <b>held</b> too rarely"], "completion": {"pinball": 5.0}},
            "get the draws of a Monte Carlo: its P80 <b>held</b> too rarely.",
        ),
        (
            {"released": True, "completion": {"pinball": 4.66, "drawn": 8.13, "held_80": 0.851}},
            "a pinball loss of 4.66 % of the duration, 8.13 % by draws alone; 85 % came by its P80.",
        ),
    ],
)
def test_the_card_says_whether_the_forecast_learned_from_networks(judged, said):
    part = None if judged is None else {"why": "", "reasons": [], "activities": None, **judged}
    whole = record()

    dates = card({**whole, "forecast": {**whole["forecast"], "networks": part}})["dates"]

    assert dates.endswith(said)
    assert ("network" in dates) is bool(said)


def test_a_release_without_a_forecast_says_why(pages):
    text = Page(pages["first_release"]).text
    assert "No new forecast: the dataset has no landmarks." in text
