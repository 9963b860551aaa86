"""Approval of a release by a person: the figures to show, and the meaning of a decision."""

from collections.abc import Mapping
from typing import Any

# In order of importance for the decision; the first is the gate's measure, where lower is better.
MEASURES = {
    "brier": "Brier score (lower is better)",
    "auc": "AUC (higher is better)",
    "average_precision": "Average precision",
    "accuracy": "Accuracy",
}


def figures(evaluation: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the key figures of an evaluation record on the holdout, as text.

    Returns
    -------
    list[dict[str, str]]
        rows with ``measure``, ``challenger`` and ``champion``; ``champion`` is ``-`` before the first release
    """
    return [
        {
            "measure": MEASURES[item["measure"]],
            "challenger": _as_text(item["challenger"]),
            "champion": _as_text(item["champion"]),
        }
        for item in measured(evaluation)
    ]


def measured(evaluation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the key figures of an evaluation record on the holdout.

    Returns
    -------
    list[dict[str, Any]]
        rows with ``measure`` (of `MEASURES`), ``challenger`` and ``champion``: each ``value``, and ``low`` and ``high``
        of its interval or None; None where there is no figure
    """
    champion = evaluation.get("champion_metrics") or {}
    challenger = _challenger_metrics(evaluation)
    return [
        {"measure": name, "challenger": _figure(challenger, name), "champion": _figure(champion, name)}
        for name in MEASURES
        if name in challenger
    ]


def facts(evaluation: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the model to release and the model that it replaces, as pairs of name and text."""
    model, dataset, champion = evaluation["model"], evaluation["dataset"], evaluation.get("champion")
    replaces = "nothing: it is the first model"
    if champion:
        replaces = f"version {champion['version']}, model {champion['model_id']}"
    return [
        ("Model", f"{evaluation['challenger']}, {model['model_id']}"),
        ("Would replace", replaces),
        ("The gate says", "; ".join(evaluation["decision"]["reasons"])),
        ("Trained on", f"dataset {dataset['dataset_id']}, data date {dataset.get('data_date') or 'unknown'}"),
        ("Started by", evaluation["reason"]),
        ("Execution", evaluation["execution"]),
        ("SHA-256", model["sha256"]),
    ]


def outcome(status: str, *, in_time: bool, champion: str | None, live: str | None) -> str:
    """Return the outcome of a release that waited for an approval.

    Parameters
    ----------
    status
        of the request: ``approved``, ``rejected`` or ``expired``
    in_time
        whether the decision reached the pipeline while it waited
    champion, live
        version that the challenger was compared with, and version that is live now; None if there was no model

    Returns
    -------
    str
        ``approved``, ``rejected``, ``expired``, ``undelivered`` (approved, but the pipeline had stopped waiting),
        ``unrecorded`` (the pipeline continued without a recorded decision) or ``superseded`` (approved, but compared
        with a model that is no longer live)

    Examples
    --------
    >>> outcome("approved", in_time=True, champion="3", live="4")
    'superseded'
    """
    if status == "expired" and in_time:
        return "unrecorded"
    if status != "approved":
        return status
    if not in_time:
        return "undelivered"
    return "approved" if champion == live else "superseded"


def sentence(record: Mapping[str, Any]) -> str:
    """Return the outcome of a release as a sentence, from a record completed by `outcome`.

    Parameters
    ----------
    record
        ``outcome``, ``by``, ``decided_at``, ``comment``, ``expires_at``, ``champion`` and ``live``
    """
    who = f"by {record['by'] or 'a person with the link'} on {moment(record['decided_at'])}"
    comment = f": {record['comment']}" if record["comment"] else ""
    words = {
        "approved": f"approved {who}{comment}",
        "rejected": f"the release was rejected {who}{comment}",
        "expired": (
            f"the release expired: nobody decided until {moment(record['expires_at'])}. A new training asks again"
        ),
        "unrecorded": (
            "the pipeline continued past the approval, but no decision is recorded: nothing was released. "
            "A new training asks again; decide by its link"
        ),
        "undelivered": (
            f"the release was approved {who}, but the decision reached the pipeline only after it had stopped waiting "
            f"({moment(record['expires_at'])}){comment}. A new training asks again"
        ),
        "superseded": (
            f"the release was approved {who}, but is superseded: the model was compared with "
            f"{_version(record['champion'])}, and {_version(record['live'])} is live now{comment}. A new training "
            "compares again"
        ),
    }
    return words[record["outcome"]]


def moment(timestamp: str) -> str:
    """Return a UTC time such as ``2026-01-05T08:58:18.000000Z`` to the minute, for people.

    Examples
    --------
    >>> moment("2026-01-05T08:58:18.000000Z")
    '2026-01-05 08:58 UTC'
    """
    return f"{timestamp[:10]} {timestamp[11:16]} UTC"


def _version(version: str | None) -> str:
    return f"version {version}" if version else "no model"


def _challenger_metrics(evaluation: Mapping[str, Any]) -> Mapping[str, Any]:
    # The calibrated model is released; older records measured only the candidates.
    if "metrics" in evaluation:
        document: Mapping[str, Any] = evaluation["metrics"]
        return document
    return next(item["metrics"] for item in evaluation["candidates"] if item["family"] == evaluation["challenger"])


def _figure(metrics: Mapping[str, Any], name: str) -> dict[str, float | None] | None:
    value = metrics.get(name)
    if value is None:
        return None
    low, high = metrics.get(f"{name}_ci") or (None, None)
    return {"value": value, "low": low, "high": high}


def _as_text(figure: Mapping[str, float | None] | None) -> str:
    if figure is None:
        return "-"
    interval = "" if figure["low"] is None else f" ({figure['low']:.3f}–{figure['high']:.3f})"
    return f"{figure['value']:.3f}{interval}"
