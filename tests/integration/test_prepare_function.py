"""From a dropped file to a dataset version, or to a refusal that keeps the file."""

import csv
import gzip
import hashlib
import io
import json
import tempfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import Mock

import openpyxl
import pytest

from slipcast import provenance
from slipcast.datasets import versions
from slipcast_aws import storage
from slipcast_aws.control import alarms, datasets, starts
from slipcast_aws.release import versions as releases
from support import hall
from support.p6_files import project, started, task, xer

# Numbers of bad rows and of repeated ones that each take another way; the slow tests try all pairs.
ROWS_IN_SHORT = {(0, 1), (2, 1), (6, 0), (30, 0)}
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
    s3.put_bucket_versioning(Bucket="data", VersioningConfiguration={"Status": "Enabled"})
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
def prepare(load_app, s3, control_table, champion, lambda_context):
    app = load_app(
        "prepare",
        DATA_BUCKET="data",
        CONTROL_TABLE=control_table,
        MAX_FILE_MEGABYTES="1",
        ON_SCHEMA_CHANGE="warn",
        PREDICT_FUNCTION="slipcast-predict",
        TOLERANCE_DAYS="30",
        MAX_BAD_SHARE="0.2",
        MIN_MATURED_ROWS="20",
        TRAIN_ON_NEW_DATA="true",
        RETRAIN_BUDGET="2",
        COOLDOWN_MINUTES="60",
    )

    def run(raw: bytes | None, execution="new-data-1", key="incoming/plan ü.csv", reason="new_data", bucket="data"):
        source = None
        if raw is not None:
            version = s3.put_object(Bucket=bucket, Key=key, Body=raw)["VersionId"]
            source = {"bucket": bucket, "key": key, "version_id": version}
        return app.handler({"execution": execution, "reason": reason, "source": source}, lambda_context)

    def confirm(prepared: dict, execution="new-data-1", reason="new_data"):
        known = {name: prepared[name] for name in ("dataset", "upload")}
        return app.handler({"step": "confirm", "execution": execution, "reason": reason, **known}, lambda_context)

    run.confirm = confirm
    return run


def read(s3, key: str) -> bytes:
    return s3.get_object(Bucket="data", Key=key)["Body"].read()


def rows_of(dataset: dict, folder: Path | None = None):
    """The table of a dataset version."""
    with tempfile.TemporaryDirectory() as work:
        file = Path(work, "table.parquet")
        storage.download(dataset["uri"], file, sha256=dataset["sha256"])
        return versions.read_table(file)


def keys(s3, prefix: str = "") -> list[str]:
    return [item["Key"] for item in s3.list_objects_v2(Bucket="data", Prefix=prefix).get("Contents", [])]


