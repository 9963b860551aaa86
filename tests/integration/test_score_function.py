"""Open activities are scored with the live model, written as a table for people, and told."""

import csv
import gzip
import io
import json
import re
from collections import Counter
from datetime import date

import boto3
import pytest
import sklearn
from sklearn.neighbors import KNeighborsClassifier

from slipcast.datasets import versions
from slipcast.features.point_in_time_table import build_series, history_table
from slipcast.features.table import feature_table
from slipcast.forecast import batch
from slipcast.model import scorer
from slipcast.model.artifact import ArtifactError, digest
from slipcast.model.export.pipeline import export
from slipcast_aws import projects, storage
from slipcast_aws.release import versions as releases
from slipcast_aws.serving import feature_store
from support import project_site
from support.forecast_models import forecast_json, with_forecast
from support.schedules import example
from support.scoring_records import model_of_the_example
from support.serving_cases import feature_frame, late, pipeline

THRESHOLD = 0.5
REASONS = re.compile(r"[^;]+ \([+-]\d+\.\d\d\)(; [^;]+ \([+-]\d+\.\d\d\)){0,2}")
UPLOAD = {"source": "nyc_sca", "data_date": "2022-12-31", "profile": "canonical"}


@pytest.fixture(scope="module")
def trained() -> bytes:
    return model_of_the_example(THRESHOLD)


@pytest.fixture(scope="module")
def open_list(tmp_path_factory) -> bytes:
    """The example's open activities, as the prepare function lists them."""
    folder = tmp_path_factory.mktemp("open")
    (folder / "table.parquet").write_bytes(example("nyc_sca_2022-12.csv").parquet)
    versions.write_open(folder / "table.parquet", folder / "open.jsonl.gz", folder)
    return (folder / "open.jsonl.gz").read_bytes()


@pytest.fixture
def live(monkeypatch):
    """What the alias ``live`` serves: nothing until a test calls this with a model's bytes."""
    found: list[releases.LiveModel] = []
    monkeypatch.setattr(releases, "live_model", lambda function: found[-1] if found else None)

    def release(raw: bytes, version: str = "3", sha256: str | None = None) -> str:
        uri = f"s3://data/models/{version}/model.json"
        storage.write_bytes(uri, raw)
        sha256 = sha256 or digest(raw)
        names = {"model_id": "abc123", "profile_uri": "s3://data/x", "dataset_id": "0123456789abcdef"}
        found.append(releases.LiveModel(version=version, sha256=sha256, artefact_uri=uri, **names))
        return sha256

    return release


@pytest.fixture
def table(empty_store):
    return empty_store


@pytest.fixture
def score(load_app, s3, table, live, lambda_context):
    topic = boto3.client("sns").create_topic(Name="slipcast")["TopicArn"]
    sqs = boto3.client("sqs")
    queue = sqs.create_queue(QueueName="mail")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    boto3.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    names = {"DATA_BUCKET": "data", "FEATURE_TABLE": table, "PREDICT_FUNCTION": "slipcast-predict"}
    app = load_app("score", **names, TOPIC_ARN=topic, REDACT_COLUMNS="", ID_SALT="salt")

    def run(upload: dict | None = None) -> dict:
        return app.handler({"upload": upload} if upload else {}, lambda_context)

    run.queue = queue
    return run


def upload_of(raw: bytes, **other) -> dict:
    """The record of an upload whose list of open activities is `raw`; it is the last one of its source."""
    upload = UPLOAD | other
    rows = gzip.decompress(raw).count(b"\n")
    uri = f"s3://data/runs/{upload['source']}/open.jsonl.gz"
    upload["open"] = {"rows": rows, "uri": uri, "sha256": storage.write_bytes(uri, raw)} if rows else {"rows": 0}
    storage.write_json(f"s3://data/sources/{upload['source']}/latest.json", upload)
    return upload


def listed(*activities: dict) -> bytes:
    return gzip.compress(b"".join(json.dumps(activity).encode() + b"\n" for activity in activities))


def activity(name: str, **other) -> dict:
    known = {"activity_id": name, "project_id": "p", "status": "not_started", "actual_finish": None}
    return {**known, "start": "2023-01-10", "baseline_finish": "2023-06-30", **other}


