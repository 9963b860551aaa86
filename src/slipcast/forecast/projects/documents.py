"""Documents of the projects of one update: activities with their forecasts, completion, what drives it, the network.

Where the update has a network with calendars, the completion comes from a Monte Carlo over it
(:mod:`slipcast.forecast.monte_carlo`). Where it has none, the completion is the last finish of the open activities, as
if they were independent of each other: as activities of a project are late together, its P80 lies too late rather than
too early, and the document says so.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from slipcast.contracts import CheckCounts
from slipcast.forecast import monte_carlo, network_forecast
from slipcast.forecast.distribution import FinishDistribution
from slipcast.forecast.network_model import NetworkModel
from slipcast.forecast.projects import sections
from slipcast.forecast.projects.columns import COLUMNS
from slipcast.forecast.projects.identity import project_id
from slipcast.forecast.stage import Stage, as_of, iso_day
from slipcast.schedule.network import MILESTONES, CycleError, Key, Network, Status
from slipcast.schedule.review import dated
from slipcast.schedule.tables import network_of

# Basis of a completion.
FINISHED, NETWORK, INDEPENDENT = "finished", "network", "independent activities"
# Columns whose groups are said to add days.
GROUPED = ("phase", "wbs", "location", "work_type")
# Draws times open activities that the memory of the function holds: 2,000 draws of 20,000 activities.
DRAWN = 40_000_000
FEWEST_DRAWS = 200
MINUTES_PER_DAY = 480
# Reasons of an activity in the table of predictions.
WORDED = 3
# Change of P(late) by the network that is a reason.
LEAST_EFFECT = 0.005
# Updates of an activity that its history names, the latest ones.
HISTORY = 24
LEVELS = monte_carlo.LEVELS


@dataclass(frozen=True)
class Update:
    """An update of a source as it was scored.

    Attributes
    ----------
    source
        series of files
    data_date
        day that the file describes
    activities
        canonical columns of all activities, open and complete
    predictions
        row of `batch.score` of each open activity, by project and activity
    details
        what the forecast of an open activity rests on
    tables
        rows of `slipcast.datasets.network_columns.TABLES` by table, as JSON takes them; empty without a network
    model_version
        version of the function that serves the model
    tolerance_days
        calendar days after the baseline finish that still count as on time
    quality
        numbers of checks of the schedule that passed and were made; None where none were
    """

    source: str
    data_date: date
    activities: Sequence[Mapping[str, Any]]
    predictions: Mapping[Key, dict[str, Any]]
    details: Mapping[Key, "Basis"]
    tables: Mapping[str, Sequence[Mapping[str, Any]]]
    model_version: str
    tolerance_days: int
    quality: CheckCounts | None = None


class Basis(NamedTuple):
    """Basis of the forecast of an open activity, as it is kept.

    Attributes
    ----------
    finish
        distribution of the days from the data date to the finish
    reasons
        reasons for the probability of being late: ``feature``, ``name``, ``value`` and ``effect``
    """

    finish: FinishDistribution
    reasons: Sequence[Mapping[str, Any]] = ()


@dataclass
class _Project:
    """Parts of a project's documents, as they are collected."""

    name: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    open: list[Key] = field(default_factory=list)


