"""What-if: a stored update with other starts, durations or relations, forecast again. Nothing is stored.

Both networks get the same draws, so that what differs between the answers is what was changed. An activity's own
distribution moves by as many days as its simulated finish does: before the change it says what the project's
activities say.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple

import numpy as np

from slipcast.datasets.calendars import DAY
from slipcast.forecast import monte_carlo
from slipcast.forecast.distribution import FinishDistribution
from slipcast.forecast.monte_carlo import LEVELS, Reference, day, quantile
from slipcast.forecast.projects.linked import network_of_part
from slipcast.forecast.stage import Stage
from slipcast.schedule import backward, draws, forward
from slipcast.schedule.compiled import Compiled, compiled
from slipcast.schedule.draws import Draws
from slipcast.schedule.network import Constraint, ConstraintKind, CycleError, Key, Network, Relation, Status
from slipcast.schedule.working_time import minute_of

# Changes and relations of one question.
MOST = 200
# Activities of an answer: those that move most.
ANSWERED = 500
LONGEST_DAYS = 36_500
MINUTES_PER_DAY = 480
# Activities times draws that the time limit of the function leaves room for.
DRAWN = 20_000_000
FEWEST_DRAWS = 200
_TYPES = ("FS", "SS", "FF", "SF")
_STARTS = frozenset({ConstraintKind.START_ON, ConstraintKind.START_ON_OR_AFTER, ConstraintKind.START_ON_OR_BEFORE})


class WhatIfError(ValueError):
    """A change that cannot be made; `field` is its place in the question."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field, self.message = field, message


class Change(NamedTuple):
    """A change of an activity.

    Attributes
    ----------
    activity_id
        the activity
    start
        day before which it does not start; None leaves its start to the network
    remaining_duration_days
        calendar days that its remaining work takes; None leaves it as it is
    """

    activity_id: str
    start: date | None
    remaining_duration_days: float | None


class Link(NamedTuple):
    """A relation that is added or removed; a removed one is found by its ends and type."""

    predecessor_id: str
    successor_id: str
    type: str
    lag_days: float


@dataclass(frozen=True)
class Question:
    """A question: what if these changes were made?"""

    changes: Sequence[Change] = ()
    added: Sequence[Link] = ()
    removed: Sequence[Link] = ()


@dataclass(frozen=True)
class Stored:
    """Parts of a project that a question is about.

    Attributes
    ----------
    project
        its name
    data_date
        day that the update describes
    tolerance_days
        calendar days after the baseline finish that still count as on time
    columns, details, network
        the parts `sections.ROWS`, `sections.DETAILS` and `sections.NETWORK`
    """

    project: str
    data_date: date
    tolerance_days: int
    columns: Mapping[str, Sequence[Any]]
    details: Mapping[str, Mapping[str, Any]]
    network: Mapping[str, Any]


def question(document: Mapping[str, Any]) -> Question:
    """Return a question from its JSON form.

    Raises
    ------
    WhatIfError
        If a field is missing, unknown or of another type.
    """
    _known(document, "body", ("changes", "relations"))
    relations = document.get("relations", {})
    if not isinstance(relations, dict):
        raise WhatIfError("relations", "send an object with add and remove")
    _known(relations, "relations", ("add", "remove"))
    changes = [_change(item, f"changes.{place}") for place, item in enumerate(_items(document, "changes", "changes"))]
    links = {
        name: [
            _link(item, f"relations.{name}.{place}")
            for place, item in enumerate(_items(relations, name, f"relations.{name}"))
        ]
        for name in ("add", "remove")
    }
    if not (changes or links["add"] or links["remove"]):
        raise WhatIfError("changes", "send at least one change, or a relation to add or to remove")
    return Question(changes, links["add"], links["remove"])


def _items(document: Mapping[str, Any], name: str, field: str) -> list[Mapping[str, Any]]:
    found = document.get(name, [])
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise WhatIfError(field, "send a list of objects")
    if len(found) > MOST:
        raise WhatIfError(field, f"send at most {MOST}")
    return found


def _known(document: Mapping[str, Any], field: str, names: Sequence[str]) -> None:
    for name in document:
        if name not in names:
            raise WhatIfError(f"{field}.{str(name)[:40]}", f"there is no such field; there are {', '.join(names)}")


def _change(item: Mapping[str, Any], field: str) -> Change:
    _known(item, field, Change._fields)
    start, days = item.get("start"), item.get("remaining_duration_days")
    if start is None and days is None:
        raise WhatIfError(field, "send start, remaining_duration_days or both")
    return Change(
        _text(item, "activity_id", field),
        None if start is None else _day(start, f"{field}.start"),
        None if days is None else _number(days, f"{field}.remaining_duration_days", 0),
    )


def _link(item: Mapping[str, Any], field: str) -> Link:
    _known(item, field, Link._fields)
    kind = item.get("type", "FS")
    if kind not in _TYPES:
        raise WhatIfError(f"{field}.type", f"send one of {', '.join(_TYPES)}")
    return Link(
        _text(item, "predecessor_id", field),
        _text(item, "successor_id", field),
        kind,
        _number(item.get("lag_days", 0), f"{field}.lag_days", -LONGEST_DAYS),
    )


