"""After a refresh the feature store knows what the latest dataset knows, whatever happened on the way."""

import hashlib
import io

import boto3
import pandas as pd
import pytest

from slipcast.features import point_in_time, series_codec
from slipcast.features.point_in_time_table import build_series
from slipcast_aws import storage
from slipcast_aws.control import datasets
from slipcast_aws.serving import feature_store

INDEX = "s3://data/features/index.json.gz"
TOLERANCE = 30


def schedule(phases: str, late: str = "") -> pd.DataFrame:
    """One activity for each letter of `phases`; those of `late` finished late."""
    rows = [
        {
            "activity_id": f"A{number}",
            "project_id": "p",
            "phase": phase,
            "activity_name": f"{phase} {number}",
            "location": "here",
            "data_date": pd.Timestamp("2024-12-31"),
            "start": pd.Timestamp("2024-01-01"),
            "baseline_finish": pd.Timestamp("2024-03-01"),
            "actual_finish": pd.Timestamp("2024-09-01" if phase in late else "2024-03-01"),
        }
        for number, phase in enumerate(phases)
    ]
    return pd.DataFrame(rows)


def dataset(table: pd.DataFrame) -> dict:
    """Store a table as a dataset version and return its reference."""
    buffer = io.BytesIO()
    table.to_parquet(buffer)
    sha256 = hashlib.sha256(buffer.getvalue()).hexdigest()
    uri = f"s3://data/datasets/{sha256[:16]}/table.parquet"
    storage.write_bytes(uri, buffer.getvalue())
    return {"dataset_id": sha256[:16], "uri": uri, "sha256": sha256}


def make_latest(table: pd.DataFrame) -> dict:
    reference = dataset(table)
    datasets.move_latest("control", reference, previous=datasets.latest_dataset("control"))
    return reference


@pytest.fixture
def refresh(load_app, s3, control_table, empty_store, lambda_context):
    app = load_app(
        "refresh",
        **{"DATA_BUCKET": "data", "CONTROL_TABLE": control_table, "FEATURE_TABLE": empty_store},
        TOLERANCE_DAYS=str(TOLERANCE),
    )
    return lambda **event: app.handler(event, lambda_context)


def stored() -> dict[str, point_in_time.Series]:
    found = boto3.client("dynamodb").scan(TableName="features")["Items"]
    return {item["pk"]["S"]: series_codec.decode(item["series"]["B"]) for item in found}


def series_of(table: pd.DataFrame) -> dict[str, point_in_time.Series]:
    return build_series(table, TOLERANCE)


def harm(key: str) -> None:
    """Change an item behind the pipeline's back: whoever writes it again is noticed."""
    raw = series_codec.encode(point_in_time.Series([], point_in_time.Totals(*[[]] * 9)))
    boto3.client("dynamodb").put_item(TableName="features", Item={"pk": {"S": key}, "series": {"B": raw}})


def test_the_store_knows_what_the_latest_dataset_knows(refresh, s3):
    table = schedule("aab", late="b")
    make_latest(table)

    answer = refresh()

    expected = series_of(table)
    assert stored() == expected
    assert expected.keys() >= {"portfolio", "project_id=p", "location=here", "phase=a&activity_name=a%200"}
    assert answer == {"keys": len(expected), "written": len(expected), "deleted": 0}
    assert feature_store.unpack(storage.read_bytes(INDEX)).keys() == expected.keys()


def test_the_tolerance_of_the_deployment_counts(refresh, monkeypatch):
    table = schedule("a", late="a")
    make_latest(table)
    monkeypatch.setenv("TOLERANCE_DAYS", "300")
    refresh()

    assert stored()["portfolio"] == build_series(table, 300)["portfolio"] != series_of(table)["portfolio"]


def test_without_a_dataset_there_is_nothing_to_do(refresh, s3):
    assert refresh() == {"keys": 0, "written": 0, "deleted": 0}
    assert stored() == {}
    assert not storage.exists(INDEX)


def test_the_same_dataset_again_writes_nothing(refresh):
    make_latest(schedule("ab"))
    keys = refresh()["keys"]
    harm("portfolio")

    assert refresh() == {"keys": keys, "written": 0, "deleted": 0}
    assert stored()["portfolio"].days == []


