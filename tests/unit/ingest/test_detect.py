"""Which line is the header and which profile reads the file; if none does, what the nearest one misses."""

import pytest

from slipcast.ingest.mapping.detect import detect, known
from slipcast.ingest.mapping.profile import Profile, built_in
from slipcast.ingest.refusal import ScheduleRefused

CORE = {"activity_id": "Id", "start": "Start", "baseline_finish": "Due"}
HEADER = ["Id", "Start", "Due"]


def profile(name: str = "plain", columns: dict | None = None, **other) -> Profile:
    return Profile(name=name, title=f"Title of {name}", columns=CORE if columns is None else columns, **other)


def found(*records: list[str], profiles=None, delimiter: str = ","):
    return detect({delimiter: records}, profiles or [profile()], "may.csv")


def refused(*records: list[str], profiles=None) -> ScheduleRefused:
    with pytest.raises(ScheduleRefused) as caught:
        found(*records, profiles=profiles)
    return caught.value


def test_the_header_is_found_and_stripped():
    header = found([" Id", "Start ", "\tDue", ""])

    assert header.profile.name == "plain"
    assert (header.delimiter, header.index) == (",", 0)
    assert header.header == ("Id", "Start", "Due", "")


@pytest.mark.parametrize("cells", [["ID", "start", "DUE"], ["(*)Id", "_Start_", "due:"], ["Id", "Start\n", "Due *"]])
def test_headers_are_compared_without_case_and_marks(cells):
    assert found(cells).profile.name == "plain"


def test_lines_above_the_header_are_passed_over():
    assert found(["Report of May"], [], ["Id", "Start"], HEADER, ["1", "2024-01-01", "2024-02-01"]).index == 3


def test_the_header_says_which_delimiter_it_is():
    heads = {",": [["Id;Start;Due"]], ";": [HEADER], "\t": [["Id;Start;Due"]]}

    assert detect(heads, [profile()], "may.csv").delimiter == ";"


def test_of_two_header_lines_the_last_one_counts():
    both = profile(columns={"activity_id": ["Id", "code"], "start": ["Start", "s"], "baseline_finish": ["Due", "f"]})

    assert found(["code", "s", "f"], HEADER, profiles=[both]).index == 1
    assert found(HEADER, ["code", "s", "f"], profiles=[both]).index == 1


def test_a_header_that_comes_again_below_its_rows_is_none():
    row = ["1", "2024-01-01", "2024-02-01"]

    assert found(HEADER, row, row, HEADER, row).index == 0


def test_a_line_that_is_known_better_counts_more_than_a_later_one():
    more = profile(columns={**CORE, "phase": "Phase"})

    assert found([*HEADER, "Phase"], HEADER, profiles=[more]).index == 0


def test_the_profile_that_knows_most_columns_reads_the_file():
    more = profile("more", {**CORE, "phase": "Phase"})
    other = profile("other", {**CORE, "location": "Area"})

    assert found([*HEADER, "Phase"], profiles=[profile(), more, other]).profile.name == "more"
    assert found([*HEADER, "Area"], profiles=[profile(), more, other]).profile.name == "other"
    assert found([*HEADER, "Area", "Phase"], profiles=[profile(), more]).profile.name == "more"


def test_a_header_that_is_there_twice_counts_once():
    twice = profile("twice", {**CORE, "location": "x"})
    more = profile("more", {**CORE, "phase": "Phase", "budget": "Price"})

    assert found([*HEADER, "Phase", "Price", "x", "x"], profiles=[twice, more]).profile.name == "more"


def test_what_a_profile_requires_must_be_there():
    strict = profile("strict", {**CORE, "phase": "Phase"}, requires=["Total Float"])

    assert found([*HEADER, "Phase"], profiles=[profile(), strict]).profile.name == "plain"
    assert found([*HEADER, "Phase", "total_float"], profiles=[profile(), strict]).profile.name == "strict"


def test_one_source_of_a_required_column_is_enough():
    several = profile(columns={**CORE, "start": ["Actual Start", "Planned Start"]})

    assert found(["Id", "Planned Start", "Due"], profiles=[several]).profile.name == "plain"
    assert refused(["Id", "Due"], profiles=[several]).column == "start"


def test_a_profile_with_a_label_needs_its_column_and_features_and_no_dates():
    label = {"column": "On time?", "late": ["no"], "on_time": ["yes"]}
    given = profile("given", {}, label=label, features=["Crew", "Area m²"])

    assert found(["crew", "area m²", "ON TIME"], profiles=[given]).profile.name == "given"
    assert "misses On time?" in refused(["crew", "area m²"], profiles=[given]).reason
    assert "misses Crew" in refused(["area m²", "On time"], profiles=[given]).reason


