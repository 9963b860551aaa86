"""Prediction log of a batch: every prediction with its features, as one object of the common log.

Written before the batch counts as scored. A batch that is scored again has the same ids, so readers count it once.
"""

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from slipcast import redaction
from slipcast.contracts import Upload
from slipcast.forecast.stage import Known
from slipcast_aws import storage
from slipcast_aws.release.versions import LiveModel
from slipcast_aws.serving import prediction_log


class BatchLog:
    """Log rows, compressed as they are added: the features of all activities are never in memory at once.

    Activities that began before the model's data end and are still open are survivors: long activities are in every
    file, short ones in few, and late ones stay longest. Such rows are marked, because neither drift nor calibration can
    be measured on them.
    """

    def __init__(self, upload: Upload, live: LiveModel, data_date: str, hidden: redaction.Redaction) -> None:
        identity = (upload["source"], str(upload["data_date"]), upload["open"]["sha256"], live.sha256)
        self.name = f"batch-{hashlib.sha256(chr(10).join(identity).encode()).hexdigest()[:32]}"
        self.at = datetime.now(UTC)
        self.kept = hidden
        self.head = {
            **{"request_id": self.name, "at": self.at.isoformat(timespec="milliseconds"), "source": "batch"},
            **{"model_version": live.version, "model_id": live.model_id, "data_date": upload["data_date"]},
            **self.kept.head(),
        }
        self.data_date = data_date
        self.rows = 0
        # A compressor object instead of a gzip file, which would have to be closed when scoring fails.
        self.packing = zlib.compressobj(level=9, wbits=31)
        self.packed = bytearray()

    def add(
        self,
        activities: Sequence[Mapping[str, Any]],
        features: Sequence[Mapping[str, Any]],
        probabilities: Sequence[float],
        facts: Sequence[Known],
    ) -> None:
        """Add predictions, with the features that the model saw."""
        for activity, row, probability, fact in zip(activities, features, probabilities, facts, strict=True):
            known = self.kept.entry(activity["activity_id"], activity.get("project_id"), row)
            item = self.head | {
                **{"prediction_id": f"{self.name}:{self.rows}", **known, "score": probability},
                **{"data_date": fact.data_date.isoformat(), "stage": fact.stage},
            }
            if not str(activity.get("start") or "") > self.data_date:
                item["survivor"] = True
            self.packed += self.packing.compress(json.dumps(item, sort_keys=True).encode() + b"\n")
            self.rows += 1

    def store(self, bucket: str) -> None:
        """Write the object, unless it is empty."""
        self.packed += self.packing.flush()
        if self.rows:
            uri = f"s3://{bucket}/{prediction_log.key(self.at, self.name)}"
            storage.write_bytes(uri, bytes(self.packed), "application/gzip")
