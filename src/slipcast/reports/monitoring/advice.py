"""What a run of the monitor concluded in one line, and what to do about it, in words."""

from typing import Any

from slipcast.reports.formatting import percent, plain

HEADLINES = {
    "healthy": "Healthy",
    "drift": "Drift: what is asked about has changed",
    "miscalibrated": "Miscalibrated: the scores do not come true",
    "degraded": "Degraded: the model is worse than it was",
    "insufficient_data": "Not enough predictions for a verdict",
    "no_model": "No model is live",
}
# Of a conclusion there is a page; of the other two nothing can be shown.
CONCLUSIONS = ("healthy", "drift", "miscalibrated", "degraded")
BAD = ("drift", "miscalibrated", "degraded")
MOST_NAMED = 3


def concluded(record: dict[str, Any]) -> bool:
    """Return whether a run came to a conclusion."""
    return record["conclusion"] in CONCLUSIONS


def moved(record: dict[str, Any]) -> list[str]:
    """Return the names of what has moved in this window, confirmed ones first, ``score`` among them."""
    drift = record["drift"]
    if drift is None:
        return []
    confirmed = [name for name in drift["confirmed_features"] if name in drift["drifted"]]
    return [*confirmed, *(name for name in drift["drifted"] if name not in confirmed)]


def feature(record: dict[str, Any], name: str) -> dict[str, Any]:
    """Return what is known of a feature, or of the score."""
    return record["drift"]["score"] if name == "score" else record["drift"]["features"][name]


def advice(record: dict[str, Any]) -> list[str]:
    """Return what to do, the most urgent first."""
    said = []
    conclusion, realised = record["conclusion"], record["realised"]
    if conclusion in BAD:
        said.append("The alarm asks the trigger for a retraining; make history shows what it answered.")
    if conclusion == "miscalibrated" and realised and realised["calibration_gap"] is not None:
        way = "too high" if realised["calibration_gap"] > 0 else "too low"
        said.append(f"Until a release, read the scores as a ranking: they are {way} as probabilities.")
    if conclusion == "degraded":
        said.append("If it began with a release (see the timeline), go back to the version before: make rollback.")
    said += _sources(record)
    awaiting = realised["awaiting"] if realised else 0
    if conclusion in BAD and awaiting:
        said.append(
            f"{awaiting:,} activities that were asked about have no known outcome yet: drop the newest schedule under "
            "incoming/, a retraining learns from nothing else."
        )
    return said or ["Nothing."]


def _sources(record: dict[str, Any]) -> list[str]:
    """Return advice on features whose values are missing or new: usually an export has changed, not the world."""
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
        said.append(f"Look at who sends the requests or exports the schedule: {_some(gone)}. Mend it there.")
    if new:
        said.append(
            f"Values that training did not know: {_some(new)}. If they only have new names, map them in a profile "
            "(docs/profiles.md)."
        )
    return said


def _some(names: list[str]) -> str:
    rest = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")
