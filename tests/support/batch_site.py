"""The batch function in moto: bucket, tables, a released model, and Lambda and S3 as far as they call the function."""

import io
import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import boto3
import requests

from conftest import LambdaContext
from slipcast.model.artifact import digest
from slipcast_aws.release import versions
from support.predict_api import METADATA, artifact, proxy_event

NAME = "slipcast-jobs"


class BatchSite:
    """The function and what it lives in.

    Parameters
    ----------
    load_app : fixture
    monkeypatch : fixture
    """

    def __init__(self, load_app: Callable[..., ModuleType], monkeypatch: Any) -> None:
        self.s3 = boto3.client("s3")
        self.s3.put_bucket_versioning(Bucket="data", VersioningConfiguration={"Status": "Enabled"})
        raw = artifact()
        self.s3.put_object(Bucket="data", Key="models/m/model.json", Body=raw)
        self.live: versions.LiveModel | None = versions.LiveModel(
            "4", METADATA["model_id"], digest(raw), "s3://data/models/m/model.json", "", METADATA["dataset_id"]
        )
        monkeypatch.setattr(versions, "live_model", lambda _: self.live)
        self.app = load_app(
            "predict.jobs.app",
            DATA_BUCKET="data",
            CONTROL_TABLE="control",
            PREDICT_FUNCTION="slipcast-predict",
        )
        from predict.jobs import source, store, work

        self.work, self.source, self.store = work, source, store
        self.invoked: list[dict[str, Any]] = []
        monkeypatch.setattr(work, "client", lambda: self)
        self.left_ms: list[int] = []

    def invoke(self, *, FunctionName: str, InvocationType: str, Payload: str) -> None:
        """Take down that the function asks for another invocation, as Lambda's client would."""
        assert (FunctionName, InvocationType) == (NAME, "Event")
        self.invoked.append(json.loads(Payload))

    def ask(self, method: str, path: str, body: Any = None, *, key: str = "key-1") -> tuple[int, dict[str, str], Any]:
        """Return status, headers and body of the answer to a request."""
        text = body if isinstance(body, str) or body is None else json.dumps(body)
        event = proxy_event(method, path, headers={"Content-Type": "application/json"}, body=text, key_id=key)
        if path.count("/") == 2:
            event |= {"resource": "/batch/{id}", "pathParameters": {"id": path.rpartition("/")[2]}}
        answer = json.loads(json.dumps(self.app.handler(event, self.context())))
        headers = {name: values[0] for name, values in answer["multiValueHeaders"].items()}
        return answer["statusCode"], headers, json.loads(answer["body"]) if answer["body"] else None

    def context(self) -> Any:
        """Return the context of an invocation; `left_ms` says how much time each look finds."""
        found = LambdaContext()
        found.function_name = NAME
        found.get_remaining_time_in_millis = lambda: self.left_ms.pop(0) if self.left_ms else 900_000
        return found

    def upload(self, job: dict[str, Any], raw: bytes) -> dict[str, Any]:
        """Send a file by the form, as a browser does, and return the event that S3 sends then."""
        form = job["upload"]
        sent = requests.post(form["url"], data=form["fields"], files={"file": io.BytesIO(raw)}, timeout=10)
        assert sent.status_code == 204, sent.text
        return self.event(form["fields"]["key"])

    def event(self, key: str) -> dict[str, Any]:
        """Return the event of an object's newest version."""
        found = self.s3.head_object(Bucket="data", Key=key)
        item = {"key": key, "size": found["ContentLength"], "version-id": found["VersionId"], "sequencer": "0"}
        detail = {"bucket": {"name": "data"}, "object": item}
        return {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}

    def run(self, event: dict[str, Any]) -> int:
        """Hand an event to the function, and every event that it asks for; return the number of invocations."""
        events, count = [event], 0
        while events:
            self.app.handler(events.pop(0), self.context())
            count += 1
            events += self.invoked
            self.invoked.clear()
        return count

    def result(self, job: dict[str, Any]) -> bytes:
        """Return the result of a job by its link, which needs no credentials."""
        answer = requests.get(job["result"]["url"], timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.content

    def stored(self, *prefixes: str) -> list[str]:
        """Return the keys of all versions below prefixes, delete markers among them."""
        found = self.s3.list_object_versions(Bucket="data")
        items = [*found.get("Versions", []), *found.get("DeleteMarkers", [])]
        return sorted(item["Key"] for item in items if item["Key"].startswith(prefixes or ("batch/", "batch-input/")))

    def uploads(self) -> list[str]:
        """Return the keys of uploads that have not ended."""
        return [item["Key"] for item in self.s3.list_multipart_uploads(Bucket="data").get("Uploads", [])]
