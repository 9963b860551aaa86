"""Relations between the activities of a request for forecasts: read, checked, and what they change.

A module of its own, loaded with the first request that has relations.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Any, Literal, NamedTuple, get_args

from msgspec import Meta, Struct, structs

from predict.api import requests
from predict.api.forecasts import Forecast, ForecastResponse, Forecasts
from predict.api.requests import Batch, InvalidRequest, Refused
from predict.api.schemas import Activities, ActivityError, ModelNames
from predict.contract import MAX_RELATIONS
from slipcast.features.activity import LONGEST_TEXT, FieldError
from slipcast.forecast import relations, serving
from slipcast.forecast.stage import Stage
from slipcast.schedule.network import CycleError
from slipcast.schema import clean_text

# As for a what-if.
LONGEST_DAYS = 36_500
_Type = Literal["FS", "SS", "FF", "SF"]
_TYPES = get_args(_Type)
_ID = Annotated[
    str, Meta(min_length=1, max_length=LONGEST_TEXT, description="activity_id of an activity of the request")
]
_COMPLETION = "Day by whose end all activities have finished with a probability of {} %"


class Relation(Struct, forbid_unknown_fields=True):
    """A relation between two activities of the request, in the form of a what-if."""

    predecessor_id: _ID
    successor_id: _ID
    type: Annotated[
        _Type,
        Meta(description="Which end of the predecessor bounds which end of the successor"),
    ] = "FS"
    lag_days: Annotated[
        float, Meta(ge=-LONGEST_DAYS, le=LONGEST_DAYS, description="Lag in calendar days, negative for a lead")
    ] = 0.0


class RelatedActivities(Activities):
    """Activities to forecast, and what they wait for."""

    # Without maxItems: so long a list is refused by its bytes as well, and by another status.
    relations: Annotated[
        list[Relation], Meta(description=f"What waits for what, at most {MAX_RELATIONS} relations")
    ] = []  # noqa: RUF012 - msgspec copies it


class RelatedForecast(Forecast):
    """The forecast for one activity of a network."""

    driven_by: Annotated[
        str | None, Meta(description="Predecessor that sets the P80; null where the activity's own forecast does")
    ]


class Completion(Struct):
    """When the last activity finishes: each at the same level, as activities that are late together."""

    p10: Annotated[date, Meta(description=_COMPLETION.format(10))]
    p50: Annotated[date, Meta(description=_COMPLETION.format(50))]
    p80: Annotated[date, Meta(description=_COMPLETION.format(80))]
    p90: Annotated[date, Meta(description=_COMPLETION.format(90))]


class RelatedForecastResponse(Struct):
    """The forecasts of a network, in the order of the request."""

    request_id: str
    model: ModelNames
    forecasts: list[RelatedForecast]
    errors: Annotated[list[ActivityError], Meta(description="Empty: a wrong activity refuses a request with relations")]
    note: Annotated[str | None, Meta(description="Why there are no dates; null where there are")]
    completion: Annotated[
        Completion | None, Meta(description="Finish of the last activity; null without a forecast model")
    ]


class Related(NamedTuple):
    """Forecasts of a request with relations.

    Attributes
    ----------
    found
        the forecasts, as the relations leave them
    drivers
        id of the predecessor that sets each P80
    completion
        finish of the last activity
    """

    found: Forecasts
    drivers: Sequence[str | None]
    completion: Completion | None

    def response(self) -> RelatedForecastResponse:
        """Return the answer."""
        plain: ForecastResponse = self.found.response()
        items = [
            RelatedForecast(**structs.asdict(item), driven_by=driver)
            for item, driver in zip(self.found.items, self.drivers, strict=True)
        ]
        return RelatedForecastResponse(plain.request_id, plain.model, items, plain.errors, plain.note, self.completion)


def read(text: str, batch: Batch) -> list[relations.Relation]:
    """Return the relations of a request in JSON; there are none where it has no such field, or an empty one.

    Raises
    ------
    InvalidRequest
        If a relation is wrong, or an activity: what waits for it could not be forecast.
    """
    document = requests.parse(text)
    sent = document.get("relations") if isinstance(document, dict) else None
    if sent is None or sent == []:
        return []
    if not isinstance(sent, list):
        raise requests.invalid("relations", "list_type", "it is no list", "send the relations in it")
    if len(sent) > MAX_RELATIONS:
        remedy = f"send at most {MAX_RELATIONS} at once, or drop the schedule as a file and ask for its project"
        raise requests.invalid("relations", "too_long", f"these are {len(sent)}", remedy)
    refused = [*batch.refused, *_one_network(batch)]
    if refused:
        raise InvalidRequest(refused)
    places = {name: place for place, name in enumerate(batch.columns["activity_id"])}
    found: list[relations.Relation] = []
    errors: list[FieldError] = []
    first: dict[tuple[int, int, str], int] = {}
    for number, item in enumerate(sent):
        relation = _relation(item, f"relations.{number}", places, errors)
        if relation is None:
            continue
        same = first.setdefault(relation[:3], number)
        if same != number:
            errors.append(
                FieldError(f"relations.{number}", "duplicate", f"it is relations.{same} again", "send each one once")
            )
        found.append(relation)
    if errors:
        raise InvalidRequest([Refused(None, error) for error in errors])
    return found


def _one_network(batch: Batch) -> list[Refused]:
    """Return what keeps the activities of a request from being one network."""
    ids, days = batch.columns["activity_id"], batch.columns["data_date"]
    found = []
    first: dict[str, int] = {}
    for number, name, day in zip(batch.positions, ids, days, strict=True):
        same = first.setdefault(name, number)
        if same != number:
            message = f"activities.{same} has the same"
            error = FieldError("activity_id", "duplicate", message, "with relations each activity has its own")
            found.append(Refused(number, error))
        if day != days[0]:
            message, remedy = f"it is {day}, that of the first activity {days[0]}", "with relations send one data date"
            found.append(Refused(number, FieldError("data_date", "value_error", message, remedy)))
    return found


def _relation(item: Any, field: str, places: Mapping[str, int], errors: list[FieldError]) -> relations.Relation | None:
    """Return a relation; None if it is wrong, and why in `errors`."""
    before = len(errors)

    def wrong(name: str, kind: str, message: str, remedy: str) -> None:
        errors.append(FieldError(f"{field}.{name}".rstrip("."), kind, message, remedy))

    if not isinstance(item, dict):
        wrong("", "object_type", "it is no object", "send predecessor_id, successor_id, type and lag_days")
        return None
    for name in item:
        if name not in Relation.__struct_fields__:
            # Half a character, which JSON can write, cannot be answered.
            shown, there = name[:40].encode(errors="replace").decode(), ", ".join(Relation.__struct_fields__)
            wrong(shown, "unknown_field", "there is no such field", f"there are {there}")
    ends: list[int] = []
    for name in ("predecessor_id", "successor_id"):
        sent = item.get(name)
        if not isinstance(sent, str) or not sent:
            wrong(name, "missing" if sent is None else "string_type", "it is no id", "send the id of an activity")
        elif clean_text(sent) not in places:
            wrong(name, "unknown_activity", f"no activity of the request is {sent[:40]!r}", "send the activity as well")
        else:
            ends.append(places[clean_text(sent)])
    kind, lag = item.get("type", "FS"), item.get("lag_days", 0)
    if kind not in _TYPES:
        wrong("type", "literal_error", "there is no such type", f"send one of {', '.join(_TYPES)}")
    if isinstance(lag, bool) or not isinstance(lag, int | float) or not -LONGEST_DAYS <= lag <= LONGEST_DAYS:
        wrong("lag_days", "float_type", "it is no number of days", f"send one from -{LONGEST_DAYS} to {LONGEST_DAYS}")
    return None if len(errors) > before else relations.Relation(ends[0], ends[1], kind, float(lag))


def related(found: Forecasts, links: Sequence[relations.Relation]) -> Related:
    """Return the forecasts of a request as its relations leave them.

    Raises
    ------
    InvalidRequest
        If activities wait for each other.
    NoModelError
        If the forecast model of the release cannot be read.
    """
    scored, forecaster = found.scored, found.scored.model.forecaster()
    tolerance: int = scored.model.scorer.metadata["tolerance_days"]
    columns, facts = scored.batch.columns, scored.facts
    started = zip(facts, columns["baseline_duration_days"], columns["start"], columns["actual_finish"], strict=True)
    states = [relations.state(*item) for item in started]
    own = {}
    if forecaster is not None:
        own = {
            place: serving.finish(forecaster, row, known, tolerance, score)
            for place, (row, known, score) in enumerate(zip(found.rows, facts, scored.scores, strict=True))
            if known.stage is not Stage.COMPLETE
        }
    try:
        network = relations.forecasts(states, links, own, columns["activity_id"])
    except CycleError as error:
        raise requests.invalid("relations", "cycle", *str(error).rsplit("; ", 1)) from error
    if forecaster is None:
        return Related(found, [None] * len(states), None)
    items = [*found.items]
    for place, finish in enumerate(network.finishes):
        if finish is not None and finish is not own[place]:
            stated = serving.stated(finish, found.rows[place], facts[place], tolerance)
            items[place] = Forecast(items[place].prediction_id, items[place].activity_id, *stated)
    today = facts[0].data_date
    if network.completion:
        last = relations.distribution(network.completion)
        completion = Completion(*(last.finish_date(today, level) for level in (0.1, 0.5, 0.8, 0.9)))
    else:
        completion = Completion(*[max(columns["actual_finish"])] * 4)
    ids = scored.batch.ids
    drivers = [None if driver is None else ids[driver] for driver in network.drivers]
    return Related(found._replace(items=items), drivers, completion)
