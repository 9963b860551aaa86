"""Order of events taken for order of facts: what is processed last wins, whatever was dropped last."""

# aws/aws-sdk-net#1119: events of S3 come in another order than the objects were written
# minio/minio#18272: the same of another store
# elastic/integrations#13065: an older state that is read later replaces a newer one

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest

from slipcast.features.point_in_time import KEYS
from slipcast.features.point_in_time_table import build_series
from slipcast_aws import storage
from slipcast_aws.control import datasets
from slipcast_aws.serving import feature_store
from support.plain_schedules import schedule

# The last drop in each place, and the others in both orders.
ORDERS = ((2, 0, 1), (1, 2, 0), (1, 0, 2))


def budgets(preparing) -> set[float]:
    return {row["budget"] for row in preparing.rows().values()}


@pytest.mark.parametrize("order", ORDERS)
def test_of_versions_of_one_key_the_last_drop_counts(preparing, order):
    drops = [preparing.drop(schedule(20, budget=budget), "incoming/hall_2024-12-31.csv") for budget in (111, 222, 333)]

    answers = {place: preparing.take_in(drops[place]) for place in order}

    assert budgets(preparing) == {333}
    last = preparing.last("hall")
    assert last["dropped"].endswith(drops[2]["sequencer"])
    late = [place for number, place in enumerate(order) if place < max(order[: number + 1])]
    for place, answer in answers.items():
        notes = storage.read_json(f"s3://data/reports/{execution(drops[place])}/intake.json")["notes"]
        assert any(note.startswith("superseded") for note in notes) == (place in late)
        assert answer["upload"]["source"] == "hall"
        # Nothing of a superseded file is scored.
        assert ("uri" in answer["upload"]["open"]) is False


def execution(source: dict[str, str]) -> str:
    return f"new-data-{source['version_id'][:8]}-{source['sequencer'][-6:]}"


@pytest.mark.parametrize("order", ORDERS)
def test_of_files_of_one_data_date_the_last_drop_counts(preparing, order):
    keys = ("incoming/hall_2024-12-31.csv", "incoming/hall_2024-12-31_rev2.csv", "incoming/hall_2024-12-31_rev3.csv")
    # The last one corrects half of the activities.
    rows, money = (20, 20, 10), (111, 222, 333)
    drops = [preparing.drop(schedule(rows[at], budget=money[at]), keys[at]) for at in range(3)]

    for place in order:
        preparing.take_in(drops[place])

    found = preparing.rows()
    assert {activity: row["budget"] for (_, activity), row in found.items()} == {
        f"A{number:02}": 333 if number < 10 else 222 for number in range(20)
    }
    assert preparing.last("hall")["counts"]["accepted"] == 10


def test_updates_of_a_series_may_come_out_of_order(preparing):
    june = preparing.drop(schedule(20, data_date="2025-06-30", budget=6), "incoming/hall_2025-06-30.csv")
    july = preparing.drop(schedule(20, data_date="2025-07-31", budget=7), "incoming/hall_2025-07-31.csv")

    for drop in (july, june):
        preparing.take_in(drop)

    assert budgets(preparing) == {7}
    assert preparing.last("hall")["data_date"] == "2025-07-31"


@pytest.fixture
def refreshing(load_app, control_table, empty_store, lambda_context) -> Callable[[], Any]:
    """The refresh function, which brings the feature store to the latest dataset."""
    names = {"DATA_BUCKET": "data", "CONTROL_TABLE": control_table, "FEATURE_TABLE": empty_store}
    app = load_app("refresh", **names, TOLERANCE_DAYS="30")
    return lambda: app.handler({}, lambda_context)


def update(open_activities: int, day: str, budget: int) -> bytes:
    """Return a schedule of twenty finished activities and of others that have not started."""
    rows = "".join(f"B{number},{day},2025-09-01,2025-12-31,,{budget}\n" for number in range(open_activities))
    return schedule(20, data_date=day, budget=budget) + rows.encode()


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("late", [False, True], ids=["scored one by one", "scored after all were taken in"])
def test_data_predictions_and_history_are_those_of_the_last_drops(preparing, scoring, refreshing, order, late):
    """Prepare, score and refresh, as executions of the state machine interleave them."""
    june, may = "incoming/hall_2025-06-30.csv", "incoming/hall_2025-05-31.csv"
    drops = [
        preparing.drop(update(3, "2025-06-30", 111), june),
        preparing.drop(update(5, "2025-06-30", 222), june),
        preparing.drop(update(4, "2025-05-31", 333), may),
    ]
    waiting = []
    for place in order:
        upload = preparing.take_in(drops[place])["upload"]
        if not upload["open"]["rows"]:
            continue
        if late:
            waiting.insert(0, upload)
        else:
            scoring(upload)
            refreshing()
    for upload in waiting:
        scoring(upload)
    refreshing()
    feature_store._cache.clear()

    found = preparing.rows()
    assert {row["budget"] for row in found.values()} == {222}
    assert len(found) == 25
    for day, count in (("2025-06-30", 5), ("2025-05-31", 4)):
        rows = storage.read_bytes(f"s3://data/predictions/hall/{day}.csv").decode().splitlines()
        assert len(rows) == 1 + count, day
    last = preparing.last("hall")
    assert (last["data_date"], last["open"]["rows"]) == ("2025-06-30", 5)
    table = pd.DataFrame([{**row, "project_id": project} for (project, _), row in found.items()])
    series = build_series(table, 30, KEYS)
    assert feature_store.fetch("features", series) == series


def test_a_file_that_is_dropped_again_counts_as_dropped_last(preparing):
    first = preparing.drop(schedule(20, budget=111), "incoming/hall_2024-12-31.csv")
    second = preparing.drop(schedule(20, budget=222), "incoming/hall_2024-12-31_rev2.csv")
    again = preparing.drop(schedule(20, budget=111), "incoming/hall_2024-12-31.csv")

    for drop in (first, again, second):
        preparing.take_in(drop)

    assert budgets(preparing) == {111}


def test_s3_says_when_a_file_was_dropped(preparing, monkeypatch):
    moments = {"incoming/hall_2024-12-31.csv": 10, "incoming/hall_2024-12-31_rev2.csv": 9}
    monkeypatch.setattr(
        storage,
        "modified",
        lambda uri, version_id=None: datetime(2025, 1, 1, moments[uri.removeprefix("s3://data/")], tzinfo=UTC),
    )
    for key, budget in zip(moments, (111, 222), strict=True):
        preparing.take_in(preparing.drop(schedule(20, budget=budget), key))

    assert budgets(preparing) == {111}


def test_drops_at_the_same_time_are_all_in(preparing):
    drops = [preparing.drop(schedule(20, budget=budget), "incoming/hall_2024-12-31.csv") for budget in (1, 2, 3)]
    drops.append(preparing.drop(schedule(5, first=50, budget=4), "incoming/tower_2024-12-31.csv"))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(preparing.take_in, drops))

    assert {row["budget"] for (project, _), row in preparing.rows().items() if project == "hall"} == {3}
    assert len(preparing.rows()) == 25
    assert preparing.last("hall")["dropped"].endswith(drops[2]["sequencer"])
    sources = storage.read_json(datasets.latest_dataset("control")["manifest_uri"])["sources"]
    assert {item["source"] for item in sources} == {"hall", "tower"}