def test_a_good_file_becomes_a_dataset_version(prepare, s3):
    raw = schedule()

    answer = prepare(raw)

    assert answer["outcome"] == "train"
    assert answer["why"] == "no model is live yet"
    dataset, upload = answer["dataset"], answer["upload"]
    prefix = f"datasets/{dataset['dataset_id']}"
    assert keys(s3) == [
        f"{prefix}/labels.csv.gz",
        f"{prefix}/last_seen.csv.gz",
        f"{prefix}/manifest.json",
        f"{prefix}/table.parquet",
        "incoming/plan ü.csv",
        "reports/new-data-1/intake.html",
        "reports/new-data-1/intake.json",
        "runs/new-data-1/activities.jsonl.gz",
        "sources/plan_ü/latest.json",
    ]
    # For the project API: all activities of the file, and which object it was.
    listed = gzip.decompress(read(s3, "runs/new-data-1/activities.jsonl.gz")).splitlines()
    assert len(listed) == upload["activities"]["rows"] == 30
    assert upload["file"]["uri"] == "s3://data/incoming/plan ü.csv"
    manifest = json.loads(read(s3, f"{prefix}/manifest.json"))
    assert versions.reference(manifest) == dataset
    assert datasets.latest_dataset("control") == dataset
    report = json.loads(read(s3, "reports/new-data-1/intake.json"))
    assert (report["outcome"], report["dataset"], report["counts"]["read"]) == ("accepted", dataset, 30)
    assert report["labels"] == {"matured": 30, "censored": 0, "late": 15, "open": 0}
    assert "<h2>30 activities read</h2>" in read(s3, "reports/new-data-1/intake.html").decode()
    table = rows_of(dataset)
    assert dataset["uri"] == f"s3://data/{prefix}/table.parquet"
    assert dataset["sha256"] == hashlib.sha256(read(s3, f"{prefix}/table.parquet")).hexdigest()
    assert list(table["activity_id"]) == [f"A{number:02}" for number in range(30)]
    assert set(table["project_id"]) == {"plan_ü"}
    assert dataset["data_date"] == "2024-12-31"
    assert dataset["rows"] == 30
    assert dataset["labels"] == {"matured": 30, "censored": 0, "late": 15, "open": 0}
    assert upload["source"] == "plan_ü"
    assert upload["open"] == {"rows": 0}
    assert manifest["code_version"] == provenance.code_version()
    assert manifest["columns"]["budget"] == {
        "type": "DOUBLE",
        "missing": 0,
        "min": "1000.0",
        "max": "1029.0",
        "mean": 1014.5,
    }
    (source,) = manifest["sources"]
    assert (source["profile"], source["counts"]["accepted"], source["data_date"]) == ("canonical", 30, "2024-12-31")
    assert source["uri"] == "s3://data/incoming/plan ü.csv"
    assert source["sha256"] == hashlib.sha256(raw).hexdigest()
    assert source["version_id"]


def test_bad_rows_go_to_quarantine_with_line_column_and_reason(prepare, s3):
    answer = prepare(schedule(bad=(3, 7)))

    assert answer["outcome"] == "train"
    counts = answer["upload"]["counts"]
    assert (counts["read"], counts["accepted"], counts["rejected"]) == (30, 28, 2)
    rejected = list(csv.DictReader(io.StringIO(read(s3, "quarantine/new-data-1/rejected.csv").decode())))
    assert [(row["line"], row["column"], row["value"], row["reason"]) for row in rejected] == [
        ("5", "budget", "a lot", "is not a number"),
        ("9", "budget", "a lot", "is not a number"),
    ]
    assert all(row["remedy"] for row in rejected)
    ids = set(rows_of(answer["dataset"])["activity_id"])
    assert "A03" not in ids
    assert "A02" in ids
    page = read(s3, "reports/new-data-1/intake.html").decode()
    assert "28 activities read, 2 rows in quarantine" in page
    assert "a lot" in page
    report = json.loads(read(s3, "reports/new-data-1/intake.json"))
    assert [(row["line"], row["activity_id"]) for row in report["quarantined"]] == [(5, "A03"), (9, "A07")]


@pytest.mark.parametrize(
    ("bad", "key"),
    [
        pytest.param((3, 7), "incoming/plan_2024-12-31.csv", id="some"),
        pytest.param(range(15), "incoming/canonical/plan.csv", id="too many"),
    ],
)
def test_the_workbook_to_correct_is_taken_in_once_it_is_corrected(prepare, s3, bad, key):
    prepare(schedule(bad=tuple(bad)), key=key)
    (made,) = keys(s3, "quarantine/new-data-1/corrections/")
    assert Path(made).stem == Path(key).stem
    book = openpyxl.load_workbook(io.BytesIO(read(s3, made)))
    for row in book.active.iter_rows(min_row=2):
        if row[0].value:
            assert row[0].value.startswith("budget: is not a number")
            row[-1].value = 1000
    out = io.BytesIO()
    book.save(out)

    answer = prepare(out.getvalue(), "new-data-2", str(Path(key).with_suffix(".xlsx")))

    assert (answer["upload"]["counts"]["accepted"], answer["upload"]["counts"]["rejected"]) == (30, 0)
    assert len(rows_of(answer["dataset"])) == 30
    # Of the same series, without a change of its columns.
    assert (answer["upload"]["source"], answer["upload"]["changes"]) == ("plan", 0)
    assert keys(s3, "quarantine/new-data-2/") == []


