"""A profile is checked entry by entry before it reads anything, and says what is wrong with it."""

import pytest

from slipcast.ingest.mapping.profile import (
    BUILT_IN,
    CANONICAL,
    MAX_BYTES,
    PREDICTING,
    Durations,
    Join,
    Numbers,
    Profile,
    Source,
    built_in,
    headers,
    load_profile,
    normal,
)
from slipcast.ingest.refusal import ScheduleRefused

HEAD = "name: mine\ntitle: My export\n"


def load(text: str) -> Profile:
    return load_profile(HEAD + text, "mine.yaml")


def refused(text: str, head: str = HEAD) -> ScheduleRefused:
    with pytest.raises(ScheduleRefused) as caught:
        load_profile(head + text, "mine.yaml")
    assert caught.value.file == "mine.yaml"
    assert caught.value.remedy
    return caught.value


def test_a_name_and_a_title_are_a_profile():
    profile = load("")

    assert profile == Profile(name="mine", title="My export")
    assert (profile.numbers, profile.durations) == (Numbers(), Durations(unit="d", hours_per_day=8, days_per_week=7))
    assert (profile.dates.order, profile.key, profile.duplicates) == ("auto", ["project_id", "activity_id"], "reject")
    assert profile.required == ("activity_id", "start", "baseline_finish")


def test_every_entry_is_read():
    profile = load(
        """
columns:
  activity_id: {join: [Building, Phase], separator: "-"}
  start: [Actual Start, Start]
  actual_finish: {name: Finish, matching: '\\sA$'}
  total_float_days: [{name: Total Float(h), unit: h}, Float]
  predecessor_count: {name: Predecessors, count: true}
requires: [Summary]
dates: {order: DMY, months: [J, F, M, A, M, J, J, A, S, O, N, D], suffixes: [A, "*"], formats: ["%d.%m.%Y"]}
numbers: {decimal: ",", thousands: "."}
durations: {unit: w, hours_per_day: 7.5, days_per_week: 5}
missing: [k.A.]
status: {complete: [fertig], in_progress: [in Arbeit]}
filters: [{column: Art, drop: [Summe, ""]}, {column: Aktiv, keep: ["Ja"]}]
key: [activity_id]
duplicates: keep_last
label: {column: OK, late: ["0"], on_time: ["1"]}
features: [Crew]
"""
    )

    assert profile.columns["activity_id"] == Join(join=["Building", "Phase"], separator="-")
    assert profile.columns["start"] == [Source(name="Actual Start"), Source(name="Start")]
    assert profile.columns["actual_finish"] == [Source(name="Finish", matching=r"\sA$")]
    assert profile.columns["total_float_days"] == [Source(name="Total Float(h)", unit="h"), Source(name="Float")]
    assert profile.columns["predecessor_count"][0].count
    assert headers(profile.columns["activity_id"]) == ["Building", "Phase"]
    assert headers(profile.columns["total_float_days"]) == ["Total Float(h)", "Float"]
    assert (profile.dates.order, profile.dates.formats, profile.dates.suffixes) == ("DMY", ["%d.%m.%Y"], ["A", "*"])
    assert (profile.numbers.decimal, profile.numbers.thousands) == (",", ".")
    assert (profile.durations.unit, profile.durations.hours_per_day, profile.durations.days_per_week) == ("w", 7.5, 5)
    assert profile.status == {"complete": ["fertig"], "in_progress": ["in Arbeit"]}
    assert profile.filters[0].drop == ["Summe", ""]
    assert profile.filters[1].keep == ["Ja"]
    assert (profile.key, profile.duplicates, profile.missing) == (["activity_id"], "keep_last", ["k.A."])
    assert (profile.label.column, profile.features, profile.requires) == ("OK", ["Crew"], ["Summary"])
    assert not profile.undated


