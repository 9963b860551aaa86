"""MLflow in an environment of its own, without Slipcast: loads a model, evaluates it, serves it."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import mlflow
import pandas as pd

folder, work = Path(sys.argv[1]), Path(tempfile.mkdtemp())
golden = json.loads((folder / "golden.json").read_text())
release = json.loads((folder / "release.json").read_text())
rows = pd.DataFrame(
    [
        {name: value for name, value in item.items() if name != "history"} | item["history"]
        for item in golden["activities"]
    ]
)


def near(found):
    """Return whether these are the known answers."""
    return max(abs(a - b) for a, b in zip(found, golden["scores"], strict=True)) <= 1e-9


model = mlflow.pyfunc.load_model(str(folder))
assert near(model.predict(rows)["probability"].tolist())
mlflow.set_tracking_uri(f"sqlite:///{work / 'mlflow.db'}")
truth = [float(score >= 0.4) for score in golden["scores"]]
# MLflow's evaluator does not know pandas' type of text.
labelled = rows.astype(dict.fromkeys(rows.select_dtypes(exclude="number"), object)).assign(is_late=truth)


def evaluated(judged, kind, targets, **options):
    """Return MLflow's measures of a model."""
    return mlflow.models.evaluate(
        judged,
        labelled.assign(is_late=targets),
        targets="is_late",
        **options,
        model_type=kind,
        evaluator_config={"log_explainer": False},
    )


# MLflow's evaluator of classifiers takes an answer of one column, whatever `predictions` says.
at_risk = [score >= release["threshold"] for score in golden["scores"]]
result = evaluated(lambda asked: model.predict(asked)["at_risk"], "classifier", [bool(late) for late in truth])
right = sum(risk == bool(late) for risk, late in zip(at_risk, truth, strict=True)) / len(truth)
assert abs(result.metrics["accuracy_score"] - right) <= 1e-9, (result.metrics, right)
assert {"precision_score", "recall_score", "f1_score"} <= result.metrics.keys(), result.metrics
figures = {name: round(result.metrics[name], 3) for name in ("accuracy_score", "f1_score")}
# The mean squared error of a probability is its Brier score.
result = evaluated(str(folder), "regressor", truth, predictions="probability")
brier = sum((score - late) ** 2 for score, late in zip(golden["scores"], truth, strict=True)) / len(truth)
assert abs(result.metrics["mean_squared_error"] - brier) <= 1e-9, (result.metrics, brier)

with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
command = [sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local", "--model-uri", str(folder)]
server = subprocess.Popen(
    [*command, "--host", "127.0.0.1", "--port", str(port)],
    stdout=(work / "log").open("w"),
    stderr=subprocess.STDOUT,
    cwd=work,
    env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    start_new_session=True,
)


def ask(path, body=None):
    """Return status and body of an answer."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


try:
    deadline = time.monotonic() + 300
    while True:
        try:
            if ask("/ping")[0] == 200:
                break
        except OSError:
            assert time.monotonic() < deadline and server.poll() is None, (work / "log").read_text()[-3000:]
            time.sleep(0.2)
    sent = rows.astype(object).where(rows.notna(), None).to_dict("split")
    body = {"dataframe_split": {"columns": sent["columns"], "data": sent["data"]}}
    status, raw = ask("/invocations", json.dumps(body).encode())
    assert status == 200, raw
    assert near([item["probability"] for item in json.loads(raw)["predictions"]])
    status, raw = ask("/invocations", (folder / "serving_input_example.json").read_bytes())
    assert status == 200 and len(json.loads(raw)["predictions"]) == 1, raw
    status, raw = ask("/invocations", b'{"dataframe_records": [{"start": "yesterday"}]}')
    assert status == 400 and b"start[0]" in raw, (status, raw)
finally:
    os.killpg(server.pid, 15)
    server.wait(30)
print(f"{len(rows)} golden answers by MLflow {mlflow.__version__}: loaded, served, evaluated: {figures}, {brier:.3f}")
