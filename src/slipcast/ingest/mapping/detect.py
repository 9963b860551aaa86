"""Detection of the header line and of the profile that reads a file."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from slipcast.ingest.mapping.profile import Join, Profile, headers, normal
from slipcast.ingest.refusal import ScheduleRefused

# Letters of words such as de, da and van: they join the words of a name.
SHORT = 3


@dataclass(frozen=True)
class Found:
    """The header of a file.

    Attributes
    ----------
    profile
        The profile that reads the file.
    delimiter
        Between the cells.
    index
        Position of the header among the records at the head of the file; of the lower one of two lines.
    header
        Its cells, stripped; of two lines the cells of both.
    line
        Where it stands in the file; None if it is not in there.
    above
        Records above the header, such as those of a cover.
    """

    profile: Profile
    delimiter: str
    index: int
    header: tuple[str, ...]
    line: int | None
    above: int = 0


def detect(
    heads: Mapping[str, Sequence[Sequence[str]]],
    profiles: Sequence[Profile],
    file: str,
    lines: Mapping[str, Sequence[int | None]] | None = None,
) -> Found:
    """Return the header and the one profile that fits best.

    A profile fits if the header has its ``requires`` and a source for each required canonical column. Of those that
    fit, the one that knows the most columns of the file is taken.

    Parameters
    ----------
    heads
        For each delimiter that was tried the first records of the file.
    profiles
        Those to choose from; a single one is the user's choice.
    lines
        Where these records stand in the file; they follow each other from its first line by default.

    Raises
    ------
    ScheduleRefused
        If none fits, naming the nearest and the columns that do not match; if two fit equally well; if the header
        names a column twice that the profile reads.
    """
    reads = [known(profile) for profile in profiles]
    tried: list[_Try] = []
    for delimiter, records in heads.items():
        places = list(lines[delimiter] if lines else range(1, len(records) + 1))
        tried += _tries(records, delimiter, places, profiles, reads)
    fitting = [(known, found) for (missing, known), found in tried if not missing]
    joined_lines = 0
    if not fitting:
        joined_lines = 1
        every = _words(frozenset[str]().union(*reads))
        # A line of groups (Baseline, Actual) above one of names (Start, Finish), as merged cells leave it.
        for delimiter, records in heads.items():
            places = list(lines[delimiter] if lines else range(1, len(records) + 1))
            joined = [[], *(_joined(upper, lower, every) for upper, lower in pairwise(records))][: len(records)]
            fitting += [
                (known, found)
                for (missing, known), found in _tries(joined, delimiter, places, profiles, reads)
                if not missing
            ]
    if not fitting:
        raise _unknown(tried, file)
    most = max(known for known, _ in fitting)
    best = [found for known, found in fitting if known == most]
    names = sorted({found.profile.name for found in best})
    if len(names) > 1:
        raise ScheduleRefused(
            file,
            f"the header fits the profiles {' and '.join(names)} equally well",
            f"Drop the file under incoming/<profile>/, e.g. incoming/{names[0]}/",
            best[0].line,
        )
    # Spreadsheet exports of Primavera have the field names in one line and their titles in the next. A header that
    # comes again further down is none: what lies between would be lost.
    found = min(best, key=lambda item: item.index)
    above = found.index - joined_lines
    below = {item.index: item for item in best if item.delimiter == found.delimiter}
    while found.index + 1 in below:
        found = below[found.index + 1]
    _refuse_repeated(found, file)
    return replace(found, above=above)


type _Try = tuple[tuple[list[str], int], Found]


def _tries(
    records: Sequence[Sequence[str]],
    delimiter: str,
    places: Sequence[int | None],
    profiles: Sequence[Profile],
    reads: Sequence[frozenset[str]],
) -> list[_Try]:
    tried: list[_Try] = []
    kinds = [(profile, names, _missing(profile, frozenset())) for profile, names in zip(profiles, reads, strict=True)]
    for index, (record, line) in enumerate(zip(records, places, strict=True)):
        header, present = tuple(cell.strip() for cell in record), {normal(cell) for cell in record} - {""}
        for profile, names, everything in kinds if present else ():
            common = len(present & names)
            # Of a row of data, as most are, nothing has to be looked for.
            missing = _missing(profile, present) if common else everything
            tried.append(((missing, common), Found(profile, delimiter, index, header, line)))
    return tried


def _joined(upper: Sequence[str], lower: Sequence[str], names: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the header that two lines make: of each column the name that some profile knows, else both cells."""
    header, group = [], ""
    for place in range(max(len(upper), len(lower))):
        above = upper[place].strip() if place < len(upper) else ""
        below = lower[place].strip() if place < len(lower) else ""
        # A merged cell has its text in the first column and nothing in the others.
        group = above or group
        both = f"{group} {below}".strip()
        choices = [both, _inflected(group, below, names), below, above] if below else [above]
        header.append(next((choice for choice in choices if normal(choice) in names), both if below else above))
    return header


