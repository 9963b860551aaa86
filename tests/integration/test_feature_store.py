"""The feature store: a prediction reads what the pipeline wrote, and that is what a model was trained on."""

import math
import random

import boto3
import numpy as np
import pandas as pd
import pytest

from slipcast.features import row as features
from slipcast.features import series_codec
from slipcast.features.point_in_time import HISTORY, Series, Totals
from slipcast.features.point_in_time_table import build_series, history_table
from slipcast.features.table import feature_table as features_of_table
from slipcast_aws.serving import feature_store
from slipcast_aws.serving.feature_store import FeatureStoreError
from support.schedules import example

TOLERANCE = 30


def series(seed: int, days: int = 3) -> Series:
    return Series([seed + day for day in range(days)], Totals(*[[seed + day] * days for day in range(9)]))


@pytest.fixture
def table(empty_store):
    return empty_store


class Reads:
    """DynamoDB that notes which keys it was asked for, and leaves the last `unread` keys of `cuts` requests unread."""

    def __init__(self, client) -> None:
        self.client, self.asked, self.cuts, self.unread = client, [], 0, 1

    def batch_get_item(self, RequestItems):
        ((name, request),) = RequestItems.items()
        keys = request["Keys"]
        self.asked.append([key["pk"]["S"] for key in keys])
        if self.cuts <= 0:
            return self.client.batch_get_item(RequestItems=RequestItems)
        self.cuts -= 1
        cut = len(keys) - self.unread
        done, left = keys[:cut], keys[cut:]
        answer = self.client.batch_get_item(RequestItems={name: {"Keys": done}}) if done else {"Responses": {}}
        return {**answer, "UnprocessedKeys": {name: {"Keys": left}}}


