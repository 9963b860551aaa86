"""Forecasts of activities that wait for each other: each one's own distribution, and what its predecessors allow.

At every level of probability the network is scheduled once, with the rules of `slipcast.schedule` in calendar days: an
activity finishes no earlier than by its own distribution at that level, and no earlier than its predecessors at that
level and its planned duration allow. That is the smallest change by which the distributions agree with the relations
(the order of distributions by their quantiles: Müller and Stoyan 2002, "Comparison methods for stochastic models and
risks", section 1.2), as in `slipcast.forecast.consistent`. Nothing is drawn: a request always has the same answer.

Standard library only: the prediction function imports this module for a request that has relations.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from slipcast.forecast.distribution import FinishDistribution
from slipcast.forecast.stage import Known, Stage
from slipcast.schedule.network import Key, order

# Levels at which the network is scheduled: every hundredth, so that those that are stated are among them.
LEVELS = tuple(step / 100 for step in range(101))
# Days that are none: less than a date is rounded to.
_INSTANT = 1e-10
_FAR = float("inf")


class Relation(NamedTuple):
    """A relation between two activities.

    Attributes
    ----------
    predecessor, successor
        places of the activities
    kind
        FS, SS, FF or SF: which end of the predecessor bounds which end of the successor
    lag
        calendar days; negative for a lead
    """

    predecessor: int
    successor: int
    kind: str
    lag: float


class State(NamedTuple):
    """State of an activity on the data date, in calendar days from its end.

    Attributes
    ----------
    remaining
        days of work that remain by the plan; 0 of a complete activity
    earliest
        planned start of an activity that has not started, not before the data date; 0 otherwise
    started, finished
        actual dates, 0 or below; None where there is none
    """

    remaining: float
    earliest: float = 0.0
    started: float | None = None
    finished: float | None = None


class Related(NamedTuple):
    """Forecasts of a network.

    Attributes
    ----------
    finishes
        distribution of the days from the data date to the finish of each activity; None where it is complete. One that
        no relation moves is the activity's own
    completion
        days to the last finish at each of `LEVELS`; empty where all are complete
    drivers
        place of the predecessor that sets the P80 of each activity; None where its own distribution does
    """

    finishes: list[FinishDistribution | None]
    completion: list[float]
    drivers: list[int | None]


class _Link(NamedTuple):
    """A relation as the pass takes it: `lag` is what is left of it on the data date."""

    before: int
    from_start: bool
    to_start: bool
    lag: float


def state(facts: Known, duration_days: float, start: date, actual_finish: date | None = None) -> State:
    """Return the state of an activity.

    Parameters
    ----------
    facts
        what is known of it
    duration_days
        planned duration in calendar days, first and last included
    start
        actual start, else planned start
    actual_finish
        finish of a complete activity
    """
    today = facts.data_date
    # An activity that starts on a day starts at its beginning, which is the end of the day before.
    begun = None if facts.begun is None else float((facts.begun - today).days - 1)
    if facts.stage is Stage.COMPLETE:
        finished = 0.0 if actual_finish is None else float((actual_finish - today).days)
        return State(0.0, 0.0, finished if begun is None else min(begun, finished), finished)
    if begun is not None:
        return State(max(duration_days + begun, 0.0), started=begun)
    return State(duration_days, float(max((start - today).days - 1, 0)))


def forecasts(
    states: Sequence[State],
    relations: Sequence[Relation],
    own: Mapping[int, FinishDistribution],
    names: Sequence[str],
) -> Related:
    """Return the forecasts of activities that wait for each other.

    Parameters
    ----------
    states
        state of each activity, all on one data date
    relations
        relations between them
    own
        for each open activity its own distribution, as if it waited for nothing; where there is none, the plan is met
    names
        name of each activity, for messages

    Raises
    ------
    CycleError
        If activities wait for each other.
    """
    links = _links(states, relations)
    successors: list[list[int]] = [[] for _ in states]
    for relation in relations:
        successors[relation.predecessor].append(relation.successor)
    places = order([Key("", name) for name in names], successors)
    passes = [_pass(states, links, places, {place: at(own[place], level) for place in own}) for level in LEVELS]
    still_open = [place for place, item in enumerate(states) if item.finished is None]
    finishes: list[FinishDistribution | None] = [None] * len(states)
    for place in still_open:
        days = [found.finish[place] for found in passes]
        mine = own.get(place)
        if mine is not None and all(found.moved[place] is None for found in passes):
            finishes[place] = mine
        else:
            finishes[place] = distribution(days)
    completion = [max(found.finish[place] for place in still_open) for found in passes] if still_open else []
    return Related(finishes, completion, passes[LEVELS.index(0.8)].moved)


def at(finish: FinishDistribution, level: float) -> float:
    """Return the quantile of a distribution at a level from 0 to 1; of level 0 the last day without any probability."""
    if level > 0:
        return finish.quantile(level)
    return max(days for days, probability in zip(finish.days, finish.probability, strict=True) if probability == 0)


def distribution(days: Sequence[float]) -> FinishDistribution:
    """Return the distribution that has finished by each of some numbers of days, ascending, at `LEVELS`.

    Examples
    --------
    >>> found = distribution([10 + level * 10 for level in LEVELS])
    >>> found.quantile(0.5), found.quantile(0.8), found.cdf(12)
    (15.0, 18.0, 0.2)
    """
    knots, probabilities = [0.0], [0.0]
    place, last = 0, len(LEVELS)
    while place < last:
        first, day = LEVELS[place], days[place]
        while place < last and days[place] == day:
            place += 1
        # Nothing that is open finishes on the data date.
        day = max(day, 2 * _INSTANT)
        if LEVELS[place - 1] > first and day - _INSTANT > knots[-1]:
            # Levels that share a day are reached at once.
            knots.append(day - _INSTANT)
            probabilities.append(first)
        if day > knots[-1]:
            knots.append(day)
            probabilities.append(LEVELS[place - 1])
        else:
            probabilities[-1] = LEVELS[place - 1]
    return FinishDistribution(tuple(knots), tuple(probabilities))


class _Pass(NamedTuple):
    """Finishes at one level, and for each activity the predecessor that moves it beyond its own; None without one."""

    finish: list[float]
    moved: list[int | None]


def _links(states: Sequence[State], relations: Sequence[Relation]) -> list[list[_Link]]:
    """Return the relations by successor; as P6 has it, what has passed of a lag is not waited for again."""
    links: list[list[_Link]] = [[] for _ in states]
    for before, after, kind, lag in relations:
        from_start, to_start = kind[0] == "S", kind[1] == "S"
        known = states[before]
        since = known.started if from_start else known.finished
        if since is not None:
            if lag > 0:
                lag = max(lag + since, 0.0)
            elif known.finished is not None:
                lag = 0.0
        links[after].append(_Link(before, from_start, to_start, lag))
    return links


def _pass(
    states: Sequence[State], links: Sequence[Sequence[_Link]], places: Sequence[int], own: Mapping[int, float]
) -> _Pass:
    """Return the early finishes as `slipcast.schedule.forward` computes them, none before the activity's own.

    What waits takes its planned duration from then on, or its own where that is shorter. A longer one of its own is not
    added to the wait: what is known of an activity by itself includes the waits that such activities have.
    """
    begin, finish = [0.0] * len(states), [0.0] * len(states)
    moved: list[int | None] = [None] * len(states)
    for place in places:
        remaining, start, _, finished = states[place]
        mine = own.get(place, start + remaining)
        # A model may say that an activity finishes before its planned start.
        start = min(start, mine)
        work = min(remaining, max(mine - start, 0.0))
        end = -_FAR
        starts_by = ends_by = None
        for before, from_start, to_start, lag in links[place]:
            # Complete work asks for nothing, unless it is out of sequence: then it hands on what keeps it.
            if finished is not None and states[before].finished is not None and finish[before] <= 0:
                continue
            asked = (begin[before] if from_start else finish[before]) + lag
            if to_start or finished is not None:
                if asked > start:
                    start, starts_by = asked, before
            elif asked > end:
                end, ends_by = asked, before
        begin[place] = max(start, end - remaining)
        by = starts_by
        if end > start + work:
            by = ends_by
        else:
            end = start + work
        finish[place] = max(end, mine)
        moved[place] = by if end > mine else None
    return _Pass(finish, moved)
