"""Every function of template.yaml does its work where there is what Lambda has, and nothing else.

One stack lives from the first file to the second release: the state machine's own definition says what each function is
handed, and each event comes as its service sends it. `make sandbox` prints the memory that each function took.
"""

import base64
import gzip
import io
import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyarrow.parquet as pq
import pytest

from lambda_sandbox import mlflow_server
from lambda_sandbox.account import PEAKS, Account, number_of
from lambda_sandbox.pipeline import Execution
from permissions.template import FUNCTIONS

ROOT = Path(__file__).resolve().parents[2]
# What is trained: a linear model, single trees and many, of the families that the project itself declares.
FAMILIES = ("prior", "logistic_regression", "decision_tree", "random_forest", "hist_gradient_boosting")
PARAMETERS = {
    **{"CanarySteps": "50", "CanaryMinRequests": "1", "CanaryMinMinutes": "0", "CanaryMaxMinutes": "0.05"},
    **{"ShadowRequests": "5", "RetrainCooldownMinutes": "0", "NonInferiorityMargin": "0.25", "DriftMinRows": "20"},
}


@pytest.fixture(scope="module")
def account(tmp_path_factory, request) -> Iterator[Account]:
    """A stack without a model."""
    folder = tmp_path_factory.mktemp("account")
    declared = json.loads((ROOT / "src" / "slipcast" / "training" / "candidates.json").read_text(encoding="utf-8"))
    with Account(folder, **PARAMETERS) as made, mlflow_server.serving(sys.executable, folder / "mlflow") as address:
        made.more["TrackFunction"] = {"MLFLOW_TRACKING_URI": address}
        chosen = [family for family in declared if family["name"] in FAMILIES]
        assert len(chosen) == len(FAMILIES)
        made.client("s3").put_object(Bucket=made.bucket, Key="config/candidates.json", Body=json.dumps(chosen).encode())
        yield made
        request.config.stash[PEAKS] = made.peaks


def sample(name: str) -> dict[str, Any]:
    """An event of events/."""
    return json.loads((ROOT / "events" / f"{name}.json").read_text(encoding="utf-8"))


def dropped(account: Account, path: Path) -> dict[str, Any]:
    """Drop a file; the event that S3 then sends through EventBridge."""
    put = account.client("s3").put_object(Bucket=account.bucket, Key=f"incoming/{path.name}", Body=path.read_bytes())
    event = sample("s3_object_created")
    event["detail"]["bucket"]["name"] = account.bucket
    event["detail"]["object"] |= {
        "key": f"incoming/{path.name}",
        "size": path.stat().st_size,
        "etag": put["ETag"].strip('"'),
        "version-id": put["VersionId"],
    }
    return event