@pytest.mark.parametrize(("bad", "outcome"), [((3, 7), "train"), (tuple(range(15)), "refused")])
def test_a_fault_of_the_workbook_to_correct_does_not_end_the_upload(prepare, s3, monkeypatch, capsys, bad, outcome):
    from prepare import intake

    monkeypatch.setattr(intake.corrections, "write", Mock(side_effect=KeyError("a column of two names")))

    answer = prepare(schedule(bad=bad), key="incoming/canonical/plan.csv")

    assert answer["outcome"] == outcome
    assert "2 rows in quarantine" in read(s3, "reports/new-data-1/intake.html").decode() or "budget" in answer["why"]
    assert keys(s3, "quarantine/new-data-1/corrections/") == []
    assert '"CorrectionsFailed":[1.0]' in capsys.readouterr().out


@pytest.mark.fault(
    "pipeline",
    "rows of a dropped file",
    "none, one, some or too many of them are bad, or stand there twice",
    "each is in exactly one of dataset, quarantine or refusal",
)
@pytest.mark.parametrize(
    ("bad", "twice"),
    [
        pytest.param(bad, twice, marks=() if (len(bad), twice) in ROWS_IN_SHORT else pytest.mark.slow)
        for twice in (0, 1)
        for bad in [(), (0,), (29,), (3, 7), (1, 2, 3, 4, 5, 6), tuple(range(10)), tuple(range(30))]
    ],
)
def test_every_row_is_in_exactly_one_of_dataset_quarantine_and_refusal(prepare, s3, bad, twice):
    raw = schedule(bad=bad)
    last = raw.splitlines(keepends=True)[-1]

    answer = prepare(raw + last * twice)

    kept = keys(s3, "quarantine/")
    if answer["outcome"] == "refused":
        # As it came: all of its rows and no other.
        (key,) = [key for key in kept if not key.endswith("rejected.csv") and "/corrections/" not in key]
        assert read(s3, key) == raw + last * twice
        assert keys(s3, "datasets/") == []
        return
    in_dataset = list(rows_of(answer["dataset"])["activity_id"])
    in_quarantine = []
    if kept:
        rejected = csv.DictReader(io.StringIO(read(s3, "quarantine/new-data-1/rejected.csv").decode()))
        # By line of the file: a row may have several faults.
        in_quarantine = sorted({int(row["line"]) for row in rejected})
    lines = (raw + last * twice).decode().splitlines()
    names = [lines[line - 1].split(",")[0] for line in in_quarantine]
    assert sorted([*in_dataset, *names]) == sorted(line.split(",")[0] for line in lines[1:])


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "the file is empty"),
        (b"activity_id,data_date\nA1,2024-12-31\n", "which misses start, baseline_finish"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "image"),
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
    assert "<h2>Refused</h2>" in read(s3, "reports/new-data-1/intake.html").decode()
    assert report["sources"][0]["uri"] == "s3://data/incoming/plan ü.csv"
    assert report["sources"][0]["version_id"]
    assert keys(s3, "datasets/") == []


def test_a_refused_file_that_was_mended_and_dropped_again_is_taken_in(prepare):
    assert prepare(schedule(bad=tuple(range(7))))["outcome"] == "refused"

    answer = prepare(schedule(), execution="new-data-2")

    assert answer["outcome"] == "train"
    assert answer["upload"]["counts"]["accepted"] == 30


@pytest.mark.fault(
    "events",
    "the event of a dropped file",
    "it comes late, after another upload of the same name",
    "each version is taken in by its own event",
)
def test_the_version_of_the_event_is_read_and_not_a_later_one(prepare, s3, lambda_context, load_app):
    first = schedule(rows=25)
    version = s3.put_object(Bucket="data", Key="incoming/plan.csv", Body=first)["VersionId"]
    s3.put_object(Bucket="data", Key="incoming/plan.csv", Body=schedule(rows=40))
    app = load_app("prepare")
    source = {"bucket": "data", "key": "incoming/plan.csv", "version_id": version}

    answer = app.handler({"execution": "e", "reason": "new_data", "source": source}, lambda_context)

    assert answer["dataset"]["rows"] == 25
    assert (
        storage.read_json(answer["dataset"]["manifest_uri"])["sources"][0]["sha256"]
        == hashlib.sha256(first).hexdigest()
    )


