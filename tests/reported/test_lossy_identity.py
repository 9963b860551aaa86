"""Lossy identity: different names become one key, or one name becomes two, and files overwrite each other."""

# zosmaai/pi-llm-wiki#245: names in other scripts than Latin lose all their letters and become one
# mitodl/ocw-studio#710: file names that differ in signs alone become one key
# karakeep-app/karakeep#3042: a slug drops what is not ASCII

import unicodedata

import pytest

from slipcast.ingest.files import file_names
from slipcast_aws import storage
from slipcast_aws.control import datasets
from support.plain_schedules import schedule

APART = (
    ("東京站", "大阪塔"),
    ("Проект А", "Проект Б"),
    ("مشروع", "مبنى"),
    ("A+B", "A&B"),
    ("C++", "C"),
    ("की", "का"),
    ("Tor 1", "Tór 1"),
    ("😀", "😁"),
    ("50%", "50"),
    ("x" * 90 + "a", "x" * 90 + "b"),
    ("東京 Tower", "大阪 Tower"),
)
TOGETHER = (
    ("Süd", unicodedata.normalize("NFD", "Süd")),
    ("가나", unicodedata.normalize("NFD", "가나")),
    ("Tower A", "tower_a"),
    ("tower-a", "Tower (A)"),
    ("ПРОЕКТ А", "проект_а"),
    ("hall\u00a0north", "Hall North"),
    ("hall\u200e", "hall"),
)


@pytest.mark.parametrize(("one", "other"), APART)
def test_what_is_apart_stays_apart(one, other):
    found = [file_names.source(f"{name}_2024-12-31.csv") for name in (one, other)]

    assert found[0] != found[1]
    assert all(found)
    # Parts of a key: S3 takes 1,024 bytes, and a slash would make a folder.
    assert all("/" not in name and len(name.encode()) < 500 for name in found)
    folders = [file_names.source("plan.csv", name) for name in (one, other)]
    assert folders[0] != folders[1]


@pytest.mark.parametrize(("one", "other"), TOGETHER)
def test_what_is_one_is_together(one, other):
    assert file_names.source(f"{one}_2024-12-31.csv") == file_names.source(f"{other} 2025-01-31 rev 2.xer")


def test_files_in_other_scripts_are_projects_of_their_own(preparing):
    for name, rows in (("東京站", 31), ("大阪塔", 21), ("A+B", 5), ("A&B", 4)):
        preparing.take_in(preparing.drop(schedule(rows), f"incoming/{name}_2024-12-31.csv"))
    preparing.take_in(preparing.drop(schedule(2), unicodedata.normalize("NFD", "incoming/Süd_2024-12-31.csv")))
    preparing.take_in(preparing.drop(schedule(3, data_date="2025-01-31"), "incoming/Süd_2025-01-31.csv"))

    projects = [project for project, _ in preparing.rows()]

    assert len(projects) == 31 + 21 + 5 + 4 + 3
    assert {name: projects.count(name) for name in ("東京站", "大阪塔", "süd")} == {
        "東京站": 31,
        "大阪塔": 21,
        "süd": 3,
    }
    assert len(set(projects)) == 5
    assert preparing.last("東京站")["counts"]["accepted"] == 31


def test_a_series_goes_on_under_its_name_of_an_earlier_version(preparing, monkeypatch):
    with monkeypatch.context() as earlier:
        earlier.setattr(file_names, "source", file_names.former_source)
        preparing.take_in(preparing.drop(schedule(5), "incoming/Süd_2024-12-31.csv"))
        # One series, by mistake.
        preparing.take_in(preparing.drop(schedule(6), "incoming/A+B_2024-12-31.csv"))
        preparing.take_in(preparing.drop(schedule(4, first=4), "incoming/A&B_2024-12-31.csv"))
        assert {project for project, _ in preparing.rows()} == {"s_d", "a_b"}

    preparing.take_in(preparing.drop(schedule(5, data_date="2025-01-31"), "incoming/Süd_2025-01-31.csv"))
    preparing.take_in(preparing.drop(schedule(4, first=4, data_date="2025-01-31"), "incoming/A&B_2025-01-31.csv"))
    preparing.take_in(preparing.drop(schedule(6, data_date="2025-01-31"), "incoming/A+B_2025-01-31.csv"))
    preparing.take_in(preparing.drop(schedule(3, data_date="2025-01-31"), "incoming/a_b_2025-01-31.csv"))

    found: dict[str, list[str]] = {}
    for project, activity in sorted(preparing.rows()):
        found.setdefault(project, []).append(activity)
    own, plain = file_names.source("A+B.csv"), preparing.last("a_b")["source"]
    assert found.pop("s_d") == [f"A0{number}" for number in range(5)]
    assert found.pop("a_b") == [f"A0{number}" for number in range(4, 8)]
    assert found.pop(own) == [f"A0{number}" for number in range(6)]
    # A name that belongs to another series since the earlier version.
    ((_, third),) = found.items()
    assert third == ["A00", "A01", "A02"]
    assert plain == "a_b"
    assert all(row["data_date"].isoformat().startswith("2025-01-31") for row in preparing.rows().values())


def test_the_name_of_a_series_is_in_the_manifest(preparing):
    preparing.take_in(preparing.drop(schedule(5), "incoming/東京站_2024-12-31.csv"))

    manifest = storage.read_json(datasets.latest_dataset("control")["manifest_uri"])

    assert [item["source"] for item in manifest["sources"]] == ["東京站"]