def predictions(summary: dict) -> list[dict[str, str]]:
    raw = storage.read_bytes(summary["uri"], sha256=summary["sha256"])
    return list(csv.DictReader(io.StringIO(raw.decode(), newline="")))


def mail(run) -> list[dict]:
    found = boto3.client("sqs").receive_message(QueueUrl=run.queue, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(message["Body"]) for message in found]


def objects(s3) -> set[str]:
    found = s3.list_objects_v2(Bucket="data", Prefix="predictions/").get("Contents", [])
    return {item["Key"] for item in found}


def test_without_a_live_model_nothing_is_scored(score, s3, open_list):
    answer = score(upload_of(open_list))

    assert answer == {"scored": [], "why": "no model is live yet"}
    assert objects(s3) == set()
    assert mail(score) == []


def over(row: dict[str, str]) -> int:
    return (date(2022, 12, 31) - date.fromisoformat(row["baseline_finish"])).days


def test_an_uploads_open_activities_are_scored(score, s3, live, trained, open_list):
    sha256 = live(trained)

    (summary,) = score(upload_of(open_list))["scored"]

    assert objects(s3) == {"predictions/nyc_sca/2022-12-31.csv", "predictions/nyc_sca/2022-12-31.json"}
    assert storage.read_json("s3://data/predictions/nyc_sca/2022-12-31.json") == summary
    assert summary["uri"] == "s3://data/predictions/nyc_sca/2022-12-31.csv"
    assert (summary["model_version"], summary["model_id"], summary["model_sha256"]) == ("3", "abc123", sha256)
    assert (summary["source"], summary["data_date"], summary["threshold"]) == ("nyc_sca", "2022-12-31", THRESHOLD)
    rows = predictions(summary)
    assert tuple(rows[0]) == batch.COLUMNS
    assert len(rows) == summary["rows"] == example("nyc_sca_2022-12.csv").counts["in_progress"] == 346
    probabilities = [float(row["probability"]) for row in rows]
    assert probabilities == sorted(probabilities, reverse=True)
    late = [over(row) >= 30 for row in rows]
    assert [row["stage"] == "already_late" for row in rows] == late
    assert [one == 1.0 for one in probabilities] == late
    bands = ["high" if one >= THRESHOLD else "medium" if one >= THRESHOLD / 2 else "low" for one in probabilities]
    bands = ["late" if already else band for already, band in zip(late, bands, strict=True)]
    assert [row["risk_band"] for row in rows] == bands
    assert [row["at_risk"] for row in rows] == ["yes" if band in ("late", "high") else "no" for band in bands]
    assert summary["bands"] == {"low": 0, "medium": 0, "high": 0} | Counter(bands)
    assert [int(row["days_late"]) for row in rows] == [max(over(row), 0) for row in rows]
    # This release has no forecast.
    assert {row["p80"] for row in rows} == {""}
    assert min(summary["bands"].values()) > 0
    assert {(row["model_version"], row["model_id"]) for row in rows} == {("3", "abc123")}
    given = {row["activity_id"]: row for row in map(json.loads, gzip.decompress(open_list).splitlines())}
    assert {row["activity_id"] for row in rows} == given.keys()
    for row in rows:
        for name in ("project_id", "activity_name", "status", "start", "baseline_finish"):
            assert row[name] == given[row["activity_id"]][name]


def test_a_live_model_that_cannot_be_read_stops_nothing_and_says_so(score, s3, live, trained, open_list):
    frame = feature_frame(200, 0)
    nearest = pipeline("logistic_regression", estimator=KNeighborsClassifier()).fit(frame, late(frame, 0))
    raw = export(nearest, family="k_nearest_neighbours", threshold=THRESHOLD, metadata={})
    old = raw.replace(f'"scikit_learn":"{sklearn.__version__}"'.encode(), b'"scikit_learn":"1.6.1"')
    assert old != raw
    live(old)

    answer = score(upload_of(open_list))

    assert answer["scored"] == []
    assert "version 3, cannot be read here: scikit-learn 1.6.1 made the model" in answer["why"]
    assert objects(s3) == set()
    (message,) = mail(score)
    assert message["Subject"] == "Slipcast: open activities were not scored"
    assert "nyc_sca" in message["Message"]
    # What the next release does.
    live(trained)
    assert [summary["source"] for summary in score()["scored"]] == ["nyc_sca"]


