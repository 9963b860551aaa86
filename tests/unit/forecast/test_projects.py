"""What is stored of projects and answered from it: the annex, and small networks whose answers are known."""

import json
from dataclasses import replace
from datetime import date, timedelta

import pytest

from slipcast.forecast.distribution import FinishDistribution
from slipcast.forecast.projects import changes, documents, identity, learned, portfolio, sections, views, what_if
from slipcast.forecast.stage import as_of
from slipcast.schedule.network import Key
from support import project_site as site

LAST = site.DAYS[-1]


def parts_of(update):
    """Return the parts of the one project of an update, as they come back from the bucket."""
    _, ((_, parts),) = documents.documents(update)
    return {name: sections.unpack(sections.pack_one(part)) for name, part in parts.items()}


@pytest.fixture(scope="module")
def annex():
    return {day: parts_of(site.update(day)) for day in site.DAYS}


@pytest.mark.parametrize(
    ("source", "project"), [("a", "a"), ("a", "b/c"), ("a~b", "~~"), ("東京", "1 %2F.ü"), ("a", "%")]
)
def test_an_id_stands_for_one_project_and_needs_no_escape(source, project):
    made = identity.project_id(source, project)

    assert made.isascii()
    assert not set(made) & set("%/?#[]@:;,&=+$ ")
    assert identity.parts(made) == (source, project)


@pytest.mark.parametrize("text", ["", "a/b", "a~", "a~2", "~~a", "a~~", "a~zz", "a~FF", "x" * 5000])
def test_what_is_no_id_names_nothing(text):
    assert identity.parts(text) is None


def test_every_part_of_every_project_is_read_alone():
    projects = [(f"p{number}", {"rows": {"n": [number]}, "forecast": {"name": f"ü{number}"}}) for number in range(20)]

    raw, (begin, length) = sections.pack(projects)

    directory = sections.unpack(raw[begin : begin + length])
    for name, parts in projects:
        for section, part in parts.items():
            at, size = directory[name][section]
            assert sections.unpack(raw[at : at + size]) == part
    assert sections.pack(projects).raw == raw


def head(day, p80):
    completion = {"baseline": "2026-01-01", "planned": None, "p50": day, "p80": p80, "p90": None}
    return {"project_id": "s~~p", "data_date": day, "completion": completion}


def test_updates_in_any_order_lead_to_the_same_portfolio():
    updates = [("2026-01-31", "2026-05-01"), ("2026-02-28", "2026-06-01"), ("2026-03-31", "2026-07-01")]

    def whole(order):
        found = portfolio.empty("s")
        for day, p80 in order:
            found = portfolio.merged(found, {"data_date": day, "key": day}, {"p": head(day, p80)}, [("p", 1.5)])
        return found

    once = whole(updates)
    assert whole(updates[::-1]) == once
    # The same update again, with another forecast, stands in the place of the first.
    again = whole([*updates[::-1], ("2026-01-31", "2026-05-01")])
    assert again["updates"] == once["updates"]
    assert [point["p80"] for point in once["projects"]["p"]["trend"]] == [p80 for _, p80 in updates]
    assert once["projects"]["p"]["data_date"] == "2026-03-31"


def test_a_project_that_an_update_does_not_name_stays_as_it_was():
    first = portfolio.merged(portfolio.empty("s"), {"data_date": "2026-01-31"}, {"p": head("2026-01-31", None)}, [])
    second = portfolio.merged(first, {"data_date": "2026-02-28"}, {"q": head("2026-02-28", None)}, [])

    assert [item["data_date"] for item in portfolio.updates_of(second, "p")] == ["2026-01-31"]
    assert [item["data_date"] for item in portfolio.updates_of(second, "q")] == ["2026-02-28"]


def test_with_a_network_the_completion_comes_from_it(annex):
    forecast, rows = annex[LAST]["forecast"], annex[LAST]["rows"]

    assert forecast["basis"] == documents.NETWORK
    completion = forecast["completion"]
    assert completion["p10"] < completion["p50"] < completion["p80"] < completion["p90"]
    assert completion["p10"] < completion["cpm"] < completion["p80"]
    last = rows["activity_id"].index("M1990")
    assert rows["is_milestone"][last]
    assert rows["p80"][last] == completion["p80"]
    assert 0 < max(filter(None, rows["criticality"])) <= 1


