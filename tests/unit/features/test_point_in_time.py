"""Point-in-time features: what was known before the start, the same for one activity and for a table."""

import math
import struct
import zlib
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipcast.datasets import labels
from slipcast.features.point_in_time import (
    CURRENT,
    FEATURES,
    GROUPS,
    HISTORY,
    KEYS,
    SEASON,
    SEASONS,
    Series,
    Totals,
    history_features,
    key_text,
    keys_of,
)
from slipcast.features.point_in_time_table import build_series, history_table
from slipcast.features.series_codec import decode, encode
from slipcast.schema import FEATURE_COLUMNS
from support.budgets import examples

ALL = tuple(name for names in GROUPS.values() for name in names)
FIRST = date(2020, 1, 1)
TOLERANCE = 5
TEXT = st.sampled_from(["a", "b", "ü & b=c", "", None])
DAY = st.integers(0, 60)


@st.composite
def activities(draw, first: int = 0) -> dict:
    start = draw(st.integers(first, 60))
    finish = draw(st.none() | st.integers(0, 60))
    return {
        **{name: draw(TEXT) for name in ("project_id", "phase", "work_type", "location", "activity_name")},
        "start": day(start),
        "baseline_finish": day(draw(DAY)),
        "actual_finish": None if finish is None else day(finish),
        "data_date": day(draw(st.integers(60, 70))),
        "schedule_adherence": draw(st.sampled_from([math.nan, math.nan, 0.0, 1.0])),
    }


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def frame(rows: list[dict]) -> pd.DataFrame:
    table = pd.DataFrame(rows)
    for name in ("start", "baseline_finish", "actual_finish", "data_date"):
        table[name] = pd.to_datetime(table[name])
    return table


def features_of(rows: list[dict], row: dict) -> dict[str, float]:
    return history_table(frame(rows), frame([row]), TOLERANCE, ALL).iloc[0].to_dict()


@settings(deadline=None, max_examples=examples(15, 50))
@given(st.lists(activities(), min_size=1, max_size=12))
def test_a_table_has_the_features_of_its_rows_exactly(rows):
    table = frame(rows)
    stored = {text: encode(series) for text, series in build_series(table, TOLERANCE).items()}

    features = history_table(table, table, TOLERANCE, ALL)

    for position, row in enumerate(rows):
        fetched = {text: decode(stored[text]) for text in keys_of(row, ALL) if text in stored}
        iso = row | {"start": row["start"].isoformat()}
        expected = history_features(iso, fetched, ALL)
        assert list(expected) == list(features.columns)
        for name, value in expected.items():
            np.testing.assert_equal(features[name].iloc[position], math.nan if value is None else value, name)


@settings(deadline=None, max_examples=examples(15, 50))
@given(st.data(), st.lists(activities(), min_size=1, max_size=8), activities())
def test_no_feature_changes_with_what_became_known_on_or_after_the_start(data, rows, row):
    start = row["start"]
    before = features_of([*rows, row], row)
    # Another future: what was open at the start ends otherwise, what starts on that day or later is something else.
    futures = []
    for other in rows:
        if other["start"] >= start:
            continue
        finish = other["actual_finish"]
        if finish is None or max(finish, other["start"]) >= start:
            later = st.integers((start - FIRST).days, 80).map(day)
            finish = data.draw(st.none() | later)
        data_date = data.draw(st.integers((start - FIRST).days, 90).map(day))
        futures.append(other | {"actual_finish": finish, "data_date": data_date})
    futures += data.draw(st.lists(activities(first=(start - FIRST).days), max_size=4))
    changed = data.draw(st.none() | st.integers(0, 90).map(day))

    after = features_of([*futures, row | {"actual_finish": changed}], row)

    np.testing.assert_equal(after, before)


@settings(deadline=None, max_examples=examples(15, 50))
@given(st.lists(activities(), min_size=1, max_size=8))
def test_the_last_totals_are_those_of_the_table(rows):
    table = frame(rows)

    last = build_series(table, TOLERANCE)["portfolio"].before(10**6)

    finished = table["actual_finish"].notna()
    assert last.started == len(table)
    assert last.finishes == finished.sum()
    assert last.overdue == (~finished & (table["baseline_finish"] < table["data_date"])).sum()
    matured = labels.label(table, TOLERANCE)
    assert (last.labels, last.late) == (len(matured), matured["is_late"].sum())


