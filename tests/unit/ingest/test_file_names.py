"""What a file's name says: a day that it does not name must not be read into it."""

import re
from datetime import date

import pytest

from slipcast.ingest.files import file_names


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("plan_2025-06-30.csv", date(2025, 6, 30)),
        ("2025-06-30.csv", date(2025, 6, 30)),
        ("20250630.csv", date(2025, 6, 30)),
        ("plan20250630b.csv", date(2025, 6, 30)),
        ("plan_2025_06_30.xlsx", date(2025, 6, 30)),
        ("plan.2025.06.30.csv", date(2025, 6, 30)),
        ("plan_20250630T120000.csv", date(2025, 6, 30)),
        ("2024-02-29.csv", date(2024, 2, 29)),
        # A month is meant to its end.
        ("plan_2025_06.csv", date(2025, 6, 30)),
        ("plan_2025-06.csv.gz", date(2025, 6, 30)),
        ("2024.02.xer", date(2024, 2, 29)),
        ("2023-02.csv", date(2023, 2, 28)),
        ("1999-12.csv", date(1999, 12, 31)),
        ("plan_2025-06 (2).csv", date(2025, 6, 30)),
        ("2025-06_rev.csv", date(2025, 6, 30)),
        ("2025-06_1200.csv", date(2025, 6, 30)),
        # The first of several; a day before a month.
        ("2025-06-30_2025-07-31.csv", date(2025, 6, 30)),
        ("2010-05_tower_2025-06-30.csv", date(2025, 6, 30)),
        ("2025-02-30_2025-03-31.csv", date(2025, 3, 31)),
        ("2025-05_2025-06.csv", date(2025, 5, 31)),
        # Folders and the suffix are not the name.
        ("2020-01-01/plan_2025-06-30.csv", date(2025, 6, 30)),
        ("C:\\2020-01-01\\plan_2025-06-30.csv", date(2025, 6, 30)),
    ],
)
def test_a_day_in_the_name_is_the_data_date(name, day):
    assert file_names.data_date(name) == day


@pytest.mark.parametrize(
    "name",
    [
        "plan.csv",
        "v2025.csv",
        "plan_2025.csv",
        "202506.csv",
        "2025-13-01.csv",
        "2025-00.csv",
        "2025-06-7.csv",
        "2025-6-30.csv",
        "2025-02-31.csv",
        "2025-06-00.csv",
        "2025-06-31.csv",
        "20250631.csv",
        "20230229.csv",
        "2023-02-29.csv",
        "20250630120000.csv",
        "120250630.csv",
        "2025-0630.csv",
        "2025_06-30.csv",
        "2025-06.30.csv",
        "30.06.2025.csv",
        "30-06-2025.csv",
        "3024-06-30.csv",
        "1825-06-30.csv",
        "A2025061.csv",
        "2020-01-01/plan.csv",
        "",
        ".csv",
    ],
)
def test_what_is_no_day_is_none(name):
    assert file_names.data_date(name) is None


@pytest.mark.parametrize(
    ("name", "folder", "source"),
    [
        ("tower_a_2025-06-30.csv", "", "tower_a"),
        ("tower_a_2025-07-31.csv.gz", "", "tower_a"),
        ("Tower A 20250731.XLSX", "", "tower_a"),
        ("2025-07_Tower-A.xer", "", "tower_a"),
        ("tower_a.csv", "", "tower_a"),
        ("tower_a.csv", "p6", "p6-tower_a"),
        ("2025-06-30.csv", "p6", "p6"),
        ("2025-06-30.csv", "", "schedule"),
        ("", "", "schedule"),
        ("Müller & Söhne.csv", "", "müller_söhne.5381e28d"),
        ("plan.v2.csv", "", "plan"),
        ("x.tar.gz", "", "x_tar"),
        # Dates, updates and revisions tell files of one series apart, blocks tell series apart.
        ("Hall 30-Jun-25 rev B.xer", "", "hall"),
        ("Hall_UPD-03_2025-06-30.xer", "", "hall"),
        ("hall update 12 (1).xlsx", "", "hall"),
        ("hall_30.06.2025.xer", "", "hall"),
        ("hall_June2025.xer", "", "hall"),
        ("hall_2025_W26.csv", "", "hall"),
        ("hall_BL.xer", "", "hall"),
        ("Hall - Baseline 2.xer", "", "hall"),
        ("hall_bl4.xer", "", "hall_bl4"),
        ("BL-54069-20250902.xer", "", "54069"),
        ("UP-54069-20251121.xer", "", "54069"),
        ("T2401-BL01.xer", "", "t2401"),
        ("T2401-UP07-DD251130.xer", "", "t2401"),
        ("Copy of hall_rev. 3.pmxml", "", "hall"),
        ("block_r1.xer", "", "block_r1"),
        ("tower_b2_2025-06-30.xer", "", "tower_b2"),
        ("status report.csv", "", "status_report"),
        ("rev2.xer", "", "rev2"),
        ("a/b/plan.csv", "", "plan"),
        ("../../etc/passwd.csv", "../x/y", "x_y.62b0ea75-passwd"),
        ("日程.csv", "", "日程"),
        ("2025-06-7.csv", "", "2025_06_7"),
    ],
)
def test_files_of_one_series_have_one_source(name, folder, source):
    assert file_names.source(name, folder) == source


def test_a_source_is_not_too_long_for_a_key():
    long = file_names.source("x" * 300 + "?#%.csv", "y" * 300)

    assert re.fullmatch(r"y{80}\.[0-9a-f]{8}-x{80}\.[0-9a-f]{8}", long)
    assert long != file_names.source("x" * 300 + ".csv", "y" * 300)


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("plan.csv", "plan"),
        ("plan.csv.gz", "plan"),
        ("PLAN.CSV.ZIP", "PLAN"),
        ("plan.v2.xlsx", "plan.v2"),
        ("a/b\\c/plan.xer", "plan"),
        ("plan.pdf", "plan.pdf"),
        (".csv", ".csv"),
        ("gz.gz", "gz"),
    ],
)
def test_the_stem_is_the_name_without_folders_and_known_suffixes(name, stem):
    assert file_names.stem(name) == stem
