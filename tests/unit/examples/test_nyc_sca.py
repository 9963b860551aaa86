"""As-of snapshots hide what was not known yet."""

import pandas as pd
import pytest

from examples.nyc_sca import as_of, canonical

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
    "DSF Number(s)": "DSF1",
}


def raw(*changes: dict[str, str]) -> pd.DataFrame:
    return pd.DataFrame([RAW | change for change in changes], dtype=str)


def test_a_raw_row_becomes_canonical():
    row = canonical(raw({})).iloc[0]

    assert row["phase"] == "Design"
    assert row["location"] == "district 01"
    assert row["start"] == pd.Timestamp("2021-07-06")
    assert row["baseline_finish"] == pd.Timestamp("2021-12-07")
    assert row["actual_finish"] == pd.Timestamp("2021-11-29")
    assert row["budget"] == 343300
    assert row["activity_id"].endswith("-design")


@pytest.mark.parametrize(
    "change",
    [
        {"Project Phase Name": "Construction"},
        {"Project Phase Actual Start Date": "PNS"},
        {"Project Phase Planned End Date": "DOER"},
        {"Project Phase Planned End Date": "7/6/2021"},
        {"Project Phase Actual End Date": "7/5/2021"},
    ],
)
def test_rows_that_cannot_be_used_are_left_out(change):
    assert len(canonical(raw({}, change))) == 1


def test_a_programme_code_in_a_money_cell_is_unknown():
    assert pd.isna(canonical(raw({"Project Budget Amount": "FTK"})).iloc[0]["budget"])


def test_repetitions_are_dropped_and_ids_are_unique():
    table = canonical(raw({}, {}, {"Project Phase Planned End Date": "12/31/2021"}))

    assert len(table) == 2
    assert table["activity_id"].is_unique


def test_a_snapshot_hides_later_starts_and_finishes():
    later = {"Project Phase Actual Start Date": "1/1/2022", "Project Description": "ROOF"}
    table = canonical(
        raw({}, later | {"Project Phase Planned End Date": "6/1/2022", "Project Phase Actual End Date": ""})
    )

    before = as_of(table, pd.Timestamp("2021-11-01"))
    assert before["status"].tolist() == ["in_progress"]
    assert before["actual_finish"].isna().all()
    assert before["data_date"].unique().tolist() == [pd.Timestamp("2021-11-01")]

    after = as_of(table, pd.Timestamp("2021-12-31"))
    assert after["status"].tolist() == ["complete"]
    assert len(as_of(table, pd.Timestamp("2022-01-01"))) == 2


def test_an_activity_keeps_its_id_from_snapshot_to_snapshot():
    table = canonical(raw({}, {"Project Description": "ROOF"}))
    ids = [set(as_of(table, pd.Timestamp(day))["activity_id"]) for day in ("2021-11-01", "2022-11-01")]

    assert ids[0] == ids[1]