@pytest.mark.fault(
    "events", "the event of a dropped file", "it names no version", "the object is taken in as it is now"
)
def test_an_event_without_a_version_works_too(prepare, s3, lambda_context, load_app):
    s3.put_object(Bucket="data", Key="incoming/plan.csv", Body=schedule())
    source = {"bucket": "data", "key": "incoming/plan.csv", "version_id": ""}

    answer = load_app("prepare").handler({"execution": "e", "reason": "new_data", "source": source}, lambda_context)

    assert answer["outcome"] == "train"


def test_the_same_rows_are_the_same_dataset(prepare, s3):
    first = prepare(schedule(), execution="new-data-1")["dataset"]
    again = prepare(schedule(), execution="new-data-2")["dataset"]
    other = prepare(schedule(rows=31), execution="new-data-3", key="incoming/another.csv")["dataset"]

    assert (first["dataset_id"], first["sha256"]) == (again["dataset_id"], again["sha256"])
    assert other["dataset_id"] != first["dataset_id"]
    tables = [key for key in keys(s3, "datasets/") if key.endswith("table.parquet")]
    assert len(tables) == 2


@pytest.mark.fault("events", "the events of two files", "they come in the wrong order", "the same dataset")
def test_an_activity_in_several_files_is_merged_whichever_comes_first(prepare):
    older, newer = schedule(data_date="2024-06-30"), schedule(rows=31, data_date="2024-12-31")
    prepare(newer, execution="new-data-1", key="incoming/plan_2024-12.csv")
    merged = prepare(older, execution="new-data-2", key="incoming/plan_2024-06.csv")["dataset"]

    table = rows_of(merged)
    assert len(table) == 31
    assert set(table["data_date"].astype(str)) == {"2024-12-31"}
    assert sorted(set(table["baseline_data_date"].astype(str))) == ["2024-06-30", "2024-12-31"]
    manifest = storage.read_json(merged["manifest_uri"])
    assert [source["data_date"] for source in manifest["sources"]] == ["2024-12-31", "2024-06-30"]
    assert merged["data_date"] == "2024-12-31"


def test_a_correction_of_the_same_day_wins(prepare):
    prepare(schedule(), execution="new-data-1")
    corrected = prepare(schedule().replace(b",1000\n", b",7\n"), execution="new-data-2")["dataset"]

    assert rows_of(corrected)["budget"].min() == 7


@pytest.mark.fault("pipeline", "the latest dataset", "two files are merged into it at the same time", "both are in it")
def test_files_taken_in_at_the_same_time_are_all_in_the_dataset(prepare, monkeypatch, permissions):
    move, raced = datasets.move_latest, []

    def race(table, reference, *, previous):
        if not raced:
            raced.append(True)
            with permissions.others():
                prepare(schedule(rows=25), execution="new-data-2", key="incoming/other.csv")
        return move(table, reference, previous=previous)

    monkeypatch.setattr(datasets, "move_latest", race)
    prepare(schedule(), execution="new-data-1", key="incoming/plan.csv")

    assert set(rows_of(datasets.latest_dataset("control"))["project_id"]) == {"plan", "other"}


def test_open_activities_are_listed_for_scoring(prepare, s3):
    raw = schedule() + b"A98,2024-12-31,2024-12-01,2025-03-01,,5\nA99,2024-12-31,2025-02-01,2025-03-01,,5\n"

    listed = prepare(raw)["upload"]["open"]

    assert listed["rows"] == 2
    lines = gzip.decompress(storage.read_bytes(listed["uri"], sha256=listed["sha256"])).splitlines()
    assert [json.loads(line)["status"] for line in lines] == ["in_progress", "not_started"]
    assert json.loads(read(s3, "sources/plan_ü/latest.json"))["open"] == listed