HAND = [
    # Finished 20 days late, on day 40; late, known on day 25.
    {"project_id": "p", "phase": "Scope", "location": "x", "start": 0, "baseline_finish": 20, "actual_finish": 40},
    # Timely; counts once its last day in time is over, not from its finish on.
    {"project_id": "q", "phase": "Scope", "location": "y", "start": 5, "baseline_finish": 30, "actual_finish": 10},
    # Open for good.
    {"project_id": "r", "phase": "Scope", "location": "x", "start": 30, "baseline_finish": 50, "actual_finish": None},
]


def hand(start: int, **values) -> dict:
    dates = ("start", "baseline_finish", "actual_finish")
    rows = [
        row | {name: None if row[name] is None else day(row[name]) for name in dates} | {"data_date": day(100)}
        for row in HAND
    ]
    row = {"project_id": "p", "phase": "Design", "location": "x", "start": day(start), "baseline_finish": day(100)}
    return features_of(rows, row | {"actual_finish": None, "data_date": day(100)} | values)


def test_the_previous_activity_says_how_late_the_project_is():
    assert hand(10)["project_slip_days"] == -10  # ten days before its baseline finish
    assert hand(10)["project_gap_days"] == 0
    assert hand(40)["project_slip_days"] == 20  # still open on the day before
    assert hand(41)["project_slip_days"] == 20
    assert hand(41)["project_gap_days"] == 1
    assert hand(41, project_id="q")["project_slip_days"] == -20
    assert hand(41, project_id="q")["project_gap_days"] == 31


def test_of_several_that_are_finished_or_open_the_latest_counts():
    assert hand(60, project_id="p")["project_slip_days"] == 20
    rows = [{"project_id": "p", "start": day(0), "baseline_finish": day(20), "actual_finish": day(40)}]
    rows.append({"project_id": "p", "start": day(41), "baseline_finish": day(50), "actual_finish": None})
    rows = [row | {"data_date": day(100)} for row in rows]
    row = rows[0] | {"actual_finish": None}
    assert features_of(rows, row | {"start": day(60)})["project_slip_days"] == 20
    assert features_of(rows, row | {"start": day(70)})["project_slip_days"] == 20  # both
    assert features_of(rows, row | {"start": day(80)})["project_slip_days"] == 30
    assert features_of(rows, row | {"start": day(80)})["project_gap_days"] == 0


def test_a_rate_is_the_deviation_from_the_portfolio_shrunk_towards_it():
    # Day 25: the late one of x is known from day 26 on; the timely one of y, whose last day in time is 35, from 36 on.
    assert math.isnan(hand(25)["location_late_rate"])
    assert hand(26)["location_late_rate"] == 0  # the portfolio is that one activity
    assert hand(36)["location_late_rate"] == (1 - 1 * 0.5) / (1 + 10)
    assert hand(36, location="y")["location_late_rate"] == (0 - 1 * 0.5) / (1 + 10)
    assert hand(36, location="new")["location_late_rate"] == 0
    assert hand(36, location=None)["location_late_rate"] == 0
    # A year after its label became known it is out of the window.
    assert hand(25 + 365)["location_late_rate"] != 0
    assert hand(26 + 365)["location_late_rate"] == (1 - 1 * 0.5) / (1 + 10)


# Days; the models that were trained with them rely on it.
WINDOWS = {
    **{f"{key}_late_rate": 365 for key in ("location", "phase", "work_type", "phase_work_type")},
    **{f"{key}_mean_slip": 365 for key in ("phase", "work_type", "location")},
    **{f"{key}_recent_starts": 90 for key in ("location", "portfolio")},
    **{"activity_name_late_rate": 730, "project_late_rate": None, "project_mean_slip": None},
}