def _words(names: Iterable[str]) -> dict[str, list[str]]:
    """Return names as keys with nothing, and each word of them → the names that have it."""
    found: dict[str, list[str]] = {name: [] for name in sorted(names)}
    for name in sorted(names):
        for word in set(name.split()):
            found.setdefault(word, []).append(name)
    return found


def _inflected(group: str, below: str, names: Mapping[str, Sequence[str]]) -> str:
    """Return the name that a group and a name make in another order or with another ending: Fin real, Aktuelles Ende.

    Empty if there is none.
    """
    wanted, own = [word for word in normal(group).split() if len(word) > SHORT], normal(below).split()
    for name in names.get(own[0], ()) if wanted and own else ():
        others = [word for word in name.split() if word not in own and len(word) > SHORT]
        if set(own) <= set(name.split()) and len(others) == len(wanted) and all(map(_alike, others, wanted)):
            return name
    return ""


def _alike(one: str, other: str) -> bool:
    size = max(SHORT + 1, min(len(one), len(other)) - 1)
    return abs(len(one) - len(other)) < SHORT and one[:size] == other[:size]


def _missing(profile: Profile, present: Collection[str]) -> list[str]:
    """Return what a record lacks to be the header of a profile."""
    if profile.unpivot is not None:
        sources = [header for group in profile.unpivot.rows.values() for header in group.values()]
        if lost := [header for header in sources if normal(header) not in present]:
            return lost
        made = {normal(name) for group in profile.unpivot.rows.values() for name in group}
        present = {*present, normal(profile.unpivot.column), *made}
    missing = [header for header in profile.requires if normal(header) not in present]
    for column in (*profile.required, *profile.needs):
        if not _has(profile, column, present):
            missing.append(column)
    if "planned_finish" in profile.columns and not (
        _has(profile, "planned_finish", present) or _has(profile, "baseline_finish", present)
    ):
        missing.append("baseline_finish")
    if profile.undated:
        missing += [header for header in profile.features if normal(header) not in present]
    if profile.label.column is not None and normal(profile.label.column) not in present:
        missing.append(profile.label.column)
    return missing


def _has(profile: Profile, column: str, present: Collection[str]) -> bool:
    mapping = profile.columns.get(column)
    return mapping is not None and any(normal(header) in present for header in headers(mapping))


def known(profile: Profile) -> frozenset[str]:
    """Return the headers that a profile reads, as `normal` writes them."""
    names = {normal(header) for mapping in profile.columns.values() for header in headers(mapping)}
    names |= {
        normal(header)
        for mapping in profile.columns.values()
        if not isinstance(mapping, Join)
        for source in mapping
        for header in source.where
    }
    if profile.unpivot is not None:
        names |= {normal(header) for group in profile.unpivot.rows.values() for header in group.values()}
    names |= {normal(header) for header in profile.features}
    names |= {normal(item.column) for item in profile.filters}
    if profile.label.column is not None:
        names.add(normal(profile.label.column))
    return frozenset(names | {normal(header) for header in profile.requires})


def _unknown(tried: list[tuple[tuple[list[str], int], Found]], file: str) -> ScheduleRefused:
    if not tried:
        return ScheduleRefused(file, "there is no header", "Export the schedule again")
    (missing, _), found = max(tried, key=lambda item: (item[0][1], -len(item[0][0]), len(item[1].header)))
    profile = found.profile
    wanted = []
    for name in missing:
        mapping = profile.columns.get(name)
        named = " or ".join(repr(header) for header in headers(mapping)) if mapping else repr(name)
        wanted.append(f"{name} ({named})" if mapping and named != repr(name) else name)
    reads = known(profile)
    # In a workbook the first cell is the number of the row.
    own = found.header[1:] if found.header[:1] in (("#line",), (str(found.line),)) else found.header
    foreign = [cell for cell in own if cell and normal(cell) not in reads]
    reason = f"no profile knows this header; the nearest is {profile.name} ({profile.title}), which misses "
    reason += ", ".join(wanted)
    if foreign:
        reason += f"; it does not know {', '.join(foreign)[:300]}"
    refusal = ScheduleRefused(
        file,
        reason,
        "Export these columns too, or write a profile (docs/profiles.md)",
        found.line,
        missing[0] if missing else None,
    )
    headings = [headers(profile.columns[name])[0] if name in profile.columns else name for name in missing]
    # Activity codes of a tool are no headings of a table.
    if not any(heading.startswith("code:") for heading in headings):
        refusal.missing = tuple(headings)
    return refusal


def _refuse_repeated(found: Found, file: str) -> None:
    reads = known(found.profile)
    names = [normal(cell) for cell in found.header]
    for position, name in enumerate(names):
        if name in reads and names.index(name) != position:
            raise ScheduleRefused(
                file,
                f"the header names {found.header[position][:100]} twice",
                "Remove or rename one of them",
                found.line,
                found.header[position][:100],
            )