def test_the_files_own_names_go_on_to_scoring(prepare, s3):
    upload = prepare(schedule().replace(b"budget", b"Budget", 1))["upload"]

    assert upload["own_names"]["budget"] == "Budget"
    assert upload["own_names"]["start"] == "start"
    assert json.loads(read(s3, "sources/plan_ü/latest.json"))["own_names"] == upload["own_names"]


def test_a_changed_export_is_reported(prepare, s3):
    prepare(schedule(), execution="new-data-1")
    changed = schedule(data_date="2025-01-31").replace(b"budget", b"money", 1)

    assert prepare(changed, execution="new-data-2")["upload"]["changes"] == 3

    report = json.loads(read(s3, "reports/new-data-2/intake.json"))
    assert report["changes"] == [
        "no longer has the columns budget",
        "newly has the columns money",
        "lost for the model: budget",
    ]
    assert "lost for the model: budget" in read(s3, "reports/new-data-2/intake.html").decode()


def test_a_changed_export_may_be_refused(prepare, monkeypatch):
    monkeypatch.setenv("ON_SCHEMA_CHANGE", "refuse")
    prepare(schedule(), execution="new-data-1")

    answer = prepare(schedule().replace(b"budget", b"money", 1), execution="new-data-2")

    assert answer["outcome"] == "refused"
    assert "lost for the model: budget" in answer["why"]
    assert "OnSchemaChange" in answer["why"]


PROFILE = b"""
name: contractor
title: Contractor's list
columns: {activity_id: Nr, start: Beginn, baseline_finish: Soll, actual_finish: Ist}
"""


def test_a_users_own_profile_reads_what_is_dropped_into_its_folder(prepare, s3):
    s3.put_object(Bucket="data", Key="profiles/contractor.yaml", Body=PROFILE)
    raw = b"Nr;Beginn;Soll;Ist\n1;01.02.2024;28.02.2024;15.03.2024\n2;01.02.2024;30.03.2024;\n"

    answer = prepare(raw, key="incoming/contractor/hall_2024-06-30.csv")

    assert answer["upload"]["profile"] == "contractor"
    assert answer["upload"]["source"] == "contractor-hall"
    assert list(rows_of(answer["dataset"])["status"]) == ["complete", "in_progress"]


@pytest.mark.parametrize(
    ("profile", "folder", "why"),
    [
        (None, "contractor", "there is no profile 'contractor'"),
        (b"name: other\ntitle: x\n", "contractor", "the profile calls itself other"),
        (b"title: [", "contractor", "profiles/contractor.yaml, line"),
        (PROFILE, "contractor/deeper", "there is no profile 'contractor/deeper'"),
    ],
)
def test_a_profile_that_cannot_be_used_refuses_the_file(prepare, s3, profile, folder, why):
    if profile is not None:
        s3.put_object(Bucket="data", Key="profiles/contractor.yaml", Body=profile)

    answer = prepare(b"Nr;Beginn;Soll\n1;01.02.2024;28.02.2024\n", key=f"incoming/{folder}/hall_2024-06-30.csv")

    assert answer["outcome"] == "refused"
    assert why in answer["why"]


UPDATE = xer(
    [
        started("A10", "2024-01-08", "2024-03-01", "2024-05-31"),
        started("A20", "2024-01-08", "2024-03-01", "2024-03-01"),
        task("A30", "2024-09-02", "2024-10-31"),
    ],
    [project("2024-06-30", "HALL-UP3")],
)
PLAN = xer(
    [
        task("A10", "2024-01-08", "2024-02-29"),
        task("A20", "2024-01-08", "2024-02-29"),
        task("A30", "2024-06-03", "2024-07-31"),
    ],
    [project("2024-01-01", "HALL-BL")],
)


@pytest.mark.parametrize(
    "key",
    [
        "incoming/hall_2024-01-01.xer",
        "incoming/baseline/hall.xer",
        pytest.param("incoming/p6_xer/baseline/Hall baseline.xer", marks=pytest.mark.slow),
        pytest.param("incoming/hall/baseline/export.xer", marks=pytest.mark.slow),
    ],
)
def test_a_baseline_gives_an_outcome_to_what_had_started(prepare, key):
    """Dropped after the update: an earlier file, or one in the folder for baselines."""
    before = prepare(UPDATE, key="incoming/hall_2024-06-30.xer")
    after = prepare(PLAN, execution="new-data-2", key=key)["dataset"]

    assert before["upload"]["source"] == "hall"
    assert before["dataset"]["labels"]["matured"] == 0
    assert (after["labels"]["matured"], after["labels"]["late"], after["rows"]) == (2, 1, 3)
    assert set(rows_of(after)["project_id"]) == {"hall"}


