"""Projects of an update: collected while it is scored, stored for the project API, and added to its predictions."""

import gzip
import heapq
import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from score.settings import Settings
from slipcast.contracts import Upload
from slipcast.forecast import reasons
from slipcast.forecast.batch import Detail
from slipcast.forecast.network_model import NetworkModel
from slipcast.forecast.projects import documents
from slipcast.forecast.projects.documents import Basis, Update
from slipcast.forecast.reasons import Explainer
from slipcast.forecast.stage import Stage
from slipcast.schedule.network import Key
from slipcast_aws import projects, storage

# Activities of an update whose forecasts get reasons, those that are most probably late: each takes some 25 ms.
EXPLAINED = 1_000


class Collected:
    """Basis of the forecasts of an upload.

    Parameters
    ----------
    upload
        record of the upload
    explainer
        explains the forecasts; None without a forecast model
    tolerance_days
        calendar days after the baseline finish that still count as on time
    """

    def __init__(self, upload: Upload, explainer: Explainer | None, tolerance_days: int) -> None:
        self.upload, self.explainer, self.tolerance_days = upload, explainer, tolerance_days
        self.finishes: dict[Key, Any] = {}
        # Activities to explain, the least probable first; the number makes the order one of numbers alone.
        self._urgent: list[tuple[float, int, Key, Detail]] = []

    def add(self, activity: Mapping[str, Any], detail: Detail) -> None:
        """Keep what the forecast of an activity rests on."""
        key = key_of(activity, self.upload["source"])
        self.finishes[key] = detail.finish
        if self.explainer is None or detail.facts.stage is Stage.ALREADY_LATE:
            return
        probability = detail.finish.p_late(detail.features["to_finish"] + self.tolerance_days)
        item = (probability, -len(self.finishes), key, detail)
        if len(self._urgent) < EXPLAINED:
            heapq.heappush(self._urgent, item)
        else:
            heapq.heappushpop(self._urgent, item)

    def details(self) -> dict[Key, Basis]:
        """Return for each activity its distribution and the reasons for its probability of being late."""
        found = {key: Basis(finish) for key, finish in self.finishes.items()}
        own_names = self.upload.get("own_names")
        if self.explainer is None:
            return found
        for _, _, key, (facts, features, judged, finish) in self._urgent:
            limit = features["to_finish"] + self.tolerance_days
            parts = self.explainer.reasons(features, facts.stage, limit, judged)
            if parts is not None:
                said = reasons.described(parts, features, judged, own_names)
                found[key] = Basis(finish, [item._asdict() for item in said])
        return found


def key_of(activity: Mapping[str, Any], source: str) -> Key:
    """Return project and id of an activity; without a project that of the source."""
    return Key(str(activity.get("project_id") or source), str(activity["activity_id"]))


def store(
    settings: Settings,
    upload: Upload,
    rows: list[dict[str, Any]],
    collected: Collected,
    model_version: str,
    network_model: NetworkModel | None,
) -> None:
    """Store the projects of an update, and add what its network says of activities to their predictions."""
    bucket, source, day = settings.data_bucket, upload["source"], str(upload["data_date"])
    # Uploads of older versions have their open activities alone.
    listed = upload.get("activities") or upload["open"]
    raw = storage.read_bytes(listed["uri"], sha256=listed["sha256"])
    network = upload.get("network")
    tables = (
        json.loads(gzip.decompress(storage.read_bytes(network["uri"], sha256=network["sha256"]))) if network else {}
    )
    update = Update(
        source=source,
        data_date=date.fromisoformat(day),
        activities=[json.loads(line) for line in gzip.decompress(raw).splitlines()],
        predictions={key_of(row, source): row for row in rows},
        details=collected.details(),
        tables=tables,
        model_version=model_version,
        tolerance_days=collected.tolerance_days,
        quality=upload.get("quality"),
    )
    finished = projects.finished(bucket, source)
    heads, parts = documents.documents(update, finished, projects.histories(bucket, source, day), network_model)
    record = {
        "data_date": day,
        "dataset_version": upload.get("dataset_id"),
        "execution": upload.get("execution"),
        "model_version": model_version,
        "file": upload.get("file"),
    }
    projects.store(bucket, source, record, heads, parts, documents.finished_ratios(tables))