def test_two_profiles_that_fit_equally_well_are_left_to_the_user():
    refusal = refused(["Title"], HEADER, profiles=[profile("b"), profile("a"), profile("c", {**CORE, "phase": "P"})])

    assert refusal.reason == "the header fits the profiles a and b and c equally well"
    assert "incoming/a/" in refusal.remedy
    assert refusal.row == 2


def test_the_users_own_choice_is_not_ambiguous():
    assert found(HEADER, profiles=[profile("b")]).profile.name == "b"


def test_the_same_profile_by_two_delimiters_is_not_ambiguous():
    assert detect({",": [HEADER], ";": [HEADER]}, [profile()], "may.csv").profile.name == "plain"


def test_an_unknown_header_is_refused_with_the_nearest_profile():
    near = profile("near", {**CORE, "start": ["Actual Start", "Planned Start"], "phase": "Phase"})
    far = profile("far", {"activity_id": "Nr", "start": "Beginn", "baseline_finish": "Ende"})

    refusal = refused(["Report"], ["Id", "Phase", "Due", "Crew", ""], ["1", "a", "b"], profiles=[far, near])

    assert refusal.file == "may.csv"
    assert refusal.reason == (
        "no profile knows this header; the nearest is near (Title of near), which misses "
        "start ('Actual Start' or 'Planned Start'); it does not know Crew"
    )
    assert "docs/profiles.md" in refusal.remedy
    assert (refusal.row, refusal.column) == (2, "start")


def test_a_column_that_is_called_as_in_the_profile_is_named_once():
    same = profile(columns={"activity_id": "activity_id", "start": "start", "baseline_finish": "due"})

    reason = refused(["activity_id"], profiles=[same]).reason
    assert reason.endswith("which misses start ('start'), baseline_finish ('due')") or reason.endswith(
        "which misses start, baseline_finish ('due')"
    )


def test_of_two_profiles_as_near_the_one_that_misses_less_is_named():
    strict = profile("strict", requires=["A", "B"])

    assert "the nearest is plain" in refused(["Id", "Start"], profiles=[strict, profile()]).reason
    assert "the nearest is plain" in refused(["Id", "Start"], profiles=[profile(), strict]).reason


def test_a_long_list_of_foreign_columns_is_cut():
    assert len(refused(["Id", *(f"Column {number}" for number in range(1000))]).reason) < 600


@pytest.mark.parametrize("heads", [{}, {",": []}])
def test_a_file_without_lines_has_no_header(heads):
    with pytest.raises(ScheduleRefused, match="there is no header"):
        detect(heads, [profile()], "may.csv")


def test_a_file_of_empty_cells_is_refused():
    assert "there is no header" in refused(["", " "]).reason


@pytest.mark.parametrize("again", ["Start", "START", " start*"])
def test_a_column_that_is_read_must_not_be_there_twice(again):
    refusal = refused(["Report"], [*HEADER, again])

    assert refusal.reason == f"the header names {again.strip()} twice"
    assert (refusal.row, refusal.column) == (2, again.strip())
    assert refusal.remedy == "Remove or rename one of them"


def test_columns_that_are_not_read_may_be_there_twice():
    assert found([*HEADER, "Notes", "Notes", "", ""]).header[3:] == ("Notes", "Notes", "", "")


def test_known_headers_are_all_that_a_profile_reads():
    whole = profile(
        columns={**CORE, "phase": {"join": ["Phase", "Part"]}, "budget": ["Cost_A", {"name": "Cost B"}]},
        requires=["Total Float"],
        filters=[{"column": "Summary", "drop": ["yes"]}],
        label={"column": "On time", "late": ["no"], "on_time": ["yes"]},
        features=["Crew"],
    )

    assert known(whole) == {
        *("id", "start", "due", "phase", "part", "cost a", "cost b", "total float", "summary", "on time", "crew"),
    }


def test_the_built_in_profiles_do_not_fit_each_others_files():
    for own in built_in():
        cells = [next(iter(headers)) for headers in map(_headers, own.columns.values())]
        header = [*cells, *own.requires, *own.features, *([own.label.column] if own.label.column else [])]
        assert detect({",": [list(dict.fromkeys(header))]}, built_in(), "may.csv").profile.name == own.name


def _headers(mapping) -> list[str]:
    return mapping.join if hasattr(mapping, "join") else [source.name for source in mapping]
