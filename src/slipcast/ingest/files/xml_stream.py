"""Streaming reader of large XML files that refuses document types, entities and endless or deep content."""

import xml.parsers.expat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slipcast.ingest.refusal import ScheduleRefused

BLOCK = 1 << 16
MAX_DEPTH = 100
# One text; more is no value of a schedule and would be held in memory.
MAX_TEXT = 4_000_000


@dataclass(frozen=True, slots=True)
class Element:
    """A complete record of an XML file.

    Attributes
    ----------
    name
        Local name, such as ``Activity``.
    line
        Line in the file where the element begins; the first is 1.
    fields
        Text by name of the child; for a child with children of its own, a list of such mappings.
    inside
        Fields of the enclosing record that were read so far, such as ``ObjectId`` of the project of an activity; empty
        for a record at the top.
    """

    name: str
    line: int
    fields: dict[str, Any]
    inside: Mapping[str, Any]


class _Frame:
    """An element whose end has not been read: a record, a value of one, or of no interest (no fields, no text)."""

    __slots__ = ("fields", "line", "name", "record", "text", "wanted")

    def __init__(self, name: str, line: int, record: bool, wanted: frozenset[str] | None) -> None:
        self.name, self.line, self.record, self.wanted = name, line, record, wanted
        self.fields: dict[str, Any] | None = {} if record else None
        self.text: list[str] | None = None if record else []


# One for all elements that nobody asked for: nothing is kept of them.
_IGNORED = _Frame("", 0, False, frozenset())
_IGNORED.text = None


class XmlReader:
    """Reader of the records of an XML file, as often as needed, in memory of one record.

    Names are compared without their namespace: tools write the same elements under a new one in each version.

    Parameters
    ----------
    path
        The file as it was dropped; the encoding is that of its byte order mark or declaration.
    file
        Name for messages.
    again
        Remedy for a damaged file: how to export it once more.
    """

    def __init__(self, path: Path, file: str, again: str) -> None:
        self._path, self._file, self._again = path, file, again

    def records(self, wanted: Mapping[str, frozenset[str] | None]) -> Iterator[Element]:
        """Yield the elements of some names, each at its end, in the order of the file.

        Parameters
        ----------
        wanted
            Names of the children to keep by name of the element; None keeps all. An element within another one of
            these names is a record of its own.

        Raises
        ------
        ScheduleRefused
            If the file is not well-formed, is cut, declares a document type or entities, is nested deeper than 100
            levels, or holds a text of more than 4,000,000 characters.
        """
        parsing = _Parsing(self._file, wanted)
        try:
            with self._path.open("rb") as stream:
                while block := stream.read(BLOCK):
                    parsing.parser.Parse(block, False)
                    yield from parsing.taken()
                parsing.parser.Parse(b"", True)
            yield from parsing.taken()
        except xml.parsers.expat.ExpatError as error:
            raise self._refusal(error) from error
        except (LookupError, ValueError) as error:
            if isinstance(error, ScheduleRefused):
                raise
            # expat asks Python for encodings that it does not know itself; not all of them can be mapped.
            reason = "the encoding that the XML declaration names cannot be read"
            raise ScheduleRefused(self._file, reason, f"{self._again}, as UTF-8", 1) from error

    def _refusal(self, error: xml.parsers.expat.ExpatError) -> ScheduleRefused:
        words = xml.parsers.expat.errors
        codes = words.codes
        if error.code in (codes[words.XML_ERROR_NO_ELEMENTS], codes[words.XML_ERROR_UNCLOSED_TOKEN]) or (
            error.code == codes[words.XML_ERROR_UNCLOSED_CDATA_SECTION]
        ):
            reason = "the XML file is cut: its end is missing"
        elif error.code == codes[words.XML_ERROR_UNKNOWN_ENCODING]:
            return ScheduleRefused(
                self._file, "the encoding that the XML declaration names is not known", f"{self._again}, as UTF-8", 1
            )
        else:
            reason = f"the XML is not well-formed ({xml.parsers.expat.ErrorString(error.code)})"
        return ScheduleRefused(self._file, reason, self._again, error.lineno)


class _Parsing:
    def __init__(self, file: str, wanted: Mapping[str, frozenset[str] | None]) -> None:
        self._file, self._wanted = file, wanted
        self._names: dict[str, str] = {}
        self._stack: list[_Frame] = []
        self._done: list[Element] = []
        self.parser = xml.parsers.expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.EntityDeclHandler = self._doctype

    def taken(self) -> list[Element]:
        done, self._done = self._done, []
        return done

    def _doctype(self, *_: object) -> None:
        raise ScheduleRefused(
            self._file,
            "the XML file declares a document type or entities, which no scheduling tool writes",
            "Remove the declaration <!DOCTYPE …>, or export the file again",
            self.parser.CurrentLineNumber,
        )

    def _start(self, tag: str, _: object) -> None:
        # A namespace stands before the name, with a space between.
        name = self._names.get(tag) or self._names.setdefault(tag, tag.rpartition(" ")[2])
        stack = self._stack
        if len(stack) >= MAX_DEPTH:
            reason = f"the XML elements are nested deeper than {MAX_DEPTH} levels"
            raise ScheduleRefused(self._file, reason, "Export the file again", self.parser.CurrentLineNumber)
        if name in self._wanted:
            stack.append(_Frame(name, self.parser.CurrentLineNumber, True, self._wanted[name]))
            return
        parent = stack[-1] if stack else _IGNORED
        if parent is _IGNORED or (parent.wanted is not None and name not in parent.wanted):
            stack.append(_IGNORED)
            return
        if parent.fields is None:
            # What looked like a value has children.
            parent.fields, parent.text = {}, None
        stack.append(_Frame(name, 0, False, None))

    def _characters(self, text: str) -> None:
        parts = self._stack[-1].text
        if parts is None:
            return
        parts.append(text)
        if sum(map(len, parts)) > MAX_TEXT:
            reason = f"a text has more than {MAX_TEXT:,} characters"
            raise ScheduleRefused(self._file, reason, "Export the file again", self.parser.CurrentLineNumber)

    def _end(self, _: str) -> None:
        closed = self._stack.pop()
        if closed is _IGNORED:
            return
        if closed.record:
            outer = next((frame.fields for frame in reversed(self._stack) if frame.record), None)
            self._done.append(Element(closed.name, closed.line, closed.fields or {}, outer or {}))
            return
        fields = self._stack[-1].fields
        if fields is None:
            return
        if closed.fields is None:
            fields.setdefault(closed.name, "".join(closed.text or ()))
        else:
            group = fields.setdefault(closed.name, [])
            if isinstance(group, list):
                group.append(closed.fields)