def started(account: Account, event: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Name and input of the execution that the trigger starts for an event."""
    states = account.client("stepfunctions")

    def executions() -> dict[str, str]:
        found = states.list_executions(stateMachineArn=account.machine)["executions"]
        return {each["executionArn"]: each["name"] for each in found}

    before = executions()
    assert account.invoke("TriggerFunction", event) == {"outcomes": ["started"]}
    ((arn, name),) = executions().items() - before.items()
    return name, json.loads(states.describe_execution(executionArn=arn)["input"])


def ask(account: Account, event: dict[str, Any], version: str = "live") -> dict[str, Any]:
    """The answer of a version of the predict function to an event of API Gateway."""
    found = account.client("lambda").invoke(
        FunctionName=account.stack.name("PredictFunction"), Qualifier=version, Payload=json.dumps(event)
    )
    answer = json.loads(found["Payload"].read())
    assert "FunctionError" not in found, answer
    return answer


@pytest.fixture(scope="module")
def first(account) -> Execution:
    """The execution of the first file, whose model is released: no version serves before."""
    execution = Execution(account, *started(account, dropped(account, ROOT / "examples" / "nyc_sca_2022-12.csv")))
    execution.output = execution.run()
    execution.messages = account.messages()
    return execution


def test_before_a_release_the_api_says_that_there_is_no_model(account):
    answer = ask(account, sample("api_post_predictions"))

    assert answer["statusCode"] == 503
    assert "no model is released yet" in answer["body"]


def test_a_dropped_file_becomes_a_released_model(first):
    assert first.output["outcome"] == "released", first.output["why"]
    assert first.failures == {}
    assert {"Prepare", "RefreshFeatures", "ScoreOpen", "Plan", "Train", "Evaluate", "WriteReport"} <= set(first.path)
    assert {"PublishVersion", "VerifyVersion", "ShadowReplay", "Promote", "PublishEdge"} <= set(first.path)
    assert first.path[-4:] == ["CompleteReport", "Notify", "Notified", "Done"]


def test_what_the_functions_leave_behind_is_whole(first, account):
    name = first.context["Execution"]["Name"]
    model = first.variables["verdict"]["model"]
    evaluation = account.document(f"reports/{name}/evaluation.json")
    edge = account.document(f"edge/2-{model['model_id']}/edge.json")

    assert {item["family"] for item in evaluation["candidates"]} == {*FAMILIES}
    assert edge["onnx"]["published"], edge["onnx"]
    assert account.keys(f"edge/2-{model['model_id']}/")[-1].endswith(".zip")
    assert {f"reports/{name}/{file}" for file in ("intake.html", "report.html", "release.json")} <= {
        *account.keys(f"reports/{name}/")
    }
    assert account.keys("predictions/")
    assert account.keys("tracking/") == []
    assert [message["MessageAttributes"]["outcome"]["Value"] for message in first.messages] == [*("scored", "released")]


def test_mlflow_has_the_run_and_the_champion(first, account):
    import mlflow

    client = mlflow.MlflowClient(account.more["TrackFunction"]["MLFLOW_TRACKING_URI"])
    champion = client.get_model_version_by_alias("slipcast", "champion")

    assert champion.tags["lambda_version"] == "2"
    assert client.get_run(champion.run_id).info.status == "FINISHED"


@pytest.fixture(scope="module")
def asked(first, account) -> dict[str, dict[str, Any]]:
    """Answers of the live version to the samples of API Gateway and of the queue."""
    repeated = sample("api_post_predictions")
    for headers in (repeated["headers"], repeated["multiValueHeaders"]):
        value = "8e03978e-40d5-43dd-9d3f-1e8a9c1d7b10"
        headers["Idempotency-Key"] = [value] if headers is repeated["multiValueHeaders"] else value
    answers = {name: ask(account, sample(name)) for name in ("api_post_predictions", "api_get_model")}
    answers["explained"] = ask(account, sample("api_post_predictions_explained"))
    answers["repeated"] = [ask(account, repeated), ask(account, repeated)]
    return answers


def test_the_live_version_predicts_by_both_doors(asked):
    plain, explained = asked["api_post_predictions"], asked["explained"]
    model = json.loads(asked["api_get_model"]["body"])

    assert [plain["statusCode"], explained["statusCode"]] == [200, 200]
    assert json.loads(plain["body"])["model"]["model_id"] == model["model_id"]
    assert all(0 < item["probability"] < 1 for item in json.loads(plain["body"])["predictions"])
    assert [len(item["reasons"]) for item in json.loads(explained["body"])["predictions"]] == [3, 3]


@pytest.fixture(scope="module")
def shown(first, account) -> dict[str, dict[str, Any]]:
    """Answers to the web application: where its page is, and the projects of the dropped file."""
    event = sample("api_get_model")

    def get(function: str, path: str) -> dict[str, Any]:
        asked = event | {"path": path, "resource": path}
        return account.invoke(function, asked | {"requestContext": event["requestContext"] | {"resourcePath": path}})

    return {"page": get("DeskFunction", "/desk"), "projects": get("ProjectsFunction", "/projects")}


def test_the_web_application_and_the_projects_are_answered(shown):
    assert {name: answer["statusCode"] for name, answer in shown.items()} == {"page": 302, "projects": 200}, shown
    assert json.loads(shown["projects"]["body"])["projects"]


def test_the_live_version_reads_the_history_of_a_place_from_the_store(asked, account):
    """By the request that it signs itself, which it does with the credentials of a role alone: they have a token."""
    line = next(found for found in map(json.loads, prediction_lines(account)) if found["items"])

    assert json.loads(sample("api_post_predictions")["body"])["activities"][0]["location"] == "district 01"
    assert line["items"][0]["features"]["location_late_rate"] > 0


def test_who_repeats_a_request_gets_the_first_answer(asked):
    first, second = asked["repeated"]

    assert first["statusCode"] == 200
    assert second["body"] == first["body"]


def test_a_large_batch_is_answered_by_the_other_function(first, account):
    event = sample("api_post_predictions")
    (one, _) = json.loads(event["body"])["activities"]
    event["body"] = json.dumps({"activities": [one | {"activity_id": f"A{number}"} for number in range(900)]})
    answer = ask(account, event)

    assert answer["statusCode"] == 200
    assert len(json.loads(answer["body"])["predictions"]) == 900
    assert "PredictBatchFunction" in account.peaks


@pytest.fixture(scope="module")
def predicted(first, account) -> dict[str, Any]:
    """A batch job whose file has arrived, as its caller sees it, and its result."""
    event = sample("api_post_predictions") | {"path": "/batch", "resource": "/batch"}

    def asked(**more: Any) -> dict[str, Any]:
        answer = account.invoke("BatchFunction", event | more)
        assert answer["statusCode"] in (200, 201), answer
        return json.loads(answer["body"])

    table = "application/vnd.apache.parquet"
    job = asked(body=json.dumps({"content_type": "text/csv", "accept": table, "outputs": "forecasts"}))
    raw = b"activity_id,start,baseline_finish\n" + b"A1,2025-03-03,2025-09-30\n" * 3
    key = job["upload"]["fields"]["key"]
    put = account.client("s3").put_object(Bucket=account.bucket, Key=key, Body=raw)
    arrived = sample("s3_object_created")
    arrived["detail"]["bucket"]["name"] = account.bucket
    arrived["detail"]["object"] |= {"key": key, "size": len(raw), "version-id": put["VersionId"]}
    account.invoke("BatchFunction", arrived)
    path = {"resource": "/batch/{id}", "path": f"/batch/{job['id']}", "pathParameters": {"id": job["id"]}}
    found = asked(httpMethod="GET", body=None, **path)
    key = f"batch/{job['id']}/result.parquet"
    return found | {"raw": account.client("s3").get_object(Bucket=account.bucket, Key=key)["Body"].read()}


def test_a_file_is_predicted_by_a_job(predicted):
    rows = pq.read_table(io.BytesIO(predicted["raw"])).to_pylist()

    assert (predicted["state"], predicted["rows"], predicted["refused"]) == ("succeeded", 3, 0), predicted
    assert all(0 <= row["probability"] <= 1 and row["p80"] for row in rows)


def test_updates_of_the_queue_are_answered_or_set_aside(first, account):
    event = sample("sqs_updates")
    for record in event["Records"]:
        record["eventSourceARN"] = account.stack.attribute("UpdatesQueue", "Arn")
    answer = ask(account, event)
    sqs = account.client("sqs")

    def bodies(queue: str) -> list[dict[str, Any]]:
        url = sqs.get_queue_url(QueueName=account.stack.name(queue))["QueueUrl"]
        return [json.loads(item["Body"]) for item in sqs.receive_message(QueueUrl=url).get("Messages", [])]

    assert answer == {"batchItemFailures": []}
    assert [body["predictions"][0]["activity_id"] for body in bodies("ResultsQueue")] == ["A1"]
    assert [body["activity_id"] for body in bodies("UpdatesDeadLetterQueue")] == ["A2"]


def prediction_lines(account: Account) -> list[str]:
    """The lines that the predict function has logged of its predictions."""
    logs = "\n".join(each.log for each in account.running("PredictFunction"))
    # As the subscription's filter pattern chooses them.
    return [line for line in logs.splitlines() if re.match(r'\{.*"log": ?"prediction"', line)]


@pytest.fixture(scope="module")
def collected(asked, account) -> dict[str, Any]:
    """What collect says of the predictions that were logged, as CloudWatch Logs delivers them."""
    event = sample("logs_subscription")
    data = json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))
    lines = prediction_lines(account)
    first = data["logEvents"][0]
    now = {"timestamp": int(time.time() * 1000)}
    data["logEvents"] = [first | now | {"id": f"{number:056d}", "message": line} for number, line in enumerate(lines)]
    event["awslogs"]["data"] = base64.b64encode(gzip.compress(json.dumps(data).encode())).decode()
    return account.invoke("CollectFunction", event)


def test_logged_predictions_come_into_the_bucket_and_none_is_missing(collected, account):
    assert collected["predictions"] >= 4
    assert account.keys("prediction-log/")

    checked = account.invoke("CollectFunction", sample("scheduled_event"))

    assert checked["missing"] == 0


@pytest.fixture(scope="module")
def monitored(collected, account) -> dict[str, Any]:
    return account.invoke("MonitorFunction", sample("scheduled_event"))


def test_the_monitor_reads_the_log_and_its_page_is_drawn(monitored, account):
    assert monitored["version"] == "2"
    assert monitored["conclusion"]
    (key,) = [key for key in account.keys("monitoring/") if key.endswith(".json")]
    event = sample("s3_object_created")
    event["detail"]["bucket"]["name"] = account.bucket
    event["detail"]["object"]["key"] = key

    answer = account.invoke("ReportFunction", event)

    assert answer["report_uri"] in (None, f"s3://{account.bucket}/{key.removesuffix('json')}html")


@pytest.mark.parametrize("name", ["sns_drift_alarm", "scheduled_event", "manual_retrain"])
def test_other_requests_for_a_training_are_answered(name, first, account):
    (outcome,) = account.invoke("TriggerFunction", sample(name))["outcomes"]

    assert outcome in {"started", "coalesced", "cooldown", "duplicate"}


@pytest.fixture(scope="module")
def second(collected, account) -> Execution:
    """The execution of a newer file; a person approves of its model, who opens the link first."""
    account.stack.parameters["ApprovalRequired"] = "true"
    account.messages()
    name, given = started(account, dropped(account, ROOT / "examples" / "nyc_sca_2025-06.csv"))
    seen: dict[str, Any] = {}

    def decide(token: str) -> Any:
        (message,) = [each for each in account.messages() if "/approvals/" in each["Message"]]
        link = urlsplit(re.search(r"https?://\S+/approvals/\S+", message["Message"])[0])
        key = parse_qs(link.query)["key"][0]
        for event_name in ("api_get_approval", "api_post_approval"):
            event = sample(event_name)
            event |= {"path": f"/approvals/{name}", "pathParameters": {"id": name}}
            if event["queryStringParameters"]:
                event["queryStringParameters"] = {"key": key}
                event["multiValueQueryStringParameters"] = {"key": [key]}
            if event["body"]:
                event["body"] = re.sub(r"key=[^&]+", f"key={key}", event["body"])
            seen[event_name] = account.invoke("ApproveFunction", event)
        return account.results[token]

    execution = Execution(account, name, given, decide)
    execution.output = execution.run()
    execution.seen = seen
    return execution


def test_a_release_that_a_person_approves_is_replayed_and_weighed(second, account):
    assert [answer["statusCode"] for answer in second.seen.values()] == [200, 200]
    assert second.failures == {}
    assert second.output["outcome"] in {"released", "rolled_back"}
    assert {"AskApproval", "ConcludeApproval", "PublishVersion", "ShadowReplay"} <= set(second.path)
    record = account.document(f"reports/{second.context['Execution']['Name']}/release.json")
    assert "logged requests replayed" in record["shadow"]["why"]


def test_a_workbook_is_read_by_a_process_of_its_own(account):
    event = dropped(account, ROOT / "examples" / "exports" / "p6_manhattan_2024-12-31.xlsx")["detail"]
    source = {
        "bucket": account.bucket,
        "key": event["object"]["key"],
        "version_id": event["object"]["version-id"],
    }
    answer = account.invoke("PrepareFunction", {"execution": "workbook-1", "reason": "new_data", "source": source})

    assert answer["outcome"] in {"train", "ingested"}
    assert answer["upload"]["profile"] == "p6"


def test_every_function_ran_within_its_memory_and_wrote_to_tmp_alone(
    first, second, asked, predicted, shown, monitored, account
):
    """Last, when all the others ran."""
    too_much = {
        name: f"{peak:.0f} of {number_of(name, 'MemorySize')} MB"
        for name, peak in account.peaks.items()
        if peak > number_of(name, "MemorySize")
    }
    written = {name: paths for name, paths in account.written.items() if paths}

    assert account.peaks.keys() == FUNCTIONS.keys()
    assert too_much == {}
    assert written == {}
