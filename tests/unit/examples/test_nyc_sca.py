"""As-of snapshots hide what was not known yet, and carry the ids that the agency's own file gets."""

import csv

import pandas as pd
import pytest

from examples.nyc_sca import as_of, canonical
from support.schedules import EXAMPLES, example

# The header as published: two names end with a space.
RAW = {
    "Project Geographic District ": "1",
    "Project Building Identifier": "M019",
    "Project School Name": "P.S. 19",
    "Project Type ": "SCA CIP",
    "Project Description": "BOILER",
    "Project Phase Name": "Design",
    "Project Status Name": "Complete",
    "Project Phase Actual Start Date": "7/6/2021",
    "Project Phase Planned End Date": "12/7/2021",
    "Project Phase Actual End Date": "11/29/2021",
    "Project Budget Amount": "343300",
    "Final Estimate of Actual Costs Through End of Phase Amount": "396588.00",
    "Total Phase Actual Spending Amount": "345117.00",
    "DSF Number(s)": "DSF1",
}
LATER = {"Project Phase Actual Start Date": "1/1/2022", "Project Phase Planned End Date": "6/1/2022"}


@pytest.fixture
def raw(tmp_path):
    def write(*changes: dict[str, str]):
        path = tmp_path / "nyc_sca_2025-06.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            rows = csv.DictWriter(file, RAW)
            rows.writeheader()
            rows.writerows(RAW | change for change in changes)
        return path

    return write


def test_a_raw_row_becomes_canonical(raw):
    # Of a file with one project its source would be the name.
    row = canonical(raw({}, {"Project Building Identifier": "M020"})).iloc[0]

    assert row["activity_id"] == "M019 / DSF1 / SCA CIP / Design / 7/6/2021"
    assert (row["project_id"], row["phase"], row["location"]) == ("M019 / DSF1", "Design", "district 01")
    assert row["start"] == pd.Timestamp("2021-07-06")
    assert row["baseline_finish"] == pd.Timestamp("2021-12-07")
    assert row["actual_finish"] == pd.Timestamp("2021-11-29")
    assert row["budget"] == 343300


def test_a_file_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="by the profile canonical, not by nyc_sca"):
        canonical(EXAMPLES / "nyc_sca_2022-12.csv")


def test_the_agency_s_file_has_the_activities_of_the_example_under_the_same_ids():
    columns = ["project_id", "activity_id", "phase", "work_type", "location", "start", "baseline_finish", "budget"]
    ours, theirs = (
        example(name).table[columns].sort_values(columns[:2], ignore_index=True)
        for name in ("nyc_sca_2025-06.csv", "exports/nyc_sca_2025-06.csv.gz")
    )

    # The snapshots leave out what starts and ends on one day.
    theirs = theirs[theirs["baseline_finish"] > theirs["start"]].reset_index(drop=True)
    pd.testing.assert_frame_equal(ours, theirs)
    older = example("nyc_sca_2022-12.csv").table
    assert set(older["activity_id"]) < set(ours["activity_id"])


def test_a_snapshot_hides_later_starts_and_finishes(raw):
    table = canonical(raw({}, LATER | {"Project Status Name": "In-Progress", "Project Phase Actual End Date": ""}))

    before = as_of(table, pd.Timestamp("2021-11-01"))
    assert before["status"].tolist() == ["in_progress"]
    assert before["actual_finish"].isna().all()
    assert before["data_date"].unique().tolist() == [pd.Timestamp("2021-11-01")]

    after = as_of(table, pd.Timestamp("2021-12-31"))
    assert after["status"].tolist() == ["complete"]
    assert len(as_of(table, pd.Timestamp("2022-01-01"))) == 2


def test_an_activity_keeps_its_id_from_snapshot_to_snapshot(raw):
    table = canonical(raw({}, {"Project Type ": "SCA CIP RESOA"}))
    ids = [set(as_of(table, pd.Timestamp(day))["activity_id"]) for day in ("2021-11-01", "2022-11-01")]

    assert len(ids[0]) == 2
    assert ids[0] == ids[1]
