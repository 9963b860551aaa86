"""From a dropped file to a dataset version, or to a refusal that keeps the file."""

import csv
import gzip
import hashlib
import io
import json

import pytest

from slipcast_aws import releases, storage

COLUMNS = ("activity_id", "data_date", "start", "baseline_finish", "actual_finish", "budget")


def schedule(rows: int = 30, data_date: str = "2024-12-31", bad: tuple[int, ...] = ()) -> bytes:
    """A schedule whose even activities were late; the rows numbered in `bad` have no readable budget."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for number in range(rows):
        finish = "2023-09-30" if number % 2 == 0 else "2023-06-20"
        budget = "a lot" if number in bad else str(1000 + number)
        writer.writerow([f"A{number:02}", data_date, "2023-01-02", "2023-06-30", finish, budget])
    return out.getvalue().encode()


@pytest.fixture
def s3(s3):
    s3.create_bucket(Bucket="elsewhere")
    for bucket in ("data", "elsewhere"):
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return s3


@pytest.fixture
def champion(monkeypatch):
    """What the alias ``live`` serves: nothing, until a test appends a dataset id."""
    dataset_ids: list[str] = []
    asked: list[str] = []

    def live_model(function: str):
        asked.append(function)
        if not dataset_ids:
            return None
        uris = {"artefact_uri": "s3://data/models/m/model.json", "profile_uri": "s3://data/models/m/profile.json"}
        return releases.LiveModel(version="3", model_id="m", sha256="0", dataset_id=dataset_ids[-1], **uris)

    monkeypatch.setattr(releases, "live_model", live_model)
    yield dataset_ids
    assert set(asked) <= {"slipcast-predict"}


@pytest.fixture
def prepare(load_app, s3, champion, lambda_context):
    app = load_app(
        "prepare",
        DATA_BUCKET="data",
        PREDICT_FUNCTION="slipcast-predict",
        TOLERANCE_DAYS="30",
        MAX_BAD_SHARE="0.2",
        MIN_MATURED_ROWS="20",
        TRAIN_ON_NEW_DATA="true",
    )

    def run(raw: bytes | None, execution="new-data-1", key="incoming/plan ü.csv", reason="new_data", bucket="data"):
        source = None
        if raw is not None:
            version = s3.put_object(Bucket=bucket, Key=key, Body=raw)["VersionId"]
            source = {"bucket": bucket, "key": key, "version_id": version}
        return app.handler({"execution": execution, "reason": reason, "source": source}, lambda_context)

    return run


def read(s3, key: str) -> bytes:
    return s3.get_object(Bucket="data", Key=key)["Body"].read()


def keys(s3, prefix: str = "") -> list[str]:
    return [item["Key"] for item in s3.list_objects_v2(Bucket="data", Prefix=prefix).get("Contents", [])]


def test_a_good_file_becomes_a_dataset_version(prepare, s3):
    raw = schedule()

    answer = prepare(raw)

    assert answer["outcome"] == "train"
    assert answer["why"] == "no model is live yet"
    dataset = answer["dataset"]
    prefix = f"datasets/{dataset['dataset_id']}"
    assert keys(s3) == [
        f"{prefix}/manifest.json",
        f"{prefix}/table.csv.gz",
        "datasets/latest.json",
        "incoming/plan ü.csv",
        "reports/new-data-1/intake.json",
    ]
    assert json.loads(read(s3, f"{prefix}/manifest.json")) == dataset
    assert json.loads(read(s3, "datasets/latest.json")) == dataset
    assert json.loads(read(s3, "reports/new-data-1/intake.json")) == dataset | {"outcome": "accepted"}
    table = read(s3, f"{prefix}/table.csv.gz")
    assert dataset["uri"] == f"s3://data/{prefix}/table.csv.gz"
    assert dataset["sha256"] == hashlib.sha256(table).hexdigest()
    rows = list(csv.DictReader(io.StringIO(gzip.decompress(table).decode())))
    assert [row["activity_id"] for row in rows] == [f"A{number:02}" for number in range(30)]
    assert {row["project_id"] for row in rows} == {"plan ü"}
    assert dataset["data_date"] == "2024-12-31"
    assert dataset["rows"] == 30
    assert dataset["labels"] == {"matured": 30, "censored": 0, "late": 15}
    (source,) = dataset["sources"]
    assert source["uri"] == "s3://data/incoming/plan ü.csv"
    assert source["sha256"] == hashlib.sha256(raw).hexdigest()
    assert source["version_id"]


def test_bad_rows_go_to_quarantine_with_line_column_and_reason(prepare, s3):
    answer = prepare(schedule(bad=(3, 7)))

    assert answer["outcome"] == "train"
    counts = answer["dataset"]["counts"]
    assert (counts["read"], counts["accepted"], counts["rejected"]) == (30, 28, 2)
    rejected = list(csv.DictReader(io.StringIO(read(s3, "quarantine/new-data-1/rejected.csv").decode())))
    assert [(row["line"], row["column"], row["value"], row["reason"]) for row in rejected] == [
        ("5", "budget", "a lot", "is not a number"),
        ("9", "budget", "a lot", "is not a number"),
    ]
    assert all(row["remedy"] for row in rejected)
    table = gzip.decompress(read(s3, storage.split_uri(answer["dataset"]["uri"])[1])).decode()
    assert "A03" not in table
    assert "A02" in table


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "the file is empty"),
        (b"activity_id,data_date\nA1,2024-12-31\n", "required columns are missing: start, baseline_finish"),
        (b"\xff\xfe\x00rows", "is not UTF-8 text"),
        (schedule(bad=tuple(range(7))), "7 of 30 rows are bad, at most 20% may be"),
    ],
)
def test_a_refused_file_is_kept_as_it_came_and_reported(prepare, s3, raw, why):
    answer = prepare(raw)

    assert answer["outcome"] == "refused"
    assert why in answer["why"]
    assert "dataset" not in answer
    assert read(s3, "quarantine/new-data-1/plan ü.csv") == raw
    report = json.loads(read(s3, "reports/new-data-1/intake.json"))
    assert report["outcome"] == "refused"
    assert report["why"] == answer["why"]
    assert report["sources"][0]["uri"] == "s3://data/incoming/plan ü.csv"
    assert report["sources"][0]["version_id"]
    assert keys(s3, "datasets/") == []


def test_the_version_of_the_event_is_read_and_not_a_later_one(prepare, s3, lambda_context, load_app):
    first = schedule(rows=25)
    version = s3.put_object(Bucket="elsewhere", Key="drop/plan.csv", Body=first)["VersionId"]
    s3.put_object(Bucket="elsewhere", Key="drop/plan.csv", Body=schedule(rows=40))
    app = load_app("prepare")
    source = {"bucket": "elsewhere", "key": "drop/plan.csv", "version_id": version}

    answer = app.handler({"execution": "e", "reason": "new_data", "source": source}, lambda_context)

    assert answer["dataset"]["rows"] == 25
    assert answer["dataset"]["sources"][0]["sha256"] == hashlib.sha256(first).hexdigest()


def test_a_bucket_without_versions_works_too(prepare, s3, lambda_context, load_app):
    s3.put_object(Bucket="elsewhere", Key="plan.csv", Body=schedule())
    source = {"bucket": "elsewhere", "key": "plan.csv", "version_id": ""}

    answer = load_app("prepare").handler({"execution": "e", "reason": "new_data", "source": source}, lambda_context)

    assert answer["outcome"] == "train"


def test_the_same_rows_are_the_same_dataset(prepare, s3):
    first = prepare(schedule(), execution="new-data-1")["dataset"]
    again = prepare(schedule(), execution="new-data-2")["dataset"]
    other = prepare(schedule(rows=31), execution="new-data-3")["dataset"]

    assert (first["dataset_id"], first["sha256"]) == (again["dataset_id"], again["sha256"])
    assert other["dataset_id"] != first["dataset_id"]
    tables = [key for key in keys(s3, "datasets/") if key.endswith("table.csv.gz")]
    assert len(tables) == 2


def test_an_older_schedule_does_not_become_the_latest_one(prepare, s3):
    newer = prepare(schedule(data_date="2024-12-31"), execution="new-data-1")["dataset"]
    older = prepare(schedule(data_date="2024-06-30"), execution="new-data-2")["dataset"]

    assert older["dataset_id"] != newer["dataset_id"]
    assert f"datasets/{older['dataset_id']}/manifest.json" in keys(s3)
    assert json.loads(read(s3, "datasets/latest.json"))["dataset_id"] == newer["dataset_id"]

    corrected = prepare(schedule(rows=31, data_date="2024-12-31"), execution="new-data-3")["dataset"]
    assert json.loads(read(s3, "datasets/latest.json"))["dataset_id"] == corrected["dataset_id"]


def test_without_a_file_the_latest_dataset_is_taken(prepare, s3):
    taken_in = prepare(schedule())["dataset"]

    answer = prepare(None, execution="alarm-1", reason="alarm")

    assert answer["outcome"] == "train"
    assert answer["dataset"] == taken_in
    assert keys(s3, "reports/alarm-1") == []


def test_without_a_file_and_without_a_dataset_there_is_nothing_to_do(prepare, s3):
    answer = prepare(None, reason="schedule")

    assert answer["outcome"] == "refused"
    assert "drop a schedule CSV under incoming/" in answer["why"]
    assert keys(s3) == []


@pytest.mark.parametrize("reason", ["alarm", "schedule", "manual"])
def test_the_dataset_of_the_live_model_teaches_nothing_new(prepare, champion, reason):
    champion.append(prepare(schedule())["dataset"]["dataset_id"])

    answer = prepare(None, execution="again", reason=reason)

    assert answer["outcome"] == "ingested"
    assert "nothing new to learn" in answer["why"]
    assert answer["dataset"]["dataset_id"] == champion[0]


def test_a_newer_dataset_than_the_live_models_is_trained(prepare, champion):
    champion.append("0123456789abcdef")

    assert prepare(schedule())["outcome"] == "train"


def test_too_few_known_outcomes_are_taken_in_and_not_trained(prepare, s3):
    answer = prepare(schedule(rows=19))

    assert answer["outcome"] == "ingested"
    assert answer["why"].startswith("19 activities have a known outcome, 20 are needed")
    assert json.loads(read(s3, "datasets/latest.json")) == answer["dataset"]


def test_files_may_wait_for_the_next_alarm(prepare, champion, monkeypatch):
    monkeypatch.setenv("TRAIN_ON_NEW_DATA", "false")
    champion.append("0123456789abcdef")

    assert prepare(schedule())["outcome"] == "ingested"
    assert prepare(None, execution="alarm-1", reason="alarm")["outcome"] == "train"