def documents(
    update: Update,
    finished: Sequence[tuple[str, float]] = (),
    histories: Mapping[str, Mapping[str, Sequence[Sequence[Any]]]] | None = None,
    model: NetworkModel | None = None,
) -> tuple[dict[str, dict[str, Any]], list[tuple[str, dict[str, Any]]]]:
    """Return the heads of an update's projects, and their parts for `sections.pack`.

    Predictions of activities in a network get what its draws say: P10 to P90, ``probability_late`` and
    ``expected_days_late``; those on a path that sets the completion ``criticality`` and ``completion_days``, the days
    that they add to its P80. All get ``late_reasons``.

    Parameters
    ----------
    update
        the update
    finished
        project and actual over planned duration of finished activities of other sources
        (`monte_carlo.finished_durations`); those of the update are added
    histories
        by project the part `sections.HISTORY` of its update before
    model
        part ``network`` of the release's forecast: it says completions and activities, and the draws what drives them;
        None leaves both to the draws

    Returns
    -------
    dict[str, dict[str, Any]]
        by project what a list of projects says of it
    list[tuple[str, dict[str, Any]]]
        project and parts
    """
    linked = _network(update.tables)
    network = linked if isinstance(linked, Network) else None
    found: dict[str, monte_carlo.ProjectForecast] = {}
    why = "" if network else str(linked)
    reference = monte_carlo.NOTHING
    work: dict[Key, FinishDistribution] = {}
    completion: dict[str, list[float]] = {}
    if network is not None:
        work = under_way(network, {key: basis.finish for key, basis in update.details.items()})
        groups = {
            column: {_key(update, row): row[column] for row in update.activities if row.get(column)}
            for column in GROUPED
        }
        try:
            reference = reference_of(network, finished)
            stated: dict[Key, FinishDistribution] = {}
            if model is not None:
                completion, stated = network_forecast.said(model, network, _baselines(update))
            found = _simulated(network, reference, work, groups, completion, stated)
        except CycleError as error:
            why = str(error)
    update = replace(update, details=_by_network(update, found))
    projects = _projects(update, _planned(update.tables))
    for key, row in _lone_milestones(update).items():
        projects.setdefault(key.project, _Project(key.project)).rows.append(row)
    tables = _by_project(update.tables)
    heads: dict[str, dict[str, Any]] = {}
    parts: list[tuple[str, dict[str, Any]]] = []
    for name, simulated in found.items():
        for identifier, criticality in simulated["criticality"].items():
            if prediction := update.predictions.get(Key(name, identifier)):
                prediction["criticality"] = criticality
                prediction["completion_days"] = simulated["days"].get(identifier, 0.0)
    for name, item in projects.items():
        item.rows.sort(key=lambda row: row["activity_id"])
        if name in found:
            levels = {known["activity_id"]: known for known in found[name]["milestones"]}
            for row in item.rows:
                if row["activity_id"] in levels:
                    row |= {level: levels[row["activity_id"]][level] for level in LEVELS}  # type: ignore[literal-required]
                if row["stage"] != Stage.COMPLETE:
                    row["criticality"] = found[name]["criticality"].get(row["activity_id"], 0.0)
        forecast = _forecast(update, item, found.get(name), why)
        if name in completion:
            reference_class = forecast["reference_class"]
            reference_class |= {
                "model": str(model),
                "text": f"{reference_class['text']}; completion and activities {model}",
            }
        heads[name] = _head(update, item, forecast)
        parts.append(
            (
                name,
                {
                    sections.ROWS: {column: [row[column] for row in item.rows] for column in COLUMNS},
                    sections.DETAILS: _details(update, item, work),
                    sections.HISTORY: _history(update, item, (histories or {}).get(name, {})),
                    sections.NETWORK: {
                        **tables.get(name, {}),
                        "reference": asdict(reference),
                        "completion": completion.get(name),
                    },
                    sections.FORECAST: forecast,
                },
            )
        )
    return heads, parts


def _key(update: Update, activity: Mapping[str, Any]) -> Key:
    """Return project and id of an activity; without a project that of the source."""
    return Key(str(activity.get("project_id") or update.source), str(activity["activity_id"]))


def _by_network(update: Update, found: Mapping[str, monte_carlo.ProjectForecast]) -> dict[Key, Basis]:
    """Return what the forecasts rest on, where there is a network the draws of it, and state it in the predictions."""
    details = dict(update.details)
    for activity in update.activities:
        key = _key(update, activity)
        prediction, basis = update.predictions.get(key), details.get(key)
        if prediction is None:
            continue
        finish = found[key.project]["finishes"].get(key.activity) if key.project in found else None
        if finish is not None and (basis is None or finish is not basis.finish):
            dates, facts = as_of(activity, update.data_date, update.tolerance_days)
            planned = iso_day(dates["baseline_finish"])
            prediction |= {name: finish.finish_date(update.data_date, level) for name, level in LEVELS.items()}
            reasons: Sequence[Mapping[str, Any]] = basis.reasons if basis is not None else ()
            if planned is not None:
                days = (planned - update.data_date).days
                limit = days + update.tolerance_days
                late = 1.0 if facts.stage is Stage.ALREADY_LATE else finish.p_late(limit)
                prediction |= {"probability_late": late, "expected_days_late": finish.expected_days_late(days)}
                if basis is not None:
                    reasons = _with_network(reasons, late - basis.finish.p_late(limit), prediction["p50"])
            details[key] = basis = Basis(finish, reasons)
        if basis is not None:
            prediction["late_reasons"] = "; ".join(
                f"{item['name']} {item['value']} ({item['effect']:+.2f})" for item in basis.reasons[:WORDED]
            )
    return details