def test_a_file_that_was_dropped_before_the_last_one_of_its_day_is_not_scored(score, s3, live, trained, open_list):
    live(trained)
    earlier = upload_of(open_list, dropped="2025-01-01T10:00:00Z 0A")
    later = upload_of(listed(activity("Z")), dropped="2025-01-01T10:00:00Z 0B")

    assert score(earlier)["scored"] == []
    assert objects(s3) == set()
    assert [summary["rows"] for summary in score(later)["scored"]] == [1]


def test_reasons_are_given_in_the_words_of_the_schedule(score, live, trained, open_list):
    live(trained)
    own = {"budget": "Project Budget", "location": "Project Geographic District", "phase": "Project Phase Name"}

    plain = predictions(score(upload_of(open_list))["scored"][0])
    worded = predictions(score(upload_of(open_list, own_names=own))["scored"][0])

    late = [row["reasons"] for row in plain if row["stage"] == "already_late"]
    assert all(text.startswith("late already, ") for text in late)
    plain, worded = ([row for row in rows if row["stage"] != "already_late"] for rows in (plain, worded))
    assert all(REASONS.fullmatch(row["reasons"]) for row in plain + worded)
    assert any("Project Budget" in row["reasons"] for row in worded)
    back = {column: word for word, column in {"budget": "Project Budget", "phase": "Project Phase Name"}.items()}
    for before, after in zip(plain, worded, strict=True):
        text = after["reasons"].replace("Project Geographic District", "location")
        for column, word in back.items():
            text = text.replace(column, word)
        assert text == before["reasons"]
    assert any("project slip so far " in row["reasons"] for row in worded)


def test_many_uploads_share_the_time_for_reasons(score, live, trained, monkeypatch):
    live(trained)
    monkeypatch.setattr(batch, "EXPLAINED", 5)
    for source in ("a", "b"):
        upload_of(listed(*(activity(f"{source}{number}") for number in range(4))), source=source)

    summaries = score()["scored"]

    given = [[bool(row["reasons"]) for row in predictions(summary)] for summary in summaries]
    assert given == [[True, True, False, False]] * 2


def test_the_message_counts_the_risk_bands(score, live, trained, open_list):
    live(trained)

    (summary,) = score(upload_of(open_list))["scored"]

    (message,) = mail(score)
    bands = summary["bands"]
    assert message["Subject"] == (
        f"Slipcast: of 346 open activities {bands['late']} late already, {bands['high']} at risk"
    )
    assert message["MessageAttributes"]["outcome"]["Value"] == "scored"
    text = message["Message"]
    assert "346 open activities of nyc_sca (data date 2022-12-31) were scored with model version 3." in text
    assert f"Late already: {bands['late']}" in text
    assert f"At risk: {bands['high']}  (probability of delay 0.50 or more)" in text
    assert f"Medium: {bands['medium']}" in text
    assert f"Low: {bands['low']}" in text
    assert "s3://data/predictions/nyc_sca/2022-12-31.csv" in text


def test_scores_are_those_of_the_prediction_function(
    score, live, trained, open_list, table, load_app, tmp_path, lambda_context
):
    sha256 = live(trained)
    rows = example("nyc_sca_2022-12.csv").table
    feature_store.refresh(table, build_series(rows, 30), {})
    activities = [json.loads(line) for line in gzip.decompress(open_list).splitlines()]

    (summary,) = score(upload_of(open_list))["scored"]

    found = {row["activity_id"]: row["probability"] for row in predictions(summary)}
    path = tmp_path / "model.json"
    path.write_bytes(trained)
    predict = load_app("predict.app", MODEL_PATH=str(path), MODEL_SHA256=sha256, AWS_LAMBDA_FUNCTION_VERSION="3")
    event = {
        **{"httpMethod": "POST", "path": "/predictions", "resource": "/predictions", "isBase64Encoded": False},
        **{"headers": {"Content-Type": "application/json"}, "queryStringParameters": None},
        "multiValueHeaders": {"Content-Type": ["application/json"]},
        "requestContext": {"stage": "v1", "requestId": "request-1", "path": "/v1/predictions"},
        "body": json.dumps({"activities": activities}),
    }
    answer = json.loads(predict.handler(event, lambda_context)["body"])
    online = {item["activity_id"]: f"{item['probability']:.4f}" for item in answer["predictions"]}
    assert found == online
    # With the history that the model was trained on, and not without it.
    still_open = rows[rows["actual_finish"].isna()]
    known = feature_table(still_open.join(history_table(rows, still_open, 30))).to_dict("records")
    model = scorer.load(trained, sha256)
    ids = still_open["activity_id"]
    judged = {one: f"{value:.4f}" for one, value in zip(ids, model.score(known), strict=True)}
    late = {row["activity_id"] for row in predictions(summary) if row["stage"] == "already_late"}
    assert 0 < len(late) < len(found)
    assert found == judged | dict.fromkeys(late, "1.0000")
    blind = {one["activity_id"]: value for one, value in zip(activities, model.predict_proba(activities), strict=True)}
    assert any(found[one] != f"{value:.4f}" for one, value in blind.items() if one not in late)


