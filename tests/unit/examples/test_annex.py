"""The three updates of the invented annex: the generator makes the committed bytes, and a reader finds P6's dates."""

import pytest

from examples import make_annex
from slipcast.ingest.read_network import read_network, read_rows
from slipcast.schedule.engine import schedule
from slipcast.schedule.working_time import moment_of

FILES = sorted(make_annex.HERE.glob("*.xer"))


def test_the_generator_makes_the_committed_bytes(tmp_path, monkeypatch):
    committed = {path.name: path.read_bytes() for path in FILES}
    monkeypatch.setattr(make_annex, "HERE", tmp_path)

    make_annex.write()

    assert len(committed) == 3
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == committed


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_stored_dates_are_those_of_the_network(path):
    dates = schedule(read_network(path))

    stored = {row["activity_id"]: row["early_finish"] for row in read_rows(path)["activities"] if row["early_finish"]}
    computed = {key.activity: moment_of(found.early_finish) for key, found in dates.activities.items()}
    assert stored == {name: f"{computed[name]:%Y-%m-%d %H:%M}" for name in stored}
    assert len(stored) > 10