def test_a_zip_of_a_series_is_one_upload(prepare, s3):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("update 3.xer", UPDATE)
        archive.writestr("baseline.xer", PLAN)

    answer = prepare(packed.getvalue(), key="incoming/hall.zip")

    assert answer["upload"]["source"] == "hall"
    assert answer["upload"]["data_date"] == "2024-06-30"
    assert answer["upload"]["open"]["rows"] == 1
    assert (answer["dataset"]["labels"]["matured"], answer["dataset"]["labels"]["late"]) == (2, 1)
    assert "update 3.xer of 2024-06-30: 3 activities" in read(s3, "reports/new-data-1/intake.html").decode()


def test_a_file_over_the_limit_is_refused_with_the_parameter_to_raise(prepare, s3):
    answer = prepare(b"x" * 1_000_001)

    assert answer["outcome"] == "refused"
    assert "Raise the parameter MaxFileMegabytes" in answer["why"]
    assert len(read(s3, "quarantine/new-data-1/plan ü.csv")) == 1_000_001


def test_a_file_without_dates_is_a_dataset_of_its_own(prepare, s3):
    s3.put_object(
        Bucket="data",
        Key="profiles/labelled.yaml",
        Body=b"name: labelled\ntitle: x\nlabel: {column: OK, late: ['0'], on_time: ['1']}\nfeatures: [Size]\n",
    )
    before = prepare(schedule(), execution="new-data-1")["dataset"]

    few = prepare(b"Size,OK\n5,1\n6,0\n", execution="new-data-2", key="incoming/labelled/sizes.csv")
    rows = b"".join(b"%d,%d\n" % (size, size % 2) for size in range(60))
    many = prepare(b"Size,OK\n" + rows, execution="new-data-3", key="incoming/labelled/more.csv")

    assert (few["outcome"], few["dataset"]["rows"]) == ("ingested", 2)
    assert "2 activities have a label" in few["why"]
    assert (many["outcome"], many["dataset"]["rows"]) == ("train", 60)
    assert "nothing is released" in many["why"]
    assert datasets.latest_dataset("control") == before


def test_without_a_file_the_latest_dataset_is_taken(prepare, s3):
    taken_in = prepare(schedule())["dataset"]

    answer = prepare(None, execution="alarm-1", reason="alarm")

    assert answer["outcome"] == "train"
    assert answer["dataset"] == taken_in
    assert keys(s3, "reports/alarm-1") == []


def test_without_a_file_and_without_a_dataset_there_is_nothing_to_do(prepare, s3):
    answer = prepare(None, reason="schedule")

    assert answer["outcome"] == "refused"
    assert "drop a schedule under incoming/" in answer["why"]
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
    assert datasets.latest_dataset("control") == answer["dataset"]


def test_files_may_wait_for_the_next_alarm(prepare, champion, monkeypatch):
    monkeypatch.setenv("TRAIN_ON_NEW_DATA", "false")
    champion.append("0123456789abcdef")

    assert prepare(schedule())["outcome"] == "ingested"
    assert prepare(None, execution="alarm-1", reason="alarm")["outcome"] == "train"


def test_with_the_lease_in_hand_the_latest_dataset_is_taken(prepare):
    first = prepare(schedule(30))
    later = prepare(schedule(40, data_date="2025-03-31"), execution="new-data-2")

    confirmed = prepare.confirm(first)

    assert confirmed["outcome"] == "train"
    assert confirmed["dataset"] == later["dataset"] != first["dataset"]
    assert confirmed["upload"] == first["upload"]


