"""Sources: open activities in the latest file of each series, and their predictions."""

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import Any

from score import project_documents
from score.batch_log import BatchLog
from score.settings import Settings
from slipcast import redaction
from slipcast.contracts import ScoreSummary, Upload
from slipcast.forecast import batch, stage
from slipcast.forecast.evaluator import Forecaster
from slipcast.forecast.network_model import NetworkModel
from slipcast.forecast.reasons import Explainer
from slipcast.model.scorer import Scorer
from slipcast_aws import storage
from slipcast_aws.release.versions import LiveModel
from slipcast_aws.serving import feature_store


def stale(bucket: str, model_sha256: str) -> Iterator[Upload]:
    """Yield the last upload of each source whose open activities were scored by another model, or by none."""
    for uri in storage.list_uris(f"s3://{bucket}/sources/"):
        upload: Upload = storage.read_json(uri)
        if not upload["open"]["rows"]:
            continue
        summary = f"{_prefix(bucket, upload)}.json"
        if not storage.exists(summary) or storage.read_json(summary)["model_sha256"] != model_sha256:
            yield upload


def is_latest(bucket: str, upload: Upload) -> bool:
    """Return whether no file of the same series and data date was dropped after this upload and taken in before it."""
    uri = f"s3://{bucket}/sources/{upload['source']}/latest.json"
    if not storage.exists(uri):
        return True
    last: Upload = storage.read_json(uri)
    return last["data_date"] != upload["data_date"] or last.get("dropped", "") <= upload.get("dropped", "")


def score(settings: Settings, upload: Upload, model: Scorer, live: LiveModel, explained: int) -> ScoreSummary:
    """Write the predictions for an upload's open activities, `explained` with reasons, and return their summary.

    The upload does not count as scored before `note` has stored the summary.
    """
    raw = storage.read_bytes(upload["open"]["uri"], sha256=upload["open"]["sha256"])
    activities = [json.loads(line) for line in gzip.decompress(raw).splitlines()]
    bucket, table = settings.data_bucket, settings.feature_table
    hidden = redaction.from_text(settings.redact_columns, settings.id_salt)
    log = BatchLog(upload, live, str(model.metadata.get("data_date") or ""), hidden)
    said = upload["data_date"]
    document = _forecast(model, live)
    forecaster = None if document is None else Forecaster(document)
    explainer = None if document is None or forecaster is None else Explainer(document, forecaster)
    networks = None if document is None or "network" not in document else NetworkModel(document["network"])
    collected = project_documents.Collected(upload, explainer, model.metadata["tolerance_days"])
    rows = batch.score(
        activities,
        model,
        lambda chunk, names: feature_store.with_history(table, chunk, names),
        data_date=date.fromisoformat(said) if said else stage.today(),
        model_version=live.version,
        forecaster=forecaster,
        # Uploads of older pipeline versions have none.
        own_names=upload.get("own_names"),
        explained=explained,
        log=log.add,
        detail=collected.add,
    )
    log.store(bucket)
    if said:
        project_documents.store(settings, upload, rows, collected, live.version, networks)
    if forecaster is not None:
        # Another model or data date has another name, so that every forecast that was given can be judged.
        name = f"forecasts/{upload['source']}/{said}/{live.sha256[:16]}.csv.gz"
        storage.write_bytes(f"s3://{bucket}/{name}", batch.kept(rows, upload["source"]), "application/gzip")
    bands = Counter(row["risk_band"] for row in rows)
    prefix = _prefix(bucket, upload)
    return {
        "source": upload["source"],
        "data_date": upload["data_date"],
        "uri": f"{prefix}.csv",
        "sha256": storage.write_bytes(f"{prefix}.csv", batch.to_csv(rows), "text/csv; charset=utf-8"),
        "rows": len(rows),
        "bands": {
            **{"late": bands[batch.LATE], "high": bands["high"], "medium": bands["medium"], "low": bands["low"]},
        },
        "threshold": model.threshold,
        "model_version": live.version,
        "model_id": live.model_id,
        "model_sha256": live.sha256,
    }


def _forecast(model: Scorer, live: LiveModel) -> dict[str, Any] | None:
    """Return the forecast model next to the live model; None if its release has none."""
    pinned = model.metadata.get("forecast")
    if pinned is None:
        return None
    uri = f"{live.artefact_uri.rpartition('/')[0]}/forecast.json"
    document: dict[str, Any] = json.loads(storage.read_bytes(uri, sha256=pinned["sha256"]))
    return document


def note(bucket: str, summary: ScoreSummary) -> None:
    """Store a summary after its message was sent: a scored upload without it is scored and reported again."""
    storage.write_json(f"{_prefix(bucket, summary)}.json", summary)


def message(summary: ScoreSummary) -> str:
    """Return the text of the notification."""
    bands = summary["bands"]
    return "\n".join(
        [
            f"{summary['rows']} open activities of {summary['source']} (data date {summary['data_date']}) were scored "
            f"with model version {summary['model_version']}.",
            "",
            f"Late already: {bands['late']}",
            f"At risk: {bands['high']}  (probability of delay {summary['threshold']:.2f} or more)",
            f"Medium: {bands['medium']}",
            f"Low: {bands['low']}",
            "",
            f"Predictions: {summary['uri']}",
        ]
    )


def _prefix(bucket: str, upload: Upload | ScoreSummary) -> str:
    return f"s3://{bucket}/predictions/{upload['source']}/{upload['data_date']}"
