"""The live model: what it said against what happened, drift, and the trainings up to now."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from projects.access import APPROVER, PLANNER, VIEWER, Caller
from projects.offering import Offer
from projects.settings import Settings
from projects.web import Request, answer
from slipcast_aws import storage
from slipcast_aws.control import audit
from slipcast_aws.release import versions

# Days back to the last run of the monitor: the usual schedule first, then the longest ones.
DAYS = (2, 45)
# Audit entries that are looked at, and trainings that are listed.
ENTRIES, TRAININGS = 500, 12
SCOREBOARD = "reports/scoreboard"
LEVELS = {"p10": 0.1, "p50": 0.5, "p80": 0.8, "p90": 0.9}


def state(bucket: str, request: Request, caller: Caller) -> dict[str, Any]:
    """Return the live model with its calibration and backtest, the last run of the monitor, and trainings."""
    caller.require(VIEWER, PLANNER, APPROVER)
    request.known()
    settings = Settings.from_environment()
    live = versions.live_model(settings.predict_function)
    evaluation = _read(f"s3://{bucket}/reports/{live.execution}/evaluation.json") if live and live.execution else None
    monitored = _last_run(bucket)
    board = _read(f"s3://{bucket}/{SCOREBOARD}/scoreboard.json")
    pages = {
        "training": f"reports/{live.execution}/report.html" if live and live.execution else None,
        "monitoring": monitored and f"{monitored.removesuffix('.json')}.html",
        "scoreboard": f"{SCOREBOARD}/index.html",
    }
    offer = Offer(request)
    found = {
        "live": live and {name: getattr(live, name) for name in ("version", "model_id", "trained_at", "execution")},
        "evaluation": evaluation and _evaluated(evaluation),
        "monitor": _monitored(_read(f"s3://{bucket}/{monitored}") if monitored else None),
        "scoreboard": _held(board),
        "trainings": _trainings(bucket, settings.control_table, caller, offer),
        # The pages name activities and projects of every source.
        "pages": {
            name: offer.link(f"s3://{bucket}/{key}" if key else None, allowed=caller.sees_all)
            for name, key in pages.items()
        },
    }
    offer.record()
    return answer(found)


def _read(uri: str) -> dict[str, Any] | None:
    """Return a document; None if there is none, or it is damaged: the rest of the answer stands by itself."""
    if not storage.exists(uri):
        return None
    try:
        found = storage.read_json(uri)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _last_run(bucket: str) -> str | None:
    """Return the key of the last record of the monitor."""
    for days in DAYS:
        since = datetime.now(UTC) - timedelta(days=days)
        keys: list[str] = []
        pages = storage.client().get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=bucket, Prefix="monitoring/", StartAfter=f"monitoring/{since:%Y-%m-%d}"):
            keys += [item["Key"] for item in page.get("Contents", []) if item["Key"].endswith(".json")]
        if keys:
            return keys[-1]
    return None


def _evaluated(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the training said of the model on activities that it had not seen."""
    metrics, prior = record.get("metrics") or {}, record.get("prior") or {}
    return {
        "family": record.get("challenger"),
        "data_date": (record.get("dataset") or {}).get("data_date"),
        "rows": metrics.get("n"),
        **{name: metrics.get(name) for name in ("brier", "brier_ci", "auc", "auc_ci")},
        "prior_brier": prior.get("brier"),
        "reliability": (record.get("curves") or {}).get("reliability", []),
        "backtest": _cumulated((record.get("forecast") or {}).get("histogram") or []),
        "reasons": (record.get("decision") or {}).get("reasons", []),
    }


def _cumulated(histogram: Sequence[float]) -> list[dict[str, float]]:
    """Return for each stated probability the share of finishes that came by the day of that probability."""
    return [
        {"level": (place + 1) / len(histogram), "held": sum(histogram[: place + 1])}
        for place in range(len(histogram) - 1)
    ]