@pytest.fixture
def reads(table, monkeypatch):
    found = Reads(boto3.client("dynamodb"))
    monkeypatch.setattr(feature_store, "client", lambda: found)
    return found


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still; setting ``clock[0]`` moves it. Pauses are noted, not waited for."""
    now, pauses = [1000.0], []
    monkeypatch.setattr(feature_store.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(feature_store.time, "sleep", pauses.append)
    now.append(pauses)
    return now


def items(table: str) -> dict[str, bytes]:
    found = boto3.client("dynamodb").scan(TableName=table)["Items"]
    return {item["pk"]["S"]: item["series"]["B"] for item in found}


def put(table: str, **item) -> None:
    boto3.client("dynamodb").put_item(TableName=table, Item=item)


def test_fetch_returns_what_refresh_wrote_and_knows_no_other_key(table):
    written = {"portfolio": series(1), "phase=Design": series(2, days=400), "phase=%C3%BC%20%26": series(3)}
    feature_store.refresh(table, written, {})

    assert feature_store.fetch(table, [*written, "phase=Scope"]) == written
    assert feature_store.fetch(table, ["phase=Scope"]) == {}
    assert feature_store.fetch(table, []) == {}


def test_only_what_changed_is_written_and_what_vanished_is_deleted(table):
    first = {f"phase={number}": series(number) for number in range(4)}
    before = feature_store.refresh(table, first, {})
    # A refresh that wrote more than it had to would mend these.
    for key in first:
        put(table, pk={"S": key}, series={"B": b"untouched"})
    put(table, pk={"S": "phase=elsewhere"}, series={"B": b"untouched"})

    second = {"phase=0": first["phase=0"], "phase=1": series(10), "phase=4": series(4), "phase=3": first["phase=3"]}
    digests = feature_store.refresh(table, second, before)

    assert items(table) == {
        **{"phase=0": b"untouched", "phase=3": b"untouched", "phase=elsewhere": b"untouched"},
        "phase=1": series_codec.encode(second["phase=1"]),
        "phase=4": series_codec.encode(second["phase=4"]),
    }
    assert digests.keys() == second.keys()
    assert {key for key in digests if digests[key] == before.get(key)} == {"phase=0", "phase=3"}
    assert len(set(digests.values())) == 4


def test_digests_survive_being_stored(table):
    digests = feature_store.refresh(table, {"phase=ü": series(1), "portfolio": series(2)}, {})

    assert feature_store.unpack(feature_store.pack(digests)) == digests
    assert feature_store.pack(digests) == feature_store.pack(dict(reversed(digests.items())))


def test_a_long_key_goes_by_its_digest(table):
    longest, longer = "phase=" + "x" * 1018, "phase=" + "x" * 1019
    # 500 characters, as the API takes them, of 12 bytes each once they are quoted; two alike up to the last.
    texts = [f"phase={'%F0%9F%98%80' * 500}{end}" for end in "ab"]
    known = {text: series(number) for number, text in enumerate([longest, longer, *texts])}

    digests = feature_store.refresh(table, known, {})

    assert feature_store.fetch(table, known) == known
    assert digests.keys() == items(table).keys()
    assert max(len(key.encode()) for key in digests) == 1024
    assert longest in digests
    assert sum(key.startswith("sha256:") and len(key) == 71 for key in digests) == 3
    assert feature_store.refresh(table, {}, digests) == {}
    assert items(table) == {}


def incompressible(seed: int, days: int) -> Series:
    """Return a series in which every day changes all totals by numbers without a pattern."""
    chance = random.Random(seed)
    return Series(list(range(days)), Totals(*[[chance.getrandbits(30) for _ in range(days)] for _ in range(9)]))


def test_a_series_that_is_larger_than_an_item_is_in_several(table, reads):
    written = {"portfolio": incompressible(1, days=25_000), "phase=a": series(1)}
    digests = feature_store.refresh(table, written, {})

    assert len(series_codec.encode(written["portfolio"])) > 2 * 409_600
    assert feature_store.fetch(table, written) == written
    assert [len(asked) for asked in reads.asked] == [2, len(digests) - 2]
    assert feature_store.refresh(table, written, digests) == digests
    # Parts that are not needed any more do not stay.
    shorter = {"portfolio": series(2), "phase=a": series(1)}
    assert feature_store.refresh(table, shorter, digests).keys() == items(table).keys() == shorter.keys()


def test_parts_of_two_refreshes_are_not_joined(table):
    first = feature_store.refresh(table, {"portfolio": incompressible(1, days=12_000)}, {})
    stale = boto3.client("dynamodb").get_item(TableName=table, Key={"pk": {"S": "part 1 of portfolio"}})["Item"]
    feature_store.refresh(table, {"portfolio": incompressible(2, days=12_000)}, first)
    put(table, **stale)

    with pytest.raises(ValueError, match="series"):
        feature_store.fetch(table, ["portfolio"])


@pytest.mark.parametrize(("keys", "requests"), [(100, [100]), (101, [100, 1]), (250, [100, 100, 50])])
def test_many_keys_are_read_in_batches(table, reads, keys, requests):
    known = {f"project_id={number}": series(number, days=1) for number in range(keys)}
    feature_store.refresh(table, known, {})

    assert feature_store.fetch(table, known) == known
    assert [len(asked) for asked in reads.asked] == requests


def test_keys_asked_for_twice_are_read_once(table, reads):
    feature_store.refresh(table, {"portfolio": series(1)}, {})

    # DynamoDB refuses a request with the same key twice.
    assert feature_store.fetch(table, ["portfolio", "portfolio"]) == {"portfolio": series(1)}
    assert reads.asked == [["portfolio"]]


def test_keys_that_were_left_unread_are_asked_for_again(table, reads, clock):
    known = {f"phase={number}": series(number) for number in range(5)}
    feature_store.refresh(table, known, {})
    reads.cuts, reads.unread = 2, 2

    assert feature_store.fetch(table, known) == known
    assert reads.asked == [list(known), list(known)[3:], list(known)[3:]]
    pauses = clock[1]
    assert len(pauses) == 2
    assert 0 < pauses[0] < pauses[1]


def test_a_store_that_leaves_keys_unread_again_and_again_is_an_error(table, reads, clock):
    feature_store.refresh(table, {"portfolio": series(1)}, {})
    reads.cuts = feature_store.ATTEMPTS

    with pytest.raises(FeatureStoreError, match=f"features unread in {feature_store.ATTEMPTS} attempts"):
        feature_store.fetch(table, ["portfolio"])

    assert len(reads.asked) == feature_store.ATTEMPTS
    # The last attempt answers: nothing of the failure was remembered.
    reads.cuts = feature_store.ATTEMPTS - 1
    assert feature_store.fetch(table, ["portfolio"]) == {"portfolio": series(1)}


def test_what_was_read_is_kept_for_a_while_and_then_read_again(table, reads, clock):
    feature_store.refresh(table, {"phase=a": series(1)}, {})
    texts = ["phase=a", "phase=b"]
    assert feature_store.fetch(table, texts) == {"phase=a": series(1)}
    feature_store.refresh(table, {"phase=a": series(2), "phase=b": series(3)}, {})

    clock[0] += feature_store.CACHE_SECONDS - 1
    assert feature_store.fetch(table, texts) == {"phase=a": series(1)}
    assert len(reads.asked) == 1

    clock[0] += 2
    assert feature_store.fetch(table, texts) == {"phase=a": series(2), "phase=b": series(3)}
    assert len(reads.asked) == 2


def test_only_what_is_not_kept_is_read(table, reads, clock):
    feature_store.refresh(table, {"phase=a": series(1), "phase=b": series(2)}, {})
    feature_store.fetch(table, ["phase=a"])

    assert feature_store.fetch(table, ["phase=a", "phase=b"]) == {"phase=a": series(1), "phase=b": series(2)}
    assert reads.asked == [["phase=a"], ["phase=b"]]


def test_another_table_is_not_answered_from_the_cache(table, reads, clock):
    feature_store.refresh(table, {"phase=a": series(1)}, {})
    feature_store.fetch(table, ["phase=a"])

    with pytest.raises(reads.client.exceptions.ResourceNotFoundException):
        feature_store.fetch("another", ["phase=a"])


def test_the_cache_does_not_grow_without_bound(table, reads, clock, monkeypatch):
    monkeypatch.setattr(feature_store, "CACHE_KEYS", 10)
    for number in range(40):
        feature_store.fetch(table, [f"phase={number}", f"phase={number}-"])
        assert len(feature_store._cache) <= 12


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"garbage",
        b"\x02\x00\x00\x00\x00",
        series_codec.encode(series(1))[:-1],
        series_codec.encode(series(1)) + b"x",
    ],
)
def test_garbage_in_an_item_is_an_error(table, raw):
    put(table, pk={"S": "portfolio"}, series={"B": raw})

    with pytest.raises(ValueError, match=r"seri|days"):
        feature_store.fetch(table, ["portfolio"])


@pytest.mark.parametrize("item", [{}, {"series": {"S": "text"}}, {"other": {"B": b"x"}}])
def test_an_item_without_a_series_is_an_error(table, item):
    put(table, pk={"S": "portfolio"}, **item)

    with pytest.raises(ValueError, match="portfolio"):
        feature_store.fetch(table, ["portfolio"])


def activities(table: pd.DataFrame) -> list[dict]:
    """The rows as the list of open activities and the API have them: dates as text, nothing where nothing is known."""
    rows = []
    for row in table.to_dict("records"):
        known = {name: value for name, value in row.items() if value is not None and value is not pd.NaT}
        known = {name: value for name, value in known.items() if value == value}
        rows.append({n: v.date().isoformat() if isinstance(v, pd.Timestamp) else v for n, v in known.items()})
    return rows


def test_features_from_the_store_are_those_that_a_model_is_trained_on(table):
    rows = example("nyc_sca_2022-12.csv").table
    feature_store.refresh(table, build_series(rows, TOLERANCE), {})
    trained_on = history_table(rows, rows, TOLERANCE)
    expected = features_of_table(rows.join(trained_on))

    known = feature_store.with_history(table, activities(rows), HISTORY)

    assert len(known) == len(rows) == 1653
    looked_up = pd.DataFrame([activity["history"] for activity in known], dtype="float64")
    pd.testing.assert_frame_equal(looked_up, trained_on, check_exact=True)
    found = pd.DataFrame([features.feature_row(activity) for activity in known])
    assert list(found.columns) == list(expected.columns)
    for name in features.CATEGORICAL:
        assert found[name].tolist() == expected[name].tolist()
    for name in features.NUMERIC:
        # numpy's log1p and the standard library's may differ in the last bit.
        rtol = 1e-15 if name == "log_budget" else 0
        np.testing.assert_allclose(found[name].astype("float64"), expected[name], rtol, err_msg=name)
    # Nothing is proven by features that are unknown or all alike.
    assert (trained_on.notna().mean() > 0.4).all()
    assert (trained_on.nunique() > 5).all()


def test_activities_that_bring_their_history_keep_it(table, reads):
    feature_store.refresh(table, {"portfolio": series(19_720)}, {})
    own, empty = {"start": "2024-01-01", "phase": "a", "history": {"project_slip_days": 7.0}}, {"history": {}}
    other = {"start": "2024-01-01", "phase": "b", "activity_name": "c"}

    known = feature_store.with_history(table, [own, other, empty], ("activity_name_late_rate",))

    assert known[0] is own
    assert known[2] is empty
    assert known[1] == {**other, "history": {"activity_name_late_rate": 0.0}}
    assert reads.asked == [["portfolio", "phase=b&activity_name=c"]]
    assert feature_store.with_history(table, [own, empty], HISTORY) == [own, empty]
    assert len(reads.asked) == 1


def test_a_model_without_history_features_asks_for_nothing(reads):
    activity = {"start": "2024-01-01", "phase": "b"}

    assert feature_store.with_history("features", [activity], ()) == [activity]
    assert reads.asked == []


def test_an_empty_store_leaves_unknown_what_nobody_knows(table):
    (known,) = feature_store.with_history(table, [{"start": "2024-01-01", "baseline_finish": "2024-03-01"}], HISTORY)

    unknown = {name for name, value in known["history"].items() if value is None}
    assert unknown == {name for name in HISTORY if "season" not in name}
    assert math.isclose(known["history"]["finish_season_sin"], 1)