def test_a_label_without_a_start_is_a_profile_without_dates():
    profile = load("label: {column: OK, late: [0], on_time: [1]}\nfeatures: [Crew]")

    assert profile.undated
    assert profile.required == ()


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("colums: {}", "colums", "no such entry"),
        ("columns: []", "columns", "entries of the form"),
        ("columns:", "columns", "entries of the form"),
        ("columns: {phases: Phase}", None, "phases is not a canonical column; they are activity_id"),
        ("columns: {phase: }", "columns.phase.0.name", "needs a word in quotes"),
        ("columns: {phase: [[Phase]]}", "columns.phase.0.name", "needs a word in quotes"),
        ("columns: {phase: {nam: Phase}}", "columns.phase.0.name", "it is missing"),
        ("columns: {phase: {name: Phase, nit: h}}", "columns.phase.0.nit", "no such entry"),
        (
            "columns: {total_float_days: [{name: Float, unit: m}]}",
            "columns.total_float_days.0.unit",
            "'h', 'd', 'w' or 'ed'",
        ),
        ("columns: {phase: [Phase, {name: P, unit: 1}]}", "columns.phase.1.unit", "'h', 'd', 'w' or 'ed'"),
        ("columns: {phase: {name: P, count: often}}", "columns.phase.0.count", "boolean"),
        ("columns: {phase: {name: P, matching: '('}}", None, "columns.phase: '(' cannot be used"),
        ("columns: {phase: {name: P, matching: '(?=a)'}}", None, "columns.phase: '(?=a)' cannot be used"),
        ("columns: {phase: {join: []}}", "columns.phase.join", "at least 1 item"),
        ("columns: {phase: {join: Phase}}", "columns.phase.join", "needs a list"),
        ("columns: {phase: {join: [A], sep: x}}", "columns.phase.sep", "no such entry"),
        ("columns: {phase: {join: [A], name: x}}", "columns.phase.name", "no such entry"),
        ("requires: Phase", "requires", "needs a list"),
        ("dates: {order: dmy}", "dates.order", "'auto', 'DMY', 'MDY' or 'YMD'"),
        ("dates: {months: [Jan]}", "dates.months", "at least 12"),
        ("dates: {months: [a, b, c, d, e, f, g, h, i, j, k, l, m]}", "dates.months", "at most 12"),
        ("dates: {formats: ['%Q']}", None, "dates.formats: '%Q' cannot be used"),
        ("dates: {formats: ['%d.%m.%Y', '']}", None, "dates.formats: '' cannot be used"),
        ("dates: {format: x}", "dates.format", "no such entry"),
        ("numbers: {decimal: ';'}", "numbers.decimal", "'.' or ','"),
        ("numbers: {thousands: _}", "numbers.thousands", "is not one of"),
        ("numbers: {decimal: ',', thousands: ','}", "numbers", "both ','"),
        ("durations: {unit: m}", "durations.unit", "'h', 'd' or 'w'"),
        ("durations: {hours_per_day: 0}", "durations.hours_per_day", "greater than 0"),
        ("durations: {hours_per_day: 25}", "durations.hours_per_day", "less than or equal to 24"),
        ("durations: {days_per_week: 8}", "durations.days_per_week", "less than or equal to 7"),
        ("durations: {days_per_week: .nan}", "durations.days_per_week", "less than or equal to 7"),
        ("missing: NA", "missing", "needs a list"),
        ("missing: [~]", "missing.0", "needs a word in quotes"),
        ("status: {done: [x]}", "status.done.[key]", "'not_started', 'in_progress' or 'complete'"),
        ("status: {complete: done}", "status.complete", "needs a list"),
        ("status: {complete: [Done], in_progress: [done ]}", None, "'done' stands for two"),
        ("status: {complete: [In_Progress], in_progress: [x]}", None, "'in_progress' stands for two"),
        ("filters: {column: A, keep: [x]}", "filters", "needs a list"),
        ("filters: [{column: A}]", "filters.0", "either keep or drop"),
        ("filters: [{column: A, keep: [x], drop: [y]}]", "filters.0", "either keep or drop"),
        ("filters: [{keep: [x]}]", "filters.0.column", "it is missing"),
        ("key: []", "key", "at least 1 item"),
        ("key: [phase]", "key.0", "'project_id' or 'activity_id'"),
        ("duplicates: drop", "duplicates", "'reject', 'keep_first' or 'keep_last'"),
        ("label: {column: OK, late: ['0']}", "label", "words for late and for on_time"),
        ("label: {column: OK, late: [x, 'No'], on_time: ['no']}", "label", "'no' stands for both"),
        ("label: {colum: OK}", "label.colum", "no such entry"),
        ("features: [Crew]", None, "only a file with a label column"),
    ],
)
def test_a_wrong_entry_is_named(text, column, words):
    refusal = refused(text)

    assert refusal.column == column
    assert words in refusal.reason