def _monitored(record: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if record is None:
        return None
    drift, realised = record.get("drift") or {}, record.get("realised") or {}
    features = drift.get("features") or {}
    moved = sorted(features.items(), key=lambda item: -(item[1].get("psi") or 0))
    return {
        **{name: record.get(name) for name in ("at", "since", "until", "version", "conclusion", "n")},
        "reasons": record.get("reasons") or [],
        "findings": [{"code": code, "values": values} for code, values in _findings(record)],
        "drift": {
            **{name: drift.get(name) for name in ("state", "confirmed", "n", "max_psi", "drifted_share")},
            "features": [
                {"name": name, **{key: found.get(key) for key in ("psi", "psi_limit", "drifted", "confirmed")}}
                for name, found in moved[:8]
            ],
        },
        "realised": {
            **{name: realised.get(name) for name in ("state", "n", "late_rate", "mean_score", "brier", "auc")},
            "timeline": realised.get("timeline") or [],
        },
    }


def _findings(record: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what the record's ``reasons`` say as codes with their values, for pages in other languages."""
    realised, drift = record.get("realised") or {}, record.get("drift") or {}
    gap = realised.get("calibration_gap")
    if gap is None:
        known, awaiting = realised.get("n") or 0, realised.get("awaiting") or 0
        yield ("few_outcomes", {"known": known, "all": known + awaiting}) if known + awaiting else ("no_outcomes", {})
    elif realised.get("state") == "miscalibrated":
        yield "pessimistic" if gap > 0 else "optimistic", {"gap": abs(gap)}
    elif realised.get("state") == "degraded":
        for measure in ("brier", "auc"):
            if realised.get(measure) is not None:
                yield f"worse_{measure}", {"now": realised[measure], "then": realised.get(f"reference_{measure}")}
    else:
        yield "as_expected", {}
        for part in [item for item in realised.get("slices") or [] if item.get("worse")][:3]:
            rates = {"late": part["late_rate"], "expected": part["mean_score"]}
            yield "slice", {"feature": part["column"], "value": part["value"], **rates}
    if drift.get("state") == "insufficient_data":
        yield "few_predictions", {"n": drift.get("n"), "needed": drift.get("min_n")}
    elif drift.get("state") == "ok":
        yield "like_training", {"n": drift.get("n")}
    for name in drift.get("drifted") or []:
        item = (drift.get("features") or {}).get(name) or drift.get("score") or {}
        code = "drifted_confirmed" if item.get("confirmed") else "drifted_once"
        yield code, {"feature": name, "needed": drift.get("needed"), "of": drift.get("of")}
    if (record.get("estimated") or {}).get("state") == "estimate_invalid":
        yield "no_estimate", {}
    if record.get("unreadable"):
        yield "unreadable", {"n": record["unreadable"]}


def _held(board: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Return how often the dates that were given held, once their day had passed."""
    total = (board or {}).get("total") or {}
    return [
        {
            **{"level": level, "held": total[f"{name}_held"], "judged": total.get(f"{name}_judged")},
            **{"low": total.get(f"{name}_low"), "high": total.get(f"{name}_high")},
        }
        for name, level in LEVELS.items()
        if total.get(f"{name}_held") is not None
    ]


def _trainings(bucket: str, table: str, caller: Caller, offer: Offer) -> list[dict[str, Any]]:
    """Return the last executions that trained, and releases by hand, newest first."""
    found = []
    for entry in audit.latest(table, ("pipeline", "release"), ENTRIES):
        trained = entry.get("what") == "pipeline" and entry.get("dataset_id")
        by_hand = entry.get("what") == "release" and "by hand" in entry.get("outcome", "")
        if not trained and not by_hand:
            continue
        execution = entry.get("execution")
        page = f"s3://{bucket}/reports/{execution}/report.html" if execution else None
        found.append(
            {
                "at": entry["sk"].partition("#")[0],
                **{name: entry.get(name) for name in ("execution", "reason", "outcome", "version")},
                # It may name a file, and so a project.
                "detail": entry.get("detail") if caller.sees_all else None,
                "report_url": offer.link(page, allowed=caller.sees_all),
            }
        )
        if len(found) == TRAININGS:
            break
    return found