@pytest.mark.parametrize("name", WINDOWS)
def test_a_window_begins_so_many_days_before_the_start(name):
    names = ("project_id", "phase", "work_type", "location", "activity_name")
    activity = {**dict.fromkeys(names, "x"), "start": "2024-06-30"}
    start, window = 19904, WINDOWS[name]
    counts = dict.fromkeys(Totals._fields, 0) | {"labels": 4, "late": 1, "finishes": 4, "slip": 40, "started": 4}
    own = counts | {"labels": 2, "late": 1, "finishes": 2, "slip": 50, "started": 2}

    def value(known: int) -> float | None:
        """Return the feature if all became known on one day, and as much again ten years before."""

        def series(totals: dict) -> Series:
            columns = [[number, 2 * number] for number in totals.values()]
            return Series([known - 3650, known], Totals(*columns))

        by_key = {text: series(own) for text in keys_of(activity, [name])} | {"portfolio": series(counts)}
        return history_features(activity, by_key, [name])[name]

    whole = {"late_rate": (2 - 4 / 4) / (4 + 10), "mean_slip": (100 - 4 * 10) / (4 + 10)}
    windowed = {"late_rate": (1 - 2 / 4) / (2 + 10), "mean_slip": (50 - 2 * 10) / (2 + 10)}
    windowed["recent_starts"] = 4 if name.startswith("portfolio") else 2
    kind = name[-len("recent_starts") :] if name.endswith("starts") else "_".join(name.split("_")[-2:])
    if window is None:
        assert value(start - 1) == pytest.approx(whole[kind])
        return
    assert value(start - 1) == value(start - window) == pytest.approx(windowed[kind])
    assert value(start - window - 1) == (0 if kind == "recent_starts" else None)
    # Of the start itself nothing is known: what is left is ten years old.
    assert value(start) == (0 if kind == "recent_starts" else None)


@pytest.mark.parametrize(("late", "counted"), [(731, 730), (1000, 730), (-366, -365), (700, 700), (-300, -300)])
def test_one_activity_that_is_years_late_does_not_outweigh_all_others(late, counted):
    begin = date(2020, 1, 1)
    rows = [
        {"project_id": project, "start": begin, "baseline_finish": begin + timedelta(400), "actual_finish": finish}
        for project, finish in (("p", begin + timedelta(400 + late)), ("q", begin + timedelta(400)))
    ]
    rows = [row | {"data_date": date(2024, 1, 1)} for row in rows]

    features = features_of(rows, rows[0] | {"start": date(2024, 1, 1), "actual_finish": None})

    assert features["project_mean_slip"] == pytest.approx((counted - counted / 2) / (1 + 10))
    assert features["project_slip_days"] == counted


def test_a_project_that_is_years_overdue_is_so_late_and_no_more():
    begin = date(2020, 1, 1)
    row = {"project_id": "p", "start": begin, "baseline_finish": begin, "actual_finish": None}
    row["data_date"] = date(2024, 1, 1)

    assert features_of([row], row | {"start": begin + timedelta(730)})["project_slip_days"] == 730
    assert features_of([row], row | {"start": begin + timedelta(900)})["project_slip_days"] == 730


def test_load_counts_what_is_under_way():
    assert hand(5)["location_under_way"] == 1
    assert hand(31)["location_under_way"] == 2
    assert hand(40)["location_under_way"] == 2
    assert hand(41)["location_under_way"] == 1
    assert hand(31)["portfolio_recent_starts"] == 3
    assert hand(31)["portfolio_overdue_share"] == 0.5
    # Overdue from the day after its baseline finish on; unknown while nothing is under way.
    assert [hand(start)["portfolio_overdue_share"] for start in (5, 22, 60)] == [0.0, 1.0, 1.0]
    done = {"project_id": "p", "start": day(0), "baseline_finish": day(5), "actual_finish": day(9)}
    done["data_date"] = day(100)
    assert math.isnan(features_of([done], done | {"start": day(50)})["portfolio_overdue_share"])
    assert hand(31)["project_under_way"] == 1
    assert hand(5)["location_recent_starts"] == 1
    assert hand(31)["location_recent_starts"] == 2


def test_months_that_have_the_same_sine_or_cosine_have_the_same_bits():
    sines, cosines = zip(*SEASON, strict=True)
    assert len(SEASON) == 12
    assert len(set(sines)) == len(set(cosines)) == 7  # 12 months, each value but the two extremes twice
    assert all(math.copysign(1, value) == 1 for value in sines + cosines if value == 0)


def test_the_season_is_that_of_the_month():
    assert hand(0, baseline_finish=date(2024, 3, 31))["finish_season_sin"] == 1
    assert hand(0, baseline_finish=date(2024, 12, 1))["finish_season_cos"] == 1
    assert math.isnan(hand(0, baseline_finish=None)["finish_season_sin"])
    january = hand(0)
    assert (january["start_season_sin"], january["start_season_cos"]) == (0.5, pytest.approx(math.sqrt(3) / 2))


def test_an_activity_never_counts_for_itself():
    row = {"project_id": "p", "start": day(50), "baseline_finish": day(1), "actual_finish": day(60)}
    row["data_date"] = day(100)

    features = features_of([row], row)

    assert features["portfolio_recent_starts"] == 0
    assert math.isnan(features["project_slip_days"])
    assert math.isnan(features["location_late_rate"])


