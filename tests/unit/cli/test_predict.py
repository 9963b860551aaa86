"""Predictions for a file, asked of the API."""

import csv
import io
import json
import threading
from datetime import date
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from slipcast_cli import predict
from slipcast_cli.api import Answer, Api
from slipcast_cli.stack import DeployedStack, StackError

ROWS = [
    {"activity_id": f"A{number}", "project_id": "P", "activity_name": "=1+1", "status": "in_progress"}
    | {
        "data_date": date(2025, 6, 30),
        "start": date(2025, 3, 3),
        "baseline_finish": date(2025, 9, 30),
        "budget": None,
        "percent_complete": 40.0,
    }
    for number in range(3)
]


FORECAST = {
    **{"data_date": "2025-06-30", "stage": "in_progress", "days_late": 0, "probability_late": 0.25},
    **{"expected_days_late": 4.5, "p10": "2025-08-01", "p50": "2025-09-01", "p80": "2025-10-01", "p90": "2025-11-01"},
}


class Service:
    """An API that answers what it is told, and remembers what it was asked."""

    def __init__(self, *answers: Answer) -> None:
        self.answers, self.asked = list(answers), []

    def post(self, path, document):
        self.asked.append((path, document))
        if path == "/forecasts":
            return Answer(
                200, {"forecasts": [FORECAST | {"activity_id": one["activity_id"]} for one in document["activities"]]}
            )
        return self.answers.pop(0)


def answer(*probabilities, errors=()):
    predictions = [
        None if p is None else {"probability": p, "at_risk": p > 0.3, "threshold": 0.3} for p in probabilities
    ]
    return Answer(200, {"model": {"version": "7"}, "predictions": predictions, "errors": list(errors)})


def table(service, rows=ROWS):
    sink, asked = io.StringIO(), []
    failed = predict.write(predict.predict(service, rows, asked.append), sink)
    return list(csv.DictReader(io.StringIO(sink.getvalue()))), failed, asked


def test_an_activity_is_asked_about_by_what_is_known_when_it_starts():
    service = Service(answer(0.2, 0.4, 0.6))
    table(service)

    path, document = service.asked[0]
    assert path == "/predictions"
    # Neither what is missing nor progress.
    assert document["activities"][0].keys() == {
        "activity_id",
        "project_id",
        "activity_name",
        "start",
        "baseline_finish",
        "status",
        "data_date",
    }
    assert document["activities"][0]["start"] == "2025-03-03"
    assert service.asked[1] == ("/forecasts", document)
    json.dumps(document)


def test_each_activity_is_a_row_in_its_order_and_no_cell_a_formula():
    rows, failed, asked = table(Service(answer(0.2, 0.4, 0.6)))

    assert [row["activity_id"] for row in rows] == ["A0", "A1", "A2"]
    assert [row["probability"] for row in rows] == ["0.2", "0.4", "0.6"]
    assert rows[1]["at_risk"] == "True"
    assert rows[0]["model_version"] == "7"
    assert {name: rows[0][name] for name in FORECAST} == {name: str(value) for name, value in FORECAST.items()}
    assert not rows[0]["activity_name"].startswith("=")
    assert (failed, asked) == (0, [3])


def test_a_wrong_activity_keeps_its_place_and_says_why():
    wrong = {"index": 1, "field": "activities.1.start", "type": "date_format", "message": "write the day"}
    rows, failed, _ = table(Service(answer(0.2, None, 0.6, errors=[wrong])))

    assert failed == 1
    assert (rows[1]["probability"], rows[1]["error"]) == ("", "start: write the day")
    assert (rows[2]["probability"], rows[2]["error"]) == ("0.6", "")


def test_a_batch_of_wrong_activities_does_not_end_the_file(monkeypatch):
    wrong = [{"index": n, "field": f"activities.{n}.start", "type": "t", "message": "m"} for n in range(2)]
    monkeypatch.setattr(predict, "BATCH", 2)
    service = Service(Answer(422, {"detail": "no activity can be scored", "errors": wrong}), answer(0.6))
    rows, failed, _ = table(service)

    assert failed == 2
    assert [row["error"] for row in rows] == ["start: m", "start: m", ""]


def test_a_long_file_is_asked_about_in_batches(monkeypatch):
    monkeypatch.setattr(predict, "BATCH", 2)
    service = Service(answer(0.1, 0.2), answer(0.3))
    rows, _, asked = table(service)

    assert [row["probability"] for row in rows] == ["0.1", "0.2", "0.3"]
    assert asked == [2, 1]


@pytest.mark.parametrize(
    ("status", "remedy"), [(0, "check the network"), (403, "API key"), (429, "wait a minute"), (503, "slipcast drop")]
)
def test_what_the_api_refuses_is_said_with_a_remedy(status, remedy):
    with pytest.raises(predict.PredictionError, match=f"activities 1 to 3: .*{remedy}"):
        table(Service(Answer(status, {"detail": "no"})))


def test_an_unknown_profile_is_named_with_those_that_there_are(tmp_path):
    with pytest.raises(ValueError, match=r"neither a file nor one of .*p6_xer"):
        predict.profile_of("p7")


def test_open_activities_of_a_file_are_those_that_are_not_complete(tmp_path):
    path = tmp_path / "hall_2025-06-30.csv"
    path.write_text(
        "activity_id,status,start,baseline_finish,actual_finish\n"
        "A1,complete,2025-01-01,2025-02-01,2025-02-03\nA2,in_progress,2025-05-01,2025-08-01,\n"
    )
    with predict.workdir() as folder:
        schedule, rows = predict.open_activities(path, None, Path(folder))

    assert schedule.counts["read"] == 2
    assert [row["activity_id"] for row in rows] == ["A2"]


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append((self.path, dict(self.headers), body))
        status, raw = self.server.reply
        self.send_response(status)
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.seen, server.reply = [], (200, b'{"ok": true}')
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def stack(server, auth: str) -> DeployedStack:
    outputs = {"ApiUrl": f"http://127.0.0.1:{server.server_port}/v1", "ApiKeyId": "k1"}
    return DeployedStack("s", "CREATE_COMPLETE", outputs, {"ApiAuth": auth})


def test_a_token_is_sent_as_it_is(server, aws_environment, monkeypatch):
    monkeypatch.setenv("SLIPCAST_TOKEN", "ey.token")

    assert Api(stack(server, "jwt")).post("/predictions", {"a": 1}) == Answer(200, {"ok": True})
    path, headers, body = server.seen[0]
    assert (path, body, headers["Authorization"]) == ("/v1/predictions", {"a": 1}, "ey.token")


def test_without_a_token_the_remedy_is_said(server, aws_environment, monkeypatch):
    monkeypatch.delenv("SLIPCAST_TOKEN", raising=False)

    with pytest.raises(StackError, match="SLIPCAST_TOKEN is not set"):
        Api(stack(server, "jwt"))


def test_with_iam_the_request_is_signed_for_the_api(server, aws_environment):
    Api(stack(server, "iam")).post("/predictions", {"a": 1})

    authorization = server.seen[0][1]["Authorization"]
    assert authorization.startswith("AWS4-HMAC-SHA256 Credential=testing/")
    assert "/us-east-1/execute-api/aws4_request" in authorization


def test_a_refusal_is_an_answer_and_no_exception(server, aws_environment, monkeypatch):
    monkeypatch.setenv("SLIPCAST_TOKEN", "t")
    server.reply = (403, b"<html>no</html>")

    assert Api(stack(server, "jwt")).post("/x", {}) == Answer(403, "<html>no</html>")
