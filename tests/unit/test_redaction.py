"""What of a prediction may stand in the log."""

import pytest

from slipcast.features.row import CATEGORICAL, NUMERIC, feature_row
from slipcast.redaction import NAMES, from_text

ROW = feature_row(
    {
        "start": "2024-01-01",
        "baseline_finish": "2024-06-01",
        "budget": 5.0,
        "phase": "Design",
        "location": "district 01",
    }
)


def test_nothing_is_redacted_unless_it_is_asked_for():
    kept = from_text("", "salt")

    assert kept.entry("A", "p", ROW) == {"activity_id": "A", "project_id": "p", "features": ROW}
    assert kept.head() == {}


def test_columns_are_left_out_and_named():
    kept = from_text("location, budget", "salt")
    entry = kept.entry("A", "p", ROW)

    assert set(ROW) - set(entry["features"]) == {"location", "log_budget"}
    assert kept.head() == {"redacted": ["location", "log_budget"]}
    assert (entry["activity_id"], entry["project_id"]) == ("A", "p")


def test_identifiers_are_hashed_so_that_rows_can_still_be_joined():
    kept, other = from_text("activity_id,project_id", "salt"), from_text("activity_id,project_id", "another")
    entry = kept.entry("A", "A", ROW)

    assert entry == kept.entry("A", "A", ROW)
    assert entry["activity_id"] == kept.identity("activity_id", "A") != other.identity("activity_id", "A")
    assert len({entry["activity_id"], entry["project_id"], "A"}) == 3
    assert len(entry["activity_id"]) == 32
    assert entry["features"] == ROW
    assert kept.head() == {}
    assert kept.entry("A", None, ROW)["project_id"] is None


@pytest.mark.parametrize("name", NAMES)
def test_each_column_that_can_be_named_is_kept_out(name):
    kept = from_text(name, "salt")
    entry = kept.entry("identifier of it", "project of it", dict.fromkeys((*NUMERIC, *CATEGORICAL), name))

    if name in ("activity_id", "project_id"):
        assert "of it" not in entry[name]
    else:
        assert name not in entry["features"]
        assert len(entry["features"]) == len(ROW) - 1


def test_a_name_that_is_misspelt_is_refused_with_those_there_are():
    with pytest.raises(
        ValueError, match=r"RedactColumns: no column phases is logged; there are activity_id, project_id"
    ):
        from_text("phases, location", "salt")