def test_what_lies_after_the_data_date_is_not_known():
    row = {"project_id": "p", "start": day(50), "baseline_finish": day(90), "actual_finish": None, "data_date": day(40)}

    assert build_series(frame([row]), TOLERANCE) == {}
    assert math.isnan(features_of([row], row | {"start": day(60)})["project_slip_days"])


def test_without_history_or_dates_nothing_is_known():
    activity = {"start": "2024-01-11", "baseline_finish": "2024-03-01", "project_id": "p"}
    features = history_features(activity, {})

    assert list(features) == list(HISTORY)
    assert {name for name, value in features.items() if value is not None} == {"finish_season_sin", "finish_season_cos"}
    assert set(history_features({}, {}, ALL).values()) == {None}
    assert set(history_features({"start": math.nan}, {}, ALL).values()) == {None}


def test_a_row_without_dates_has_no_history_and_gives_none():
    rows = frame([{"start": None, "baseline_finish": None, "actual_finish": None, "data_date": None}])

    assert build_series(rows, TOLERANCE) == {}
    assert history_table(rows, rows, TOLERANCE, ALL).isna().all(axis=None)
    assert history_table(rows.iloc[:0], rows.iloc[:0], TOLERANCE).shape == (0, len(HISTORY))


def test_a_season_without_its_column_is_unknown():
    rows = frame([{"start": day(0), "baseline_finish": day(9), "actual_finish": None, "data_date": day(50)}])

    assert history_table(rows, rows[["start"]], TOLERANCE)["finish_season_sin"].isna().all()


def test_a_wrong_date_is_an_error():
    with pytest.raises(ValueError, match="31/12/2024"):
        history_features({"start": "31/12/2024"}, {})


def test_keys_are_text_that_no_value_can_forge():
    activity = {"phase": "Design", "activity_name": "Roof & walls=1", "project_id": "p/1", "location": ""}

    assert key_text("activity_name", activity) == "phase=Design&activity_name=Roof%20%26%20walls%3D1"
    assert key_text("location", activity) is None
    assert keys_of(activity) == ["portfolio", "project_id=p%2F1", key_text("activity_name", activity)]


def test_what_is_kept_is_known_and_looks_at_no_post_hoc_column():
    assert set(HISTORY) <= set(ALL)
    assert len(ALL) == len(set(ALL))
    assert {feature.key for feature in FEATURES} <= set(KEYS)
    assert set(ALL) - set(CURRENT) == {*SEASONS, "portfolio_recent_starts", "portfolio_overdue_share"}
    columns = {column for key in KEYS.values() for column in key}
    assert columns <= {*FEATURE_COLUMNS, "activity_name"}


def some_series(days: int, seed: int = 1) -> Series:
    rng = np.random.default_rng(seed)
    totals = rng.integers(-(2**30), 2**30, (len(Totals._fields), days))
    return Series(np.cumsum(rng.integers(1, 2**16, days)).tolist(), Totals(*totals.tolist()))


def test_any_10000_days_fit_an_item_of_dynamodb():
    series = some_series(10_000)

    raw = encode(series)

    assert len(raw) < 400 * 1024 - 2048  # the longest key and its name
    assert decode(raw) == series


def test_bytes_that_are_no_series_are_refused():
    raw = encode(some_series(20))
    for wrong, message in {
        b"": "no series",
        b"\x03" + raw[1:]: "version 3",
        b"\x02" + raw[1:]: "20 days",
        raw[:-3]: "20 days",
        raw + b"x": "20 days",
        raw[:1] + struct.pack("<I", 19) + raw[5:]: "19 days",
        raw[:1] + struct.pack("<I", 2**31) + raw[5:]: "more than a series holds",
        raw[:5] + b"junk" + raw[9:]: "damaged",
        raw[:5] + zlib.compress(bytes(4 * 10 * 20)): "ascend",
    }.items():
        with pytest.raises(ValueError, match=message):
            decode(wrong)


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_random_bytes_are_a_series_or_a_value_error(raw):
    try:
        series = decode(raw)
    except ValueError:
        return
    assert decode(encode(series)) == series


def test_what_cannot_be_stored_is_refused():
    zeros = [0] * len(Totals._fields)
    with pytest.raises(ValueError, match="64 bits"):
        encode(Series([1], Totals(*[[value] for value in zeros])._replace(labels=[2**63])))
    with pytest.raises(ValueError, match="more than a series holds"):
        encode(Series(list(range(100_001)), Totals(*[[0] * 100_001 for _ in zeros])))
