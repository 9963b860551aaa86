"""From a dropped file to a prediction, and from an alarm to a second version. The tests build on each other."""

import csv
import hashlib
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from local.demo import NEWER, OLDER, PLAYED_YEARS, read_example, requests
from local.watch import Stack, until
from slipcast.features.point_in_time import HISTORY
from slipcast.features.point_in_time_table import history_table
from support.families import search_all_families, search_only
from support.schedules import example

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def story() -> dict:
    """What earlier tests of this module found out."""
    return {}


def drop(stack: Stack, name: str) -> dict:
    before = stack.executions()
    stack.drop(name, (EXAMPLES / name).read_bytes())
    return stack.finish(stack.new_execution(before))


def test_before_the_first_release_the_api_says_so(stack, story, cloud):
    story["early"] = cloud.client("sqs").send_message(
        QueueUrl=stack.env["SLIPCAST_UPDATES_QUEUE"],
        MessageBody=json.dumps(requests(read_example(OLDER).head(1))[0]),
        MessageGroupId="early",
        MessageDeduplicationId="early",
    )["MessageId"]
    status, problem, headers = stack.ask("/predictions", {"activities": requests(read_example(OLDER).head(1))})

    assert status == 503
    assert "no model" in json.dumps(problem).lower()
    assert "Retry-After" in headers


def test_a_dropped_file_becomes_a_live_model(stack, story, families):
    outcome = drop(stack, OLDER)

    assert outcome["status"] == "SUCCEEDED", outcome
    assert outcome["output"]["outcome"] == "released", outcome["output"]
    assert stack.live_version() == outcome["output"]["version"]
    story["first"] = outcome


def test_the_same_event_again_starts_nothing(stack, story, cloud):
    before = stack.executions()
    source = json.loads(story["first"]["input"])["source"]
    head = stack.s3.head_object(Bucket=source["bucket"], Key=source["key"])
    rule_event = {
        "detail-type": "Object Created",
        "detail": {
            "bucket": {"name": source["bucket"]},
            "object": story_object(source, head),
        },
    }
    answer = stack.lambdas.invoke(FunctionName=stack.env["SLIPCAST_TRIGGER_FUNCTION"], Payload=json.dumps(rule_event))
    again = stack.lambdas.invoke(FunctionName=stack.env["SLIPCAST_TRIGGER_FUNCTION"], Payload=json.dumps(rule_event))

    outcomes = [json.loads(item["Payload"].read())["outcomes"] for item in (answer, again)]
    assert outcomes[1] == ["duplicate"]
    started = stack.executions().keys() - before.keys()
    assert len(started) == outcomes[0].count("started")
    for arn in started:
        assert stack.finish(arn)["output"]["outcome"] == "ingested"


def test_an_event_that_was_set_aside_is_sent_again_to_where_it_was_going(stack, story, cloud):
    source = json.loads(story["first"]["input"])["source"]
    head = stack.s3.head_object(Bucket=source["bucket"], Key=source["key"])
    # As Lambda sets it aside: nothing says for which function it was.
    rule_event = {
        **{"version": "0", "id": "e1", "source": "aws.s3", "account": "000000000000", "region": "us-east-1"},
        **{"time": "2026-01-05T07:30:12Z", "resources": [f"arn:aws:s3:::{source['bucket']}"]},
        **{"detail-type": "Object Created"},
        "detail": {"bucket": {"name": source["bucket"]}, "object": story_object(source, head)},
    }
    queue = stack.env["SLIPCAST_DEAD_LETTERS"]
    sent = cloud.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(rule_event))["MessageId"]
    events = ("--only", "events")
    before = stack.executions()

    listed = stack.run("dead-letters", *events)
    block = listed[listed.index(f"event {sent}") :]
    assert f"to      {stack.env['SLIPCAST_TRIGGER_FUNCTION']}\n" in block
    assert "sent again" in stack.run("redrive", *events)

    assert sent not in stack.run("dead-letters", *events)
    # The trigger has known this upload before.
    assert stack.executions() == before


def story_object(source: dict, head: dict) -> dict:
    return {"key": source["key"], "version-id": head.get("VersionId", ""), "etag": head["ETag"].strip('"')}