@pytest.mark.parametrize("day", site.DAYS)
def test_ranges_of_activities_agree_with_the_network_and_the_completion(day):
    update = site.update(day)
    planned_finish = {
        Key(row["project_id"], row["activity_id"]): as_of(row, update.data_date, site.TOLERANCE_DAYS)[0][
            "baseline_finish"
        ]
        for row in update.activities
    }
    rows, parts = update.predictions, parts_of(update)
    columns, completion = parts["rows"], parts["forecast"]["completion"]
    table = {
        name: dict(zip(columns["activity_id"], columns[name], strict=True)) for name in (*documents.LEVELS, "stage")
    }
    opened = [name for name, stage in table["stage"].items() if stage != "complete"]
    held = 0
    for level in documents.LEVELS:
        assert all(day < table[level][name] <= completion[level] for name in opened)
        for row in parts["network"]["relations"]:
            before, after = row["predecessor_id"], row["successor_id"]
            waits = row.get("relation_type", "FS") in ("FS", "FF") and (row.get("lag_minutes") or 0) >= 0
            if waits and before in opened and after in opened:
                held += 1
                assert table[level][before] <= table[level][after]
    assert held
    for key, basis in update.details.items():
        # What the table says, the distribution says; and the table of predictions says the same.
        row, detail = rows[key], parts["details"][key.activity]
        finish = FinishDistribution(*zip(*detail["distribution"], strict=True))
        assert row["p80"].isoformat() == table["p80"][key.activity]
        assert abs((finish.finish_date(update.data_date, 0.8) - row["p80"]).days) <= 1
        planned = planned_finish[key]
        if row["stage"] != "already_late" and planned is not None:
            limit = (planned - update.data_date).days + site.TOLERANCE_DAYS
            assert row["probability_late"] == pytest.approx(finish.p_late(limit), abs=1e-3)
            effects = {item["feature"]: item["effect"] for item in detail["reasons"]}
            change = row["probability_late"] - basis.finish.p_late(limit)
            assert effects.get("network", 0.0) == pytest.approx(change, abs=documents.LEAST_EFFECT)


def test_without_a_network_the_last_finish_counts_as_if_activities_were_independent():
    update = site.update(LAST, linked=False)
    forecast = parts_of(update)["forecast"]

    assert forecast["basis"] == documents.INDEPENDENT
    assert "independent" in forecast["note"]
    latest = max(basis.finish.finish_date(update.data_date, 0.8) for basis in update.details.values())
    assert date.fromisoformat(forecast["completion"]["p80"]) >= latest
    assert forecast["completion"]["cpm"] is None
    assert forecast["drivers"] == []


def test_of_independent_activities_the_last_one_is_the_product_of_their_probabilities():
    even = FinishDistribution((0.0, 100.0), (0.0, 1.0))
    day = date(2026, 1, 1)

    found = documents.last_finish(day, [even, even, even])

    for name, level in documents.LEVELS.items():
        days = (date.fromisoformat(found[name]) - day).days
        assert (days / 100) ** 3 >= level - 1e-9 > ((days - 1) / 100) ** 3


def test_without_forecast_and_network_nothing_is_invented():
    found = parts_of(site.update(LAST, linked=False, forecast=False))["forecast"]

    assert {found["completion"][level] for level in documents.LEVELS} == {None}
    assert found["completion"]["baseline"]
    assert "without a forecast" in found["note"]


def test_what_waits_for_each_other_has_no_date_and_says_so():
    update = site.update(LAST)
    # The end leads back to the beginning.
    (link,) = [row for row in update.tables["relations"] if row["successor_id"] == "M1990"]
    back = {**link, "predecessor_id": "M1990", "successor_id": link["predecessor_id"]}
    tables = {**update.tables, "relations": [*update.tables["relations"], back]}

    forecast = parts_of(replace(update, tables=tables))["forecast"]

    assert forecast["basis"] == documents.INDEPENDENT
    assert "M1990" in forecast["note"]


