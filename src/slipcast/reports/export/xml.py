"""Forecasts in XML files of Primavera P6 (PMXML) and MS Project (MSPDI), put between what stands there.

The file is read once for the places of its elements; what is added goes in there as text, and all other bytes stay as
they are. Values that an earlier export has written are replaced. Standard library only.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import escape

from slipcast.reports.export.fields import DAYS_LATE, P50, P80, PROBABILITY, Forecast, NotTheFileError, values

# Data type of each field in P6, and the element of its value.
P6_TYPES = {
    PROBABILITY: ("Double", "DoubleValue"),
    P50: ("Finish Date", "FinishDateValue"),
    P80: ("Finish Date", "FinishDateValue"),
    DAYS_LATE: ("Integer", "IntegerValue"),
}
# Custom fields of tasks in MS Project by their names (Microsoft, "Project XML Data Interchange schema", FieldID; the
# numbers are those of the enumeration PjField).
PROJECT_FIELDS = {
    PROBABILITY: {f"Number{number}": 188743766 + number for number in range(1, 6)},
    P50: {f"Date{number}": 188743944 + number for number in range(1, 11)},
    P80: {f"Date{number}": 188743944 + number for number in range(1, 11)},
    DAYS_LATE: {f"Number{number}": 188743766 + number for number in range(1, 6)},
}


@dataclass
class _Place:
    """An element whose insides matter: texts of its children, where it begins and ends, parts to take out."""

    name: str
    begin: int
    texts: dict[str, str] = field(default_factory=dict)
    # Beginning of its end tag.
    end: int = 0
    parts: list["_Place"] = field(default_factory=list)
    # End of the element, after its end tag.
    beyond: int = 0


def write_pmxml(raw: bytes, found: Mapping[str, Forecast], project: str) -> bytes:
    """Return a PMXML file of P6 with the forecasts as user-defined fields; parameters as for `xer.write`."""
    places = _places(raw, {"UDFType", "Activity", "Project"}, {"UDF"}, "APIBusinessObjects", "PMXML file of P6")
    known = {item.texts.get("Title"): item.texts["ObjectId"] for item in places if item.name == "UDFType"}
    numbers = [int(number) for number in known.values() if number.isdecimal()]
    types, highest, definitions = {}, max(numbers, default=0), []
    for title, (kind, _) in P6_TYPES.items():
        types[title] = known.get(title) or str(highest := highest + 1)
        if title not in known:
            definitions.append(
                f"<UDFType><DataType>{kind}</DataType><ObjectId>{types[title]}</ObjectId>"
                f"<SubjectArea>Activity</SubjectArea><Title>{title}</Title></UDFType>"
            )
    edits = _Edits(raw)
    first = next((item for item in places if item.name == "Project"), None)
    if first is not None:
        edits.add(first.begin, "".join(definitions))

    def values_of(forecast: Forecast) -> str:
        return "".join(
            f"<UDF><TypeObjectId>{types[title]}</TypeObjectId><{P6_TYPES[title][1]}>{_p6_value(title, value)}"
            f"</{P6_TYPES[title][1]}></UDF>"
            for title, value in values(forecast)
        )

    activities = [item for item in places if item.name == "Activity"]
    own = set(types.values())
    return _written(
        edits, activities, "Id", found, values_of, lambda part: part.texts.get("TypeObjectId") in own, project
    )


def write_mspdi(raw: bytes, found: Mapping[str, Forecast], project: str) -> bytes:
    """Return an MSPDI file of MS Project with the forecasts as custom fields; parameters as for `xer.write`.

    The first custom fields of their kind that nothing in the file uses are taken.
    """
    places = _places(
        raw, {"Task", "ExtendedAttributes", "Tasks"}, {"ExtendedAttribute"}, "Project", "XML file of MS Project"
    )
    outer = next((item for item in places if item.name == "ExtendedAttributes"), None)
    definitions = outer.parts if outer else []
    aliases = {item.texts.get("Alias"): item.texts.get("FieldID") for item in definitions}
    tasks = [item for item in places if item.name == "Task"]
    used = {item.texts.get("FieldID") for item in definitions}
    used |= {part.texts.get("FieldID") for item in tasks for part in item.parts}
    types, added = {}, []
    for title, choices in PROJECT_FIELDS.items():
        if title in aliases:
            types[title] = str(aliases[title])
            continue
        free = next(((name, str(number)) for name, number in choices.items() if str(number) not in used), None)
        if free is None:
            raise NotTheFileError(f"the file uses all custom fields for {title}: free one of {', '.join(choices)}")
        types[title] = free[1]
        used.add(free[1])
        added.append(
            f"<ExtendedAttribute><FieldID>{free[1]}</FieldID><FieldName>{free[0]}</FieldName><Alias>{title}</Alias>"
            "</ExtendedAttribute>"
        )
    edits = _Edits(raw)
    if outer is not None:
        edits.add(outer.end, "".join(added))
    elif (first := next((item for item in places if item.name == "Tasks"), None)) is not None:
        edits.add(first.begin, f"<ExtendedAttributes>{''.join(added)}</ExtendedAttributes>" if added else "")

    def values_of(forecast: Forecast) -> str:
        return "".join(
            f"<ExtendedAttribute><FieldID>{types[title]}</FieldID><Value>{_project_value(title, value)}</Value>"
            "</ExtendedAttribute>"
            for title, value in values(forecast)
        )

    own = set(types.values())
    return _written(edits, tasks, "UID", found, values_of, lambda part: part.texts.get("FieldID") in own, project)


def _p6_value(title: str, value: float | int | str) -> str:
    return f"{value}T17:00:00" if title in (P50, P80) else escape(str(value))


def _project_value(title: str, value: float | int | str) -> str:
    return f"{value}T17:00:00" if title in (P50, P80) else escape(str(value))


class _Edits:
    """Texts to put in and parts to take out, by the places of the bytes."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.edits: list[tuple[int, int, bytes]] = []

    def add(self, place: int, text: str) -> None:
        """Put text in before a place."""
        if text:
            self.edits.append((place, place, text.encode()))

    def remove(self, begin: int, end: int) -> None:
        """Take out what lies between two places."""
        self.edits.append((begin, end, b""))

    def whole(self) -> bytes:
        """Return the bytes after all edits."""
        parts, last = [], 0
        for begin, end, text in sorted(self.edits, key=lambda item: item[:2]):
            parts += [self.raw[last:begin], text]
            last = end
        return b"".join([*parts, self.raw[last:]])