def _text(item: Mapping[str, Any], name: str, field: str) -> str:
    value = item.get(name)
    if not isinstance(value, str) or not value:
        raise WhatIfError(f"{field}.{name}", "send the id of an activity")
    return value


def _day(value: Any, field: str) -> date:
    try:
        found = date.fromisoformat(value)
    except (TypeError, ValueError):
        raise WhatIfError(field, "send a day such as 2026-03-31") from None
    if not 1950 <= found.year < 2150:
        raise WhatIfError(field, "send a year from 1950 to 2149")
    return found


def _number(value: Any, field: str, least: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= LONGEST_DAYS:
        raise WhatIfError(field, f"send a number of days from {least} to {LONGEST_DAYS}")
    return float(value)


def answer(stored: Stored, asked: Question) -> dict[str, Any]:
    """Return the completion and the activities before and after the changes.

    Raises
    ------
    WhatIfError
        If the project has no network, an activity or relation is not in it, or relations lead back to where they begin.
    """
    network = network_of_part(stored.network)
    if network is None:
        raise WhatIfError("body", "the project has no network with calendars: nothing follows from a change")
    reference = Reference(**stored.network["reference"])
    before = compiled(network)
    forward.run(before)
    backward.run(before)
    count = max(min(monte_carlo.DRAWS, DRAWN // max(len(network.activities), 1)), FEWEST_DRAWS)
    drawn = monte_carlo.durations(before, reference, _under_way(stored, network), count, 0)
    other = _changed(network, before, stored.project, asked)
    try:
        after = compiled(other)
    except CycleError as error:
        raise WhatIfError("relations.add", str(error)) from error
    forward.run(after)
    computed = [nodes.finish.get(stored.project) for nodes in (before, after)]
    redrawn = _redrawn(drawn, network, other, count)
    results = draws.run(before, drawn, count), draws.run(after, redrawn, count)
    moved = _moved(stored, *results)
    data_date = network.projects[stored.project].data_date
    scale = _scale(stored, results[0], data_date)
    completions = {
        name: _completion(stored, result, moment, data_date, scale)
        for name, result, moment in zip(("before", "after"), results, computed, strict=True)
    }
    named = {change.activity_id for change in asked.changes}
    return {**completions, "activities": _activities(stored, moved, named, completions["after"])}


def _under_way(stored: Stored, network: Network) -> dict[Key, FinishDistribution]:
    found = {}
    for identifier, detail in stored.details.items():
        item = network.activities.get(Key(stored.project, identifier))
        if item is not None and item.status is Status.IN_PROGRESS:
            found[item.key] = _distribution(detail.get("work", detail["distribution"]))
    return found


def _distribution(knots: Sequence[Sequence[float]]) -> FinishDistribution:
    """Return a distribution as it was kept; of knots that rounding has put on one place the last one counts."""
    merged = {days: probability for days, probability in knots}  # noqa: C416 - pairs come as lists
    return FinishDistribution(tuple(merged), tuple(merged.values()))


def _changed(network: Network, nodes: Compiled, project: str, asked: Question) -> Network:
    activities = dict(network.activities)
    for place, change in enumerate(asked.changes):
        key, field = Key(project, change.activity_id), f"changes.{place}"
        item = activities.get(key)
        if item is None:
            raise WhatIfError(f"{field}.activity_id", "the project has no such activity")
        if item.status is Status.COMPLETE:
            raise WhatIfError(f"{field}.activity_id", "the activity is complete")
        if change.start is not None:
            if item.status is not Status.NOT_STARTED:
                raise WhatIfError(f"{field}.start", "the activity has started")
            bound = Constraint(ConstraintKind.START_ON_OR_AFTER, minute_of(datetime.combine(change.start, time.min)))
            others = [known for known in item.constraints if known.kind not in _STARTS]
            item = replace(item, constraints=(*others, bound))
        if change.remaining_duration_days is not None:
            node = nodes.by_key[key]
            begin = node.clock.next(max(node.data_date, node.early_start))
            minutes = node.clock.between(begin, begin + round(change.remaining_duration_days * DAY))
            # A day that holds no work is a day of waiting: the least that is left to do is a minute.
            least = 1 if change.remaining_duration_days else 0
            item = replace(item, remaining=max(minutes, least))
        activities[key] = item
    relations = list(network.relations)
    for place, link in enumerate(asked.removed):
        ends = Key(project, link.predecessor_id), Key(project, link.successor_id)
        found = [known for known in relations if (known.predecessor, known.successor, known.kind) == (*ends, link.type)]
        if not found:
            raise WhatIfError(f"relations.remove.{place}", "the project has no such relation")
        relations.remove(found[0])
    for place, link in enumerate(asked.added):
        before, after = Key(project, link.predecessor_id), Key(project, link.successor_id)
        for name, key in (("predecessor_id", before), ("successor_id", after)):
            if key not in activities:
                raise WhatIfError(f"relations.add.{place}.{name}", "the project has no such activity")
        lag = round(link.lag_days * MINUTES_PER_DAY)
        relations.append(Relation(before, after, link.type, lag, activities[before].calendar))
    return replace(network, activities=activities, relations=relations)


def _redrawn(drawn: Mapping[Key, np.ndarray], before: Network, after: Network, count: int) -> dict[Key, np.ndarray]:
    """Return the draws of the changed network: those of the other one, in proportion to the remaining duration."""
    found = dict(drawn)
    for key, item in after.activities.items():
        was = before.activities[key].remaining
        if item.remaining == was:
            continue
        if not item.remaining:
            found.pop(key, None)
        elif key in drawn:
            found[key] = np.maximum(drawn[key] * (item.remaining / was), 1).astype("int32")
        else:
            found[key] = np.full(count, item.remaining, dtype="int32")
    return found


def _moved(stored: Stored, before: Draws, after: Draws) -> dict[str, dict[str, tuple[int, int]]]:
    """Return the simulated P50 and P80 of each open activity of the project before and after, minutes since 1970."""
    levels = ("p50", "p80")
    tables = []
    for result in (before, after):
        quantiles = monte_carlo.activity_quantiles(result, [LEVELS[level] for level in levels])
        tables.append({node.activity.key: row for node, row in zip(result.nodes, quantiles.tolist(), strict=True)})
    was, now = tables
    return {
        key.activity: dict(zip(levels, zip(was[key], now[key], strict=True), strict=True))
        for key in was
        if key.project == stored.project and key in now
    }


def _scale(stored: Stored, before: Draws, data_date: int) -> dict[str, float]:
    """Return how much later than the draws the model of completions puts each level, relative to the time to it."""
    model = stored.network.get("completion")
    if model is None:
        return dict.fromkeys(LEVELS, 1.0)
    finish, _ = before.project_finish(stored.project)
    return {
        name: days * DAY / max(quantile(finish, level) - data_date, 1)
        for (name, level), days in zip(LEVELS.items(), model, strict=True)
    }


def _completion(
    stored: Stored, result: Draws, computed: int | None, data_date: int, scale: Mapping[str, float]
) -> dict[str, Any]:
    finish, _ = result.project_finish(stored.project)
    columns = stored.columns
    moments = [data_date + round((quantile(finish, level) - data_date) * scale[name]) for name, level in LEVELS.items()]
    return {
        "baseline": max(filter(None, columns["baseline_finish"]), default=None),
        "planned": max(filter(None, columns["finish"]), default=None),
        "cpm": None if computed is None else day(computed),
        **{name: day(moment) for name, moment in zip(LEVELS, itertools.accumulate(moments, max), strict=True)},
    }


def _activities(
    stored: Stored,
    moved: Mapping[str, Mapping[str, tuple[int, int]]],
    named: set[str],
    completion: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """Return the activities that move, and those that were changed, the largest move first."""
    columns = stored.columns
    found = []
    for place, identifier in enumerate(columns["activity_id"]):
        if columns["stage"][place] == Stage.COMPLETE or identifier not in moved:
            continue
        days = {name: (after - before) / DAY for name, (before, after) in moved[identifier].items()}
        if identifier not in named and not any(days.values()):
            continue
        found.append(
            (max(map(abs, days.values())), identifier, _activity(stored, place, moved[identifier], days, completion))
        )
    found.sort(key=lambda item: (-item[0], item[1]))
    return [item for _, _, item in found[:ANSWERED]]


def _activity(
    stored: Stored,
    place: int,
    moments: Mapping[str, tuple[int, int]],
    days: Mapping[str, float],
    completion: Mapping[str, Any],
) -> dict[str, Any]:
    columns = stored.columns
    identifier = columns["activity_id"][place]
    was = columns["late_probability"][place]
    row: dict[str, Any] = {"activity_id": identifier, "late_probability": {"before": was, "after": was}}
    for name, (before, after) in moments.items():
        own = columns[name][place]
        # Nothing finishes after its project, however wide its own range is.
        shown = (own, min(_later(own, days[name]), completion[name])) if own else (day(before), day(after))
        row[name] = dict(zip(("before", "after"), shown, strict=True))
    baseline, detail = columns["baseline_finish"][place], stored.details.get(identifier)
    if was is not None and baseline and detail and columns["stage"][place] != Stage.ALREADY_LATE:
        limit = (date.fromisoformat(baseline) - stored.data_date).days + stored.tolerance_days
        finish = _distribution(detail["distribution"])
        # What was stated stays where nothing moves, to the digits that are kept.
        change = finish.p_late(limit - days["p50"]) - finish.p_late(limit)
        row["late_probability"]["after"] = round(min(max(was + change, 0.0), 1.0), 4)
    return row


def _later(iso: str, days: float) -> str:
    return (date.fromisoformat(iso) + timedelta(days=round(days))).isoformat()