def stored(parts):
    return what_if.Stored(
        site.SOURCE,
        date.fromisoformat(LAST),
        site.TOLERANCE_DAYS,
        *(parts[name] for name in ("rows", "details", "network")),
    )


def asked(**document):
    return what_if.question(document)


def days(before, after):
    return (date.fromisoformat(after) - date.fromisoformat(before)).days


class Learned:
    """A model of networks that says 10, 100, 150 and 400 working days to the completion, twice CPM to each finish."""

    def completion(self, project):
        assert project["activities"] > 10
        return [10.0, 100.0, 150.0, 400.0]

    def activity(self, row, levels):
        return [2 * row["network_remaining"] + level for level in levels]

    def __str__(self):
        return "learned from 77 projects with a network"


@pytest.fixture(scope="module")
def with_model():
    _, ((_, parts),) = documents.documents(site.update(LAST), model=Learned())
    return {name: sections.unpack(sections.pack_one(part)) for name, part in parts.items()}


def test_a_model_of_networks_says_completion_and_activities_and_the_draws_what_drives_them(annex, with_model):
    completion, plain = with_model["forecast"]["completion"], annex[LAST]["forecast"]["completion"]
    today = date.fromisoformat(LAST)
    # Five working days a week, less the holidays of the calendar.
    weeks = [(date.fromisoformat(completion[name]) - today).days / 7 for name in ("p10", "p50", "p80", "p90")]
    assert weeks == pytest.approx([2, 20, 30, 80], rel=0.1, abs=0.4)
    assert completion["cpm"] == plain["cpm"]
    assert with_model["forecast"]["reference_class"]["text"].endswith("learned from 77 projects with a network")
    assert with_model["forecast"]["drivers"] == annex[LAST]["forecast"]["drivers"]
    rows = with_model["rows"]
    for level in ("p50", "p80", "p90"):
        assert max(filter(None, rows[level])) <= completion[level]
    assert rows["p50"] != annex[LAST]["rows"]["p50"]


def test_what_if_starts_from_the_completion_that_the_model_says(with_model):
    path = with_model["forecast"]["driving_path"]
    question = asked(changes=[{"activity_id": path[2], "remaining_duration_days": 200}])
    found = what_if.answer(stored(with_model), question)

    levels = ("p10", "p50", "p80", "p90")
    assert [found["before"][name] for name in levels] == [with_model["forecast"]["completion"][name] for name in levels]
    assert days(found["before"]["p80"], found["after"]["p80"]) > 60


def test_what_lasts_longer_makes_the_project_later(annex):
    parts = annex[LAST]
    path = parts["forecast"]["driving_path"]
    found = what_if.answer(stored(parts), asked(changes=[{"activity_id": path[2], "remaining_duration_days": 200}]))

    assert found["before"] == parts["forecast"]["completion"] | {"p10": found["before"]["p10"]}
    assert days(found["before"]["p80"], found["after"]["p80"]) > 60
    rows = {item["activity_id"]: item for item in found["activities"]}
    columns = parts["rows"]
    for identifier, item in rows.items():
        place = columns["activity_id"].index(identifier)
        assert item["p80"]["before"] == columns["p80"][place]
        assert item["late_probability"]["before"] == columns["late_probability"][place]
        assert item["p80"]["after"] <= found["after"]["p80"]
    assert rows["M1990"]["p80"]["after"] == found["after"]["p80"]
    assert any(item["late_probability"]["after"] > item["late_probability"]["before"] for item in rows.values()
               if item["late_probability"]["before"] is not None)  # fmt: skip
    # What has no successor on the way to it stays.
    assert path[0] not in rows