def _written(
    edits: _Edits,
    items: list[_Place],
    name: str,
    found: Mapping[str, Forecast],
    values_of: Callable[[Forecast], str],
    is_ours: Callable[[_Place], bool],
    project: str,
) -> bytes:
    """Return the file with the values of each item in it; those that an earlier export has written are replaced."""
    matched = 0
    for item in items:
        for part in item.parts:
            if is_ours(part):
                edits.remove(part.begin, part.beyond)
        forecast = found.get(item.texts.get(name, "").strip())
        if forecast is not None:
            edits.add(item.end, values_of(forecast))
            matched += 1
    if not matched:
        raise NotTheFileError(f"the file has none of the open activities of {project}")
    return edits.whole()


def _places(raw: bytes, wanted: set[str], inner: set[str], root: str, what: str) -> list[_Place]:
    """Return the elements of some names in their order; those of `inner` are parts of the one that they stand in."""
    if not re.match(
        rb"(?:\xef\xbb\xbf)?\s*<\?xml[^>]*encoding=[\"'](?i:utf-8)[\"']|(?:\xef\xbb\xbf)?\s*<(?!\?xml[^>]*encoding)",
        raw,
    ):
        raise NotTheFileError(f"the {what} is not in UTF-8")
    parser = expat.ParserCreate()
    parser.buffer_text = True
    found: list[_Place] = []
    open_: list[_Place | None] = []
    names: list[str] = []
    texts: list[str] = []

    def start(name: str, _: Any) -> None:
        local = name.rpartition(":")[2]
        if not names and local != root:
            raise NotTheFileError(f"the file is no {what}")
        names.append(local)
        texts.append("")
        open_.append(_Place(local, parser.CurrentByteIndex) if local in wanted | inner else None)

    def end(_: str) -> None:
        local, text, place = names.pop(), texts.pop(), open_.pop()
        parent = next((item for item in reversed(open_) if item is not None), None)
        if place is not None:
            place.end = parser.CurrentByteIndex
            # An element without an end tag ends where it begins.
            closing = raw.find(b">", place.end)
            place.beyond = closing + 1
            if local in inner:
                if parent is not None:
                    parent.parts.append(place)
            else:
                found.append(place)
        elif open_ and open_[-1] is not None:
            open_[-1].texts.setdefault(local, text)

    def characters(text: str) -> None:
        if texts:
            texts[-1] += text

    def refuse(*_: Any) -> None:
        raise NotTheFileError("the file declares entities")

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, characters
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(raw, True)
    except expat.ExpatError as error:
        raise NotTheFileError(f"the {what} is not well-formed: {error}") from error
    return sorted(found, key=lambda item: item.begin)