def test_a_prediction_carries_the_released_version(stack, story):
    activities = requests(read_example(OLDER).head(7))
    answer = stack.predict(activities)

    assert answer["model"]["version"] == story["first"]["output"]["version"]
    assert [item["activity_id"] for item in answer["predictions"]] == [item["activity_id"] for item in activities]
    assert all(0 < item["probability"] < 1 for item in answer["predictions"])
    assert all(item["at_risk"] == (item["probability"] >= item["threshold"]) for item in answer["predictions"])
    assert answer["request_id"]


@pytest.mark.parametrize(
    ("change", "field"),
    [({"start": None}, "start"), ({"budget": "a lot"}, "budget"), ({"start": "31/12/2021"}, "start")],
)
def test_a_wrong_field_is_named(stack, change, field):
    activity = requests(read_example(OLDER).head(1))[0] | change

    status, problem, _ = stack.ask("/predictions", {"activities": [activity]})

    assert status in (400, 422)
    assert field in json.dumps(problem)


def test_a_broken_body_and_a_missing_key_are_refused(stack):
    assert stack.ask("/predictions", raw=b"{")[0] in (400, 422)
    assert stack.ask("/predictions", {"activities": []})[0] in (400, 422)
    assert stack.ask("/model", key=False)[0] == 403


def test_model_health_and_openapi_answer(stack, story):
    status, model, _ = stack.ask("/model")
    assert status == 200
    assert model["version"] == story["first"]["output"]["version"]
    assert model["metrics"]["auc"] > 0.5
    assert model["trained_at"]
    assert model["dataset_id"]

    assert stack.ask("/health", key=False)[0] == 200
    status, document, _ = stack.ask("/openapi.json", key=False)
    assert status == 200
    assert "/predictions" in document["paths"]