def test_an_earlier_predecessor_that_is_let_go_moves_what_waited_for_it(annex):
    parts = annex[LAST]
    path = parts["forecast"]["driving_path"]
    first, second = path[1:3]
    links = [
        {"predecessor_id": row["predecessor_id"], "successor_id": second, "type": row["relation_type"]}
        for row in parts["network"]["relations"]
        if row["successor_id"] == second
    ]
    gone = what_if.answer(stored(parts), asked(relations={"remove": links}))
    back = what_if.answer(
        stored(parts), asked(relations={"add": [{"predecessor_id": first, "successor_id": second, "lag_days": 30}]})
    )

    assert gone["after"]["p80"] < gone["before"]["p80"]
    assert back["after"]["p80"] > back["before"]["p80"]


def test_a_later_start_is_a_bound(annex):
    parts = annex[LAST]
    columns = parts["rows"]
    waiting = [
        name for name, stage in zip(columns["activity_id"], columns["stage"], strict=True)
        if stage == "not_started" and name in parts["forecast"]["driving_path"] and name.startswith("A")
    ]  # fmt: skip
    begin = columns["start"][columns["activity_id"].index(waiting[0])]
    later = (date.fromisoformat(begin) + timedelta(days=90)).isoformat()
    moved = what_if.answer(stored(parts), asked(changes=[{"activity_id": waiting[0], "start": later}]))
    same = what_if.answer(stored(parts), asked(changes=[{"activity_id": waiting[0], "start": LAST}]))

    assert moved["after"]["p50"] > moved["before"]["p50"]
    # An earlier start than the network allows changes nothing: every number is the one before.
    assert same["after"] == same["before"]
    assert [item["activity_id"] for item in same["activities"]] == [waiting[0]]
    assert same["activities"][0]["p80"]["after"] == same["activities"][0]["p80"]["before"]


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({}, "changes"),
        ({"changes": "all"}, "changes"),
        ({"changes": [{}] * 201}, "changes"),
        ({"changes": [{"activity_id": "A1430"}]}, "changes.0"),
        ({"changes": [{"activity_id": "A1430", "start": "31/03/2026"}]}, "changes.0.start"),
        ({"changes": [{"activity_id": "A1430", "remaining_duration_days": True}]}, "changes.0.remaining_duration_days"),
        ({"changes": [{"activity_id": "A1430", "remaining_duration_days": -1}]}, "changes.0.remaining_duration_days"),
        ({"changes": [{"activity_id": 7, "start": "2026-04-01"}]}, "changes.0.activity_id"),
        ({"changes": [{"activity_id": "A1430", "finish": "2026-04-01"}]}, "changes.0.finish"),
        ({"relations": [1]}, "relations"),
        ({"relations": []}, "relations"),
        ({"relations": {"add": {}}}, "relations.add"),
        ({"relations": {"remove": {}}}, "relations.remove"),
        ({"changes": None}, "changes"),
        ({"relations": {"add": [{"predecessor_id": "A1", "successor_id": "A", "type": "X"}]}}, "relations.add.0.type"),
        ({"wish": 1}, "body.wish"),
    ],
)  # fmt: skip
def test_a_question_that_cannot_be_read_names_its_field(document, field):
    with pytest.raises(what_if.WhatIfError) as caught:
        what_if.question(document)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"changes": [{"activity_id": "A9", "start": "2026-06-01"}]}, "changes.0.activity_id"),
        ({"changes": [{"activity_id": "A1100", "remaining_duration_days": 3}]}, "changes.0.activity_id"),
        ({"changes": [{"activity_id": "A1320", "start": "2026-06-01"}]}, "changes.0.start"),
        ({"relations": {"remove": [{"predecessor_id": "A1", "successor_id": "A2"}]}}, "relations.remove.0"),
        ({"relations": {"add": [{"predecessor_id": "A9", "successor_id": "A1430"}]}}, "relations.add.0.predecessor_id"),
        ({"relations": {"add": [{"predecessor_id": "M1990", "successor_id": "A1430"}]}}, "relations.add"),
    ],
)
def test_a_change_that_cannot_be_made_names_its_field(annex, document, field):
    with pytest.raises(what_if.WhatIfError) as caught:
        what_if.answer(stored(annex[LAST]), what_if.question(document))
    assert caught.value.field == field