def test_a_model_without_history_features_does_not_read_the_store(score, live, trained, open_list, monkeypatch):
    monkeypatch.setattr(scorer, "HISTORY", ())
    monkeypatch.setattr(feature_store, "fetch", lambda *_: pytest.fail("the store was read"))
    live(trained)

    assert score(upload_of(open_list))["scored"][0]["rows"] == 346


def test_no_cell_is_a_formula(score, live, trained):
    live(trained)
    named = {"activity_name": '=HYPERLINK("http://x","y")', "project_id": "-1+2", "status": "@SUM(A1)"}
    raw = listed(activity(' =cmd|"/c calc"!A0', **named), activity("+1", activity_name="a,\nb\r'c'"))

    rows = predictions(score(upload_of(raw))["scored"][0])

    assert {(row["activity_id"], row["activity_name"]) for row in rows} == {
        ('\' =cmd|"/c calc"!A0', '\'=HYPERLINK("http://x","y")'),
        ("'+1", "a,\nb\r'c'"),
    }
    assert {row["project_id"] for row in rows} == {"'-1+2", "p"}
    assert {row["status"] for row in rows} == {"'@SUM(A1)", "not_started"}


def test_without_an_upload_only_what_another_model_scored_is_scored(score, s3, live, trained):
    live(trained, "3")
    for source in ("a", "b"):
        upload_of(listed(activity(source)), source=source)
    upload_of(listed(), source="closed")
    assert [item["source"] for item in score()["scored"]] == ["a", "b"]
    assert score() == {"scored": []}

    upload_of(listed(activity("c1"), activity("c2")), source="c")
    assert [(item["source"], item["rows"]) for item in score()["scored"]] == [("c", 2)]
    # Another data date of a source has no predictions yet.
    upload_of(listed(activity("b2")), source="b", data_date="2023-01-31")
    assert [(item["source"], item["data_date"]) for item in score()["scored"]] == [("b", "2023-01-31")]
    assert score() == {"scored": []}

    live(trained.replace(b'"abc123"', b'"abc124"'), "4")
    answer = score()["scored"]
    assert [(item["source"], item["model_version"]) for item in answer] == [("a", "4"), ("b", "4"), ("c", "4")]
    assert score() == {"scored": []}
    assert not any("closed" in key for key in objects(s3))
    assert len(mail(score)) == 7