def test_what_another_execution_has_learned_meanwhile_is_not_trained_again(prepare, champion):
    first = prepare(schedule(30))
    champion.append(first["dataset"]["dataset_id"])

    confirmed = prepare.confirm(first)

    assert (confirmed["outcome"], confirmed["hold"]) == ("ingested", "nothing_new")


def test_a_file_with_no_new_outcome_is_nothing_new_to_learn(prepare, champion):
    first = prepare(schedule(30))
    champion.append(first["dataset"]["dataset_id"])
    # A year later: nothing of what was open or done has changed.
    again = prepare(schedule(30, data_date="2025-12-31"), execution="new-data-2")
    more = prepare(schedule(31, data_date="2026-01-31"), execution="new-data-3")

    assert again["dataset"]["dataset_id"] != first["dataset"]["dataset_id"]
    assert (again["outcome"], again["hold"]) == ("ingested", "nothing_new")
    assert "30 known outcomes" in again["why"]
    assert more["outcome"] == "train"


def test_an_outcome_that_was_corrected_is_new(prepare, champion):
    first = prepare(schedule(30))
    champion.append(first["dataset"]["dataset_id"])
    corrected = schedule(30, data_date="2025-12-31").replace(
        b"A00,2025-12-31,2023-01-02,2023-06-30,2023-09-30", b"A00,2025-12-31,2023-01-02,2023-06-30,2023-06-30"
    )

    assert prepare(corrected, execution="new-data-2")["outcome"] == "train"


def test_a_file_answers_an_open_alarm_though_new_files_wait(prepare, champion, monkeypatch):
    champion.append("older")
    monkeypatch.setenv("TRAIN_ON_NEW_DATA", "false")
    waits = prepare(schedule(30))
    alarms.open_alarm("control", "slipcast-drift")
    answers = prepare.confirm(waits)

    assert (waits["outcome"], waits["hold"]) == ("ingested", "waits")
    assert (answers["outcome"], answers["reason"]) == ("train", "alarm")
    assert "slipcast-drift" in answers["why"]
    # While a training answers the alarm, or has just lost, the file waits.
    now = datetime.now(UTC)
    starts.claim_start("control", now=now, cutoff=now, execution="alarm-1")
    assert prepare.confirm(waits)["hold"] == "waits"
    starts.land("control", execution="alarm-1")
    assert prepare.confirm(waits)["hold"] == "waits"
    monkeypatch.setenv("COOLDOWN_MINUTES", "0")
    assert prepare.confirm(waits)["outcome"] == "train"


def test_beyond_the_months_budget_the_data_are_kept_and_a_person_may_still_train(prepare):
    prepared = prepare(schedule(30))
    first = [prepare.confirm(prepared, execution=name)["outcome"] for name in ("one", "two", "one", "two")]

    beyond = prepare.confirm(prepared, execution="three")
    by_hand = prepare.confirm(prepared, execution="manual-1", reason="manual")

    assert first == ["train"] * 4
    assert (beyond["outcome"], beyond["hold"]) == ("ingested", "budget")
    assert "RetrainBudgetPerMonth" in beyond["why"]
    assert prepared["dataset"]["dataset_id"] in beyond["why"]
    assert datasets.latest_dataset("control") == prepared["dataset"]
    assert by_hand["outcome"] == "train"


def test_a_new_month_has_its_own_budget(control_table):
    spent = [starts.spend("control", month="2026-11", execution=name, limit=1) for name in ("one", "two")]

    assert spent == [True, False]
    assert starts.spend("control", month="2026-12", execution="two", limit=1)