@pytest.mark.parametrize("name", ["Mine", "../mine", "a b", "", "-a", "a" * 64, "mine.yaml", "größe"])
def test_a_name_that_is_no_name_of_a_folder_is_refused(name):
    assert "name: use lower case letters" in refused("", f"name: '{name}'\ntitle: x\n").reason


@pytest.mark.parametrize(
    ("head", "column"), [("title: x\n", "name"), ("name: x\n", "title"), ("name: NO\ntitle: x\n", "name")]
)
def test_name_and_title_are_required(head, column):
    assert refused("", head).column == column


@pytest.mark.parametrize("text", ["", "[]", "mine", "- a\n- b\n", "# nothing\n"])
def test_a_document_that_is_no_mapping_is_refused(text):
    assert "entries of the form" in refused(text, "").reason


POST_HOC_HEADERS = [
    *("Actual Cost", "Act Units", "Remaining Duration", "% Complete", "Percent complete", "Pct", "Spent", "EAC", "ETC"),
    *("Cost at completion", "Forecast", "Status", "Finish Variance", "Slip (days)", "Delay", "Is_Late", "Finish"),
    *("Finished", "Elapsed", "Units To Date", "schedule_adherence", "Outcome", "actual-finish", "data_date"),
    *("Duration", "COST", "Work", "percent_complete"),
]


@pytest.mark.parametrize("header", POST_HOC_HEADERS)
def test_a_column_written_after_the_start_does_not_predict(header):
    for column in PREDICTING:
        assert "would tell the outcome" in refused(f"columns: {{{column}: '{header}'}}").reason
    assert "would tell the outcome" in refused(f"columns: {{phase: [Phase, '{header}']}}").reason
    assert "would tell the outcome" in refused(f"columns: {{phase: {{join: [Phase, '{header}']}}}}").reason
    label = "label: {column: OK, late: ['0'], on_time: ['1']}\n"
    refusal = refused(f"{label}features: [Crew, '{header}']")
    assert refusal.reason.startswith(f"features: {header!r} is written after the activity started")


@pytest.mark.parametrize(
    "header",
    ["Phase", "Planned Duration", "Baseline Cost", "Original Duration", "Activity Code", "Interactive", "Plate", "Ort"],
)
def test_a_column_known_before_the_start_may_predict(header):
    for column in PREDICTING:
        assert headers(load(f"columns: {{{column}: '{header}'}}").columns[column]) == [header]


def test_columns_that_do_not_predict_may_be_written_later():
    later = {"status": "Status", "actual_finish": "Actual Finish", "percent_complete": "% Complete", "start": "Actual"}
    profile = Profile(name="mine", title="x", columns=later)

    assert set(profile.columns) == set(later)
    assert not PREDICTING & {*later}
    assert CANONICAL.keys() >= PREDICTING | set(later)


