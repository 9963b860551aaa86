"""Faults that users of other tools have reported, tried on Slipcast: one file for each kind.

A file names its threads as comments, ``# owner/repository#number: what happened there``; docs/reliability.md lists them
(``python tests/faults/table.py --reported``). A new thread of a known kind is a line and an input in its file.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from integration.conftest import control_table, empty_store, mocked_aws, permissions, s3, trigger  # noqa: F401
from slipcast.datasets import versions
from slipcast.model.artifact import digest
from slipcast_aws import storage
from slipcast_aws.control import datasets
from slipcast_aws.release import versions as releases
from support.monitoring_site import PROFILE_URI, live, monitor, profiled  # noqa: F401
from support.predict_api import artifact


@dataclass
class Preparing:
    """The prepare function, with drops that are made now and taken in whenever a test says so."""

    app: Any
    context: Any
    client: Any
    drops: int = 0

    def drop(self, raw: bytes, key: str) -> dict[str, str]:
        """Put an object and return the source that the trigger makes of its event."""
        self.drops += 1
        version = self.client.put_object(Bucket="data", Key=key, Body=raw)["VersionId"]
        # S3's sequencer: larger for a later version of a key.
        return {"bucket": "data", "key": key, "version_id": version, "sequencer": f"0062E99A88DC{self.drops:06X}"}

    def take_in(self, source: dict[str, str], execution: str = "") -> dict[str, Any]:
        """Let the function take in a drop, as an execution of the pipeline does."""
        execution = execution or f"new-data-{source['version_id'][:8]}-{source['sequencer'][-6:]}"
        return self.app.handler({"execution": execution, "reason": "new_data", "source": source}, self.context)

    def rows(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Return the activities of the latest dataset by project and id."""
        reference = datasets.latest_dataset("control")
        with tempfile.TemporaryDirectory() as work:
            file = Path(work, "table.parquet")
            storage.download(reference["uri"], file, sha256=reference["sha256"])
            found = versions.read_table(file).to_dict("records")
        return {(row["project_id"], row["activity_id"]): row for row in found}

    def last(self, source: str) -> dict[str, Any]:
        """Return the last upload of a series."""
        return storage.read_json(f"s3://data/sources/{source}/latest.json")


@pytest.fixture
def preparing(request, load_app, lambda_context, monkeypatch) -> Preparing:
    """The prepare function before the first release."""
    client, table = (request.getfixturevalue(name) for name in ("s3", "control_table"))
    client.put_bucket_versioning(Bucket="data", VersioningConfiguration={"Status": "Enabled"})
    monkeypatch.setattr(releases, "live_model", lambda function: None)
    app = load_app(
        "prepare",
        **{"DATA_BUCKET": "data", "CONTROL_TABLE": table, "PREDICT_FUNCTION": "slipcast-predict"},
        **{"MAX_FILE_MEGABYTES": "1", "ON_SCHEMA_CHANGE": "warn", "TOLERANCE_DAYS": "30", "MAX_BAD_SHARE": "0.2"},
        **{"MIN_MATURED_ROWS": "20", "TRAIN_ON_NEW_DATA": "true", "RETRAIN_BUDGET": "2", "COOLDOWN_MINUTES": "60"},
    )
    return Preparing(app, lambda_context, client)


@pytest.fixture
def scoring(load_app, preparing, empty_store, lambda_context, monkeypatch) -> Callable[[dict[str, Any]], list[Any]]:  # noqa: F811
    """The score function with a live model: scores the open activities of an upload, as the pipeline does."""
    uri = "s3://data/models/4/model.json"
    storage.write_bytes(uri, artifact())
    model = releases.LiveModel(
        **{"version": "4", "model_id": "m", "sha256": digest(artifact()), "artefact_uri": uri},
        **{"profile_uri": PROFILE_URI, "dataset_id": "d"},
    )
    topic = boto3.client("sns").create_topic(Name="slipcast")["TopicArn"]
    names = {"DATA_BUCKET": "data", "FEATURE_TABLE": empty_store, "PREDICT_FUNCTION": "slipcast-predict"}
    app = load_app("score", **names, TOPIC_ARN=topic, REDACT_COLUMNS="", ID_SALT="salt")

    def score(upload: dict[str, Any]) -> list[Any]:
        with monkeypatch.context() as patch:
            patch.setattr(releases, "live_model", lambda function: model)
            return app.handler({"upload": upload}, lambda_context)["scored"]

    return score
