"""Timeline from earlier monitor runs: scores by day, versions, performance over time."""

from collections.abc import Iterable
from typing import Any


def past(record: dict[str, Any], earlier: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the timeline of a record and of those before it.

    Parameters
    ----------
    record
        as `slipcast.monitoring.record.Record.as_dict` returned it
    earlier
        records of earlier runs, in any order; a selection is enough

    Returns
    -------
    dict[str, Any]
        - ``scores``: ``day``, ``n``, ``mean``; if several runs saw a day, those of the run that saw most of it.
        - ``late``: ``month``, ``n``, ``late_rate``, ``mean_score``, from the newest run that has the month.
        - ``versions``: ``at``, ``version``; each time at which another version was first seen.
    """
    records = [*sorted(earlier, key=lambda item: item["at"]), record]
    scores: dict[str, dict[str, Any]] = {}
    late: dict[str, dict[str, Any]] = {}
    versions: list[dict[str, Any]] = []
    for item in records:
        for day in item["scores_by_day"]:
            known = scores.get(day["day"])
            if known is None or day["n"] >= known["n"]:
                scores[day["day"]] = day
        late |= {month["month"]: month for month in (item["realised"] or {}).get("timeline", [])}
        if item["version"] is not None and (not versions or versions[-1]["version"] != item["version"]):
            versions.append({"at": item["at"], "version": item["version"]})
    return {
        "scores": [scores[day] for day in sorted(scores)],
        "late": [late[month] for month in sorted(late)],
        "versions": versions,
    }