def test_mlflow_has_the_runs_the_model_and_the_alias(stack, story, families, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", stack.env["MLFLOW_TRACKING_URI"])
    mlflow.set_tracking_uri(stack.env["MLFLOW_TRACKING_URI"])
    client = MlflowClient()
    version = client.get_model_version_by_alias("slipcast", "champion")

    assert version.tags["lambda_version"] == story["first"]["output"]["version"]
    assert version.tags["execution"] == story["first"]["name"]
    experiment = client.get_experiment_by_name(stack.env["SLIPCAST_STACK"])
    runs = client.search_runs([experiment.experiment_id])
    parents = [run for run in runs if "execution" in run.data.tags]
    children = [run for run in runs if run.data.tags.get("execution_of") == story["first"]["name"]]
    assert len(parents) == 1
    assert {run.data.tags["family"] for run in children} == families
    assert parents[0].inputs.dataset_inputs[0].dataset.digest == version.tags["dataset_id"]
    assert parents[0].data.metrics["auc"] > 0.5
    assert stack.keys("tracking/pending/") == []


def test_what_is_open_in_the_file_is_scored_by_the_new_model(stack, story):
    version = story["first"]["output"]["version"]
    summary = until(
        lambda: next(
            (
                stack.document(key)
                for key in stack.keys("predictions/nyc_sca/")
                if key.endswith(".json") and stack.document(key)["model_version"] == version
            ),
            None,
        ),
        seconds=300,
        what="predictions by the new model",
    )
    raw = stack.s3.get_object(Bucket=stack.bucket, Key="predictions/nyc_sca/2022-12-31.csv")["Body"].read().decode()
    rows = list(csv.DictReader(io.StringIO(raw)))

    assert summary["rows"] == len(rows) == int(read_example(OLDER)["actual_finish"].isna().sum())
    assert {row["model_version"] for row in rows} == {version}
    assert [float(row["probability"]) for row in rows] == sorted(
        (float(row["probability"]) for row in rows), reverse=True
    )
    story["scored"] = rows[0]


def test_features_by_key_are_those_of_the_training_table(stack):
    table = example("nyc_sca_2022-12.csv").table
    sample = table[table["status"] == "in_progress"].head(20)
    expected = history_table(table, sample, 30)
    answer = stack.predict(requests(sample))

    logged = until(
        lambda: {row["activity_id"]: row for row in stack.prediction_log(answer["request_id"])} or None,
        seconds=300,
        what="the log of the predictions",
    )
    for (_, activity), (_, known) in zip(sample.iterrows(), expected.iterrows(), strict=True):
        features = logged[activity["activity_id"]]["features"]
        assert {name: features[name] for name in HISTORY} == {
            name: None if pd.isna(value) else value for name, value in known.items()
        }
    assert expected["project_slip_days"].notna().any()


def test_the_edge_bundle_of_the_release_scores_as_the_api_does(stack, story, tmp_path):
    version = story["first"]["output"]["version"]
    (key,) = [key for key in stack.keys(f"edge/{version}-") if key.endswith("/edge.json")]
    record = stack.document(key)
    raw = stack.s3.get_object(Bucket=stack.bucket, Key=record["bundle_uri"].removeprefix(f"s3://{stack.bucket}/"))
    with zipfile.ZipFile(io.BytesIO(raw["Body"].read())) as packed:
        packed.extractall(tmp_path)
    (folder,) = tmp_path.iterdir()

    assert record["onnx"]["published"] is True
    assert record["measured"]["rows"] == 10_000
    report = f"reports/{story['first']['name']}/report.html"
    assert record["bundle_uri"] in stack.s3.get_object(Bucket=stack.bucket, Key=report)["Body"].read().decode()
    activities = requests(read_example(OLDER).head(50))
    with (folder / "activities.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, dict.fromkeys(name for activity in activities for name in activity))
        writer.writeheader()
        writer.writerows(activities)
    command = [sys._base_executable, "-I", "-S", str(folder / "score.py"), str(folder / "activities.csv")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = [float(row["probability"]) for row in csv.DictReader(io.StringIO(done.stdout))]
    # A device has no feature store: the API knows as little if it is told that nothing is known.
    asked = stack.predict([activity | {"history": {}} for activity in activities])["predictions"]
    assert [item["probability"] for item in asked] == pytest.approx(found, abs=1e-9)


def test_the_lineage_of_a_prediction_ends_at_the_dropped_object(stack, story):
    source = json.loads(story["first"]["input"])["source"]
    first = stack.predict(requests(read_example(OLDER).head(1)))["predictions"][0]["prediction_id"]
    until(lambda: stack.prediction_log(first.rsplit(":", 1)[0]) or None, seconds=300, what="the log of the prediction")

    for prediction in (first, f"nyc_sca/2022-12-31/{story['scored']['activity_id']}"):
        found = json.loads(stack.run("lineage", "--json", prediction))

        assert found["run"]["execution"] == story["first"]["name"]
        assert found["run"]["mlflow"].startswith(stack.env["MLFLOW_TRACKING_URI"])
        (dropped,) = found["sources"]
        assert (dropped["uri"], dropped["version_id"]) == (
            f"s3://{source['bucket']}/{source['key']}",
            source["version_id"],
        )
        assert dropped["sha256"] == hashlib.sha256((EXAMPLES / OLDER).read_bytes()).hexdigest()
        assert dropped["training_rows"] == found["rows"]["rows"] > 500


def test_a_bad_file_is_refused_with_its_reason_and_kept(stack):
    before = stack.executions()
    stack.drop("broken.csv", b"activity_id,phase\n1,Design\n")
    outcome = stack.finish(stack.new_execution(before))

    assert outcome["status"] == "FAILED"
    assert outcome["error"] == "ScheduleRefused"
    assert "broken.csv" in outcome["cause"]
    assert "start" in outcome["cause"]
    folder = f"quarantine/{outcome['name']}"
    assert stack.keys(f"{folder}/") == [f"{folder}/broken.csv", f"{folder}/corrections/broken.xlsx"]


def test_what_fails_is_recorded_and_told_and_frees_the_lease(stack, cloud):
    queue = cloud.client("sqs").create_queue(QueueName="listener")["QueueUrl"]
    arn = cloud.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    stack.sns.subscribe(TopicArn=stack.env["SLIPCAST_TOPIC_ARN"], Protocol="sqs", Endpoint=arn)
    source = {"bucket": stack.bucket, "key": "incoming/never-uploaded.csv", "version_id": ""}
    started = stack.states.start_execution(
        stateMachineArn=stack.machine, name="fails", input=json.dumps({"reason": "new_data", "source": source})
    )
    outcome = stack.finish(started["executionArn"])

    assert outcome["status"] == "FAILED"
    assert outcome["error"] == "NoSuchKey"
    message = until(
        lambda: cloud.client("sqs").receive_message(QueueUrl=queue).get("Messages"), seconds=180, what="message"
    )
    assert "pipeline failed" in message[0]["Body"]
    table = stack.env["SLIPCAST_CONTROL_TABLE"]
    items = cloud.client("dynamodb").scan(TableName=table)["Items"]
    entries = [item for item in items if item.get("execution", {}).get("S") == "fails"]
    assert [item["outcome"]["S"] for item in entries] == ["failed"]
    assert not [item for item in items if item["pk"]["S"] == "LEASE"]


def test_a_newer_file_waits_for_the_alarm(stack, story):
    outcome = drop(stack, NEWER)

    assert outcome["status"] == "SUCCEEDED"
    assert outcome["output"]["outcome"] == "ingested"
    assert stack.live_version() == story["first"]["output"]["version"]


def test_drift_raises_the_alarm_and_the_alarm_releases_a_second_version(stack, story, cloud):
    table = read_example(NEWER)
    later = requests(table[table["start"].dt.year.isin(PLAYED_YEARS)].sort_values("start"))
    # Which families are searched matters to the first model; here it is a better one than the live model.
    search_only(stack, "random_forest")
    before = stack.executions()
    for begin in range(0, len(later), 200):
        stack.predict(later[begin : begin + 200])

    until(lambda: stack.alarm_state() == "ALARM" or None, seconds=600, what="alarm state ALARM")
    execution = stack.new_execution(before)
    # The tracking server goes down while the pipeline runs, and stays down.
    next(state for state in stack.states_passed(execution) if state == "Plan")
    cloud.stop_mlflow()
    outcome = stack.finish(execution)
    search_all_families(stack)

    assert json.loads(outcome["input"])["reason"] == "alarm"
    assert outcome["status"] == "SUCCEEDED", outcome
    assert outcome["output"]["outcome"] == "released", outcome["output"]
    second = outcome["output"]["version"]
    assert int(second) > int(story["first"]["output"]["version"])
    assert stack.predict(later[:1])["model"]["version"] == second
    assert stack.latest_monitoring()["conclusion"] in ("drift", "miscalibrated", "degraded", "insufficient_data")
    # Each run that came to a conclusion has its page.
    page = until(
        lambda: next((key for key in stack.keys("monitoring/") if key.endswith(".html")), None),
        seconds=300,
        what="page of a run of the monitor",
    )
    assert stack.document(page.replace(".html", ".json"))["schema"].startswith("slipcast.monitor/2")
    story["second"] = outcome


def test_what_happened_without_mlflow_is_logged_when_it_is_back(stack, story, cloud, monkeypatch):
    name = story["second"]["name"]
    waiting = stack.keys("tracking/pending/")
    assert [key.rsplit("/", 1)[-1].startswith(name) for key in waiting] == [True, True]

    cloud.start_mlflow()
    # What the schedule does every hour.
    stack.lambdas.invoke(FunctionName=stack.env["SLIPCAST_STACK"] + "-track", Payload=b"{}")

    assert stack.keys("tracking/pending/") == []
    monkeypatch.setenv("MLFLOW_TRACKING_URI", stack.env["MLFLOW_TRACKING_URI"])
    version = MlflowClient(stack.env["MLFLOW_TRACKING_URI"]).get_model_version_by_alias("slipcast", "champion")
    assert version.tags["execution"] == name
    assert version.tags["lambda_version"] == story["second"]["output"]["version"]


def test_an_update_sent_before_the_first_release_has_been_answered(stack, story, cloud):
    sqs, results = cloud.client("sqs"), stack.env["SLIPCAST_RESULTS_QUEUE"]
    (message,) = until(
        lambda: sqs.receive_message(QueueUrl=results).get("Messages"), seconds=600, what="answer to the first update"
    )
    sqs.delete_message(QueueUrl=results, ReceiptHandle=message["ReceiptHandle"])

    assert json.loads(message["Body"])["request_id"] == story["early"]


def test_the_released_model_is_as_good_as_promised(stack):
    model = stack.ask("/model")[1]

    assert model["training_cut"] == "2024-01-01"
    assert model["metrics"]["auc"] >= 0.72
    assert model["metrics"]["brier"] <= 0.20
