"""Answers about a project from its stored parts. Standard library only."""

import base64
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from slipcast.forecast.projects.columns import COLUMNS

type Columns = Mapping[str, Sequence[Any]]


class Page(NamedTuple):
    """Part of a list, and the token of the next one; None at the end."""

    places: Sequence[int]
    next: str | None


def token(key: str) -> str:
    """Return the token of what comes after a key."""
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def key_of_token(text: str) -> str:
    """Return the key of a token.

    Raises
    ------
    ValueError
        If it is none.
    """
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
    except ValueError as error:
        raise ValueError("not a token of a page") from error


def page(keys: Sequence[str], places: Sequence[int], after: str | None, limit: int) -> Page:
    """Return the places of the next `limit` items after a key.

    Parameters
    ----------
    keys
        key of each item, ascending
    places
        items that are listed, ascending
    after
        token of the page, as the page before gave it; None for the first one
    """
    if after is not None:
        last = key_of_token(after)
        places = [place for place in places if keys[place] > last]
    chosen = places[:limit]
    return Page(chosen, token(keys[chosen[-1]]) if len(places) > len(chosen) else None)


def matching(columns: Columns, *, at_risk: bool | None = None, stage: str = "", query: str = "") -> list[int]:
    """Return the places of activities.

    Parameters
    ----------
    at_risk
        whether they are at risk; None for either
    stage
        stage that they have; empty for any
    query
        text that stands in their id, name, phase or location, whatever its case; empty for any
    """
    wanted = query.casefold()
    texts = [columns[name] for name in ("activity_id", "activity_name", "phase", "location")]
    return [
        place
        for place in range(len(columns["activity_id"]))
        if (at_risk is None or columns["at_risk"][place] == at_risk)
        and (not stage or columns["stage"][place] == stage)
        and (not wanted or any(wanted in str(values[place] or "").casefold() for values in texts))
    ]


def rows(columns: Columns, places: Sequence[int]) -> list[dict[str, Any]]:
    """Return activities one by one."""
    return [{name: columns[name][place] for name in COLUMNS} for place in places]


def by_column(columns: Columns, places: Sequence[int]) -> dict[str, list[Any]]:
    """Return activities column by column."""
    return {name: [columns[name][place] for place in places] for name in COLUMNS}


def distinct(values: Sequence[Any]) -> list[str]:
    """Return the texts of a column, each once, ascending."""
    return sorted({str(value) for value in values if value})


def activity(
    columns: Columns,
    place: int,
    details: Mapping[str, Any],
    history: Mapping[str, Sequence[Sequence[Any]]],
    network: Mapping[str, Sequence[Mapping[str, Any]]],
    data_date: str,
) -> dict[str, Any]:
    """Return an activity with its distribution, reasons, history and neighbors in the network."""
    (row,) = rows(columns, [place])
    identifier = row["activity_id"]
    detail = details.get(identifier, {})
    names = dict(zip(columns["activity_id"], columns["activity_name"], strict=True))
    before, after = neighbors(network, identifier)
    return {
        **row,
        "distribution": distribution(date.fromisoformat(data_date), detail.get("distribution", ())),
        "reasons": detail.get("reasons", []),
        "history": [
            dict(zip(("data_date", "p50", "p80", "model_version"), entry, strict=True))
            for entry in history.get(identifier, ())
        ],
        "predecessors": [{**item, "name": names.get(item["activity_id"])} for item in before],
        "successors": [{**item, "name": names.get(item["activity_id"])} for item in after],
    }


def distribution(data_date: date, knots: Sequence[Sequence[float]]) -> list[dict[str, Any]]:
    """Return the probability of having finished by each of some days; of knots on one day the last one counts."""
    found: dict[str, float] = {}
    for days, probability in knots:
        whole = min(int(days), (date.max - data_date).days)
        found[(data_date + timedelta(days=whole)).isoformat()] = probability
    return [{"date": day, "probability": probability} for day, probability in found.items()]


def neighbors(
    network: Mapping[str, Sequence[Mapping[str, Any]]], identifier: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the predecessors and successors of an activity: ``activity_id``, ``type`` and ``lag_days`` of work."""
    before, after = [], []
    for row in network.get("relations", ()):
        link = {"type": row.get("relation_type") or "FS", "lag_days": _days(row)}
        if row["successor_id"] == identifier:
            before.append({"activity_id": row["predecessor_id"], **link})
        if row["predecessor_id"] == identifier and row.get("predecessor_project_id") == row["project_id"]:
            after.append({"activity_id": row["successor_id"], **link})
    return before, after


def _days(row: Mapping[str, Any]) -> float:
    per_day = 1440 if row.get("lag_calendar") == "elapsed" else 480
    return round((row.get("lag_minutes") or 0) / per_day, 2)