def test_a_table_that_was_lost_is_written_again_in_full_by_hand(refresh):
    table = schedule("ab")
    make_latest(table)
    refresh()
    dynamodb = boto3.client("dynamodb")
    description = dynamodb.describe_table(TableName="features")["Table"]
    dynamodb.delete_table(TableName="features")
    wanted = {name: description[name] for name in ("TableName", "AttributeDefinitions", "KeySchema")}
    dynamodb.create_table(BillingMode="PAY_PER_REQUEST", **wanted)
    # As for every file that comes in: what was written once is taken to be there.
    assert refresh()["written"] == 0
    assert stored() == {}

    answer = refresh(all=True)

    assert answer["written"] == answer["keys"] == len(series_of(table))
    assert stored() == series_of(table)


def test_another_dataset_writes_what_changed_and_deletes_what_vanished(refresh):
    make_latest(schedule("abc"))
    refresh()
    table = schedule("abd", late="b")
    make_latest(table)
    harm("phase=a&activity_name=a%200")

    answer = refresh()

    expected = series_of(table)
    found = stored()
    assert found.pop("phase=a&activity_name=a%200").days == []
    expected.pop("phase=a&activity_name=a%200")
    assert found == expected
    # Of the two phases and names that are written, b is late and d is new; c vanishes with both of its keys.
    assert answer == {"keys": 9, "written": 7, "deleted": 2}


def test_a_dataset_with_another_digest_is_refused(refresh):
    reference = dataset(schedule("a"))
    datasets.move_latest("control", reference | {"sha256": "0" * 64}, previous=None)

    with pytest.raises(storage.DigestMismatchError):
        refresh()

    assert stored() == {}
    assert not storage.exists(INDEX)


@pytest.mark.fault(
    "pipeline", "the feature store", "a dataset comes in while it is refreshed", "the store ends with the latest one"
)
def test_a_dataset_that_comes_in_meanwhile_is_in_the_store_at_the_end(refresh, monkeypatch, permissions):
    first, second = schedule("abc", late="a"), schedule("abd", late="bd")
    make_latest(first)
    write, seen = feature_store.refresh, []

    def overtaken(table, series, before):
        # The refresh for the second dataset runs to its end before this one writes.
        if not seen:
            seen.append(series)
            with permissions.others():
                write(table, series_of(second), {})
                make_latest(second)
        return write(table, series, before)

    monkeypatch.setattr(feature_store, "refresh", overtaken)
    answer = refresh()

    assert stored() == series_of(second)
    assert feature_store.unpack(storage.read_bytes(INDEX)).keys() == series_of(second).keys()
    assert answer == {"keys": 9, "written": 9, "deleted": 2}
    # The index is that of what is stored: nothing is left to do.
    assert refresh() == {"keys": 9, "written": 0, "deleted": 0}


def test_a_dataset_that_becomes_the_latest_again_is_in_the_store_at_the_end(refresh, monkeypatch):
    first, second = schedule("ab"), schedule("ab", late="ab")
    references = [dataset(first), dataset(second)]
    asked = iter([references[0], references[1], references[0], references[0]])
    monkeypatch.setattr(datasets, "latest_dataset", lambda table: next(asked))

    refresh()

    assert stored() == series_of(first)
    assert list(asked) == []


def test_a_refresh_that_was_cut_off_is_repeated_in_full(refresh, monkeypatch):
    first, second = schedule("abc"), schedule("abd", late="abd")
    make_latest(first)
    refresh()
    index = storage.read_bytes(INDEX)
    make_latest(second)
    write = feature_store.refresh

    def crash(table, series, before):
        half = dict(list(series.items())[: len(series) // 2])
        write(table, half, {})
        raise RuntimeError("out of time")

    monkeypatch.setattr(feature_store, "refresh", crash)
    with pytest.raises(RuntimeError, match="out of time"):
        refresh()
    assert storage.read_bytes(INDEX) == index

    monkeypatch.setattr(feature_store, "refresh", write)
    assert refresh()["deleted"] == 2
    assert stored() == series_of(second)
