"""Batch jobs: files of any size are answered as requests are, in several invocations, whole or not at all."""

import csv
import gzip
import io
import json
from types import SimpleNamespace

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import requests

from slipcast_aws.serving import prediction_log
from support.batch_site import BatchSite
from support.predict_api import call, environment

CSV, LINES = "text/csv", "application/x-ndjson"
ARROW, PARQUET = "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"
ROWS = 25


@pytest.fixture
def site(load_app, s3, control_table, monkeypatch) -> BatchSite:
    return BatchSite(load_app, monkeypatch)


@pytest.fixture
def small(site, monkeypatch) -> BatchSite:
    """A site whose chunks and parts are small; S3 itself takes no part below 5 MB but the last."""
    monkeypatch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", 1)
    monkeypatch.setattr(site.source, "ROWS", 4)
    monkeypatch.setattr(site.source, "BLOCK", 1 << 10)
    monkeypatch.setattr(site.work, "PART_BYTES", 500)
    return site


@pytest.fixture
def schedule() -> pd.DataFrame:
    """Activities of which one is wrong; a text has a line break and letters of several bytes."""
    starts = pd.date_range("2022-01-03", periods=ROWS, freq="7D").astype(str)
    table = pd.DataFrame(
        {
            "activity_id": [f"A{number:04}" for number in range(ROWS)],
            "phase": ["Design", "Entwurf –\nÜberarbeitung", "Construction, 2nd", None, "Design"] * (ROWS // 5),
            "start": starts,
            "data_date": "2022-06-30",
            "baseline_duration_days": [30.0, 90.5, 60.0, 211.0, 45.0] * (ROWS // 5),
            "project_slip_days": [2.0, None, 0.5, 1.0, 0.0] * (ROWS // 5),
        }
    )
    table.loc[7, "start"] = "31.02.2022"
    return table


def lines(table: pd.DataFrame) -> bytes:
    given = ("project_slip_days",)
    rows = []
    for row in table.to_dict("records"):
        known = {name: value for name, value in row.items() if not pd.isna(value)}
        history = {name: known.pop(name) for name in given if name in known}
        rows.append(json.dumps(known | ({"history": history} if history else {}), ensure_ascii=False))
    return "\n\n".join(rows).encode()


def stream(table: pd.DataFrame) -> bytes:
    found, sink = pa.Table.from_pandas(table), io.BytesIO()
    with pa.ipc.new_stream(sink, found.schema) as writer:
        writer.write_table(found, max_chunksize=9)
    return sink.getvalue()


def parquet(table: pd.DataFrame) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(table), sink, row_group_size=6)
    return sink.getvalue()


FORMS = {
    CSV: lambda table: ("\ufeff" + table.to_csv(index=False, lineterminator="\r\n")).encode(),
    LINES: lines,
    ARROW: stream,
    PARQUET: parquet,
}
READERS = {
    CSV: lambda raw: list(csv.DictReader(io.StringIO(raw.decode(), newline=""))),
    LINES: lambda raw: [json.loads(line) for line in raw.splitlines()],
    ARROW: lambda raw: pa.ipc.open_stream(raw).read_all().to_pylist(),
    PARQUET: lambda raw: pq.read_table(io.BytesIO(raw)).to_pylist(),
}


def created(site: BatchSite, **asked: str):
    status, headers, job = site.ask("POST", "/batch", asked)
    assert (status, headers["Location"], job["state"]) == (201, f"/batch/{job['id']}", "waiting")
    return job


def shown(site: BatchSite, job) -> dict:
    status, _, found = site.ask("GET", f"/batch/{job['id']}")
    assert status == 200
    return found


@pytest.mark.parametrize("kind", FORMS)
def test_a_file_is_answered_as_a_request_is(small, schedule, kind, load_app, tmp_path):
    raw = FORMS[kind](schedule)
    job = created(small, content_type=kind)
    # Little time is left after each chunk but the first: one invocation writes a part or two.
    small.left_ms = [900_000, 1_000] * ROWS
    invocations = small.run(small.upload(job, raw))
    found = shown(small, job)
    rows = READERS[kind](small.result(found))
    predict = load_app("predict.app", **environment(tmp_path))
    asked = call(predict, "POST", "/predictions", raw=lines(schedule).decode(), headers={"Content-Type": LINES})
    expected = [json.loads(line) for line in asked.text.splitlines()]

    assert (found["state"], found["rows"], found["refused"], found["progress"]) == ("succeeded", ROWS, 1, 1.0)
    assert invocations > 1
    assert len(rows) == ROWS
    for number, (row, wanted) in enumerate(zip(rows, expected, strict=True)):
        if number == 7:
            assert "31.02.2022" in str(row.get("error") or row.get("errors"))
            continue
        assert float(row["probability"]) == pytest.approx(wanted["probability"], abs=1e-12)
        assert (row["prediction_id"], row["activity_id"]) == (f"{job['id']}:{number}", wanted["activity_id"])
        assert str(row["data_date"]) == wanted["data_date"]
    assert found["result"]["bytes"] == len(small.result(found))
    # The result is all that is left, and the log has each prediction once.
    assert small.stored() == [f"batch/{job['id']}/result.{small.store.KINDS[kind]}"]
    assert small.uploads() == []
    logged = [row for key in small.stored("prediction-log/") for row in logged_in(small, key)]
    assert sorted(row["prediction_id"] for row in logged) == sorted(
        f"{job['id']}:{number}" for number in range(ROWS) if number != 7
    )
    assert {row["source"] for row in logged} == {"job"}


def logged_in(site: BatchSite, key: str) -> list[dict]:
    raw = site.s3.get_object(Bucket="data", Key=key)["Body"].read()
    rows, bad = prediction_log.parse(raw)
    assert bad == 0
    assert len(rows) == len(gzip.decompress(raw).splitlines())
    return rows


@pytest.mark.parametrize("accept", [CSV, PARQUET])
def test_an_object_of_the_bucket_is_answered_in_another_form_and_stays(small, schedule, accept):
    small.s3.put_object(Bucket="data", Key="batch-input/portfolio 2025/all.ndjson", Body=lines(schedule))
    asked = {"content_type": LINES, "accept": accept, "key": "batch-input/portfolio 2025/all.ndjson"}
    status, _, job = small.ask("POST", "/batch", asked)
    assert (status, job["state"], job["upload"]) == (201, "running", None)
    # The event of the object itself is for no job.
    small.app.handler(small.event("batch-input/portfolio 2025/all.ndjson"), small.context())
    (event,) = small.invoked
    small.invoked.clear()
    small.run(event)

    assert len(READERS[accept](small.result(shown(small, job)))) == ROWS
    assert "batch-input/portfolio 2025/all.ndjson" in small.stored()


@pytest.mark.parametrize("accept", [CSV, PARQUET])
@pytest.mark.parametrize("call_of_s3", ["upload_part", "complete_multipart_upload", "copy_object", "delete_object"])
def test_a_job_whose_invocation_breaks_goes_on_where_it_was(small, schedule, call_of_s3, accept, monkeypatch):
    event = small.upload(job := created(small, content_type=CSV, accept=accept), FORMS[CSV](schedule))
    client = small.store.storage.client()
    original, broken = getattr(client, call_of_s3), []

    def breaks(**given):
        found = original(**given)
        if not broken:
            broken.append(given)
            # What was asked for is done, but nobody hears of it.
            raise ConnectionError("the invocation ends here")
        return found

    monkeypatch.setattr(client, call_of_s3, breaks)
    with pytest.raises(ConnectionError):
        small.run(event)
    # Lambda hands the same event over again.
    small.run(event)

    found = shown(small, job)
    assert (found["state"], found["rows"]) == ("succeeded", ROWS)
    assert [row["activity_id"] for row in READERS[accept](small.result(found)) if row["probability"]] == [
        name for name in schedule["activity_id"] if name != "A0007"
    ]
    assert small.stored() == [f"batch/{job['id']}/result.{small.store.KINDS[accept]}"]
    assert small.uploads() == []


def test_a_job_that_never_gets_further_fails_and_leaves_nothing(small, schedule, monkeypatch):
    event = small.upload(job := created(small, content_type=CSV), FORMS[CSV](schedule))

    def killed(*_, **__):
        raise MemoryError

    monkeypatch.setattr(small.work.predictions, "score", killed)
    for _ in range(2):
        with pytest.raises(MemoryError):
            small.run(event)
    small.run(event)

    found = shown(small, job)
    assert found["state"] == "failed"
    assert "smaller batches" in found["why"]
    assert (small.stored(), small.uploads(), found["result"]) == ([], [], None)


WRONG = {
    "no table": (CSV, b"hello\nworld\n", "names no field of an activity"),
    "a row too short": (CSV, b"activity_id,start\n" + b"A,2025-01-01\n" * 9 + b"B\n", "1 cells"),
    "Latin-1": (CSV, "activity_id,start\nGrüße,2025-01-01\n".encode("latin-1"), "UTF-8"),
    "no JSON": (LINES, b'{"activity_id": "A", "start": "2025-01-01"}\n{"activity_id": \n', "not JSON"),
    "no row": (CSV, b"activity_id,start\n", "no activity"),
    "no Parquet": (PARQUET, b"PAR1 and nothing else", "not a Parquet file"),
    "half a stream": (ARROW, b"\xff\xff\xff\xff\x10\x00\x00\x00abc", "not an Arrow IPC stream"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_file_that_cannot_be_read_fails_with_the_reason_and_leaves_nothing(small, case):
    kind, raw, reason = WRONG[case]
    small.run(small.upload(job := created(small, content_type=kind), raw))

    found = shown(small, job)
    assert found["state"] == "failed"
    assert reason in found["why"]
    assert (small.stored(), small.uploads()) == ([], [])
    assert small.stored("prediction-log/") == []


@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_job_that_is_cancelled_leaves_nothing(small, schedule, after, monkeypatch):
    event = small.upload(job := created(small, content_type=CSV), FORMS[CSV](schedule))
    score, scored = small.work.predictions.score, []

    def cancelled(*given, **named):
        if len(scored) == after:
            assert small.ask("DELETE", f"/batch/{job['id']}")[0] == 204
        scored.append(given)
        return score(*given, **named)

    monkeypatch.setattr(small.work.predictions, "score", cancelled)
    small.run(event)

    assert len(scored) == after + 1
    assert (small.stored(), small.uploads(), small.stored("prediction-log/")) == ([], [], [])
    assert shown(small, job)["state"] == "cancelled"


def test_an_upload_that_comes_after_the_job_was_cancelled_is_deleted(site, schedule):
    job = created(site, content_type=CSV)
    assert site.ask("DELETE", f"/batch/{job['id']}")[0] == 204
    site.run(site.upload(job, FORMS[CSV](schedule)))

    assert site.stored() == []


def test_a_finished_job_is_deleted_with_its_result_and_belongs_to_its_caller(site, schedule):
    event = site.upload(job := created(site, content_type=CSV), FORMS[CSV](schedule))
    assert site.run(event) == 1
    path = f"/batch/{job['id']}"
    # S3 may announce an object twice.
    site.run(event)

    assert site.ask("GET", path, key="key-2")[0] == site.ask("DELETE", path, key="key-2")[0] == 404
    assert site.ask("DELETE", path)[0] == 204
    assert site.ask("GET", path)[0] == 404
    assert site.stored() == []


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        ("{", 400, "not JSON"),
        ({}, 422, "content_type"),
        ({"content_type": "application/json"}, 422, "content_type"),
        ({"content_type": CSV, "key": "models/m/model.json"}, 422, "key"),
        ({"content_type": CSV, "key": "batch-input/absent.csv"}, 422, "no such object"),
        ({"content_type": CSV, "keys": "batch-input/x"}, 422, "keys"),
    ],
)
def test_a_job_that_cannot_begin_is_a_problem(site, asked, status, said):
    found, headers, problem = site.ask("POST", "/batch", asked)

    assert (found, headers["Content-Type"], problem["status"]) == (status, "application/problem+json", status)
    assert said in problem["detail"]


def test_without_a_model_nothing_is_uploaded(site):
    site.live = None

    status, headers, _ = site.ask("POST", "/batch", {"content_type": CSV})
    assert (status, headers["Retry-After"]) == (503, "30")


def test_the_command_predicts_a_large_schedule_by_a_job(small, schedule, monkeypatch):
    from slipcast_cli import predict as command
    from slipcast_cli.api import Answer

    class Api:
        """The API; what is uploaded is announced before anybody asks for the job again."""

        def ask(self, method, path, document=None):
            if method == "GET" and not small.ran:
                small.ran = small.run(small.event(f"batch-input/{path.rpartition('/')[2]}"))
            status, _, body = small.ask(method, path, document)
            return Answer(status, body)

        def post(self, path, document):
            return self.ask("POST", path, document)

    def request(method, url, *, fields=None, preload_content=True):
        if method == "POST":
            name, raw = fields.pop("file")
            sent = requests.post(url, data=fields, files={"file": (name, raw)}, timeout=10)
            return SimpleNamespace(status=sent.status_code, data=sent.content)
        assert not preload_content
        return io.BytesIO(requests.get(url, timeout=10).content)

    small.ran = 0
    monkeypatch.setattr(command, "LARGE", ROWS - 1)
    monkeypatch.setattr(command, "POLL_SECONDS", 0.0)
    # moto stands between requests and the network, not between urllib3 and it.
    monkeypatch.setattr(command.urllib3, "request", request)
    rows = schedule.astype(object).where(schedule.notna(), None).to_dict("records")
    rows[7]["start"] = None
    asked: list[int] = []
    found = list(command.predict(Api(), rows, asked.append))

    assert [row["activity_id"] for row in found] == schedule["activity_id"].tolist()
    assert [row["probability"] is None for row in found] == [number == 7 for number in range(ROWS)]
    assert "start" in found[7]["error"]
    assert {row["model_version"] for row in found if row["probability"]} == {"4"}
    assert all(row["stage"] for row in found if row["probability"])
    assert sum(asked) == ROWS
    assert small.stored() == []