def test_without_a_network_nothing_follows_from_a_change():
    parts = parts_of(site.update(LAST, linked=False))

    with pytest.raises(what_if.WhatIfError, match="no network"):
        what_if.answer(stored(parts), asked(changes=[{"activity_id": "A1430", "remaining_duration_days": 3}]))


def test_two_updates_differ_by_their_networks(annex):
    before, after = (annex[day] for day in site.DAYS[1:])
    found = changes.compare(site.SOURCE, *((one["rows"], one["network"]) for one in (before, after)))

    assert found["why"] == ""
    assert found["finish_days"][site.SOURCE] > 0
    assert found["slips"][0]["days"] > 0
    # The annex was given another baseline in between.
    assert found["baseline_changes"]
    assert json.dumps(found)


def test_two_tables_differ_by_their_rows(annex):
    before, after = (parts_of(site.update(day, linked=False)) for day in site.DAYS[:2])
    moved = {**after["rows"], "finish": ["2030-01-01"] * len(after["rows"]["finish"])}
    old = {**before["rows"], "finish": ["2029-12-22"] * len(before["rows"]["finish"])}
    found = changes.compare(site.SOURCE, (old, before["network"]), (moved, after["network"]))

    assert {item["days"] for item in found["slips"]} == {10}
    assert "no network" in found["why"]
    assert [item["activity_id"] for item in found["added"]] == sorted(
        {*after["rows"]["activity_id"]} - {*before["rows"]["activity_id"]}
    )


def test_outcomes_since_an_update_judge_what_it_said():
    days = {"p50": "2026-02-01", "p80": "2026-03-01", "p90": "2026-04-01"}
    said = [
        # Id, stage, baseline finish, probability; then stage and finish in the later update.
        ("early", "not_started", "2026-02-01", 0.25, "complete", "2026-01-15"),
        ("on the P80", "in_progress", "2026-02-01", 0.5, "complete", "2026-03-01"),
        ("late", "not_started", "2026-02-01", 0.75, "complete", "2026-05-01"),
        ("open still", "not_started", "2026-02-01", 0.9, "in_progress", "2026-06-01"),
        ("done before", "complete", "2026-02-01", None, "complete", "2025-12-01"),
        ("gone", "not_started", "2026-02-01", 0.9, None, None),
    ]
    before = {
        **{
            name: [row[place] for row in said] for place, name in enumerate(("activity_id", "stage", "baseline_finish"))
        },
        "late_probability": [row[3] for row in said],
        **{level: [day if row[3] is not None else None for row in said] for level, day in days.items()},
    }
    kept = [row for row in said if row[4] is not None]
    after = {
        "activity_id": [row[0] for row in kept],
        "stage": [row[4] for row in kept],
        "finish": [row[5] for row in kept],
    }

    found = learned.outcomes(before, after, tolerance_days=28)

    assert found == {
        **{"finished": 3, "late": 1, "expected_late": 1.5, "days": 28},
        "held": {"p50": 1, "p80": 2, "p90": 2},
    }
    nothing = learned.outcomes(before, {name: [] for name in after}, tolerance_days=28)
    assert (nothing["finished"], nothing["days"]) == (0, None)


def test_pages_go_on_after_the_last_key():
    keys = [f"k{number:02}" for number in range(25)]
    first = views.page(keys, range(25), None, 10)
    second = views.page(keys, range(25), first.next, 10)
    last = views.page(keys, range(25), second.next, 10)

    assert [*first.places, *second.places, *last.places] == [*range(25)]
    assert last.next is None
    with pytest.raises(ValueError, match="not a token"):
        views.page(keys, range(25), "ü", 10)


def test_a_history_goes_on_from_the_update_before():
    first, second = (site.update(day) for day in site.DAYS[:2])
    _, ((name, one),) = documents.documents(first)
    _, ((_, two),) = documents.documents(second, histories={name: one["history"]})

    open_twice = {key.activity for key in first.details.keys() & second.details.keys()}
    assert open_twice
    for identifier in open_twice:
        assert [entry[0] for entry in two["history"][identifier]] == [*site.DAYS[:2]]
    assert Key(site.SOURCE, "A1320") in second.details