@pytest.mark.parametrize("word", ["NO", "no", "Off", "yes", "True"])
@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("missing: [x, {}]", "missing.1"),
        ("status: {{complete: [{}]}}", "status.complete.0"),
        ("filters: [{{column: A, drop: [{}]}}]", "filters.0.drop.0"),
        ("label: {{column: A, late: [{}], on_time: [x]}}", "label.late.0"),
        ("columns: {{phase: {}}}", "columns.phase.0.name"),
        ("columns: {{phase: {{join: [{}]}}}}", "columns.phase.join.0"),
        ("requires: [{}]", "requires.0"),
    ],
)
def test_a_word_that_yaml_takes_for_true_or_false_wants_quotes(word, text, column):
    refusal = refused(text.format(word))

    assert "put quotes around the word" in refusal.reason
    assert refusal.column == column
    load(text.format(f"'{word}'"))


def test_a_word_that_yaml_takes_for_a_number_is_the_word():
    profile = load("missing: [0, 1.5, -1]\nlabel: {column: 2025, late: [0], on_time: [1]}\ncolumns: {phase: [7, A]}")

    assert profile.missing == ["0", "1.5", "-1"]
    assert (profile.label.column, profile.label.late, profile.label.on_time) == ("2025", ["0"], ["1"])
    assert headers(profile.columns["phase"]) == ["7", "A"]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("missing: [", 3, "not YAML"),
        ("\tmissing: []", 3, "not YAML"),
        ("dates: {order: DMY\nkey: []", 4, "not YAML"),
        ("missing: &a [x]\nrequires: *a", 4, "aliases are not allowed"),
        ("a: &a [x, x]\nb: &b [*a, *a]", 4, "aliases are not allowed"),
        ("missing: !!python/object/apply:os.getcwd []", 3, "python/object"),
        ("missing: [x]\nmissing: [y]", 4, "missing stands here twice"),
        ("columns:\n  phase: A\n  location: B\n  phase: C", 6, "phase stands here twice"),
        ("---\nname: other", 3, "another document"),
        ("? [a]\n: b", 3, "unhashable"),
        ("missing: !!map [x]", 3, "expected a mapping"),
        ("missing: [2025-13-01]", None, "month must be"),
        (f"missing: [{'9' * 5000}]", None, "digits"),
        ("title: \0", None, "special characters"),
        ("missing: " + "[" * 3000, 3, "nested too deeply"),
    ],
)
def test_a_document_that_is_no_plain_yaml_is_refused_with_its_line(text, line, words):
    refusal = refused(text)

    assert refusal.row == line
    assert words in refusal.reason


def test_a_document_that_is_too_long_is_not_read():
    assert load_profile((HEAD + "#" * MAX_BYTES)[:MAX_BYTES], "mine.yaml").name == "mine"
    assert f"more than {MAX_BYTES} characters" in refused("#" * MAX_BYTES).reason


@pytest.mark.parametrize(
    ("header", "same"),
    [
        ("Total_Float (h)", "total float h"),
        ("(*)Start", "start"),
        ("  % Complete ", "complete"),
        ("GEWERK\n(Straße)", "gewerk strasse"),
        ("BL1 Finish", "bl1 finish"),
        ("***", ""),
    ],
)
def test_headers_are_compared_by_letters_and_digits(header, same):
    assert normal(header) == same


def test_the_built_in_profiles_are_named_as_their_files():
    assert [profile.name for profile in built_in()] == sorted(path.stem for path in BUILT_IN.glob("*.yaml"))
    assert all(profile.undated or {*profile.required} <= {*profile.columns} for profile in built_in())


@pytest.mark.parametrize(
    ("column", "header"),
    [
        ("baseline_finish", "Actual Finish"),
        ("baseline_finish", "Forecast Finish"),
        ("baseline_start", "act_start_date"),
    ],
)
def test_a_baseline_that_follows_the_activity_is_refused(column, header):
    with pytest.raises(ScheduleRefused, match="follows what happened"):
        load_profile(f"name: own\ntitle: x\ncolumns: {{{column}: {header}}}", "own.yaml")