def _with_network(reasons: Sequence[Mapping[str, Any]], effect: float, p50: date) -> Sequence[Mapping[str, Any]]:
    """Return the reasons with the one that the network is: the difference that it makes to P(late)."""
    if not reasons or abs(effect) < LEAST_EFFECT:
        return reasons
    said = {"feature": "network", "name": "P50 by the network", "value": p50.isoformat(), "effect": effect}
    return sorted([*reasons, said], key=lambda item: -abs(item["effect"]))


def finished_ratios(tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[tuple[str, float]]:
    """Return project and actual over planned duration of the finished activities of a network."""
    network = _network(tables)
    return [] if not isinstance(network, Network) else list(zip(*monte_carlo.finished_durations(network), strict=True))


def _network(tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> Network | str:
    """Return the network of an update, or why there is none that dates can be computed from."""
    if not tables.get("activities") or not tables.get("relations"):
        return "the schedule has no network"
    if not tables.get("calendars"):
        return "the schedule has relations and no calendars"
    try:
        return network_of({**tables, "projects": dated(tables)})
    except ValueError as error:
        return str(error)


def _simulated(
    network: Network,
    reference: monte_carlo.Reference,
    work: Mapping[Key, FinishDistribution],
    groups: Mapping[str, Mapping[Key, str]],
    completion: Mapping[str, Sequence[float]],
    stated: Mapping[Key, FinishDistribution],
) -> dict[str, monte_carlo.ProjectForecast]:
    size = max(len(network.activities), 1)
    count = max(min(monte_carlo.DRAWS, DRAWN // size), FEWEST_DRAWS)
    return monte_carlo.project_forecasts(
        network, reference, work, groups=groups, completion=completion, stated=stated, count=count
    )


def _baselines(update: Update) -> dict[Key, tuple[date | None, date | None]]:
    return {
        _key(update, row): (iso_day(row.get("baseline_start")), iso_day(row.get("baseline_finish")))
        for row in update.activities
    }


def reference_of(network: Network, finished: Sequence[tuple[str, float]]) -> monte_carlo.Reference:
    """Return the reference class of a network and of what other sources have finished."""
    own = zip(*monte_carlo.finished_durations(network), strict=True)
    known = [*finished, *own]
    return monte_carlo.reference_class([name for name, _ in known], [ratio for _, ratio in known])


def under_way(network: Network, finishes: Mapping[Key, FinishDistribution]) -> dict[Key, FinishDistribution]:
    """Return the distributions of the work that has started.

    That of an activity which has not started holds the wait for its predecessors, which the network adds by itself: its
    duration comes from the reference class.
    """
    known = ((key, network.activities.get(key)) for key in finishes)
    return {key: finishes[key] for key, item in known if item is not None and item.status is Status.IN_PROGRESS}


def _planned(tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[Key, dict[str, Any]]:
    """Return what the network says of activities: days of the current plan, whether it is a milestone."""
    found = {}
    for row in tables.get("activities", ()):
        start = row.get("actual_start") or row.get("early_start") or row.get("planned_start")
        finish = row.get("actual_finish") or row.get("early_finish") or row.get("planned_finish")
        minutes = row.get("total_float_minutes")
        found[Key(str(row["project_id"]), str(row["activity_id"]))] = {
            "start": _day(start, end=False),
            "finish": _day(finish, end=True),
            "float": None if minutes is None else round(minutes / MINUTES_PER_DAY, 1),
            "milestone": str(row.get("activity_type")) in MILESTONES,
        }
    return found


def _day(moment: Any, *, end: bool) -> str | None:
    """Return the day of a moment; midnight ends the day before."""
    if moment is None:
        return None
    at = moment if isinstance(moment, datetime) else datetime.fromisoformat(str(moment))
    return (at - timedelta(minutes=1) if end else at).date().isoformat()


def _projects(update: Update, planned: Mapping[Key, Mapping[str, Any]]) -> dict[str, _Project]:
    found: dict[str, _Project] = {}
    for activity in update.activities:
        key = _key(update, activity)
        project = found.setdefault(key.project, _Project(key.project))
        row = _row(update, activity, key, planned.get(key, {}))
        project.rows.append(row)
        if row["stage"] != Stage.COMPLETE:
            project.open.append(key)
    return found


def _row(update: Update, activity: Mapping[str, Any], key: Key, planned: Mapping[str, Any]) -> dict[str, Any]:
    dates, facts = as_of(activity, update.data_date, update.tolerance_days)
    prediction = update.predictions.get(key, {})
    complete = facts.stage is Stage.COMPLETE
    probability = prediction.get("probability_late")
    late = facts.stage is Stage.ALREADY_LATE
    finish = activity.get("actual_finish") if complete else planned.get("finish") or activity.get("planned_finish")
    start = activity.get("start") if facts.begun or complete else planned.get("start") or activity.get("start")
    days = activity.get("total_float_days")
    return {
        "activity_id": key.activity,
        "activity_name": activity.get("activity_name"),
        "phase": activity.get("phase"),
        "location": activity.get("location"),
        "wbs": activity.get("wbs"),
        "stage": facts.stage.value,
        "status": activity.get("status"),
        "baseline_start": _iso(activity.get("baseline_start")),
        "baseline_finish": _iso(dates["baseline_finish"]),
        "start": _iso(start),
        "finish": _iso(finish),
        "total_float_days": planned.get("float") if days is None else days,
        "late_probability": float(facts.days_late > update.tolerance_days)
        if complete
        else _rounded(probability if probability is not None else prediction.get("probability"), 4),
        "at_risk": bool(prediction.get("at_risk")) and not late and not complete,
        "days_late": facts.days_late,
        **{level: _iso(prediction.get(level)) for level in LEVELS},
        "criticality": None,
        "is_milestone": bool(planned.get("milestone")),
    }


def _lone_milestones(update: Update) -> dict[Key, dict[str, Any]]:
    """Return rows of the milestones that the network has and the table of activities has not.

    A milestone has no duration, so nothing is learned from it; a planner looks at it first.
    """
    listed = {Key(str(row.get("project_id") or update.source), str(row["activity_id"])) for row in update.activities}
    found = {}
    for row in update.tables.get("activities", ()):
        key = Key(str(row["project_id"]), str(row["activity_id"]))
        if key in listed or str(row.get("activity_type")) not in MILESTONES:
            continue
        activity = {"activity_id": key.activity, "activity_name": row.get("activity_name")}
        planned = _planned({"activities": [row]})[key]
        complete = bool(row.get("actual_finish") or row.get("actual_start")) or row.get("status") == "complete"
        stage = Stage.COMPLETE if complete else Stage.NOT_STARTED
        found[key] = {
            **dict.fromkeys(COLUMNS),
            **activity,
            "stage": stage.value,
            "status": stage.value,
            # It has a start or a finish, as P6 has it.
            "start": planned["start"] or planned["finish"],
            "finish": planned["finish"] or planned["start"],
            "total_float_days": planned["float"],
            "at_risk": False,
            "days_late": 0,
            "is_milestone": True,
        }
    return found


def _iso(value: Any) -> str | None:
    day = iso_day(value)
    return None if day is None else day.isoformat()


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _last(days: Iterable[str | None]) -> str | None:
    return max((day for day in days if day), default=None)


def _forecast(
    update: Update, project: _Project, simulated: monte_carlo.ProjectForecast | None, why: str
) -> dict[str, Any]:
    """Return the part `sections.FORECAST` of a project."""
    rows = project.rows
    quantiles: dict[str, Any] = {"cpm": None, **dict.fromkeys(LEVELS)}
    basis, note = INDEPENDENT, ""
    if not project.open:
        quantiles |= dict.fromkeys(LEVELS, _last(row["finish"] for row in rows))
        basis, note = FINISHED, "every activity is complete"
    elif simulated is not None:
        quantiles["cpm"] = simulated["computed"]
        # What is open does not finish on the data date.
        first = (update.data_date + timedelta(days=1)).isoformat()
        quantiles |= {level: max(simulated[level], first) for level in LEVELS}  # type: ignore[literal-required]
        basis = NETWORK
    else:
        finishes = [update.details[key].finish for key in project.open if key in update.details]
        if len(finishes) == len(project.open):
            quantiles |= last_finish(update.data_date, finishes)
            note = f"{why}: the activities count as independent of each other, which makes late dates later"
        else:
            note = f"{why}, and the model was released without a forecast"
    completion = {
        "baseline": _last(row["baseline_finish"] for row in rows),
        "planned": _last(row["finish"] for row in rows),
        **quantiles,
    }
    return {
        "completion": completion,
        "tolerance_days": update.tolerance_days,
        "basis": basis,
        "note": note,
        "milestones": _milestones(rows),
        "drivers": [
            {"activity_id": item["activity_id"], "name": item["activity_name"], **_figures(item)}
            for item in (simulated["drivers"] if simulated else ())
        ],
        "groups": [
            {"column": column, "value": item["name"], "days": item["days"]}
            for column, items in (simulated["groups"] if simulated else {}).items()
            for item in items
        ],
        "driving_path": simulated["driving_path"] if simulated else [],
        "reference_class": _reference(simulated, note),
    }


def _figures(item: monte_carlo.Driver) -> dict[str, float]:
    return {"criticality": item["criticality"], "days": item["days"]}


def _reference(simulated: monte_carlo.ProjectForecast | None, note: str) -> dict[str, Any]:
    if simulated is None:
        return {"n": 0, "projects": 0, "text": note}
    return {
        "n": simulated["reference_activities"],
        "projects": simulated["reference_projects"],
        "text": simulated["reference"],
    }


def _milestones(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the milestones that are to come, in the order of their planned finish."""
    found = [
        {
            "activity_id": row["activity_id"],
            "name": row["activity_name"],
            "baseline_finish": row["baseline_finish"],
            "planned_finish": row["finish"],
            **{level: row[level] for level in LEVELS},
        }
        for row in rows
        if row["is_milestone"] and row["stage"] != Stage.COMPLETE
    ]
    return sorted(found, key=lambda item: (item["planned_finish"] or "", item["activity_id"]))


def last_finish(data_date: date, finishes: Sequence[FinishDistribution]) -> dict[str, str]:
    """Return the days by which all of some activities have finished, at each of `LEVELS`, were they independent."""
    # Quantiles of the maximum lie at or after those of each activity.
    last = max(int(finish.days[-1]) + 1 for finish in finishes)
    found, low = {}, 0
    for name, level in LEVELS.items():
        high = last
        while high - low > 1:
            middle = (low + high) // 2
            probability = 1.0
            for finish in finishes:
                probability *= finish.cdf(middle)
                if probability < level - 1e-9:
                    break
            if probability < level - 1e-9:
                low = middle
            else:
                high = middle
        found[name] = (data_date + timedelta(days=min(high, (date.max - data_date).days))).isoformat()
    return found


def _head(update: Update, project: _Project, forecast: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a list of projects says of a project."""
    rows = project.rows
    completion = {name: day for name, day in forecast["completion"].items() if name not in ("cpm", "p10")}
    return {
        "project_id": project_id(update.source, project.name),
        "name": project.name,
        "source": update.source,
        "data_date": update.data_date.isoformat(),
        "activities": len(rows),
        "open": sum(row["stage"] != Stage.COMPLETE for row in rows),
        "at_risk": sum(row["at_risk"] for row in rows),
        "already_late": sum(row["stage"] == Stage.ALREADY_LATE for row in rows),
        "completion": completion,
        "quality": update.quality and dict(update.quality),
        "model_version": update.model_version,
    }


def _details(update: Update, project: _Project, work: Mapping[Key, FinishDistribution]) -> dict[str, Any]:
    """Return distribution and reasons of the open activities, by activity.

    ``work`` is the distribution that was drawn of work in progress, where the network has changed it.
    """
    found = {}
    for key in project.open:
        if key in update.details:
            basis = update.details[key]
            found[key.activity] = {"distribution": _knots(basis.finish), "reasons": list(basis.reasons)}
            if key in work and work[key] is not basis.finish:
                found[key.activity]["work"] = _knots(work[key])
    return found


def _knots(finish: FinishDistribution) -> list[list[float]]:
    pairs = zip(finish.days, finish.probability, strict=True)
    return [[round(days, 2), round(probability, 4)] for days, probability in pairs]


def _history(
    update: Update, project: _Project, before: Mapping[str, Sequence[Sequence[Any]]]
) -> dict[str, list[Sequence[Any]]]:
    """Return by open activity its P50 and P80 in the updates so far, the earliest first."""
    day = update.data_date.isoformat()
    found = {}
    for row in project.rows:
        if row["stage"] == Stage.COMPLETE:
            continue
        past = [entry for entry in before.get(row["activity_id"], ()) if entry[0] < day]
        present = [(day, row["p50"], row["p80"], update.model_version)] if row["p50"] else []
        if entries := [*past, *present][-HISTORY:]:
            found[row["activity_id"]] = entries
    return found


def _by_project(tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, dict[str, list[Mapping[str, Any]]]]:
    """Return the rows of the network by project and table."""
    found: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for name, rows in tables.items():
        for row in rows:
            found.setdefault(str(row["project_id"]), {}).setdefault(name, []).append(row)
    return found