def test_predictions_that_are_not_noted_are_made_again(score, live, trained, monkeypatch):
    live(trained)
    upload = upload_of(listed(activity("a")))
    with monkeypatch.context() as patch:
        patch.setattr(storage, "write_json", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            score(upload)

    assert [item["source"] for item in score()["scored"]] == ["nyc_sca"]
    assert score() == {"scored": []}


def test_an_upload_is_scored_again_when_it_is_dropped_again(score, live, trained):
    live(trained)
    score(upload_of(listed(activity("a"))))

    (summary,) = score(upload_of(listed(activity("a"), activity("b"))))["scored"]

    assert {row["activity_id"] for row in predictions(summary)} == {"a", "b"}


def test_a_model_with_another_digest_is_refused(score, s3, live, trained, open_list):
    live(trained, sha256="0" * 64)

    with pytest.raises((storage.DigestMismatchError, ArtifactError)):
        score(upload_of(open_list))

    assert objects(s3) == set()
    assert mail(score) == []


def test_a_list_of_open_activities_with_another_digest_is_refused(score, s3, live, trained):
    live(trained)
    upload = upload_of(listed(activity("a")))
    storage.write_bytes(upload["open"]["uri"], listed(activity("b")))

    with pytest.raises(storage.DigestMismatchError):
        score(upload)

    assert objects(s3) == set()
    assert mail(score) == []


def logged(s3) -> dict[str, list[dict]]:
    found = s3.list_objects_v2(Bucket="data", Prefix="prediction-log/").get("Contents", [])
    raws = {item["Key"]: s3.get_object(Bucket="data", Key=item["Key"])["Body"].read() for item in found}
    return {key: [json.loads(line) for line in gzip.decompress(raw).splitlines()] for key, raw in raws.items()}


def test_every_prediction_is_in_the_log_with_the_features_that_the_model_saw(score, s3, live, trained, open_list):
    sha256 = live(trained)
    (summary,) = score(upload_of(open_list))["scored"]

    ((key, rows),) = logged(s3).items()
    model = scorer.load(trained, sha256)
    assert re.fullmatch(r"prediction-log/dt=\d{4}-\d\d-\d\d/hour=\d\d/batch-[0-9a-f]{32}\.jsonl\.gz", key)
    assert len({row["prediction_id"] for row in rows}) == len(rows) == summary["rows"]
    assert {(row["source"], row["data_date"], row["model_version"], row["model_id"]) for row in rows} == {
        ("batch", "2022-12-31", "3", "abc123")
    }
    judged = model.score([row["features"] for row in rows])
    late = [row["stage"] == "already_late" for row in rows]
    assert [row["score"] for row in rows] == [1.0 if fact else one for fact, one in zip(late, judged, strict=True)]
    written = {(row["project_id"], row["activity_id"]): row["probability"] for row in predictions(summary)}
    assert {(row["project_id"], row["activity_id"]): f"{row['score']:.4f}" for row in rows} == written


def test_a_batch_that_is_scored_again_has_the_same_ids(score, s3, live, trained, open_list):
    live(trained)
    score(upload_of(open_list))
    score(upload_of(open_list))
    ids = {row["prediction_id"] for rows in logged(s3).values() for row in rows}
    score(upload_of(open_list, data_date="2023-01-31"))

    assert len(ids) == 346
    assert len({row["prediction_id"] for rows in logged(s3).values() for row in rows}) == 2 * 346


def test_what_is_redacted_never_reaches_the_log(score, s3, live, trained, open_list, monkeypatch, capsys):
    monkeypatch.setenv("REDACT_COLUMNS", "location, activity_id")
    live(trained)
    score(upload_of(open_list))

    (rows,) = logged(s3).values()
    assert all("location" not in row["features"] for row in rows)
    assert {tuple(row["redacted"]) for row in rows} == {("location",)}
    assert all(re.fullmatch(r"[0-9a-f]{32}", row["activity_id"]) for row in rows)
    assert "district" not in capsys.readouterr().out


def test_batch_predictions_are_counted_like_those_of_the_api(score, live, trained, open_list, capsys):
    live(trained)
    (summary,) = score(upload_of(open_list))["scored"]

    (counted,) = [line for line in map(json.loads, capsys.readouterr().out.splitlines()) if "_aws" in line]
    assert (counted["Predictions"], counted["AtRisk"]) == (
        [346.0],
        [float(summary["bands"]["late"] + summary["bands"]["high"])],
    )


def test_forecasts_stand_in_the_table_and_are_kept_by_data_date_and_model(score, s3, live, trained, table):
    feature_store.refresh(table, build_series(example("nyc_sca_2022-12.csv").table, 30), {})
    raw = with_forecast(trained)
    sha256 = live(raw)
    storage.write_bytes("s3://data/models/3/forecast.json", forecast_json())
    due = activity("due", status="in_progress", start="2022-09-01", baseline_finish="2023-03-31", phase="Design")
    late = activity("late", status="in_progress", start="2021-09-01", baseline_finish="2022-03-31")

    (summary,) = score(upload_of(listed(due, late)))["scored"]

    rows = {row["activity_id"]: row for row in predictions(summary)}
    assert (rows["late"]["risk_band"], rows["late"]["stage"], rows["late"]["days_late"]) == (
        *("late", "already_late", "275"),
    )
    for row in rows.values():
        assert "2022-12-31" < row["p10"] <= row["p50"] <= row["p80"] <= row["p90"]
    assert 0 < float(rows["due"]["probability_late"]) < 1
    kept = f"s3://data/forecasts/nyc_sca/2022-12-31/{sha256[:16]}.csv.gz"
    lines = list(csv.DictReader(io.StringIO(gzip.decompress(storage.read_bytes(kept)).decode())))
    assert {line["activity_id"]: line["p80"] for line in lines} == {one: row["p80"] for one, row in rows.items()}

    other = live(raw.replace(b'"abc123"', b'"abc124"'), "4")
    storage.write_bytes("s3://data/models/4/forecast.json", forecast_json())
    score()
    found = s3.list_objects_v2(Bucket="data", Prefix="forecasts/")["Contents"]
    assert {item["Key"].rpartition("/")[2] for item in found} == {f"{one[:16]}.csv.gz" for one in (sha256, other)}


def test_the_projects_of_an_upload_are_stored_with_what_their_network_says(score, s3, live, trained):
    summary, forecast, details = scored_annex(score, live, trained)

    known = projects.summary("data", projects.index("data")["ps118_annex"]["key"])
    head = known["projects"]["ps118_annex"]
    assert head["completion"]["p80"] == forecast["completion"]["p80"] >= forecast["completion"]["cpm"]
    rows = {row["activity_id"]: row for row in predictions(summary)}
    assert details.keys() == rows.keys()
    driver = next(item for item in forecast["drivers"] if item["activity_id"] in rows)
    assert float(rows[driver["activity_id"]]["criticality"]) == driver["criticality"]
    reasons = {name: item["reasons"] for name, item in details.items()}
    assert all(bool(reasons[name]) == (row["stage"] != "already_late") for name, row in rows.items())
    assert all(REASONS.fullmatch(row["late_reasons"]) for row in rows.values() if row["late_reasons"])


def test_a_release_that_learned_from_networks_says_completion_and_activities(score, s3, live, trained):
    _, drawn, before = scored_annex(score, live, trained)
    _, said, after = scored_annex(score, live, trained, networks=True)

    today = date.fromisoformat(project_site.DAYS[-1])
    days = [(date.fromisoformat(said["completion"][name]) - today).days for name in ("p10", "p50", "p80", "p90")]
    # As `network_part` has it, but for weekends and holidays.
    assert [day / days[0] for day in days] == pytest.approx([1, 1.5, 2, 3], rel=0.05)
    assert "completion and activities learned from 77 projects" in said["reference_class"]["text"]
    assert "77" not in drawn["reference_class"]["text"]
    assert said["completion"]["cpm"] == drawn["completion"]["cpm"]
    moved = [name for name in before if before[name]["distribution"] != after[name]["distribution"]]
    assert len(moved) > len(before) / 2


def scored_annex(score, live, trained, *, networks: bool = False):
    """Score the last update of the annex; return the summary, its forecast and the details of its activities."""
    live(with_forecast(trained, networks=networks))
    storage.write_bytes("s3://data/models/3/forecast.json", forecast_json(networks=networks))
    activities, tables = project_site.read(project_site.DAYS[-1])
    still_open = listed(*(row for row in activities if row["actual_finish"] is None))
    upload = upload_of(still_open, source="ps118_annex", data_date=project_site.DAYS[-1])
    for name, raw in (("activities", listed(*activities)), ("network", gzip.compress(json.dumps(tables).encode()))):
        uri = f"s3://data/runs/annex/{name}.gz"
        upload[name] = {"uri": uri, "sha256": storage.write_bytes(uri, raw)}
    upload["activities"]["rows"] = len(activities)

    (summary,) = score(upload)["scored"]
    update = projects.summary("data", projects.index("data")["ps118_annex"]["key"])["updates"][-1]
    forecast, details = (projects.part("data", update, "ps118_annex", name) for name in ("forecast", "details"))
    return summary, forecast, details


def test_a_forecast_model_with_another_digest_is_refused(score, s3, live, trained):
    live(with_forecast(trained))
    storage.write_bytes("s3://data/models/3/forecast.json", forecast_json() + b" ")

    with pytest.raises(storage.DigestMismatchError):
        score(upload_of(listed(activity("a"))))

    assert objects(s3) == set()
