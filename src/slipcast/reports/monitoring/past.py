"""What earlier runs of the monitor add to a page: scores by day, versions, performance over time."""

from collections.abc import Iterable
from typing import Any


def past(record: dict[str, Any], earlier: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the timeline of a record and of those before it.

    Parameters
    ----------
    record : as `slipcast.monitoring.record.Record.as_dict` returned it
    earlier : records of earlier runs, in any order; some are enough

    Returns
    -------
    ``scores`` : ``day``, ``n``, ``mean``; of several runs that saw a day, the one that saw most of it
    ``late`` : ``month``, ``n``, ``late_rate``, ``mean_score``, as the newest run that knew of a month had it
    ``versions`` : ``at``, ``version``, when another one was seen for the first time
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
