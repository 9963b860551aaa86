"""Conclusion of a monitor run in one line, and advice in words."""

from typing import Any

from slipcast.reports.formatting import percent, plain

HEADLINES = {
    "healthy": "Healthy",
    "drift": "Drift: the scored activities have changed",
    "miscalibrated": "Miscalibrated: the scores differ from the outcomes",
    "degraded": "Degraded: the model is worse than it was",
    "insufficient_data": "Not enough predictions for a verdict",
    "no_model": "No model is live",
}
# These conclusions have a page; the other two have nothing to show.
CONCLUSIONS = ("healthy", "drift", "miscalibrated", "degraded")
BAD = ("drift", "miscalibrated", "degraded")
MOST_NAMED = 3


def concluded(record: dict[str, Any]) -> bool:
    """Return whether a run has a conclusion."""
    return record["conclusion"] in CONCLUSIONS


def moved(record: dict[str, Any]) -> list[str]:
    """Return the names of drifted features in this window, confirmed ones first, with ``score`` if it drifted."""
    drift = record["drift"]
    if drift is None:
        return []
    confirmed = [name for name in drift["confirmed_features"] if name in drift["drifted"]]
    return [*confirmed, *(name for name in drift["drifted"] if name not in confirmed)]


def feature(record: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the record of a feature, or of the score."""
    document: dict[str, Any] = record["drift"]["score"] if name == "score" else record["drift"]["features"][name]
    return document


def advice(record: dict[str, Any]) -> list[str]:
    """Return advice, the most urgent first."""
    said = []
    conclusion, realised = record["conclusion"], record["realised"]
    if conclusion in BAD:
        said.append("The alarm asks the trigger for a retraining; make history shows its answer.")
    if conclusion == "miscalibrated" and realised and realised["calibration_gap"] is not None:
        way = "too high" if realised["calibration_gap"] > 0 else "too low"
        said.append(f"Until a release, read the scores as a ranking: they are {way} as probabilities.")
    if conclusion == "degraded":
        said.append("If it began with a release (see the timeline), return to the previous version: make rollback.")
    said += _sources(record)
    awaiting = realised["awaiting"] if realised else 0
    if conclusion in BAD and awaiting:
        said.append(
            f"{awaiting:,} predicted activities have no known outcome yet: drop the newest schedule under "
            "incoming/. A retraining learns only from schedules."
        )
    return said or ["Nothing."]


def _sources(record: dict[str, Any]) -> list[str]:
    """Return advice on features whose values are missing or new: usually an export has changed, not the projects."""
    gone, new = [], []
    for name in moved(record):
        if name == "score":
            continue
        kinds = {finding["what"] for finding in feature(record, name)["findings"]}
        if "missing" in kinds:
            gone.append(f"{plain(name)} ({percent(feature(record, name)['missing_share'], 0)} missing)")
        if "unseen" in kinds:
            new.append(f"{plain(name)} ({percent(feature(record, name)['unseen_share'], 0)} unseen)")
    said = []
    if gone:
        said.append(f"Values are missing: {_some(gone)}. Fix the client or the export that leaves them out.")
    if new:
        said.append(
            f"Values that are not in the training data: {_some(new)}. If only the names are new, map them in a profile "
            "(docs/profiles.md)."
        )
    return said


def _some(names: list[str]) -> str:
    rest = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")