def test_the_network_of_a_schedule_stands_next_to_its_table(prepare, s3):
    first = prepare(hall.XER.encode(), key="incoming/hall.xer")["dataset"]
    second = prepare(hall.XER.replace("2025-06-05", "2025-06-04").encode(), "new-data-2", key="incoming/hall.xer")[
        "dataset"
    ]

    manifest = json.loads(read(s3, f"datasets/{second['dataset_id']}/manifest.json"))
    assert {name: item["rows"] for name, item in manifest["network"].items()} == {
        "activities": 4,
        "relations": 2,
        "calendars": 2,
        "projects": 2,
    }
    for name, item in manifest["network"].items():
        assert item["uri"] == f"s3://data/datasets/{second['dataset_id']}/{name}.parquet"
        assert item["sha256"] == hashlib.sha256(read(s3, f"datasets/{second['dataset_id']}/{name}.parquet")).hexdigest()
    # The older update says nothing new of the activities, and is another version all the same.
    assert first["dataset_id"] != second["dataset_id"]
    # A file without a network keeps that of the others.
    third = prepare(schedule(), "new-data-3")["dataset"]
    kept = json.loads(read(s3, f"datasets/{third['dataset_id']}/manifest.json"))["network"]
    assert {name: item["sha256"] for name, item in kept.items()} == {
        name: item["sha256"] for name, item in manifest["network"].items()
    }


ANNEX = Path(__file__).resolve().parents[2] / "examples" / "annex"


def test_an_update_is_compared_with_the_last_one_and_its_network_is_checked(prepare, s3, capsys):
    files = sorted(ANNEX.glob("*.xer"))
    for number, file in enumerate(files, 1):
        capsys.readouterr()
        answer = prepare(file.read_bytes(), execution=f"update-{number}", key=f"incoming/{file.name}")
        assert answer["upload"]["source"] == "ps118_annex"

    first, third = (json.loads(read(s3, f"reports/update-{number}/intake.json")) for number in (1, 3))
    assert "comparison" not in first
    assert "reports/update-1/comparison.json" not in keys(s3)
    assert len(first["quality"]["points"]) == 17
    changed = json.loads(read(s3, "reports/update-3/comparison.json"))
    # The planner wanted to make good for what the foundations take.
    assert changed["finish_days"]["ps118_annex"] == pytest.approx(75, abs=1)
    assert changed["slips"][0]["driver"]["activity_name"] == "Foundations"
    assert [(row["activity_id"], row["before"], row["after"]) for row in changed["baseline_changes"]] == [
        ("A1440", "2026-07-28", "2027-01-29"),
        ("A1450", "2026-08-18", "2027-01-29"),
    ]
    assert third["comparison"]["counts"]["slips"] == len(changed["slips"])
    page = read(s3, "reports/update-3/intake.html").decode()
    assert "Since the last update" in page
    assert "Can it be forecast?" in page
    (embedded,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    assert embedded["SchedulePointsFailed"] == [third["quality"]["failed"]]
    assert 0 < embedded["ConnectedToFinish"][0] <= 1


def test_an_update_that_comes_late_is_compared_with_the_one_before_its_data_date(prepare, s3):
    first, second, third = sorted(ANNEX.glob("*.xer"))
    for number, file in ((1, first), (3, third), (2, second)):
        prepare(file.read_bytes(), execution=f"update-{number}", key=f"incoming/{file.name}")

    late = json.loads(read(s3, "reports/update-2/comparison.json"))
    assert [row["activity_id"] for row in late["added"]] == ["A1160"]
    assert [row["activity_name"] for row in late["consumed"]][:1] == ["Design review and permits"]


def test_a_network_that_does_not_fit_into_the_memory_is_taken_in_and_not_checked(prepare, s3, monkeypatch):
    file = sorted(ANNEX.glob("*.xer"))[0]
    prepare(file.read_bytes(), key=f"incoming/{file.name}")
    from prepare import intake

    monkeypatch.setattr(intake, "MOST_CHECKED", 29)
    answer = prepare(file.read_bytes(), execution="again", key=f"incoming/{file.name}")

    assert answer["upload"]["counts"]["accepted"] == 28
    quality = json.loads(read(s3, "reports/again/intake.json"))["quality"]
    assert (quality["points"], "at most 29 are checked" in quality["why"]) == ([], True)
    assert "at most 29 are checked" in read(s3, "reports/again/intake.html").decode()


def test_a_table_without_relations_has_no_network_to_check(prepare, s3):
    prepare(schedule())

    report = json.loads(read(s3, "reports/new-data-1/intake.json"))
    assert {"quality", "comparison"} & report.keys() == set()
    assert "the file has no relations between activities" in read(s3, "reports/new-data-1/intake.html").decode()
