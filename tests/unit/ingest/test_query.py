"""The query over a grid: which cells of the header it reads."""

from pathlib import Path

import pytest

from slipcast.ingest.files.grid import Grid
from slipcast.ingest.mapping.profile import built_in, headers, load_profile, normal
from slipcast.ingest.sql import query as module
from slipcast.ingest.sql.query import Query


def made(header: tuple[str, ...], profile) -> Query:
    grid = Grid(Path("x.csv"), ",", 1, len(header), True)
    return Query(grid, profile, header, "YMD", None, "x", "")


@pytest.mark.parametrize("profile", built_in(), ids=lambda profile: profile.name)
def test_each_cell_of_the_header_is_normalised_once(profile, monkeypatch):
    """A line break lost makes a header of thousands of cells; reading it must not take their number squared."""
    names = [name for mapping in profile.columns.values() for name in headers(mapping)]
    names += [*profile.features, *(item.column for item in profile.filters)]
    if profile.label.column is not None:
        names.append(profile.label.column)
    foreign = [f"Zz {number}" for number in range(300)]
    seen: list[str] = []
    monkeypatch.setattr(module, "normal", lambda text: seen.append(text) or normal(text))

    query = made((*foreign, *dict.fromkeys(names)), profile)
    query.checked()
    query.table()

    assert query.rules
    assert [name for name in seen if name.startswith("Zz")] == foreign


def test_of_cells_with_the_same_name_the_first_is_read():
    text = "name: own\ntitle: x\ncolumns: {activity_id: Id, start: [Begin, Start], phase: {join: [One, Two]}}"
    query = made(("X", "two", "START", "start", " id*", "one"), load_profile(text, "own.yaml"))

    assert query.own_names == {"activity_id": " id*", "start": "START", "phase": "one / two"}
