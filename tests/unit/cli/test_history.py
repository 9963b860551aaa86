"""The history of trainings as a table, from the audit trail."""

from slipcast_cli.history import FULL, folded, lines, table

RUN, FILE = "alarm-1", "new-data-1"


def entry(at: str, what: str, outcome: str, execution: str = RUN, **other) -> dict[str, str]:
    return {"sk": f"2026-11-24T{at}.000000Z#x", "what": what, "outcome": outcome, "execution": execution, **other}


def gate(at: str, outcome: str, execution: str = RUN, reason: str = "alarm", **other) -> dict[str, str]:
    return entry(at, "gate", outcome, execution, reason=reason, **other)


TRAIL = [
    gate("08:00:00", "started", FILE, "new_data", detail="s3://data/incoming/a.csv"),
    entry("08:09:00", "pipeline", "released", FILE, reason="new_data", version="3", detail="first model with signal"),
    gate("10:00:00", "started", detail="slipcast-drift: 1 datapoint"),
    *[gate(f"10:00:{n:02}", "coalesced", f"alarm-other-{n}", into=RUN, detail=f"message {n}") for n in range(1, 50)],
    gate("10:00:50", "coalesced", "manual-1", "manual", into=RUN, detail="after the new cost plan"),
    gate("10:00:51", "duplicate", RUN),
    gate("10:00:52", "coalesced", "alarm-other-99", into=RUN),
    entry("10:05:00", "release", "canary 10 %", version="4", detail="shadow replay passed"),
    entry("10:06:00", "release", "promoted", version="4", detail="canary passed"),
    entry("10:07:00", "pipeline", "released", reason="alarm", version="4", detail="better than the champion"),
    entry("11:00:00", "release", "rolled back by hand", "", version="3", detail="version 3 is live again, by ann"),
    gate("12:00:00", "started", "manual-2", "manual", detail="again"),
]


def test_each_start_has_its_outcome_and_the_versions_it_led_to():
    found = [line for line in lines(TRAIL) if line.decision == "started"]

    assert [(line.asked_by, line.outcome, line.versions, line.why) for line in found] == [
        ("new_data", "released", "3", "first model with signal"),
        ("alarm", "released", "3 -> 4", "better than the champion"),
        ("manual", "under way", "", "again"),
    ]


def test_a_storm_is_told_in_a_line_for_each_kind_with_what_it_was_coalesced_into():
    found = [line for line in folded(lines(TRAIL)) if line.decision in ("coalesced", "duplicate")]

    assert [(line.asked_by, line.decision, line.execution, line.count) for line in found] == [
        ("alarm", "coalesced", RUN, 50),
        ("manual", "coalesced", RUN, 1),
        ("alarm", "duplicate", RUN, 1),
    ]
    assert found[0].until.startswith("2026-11-24T10:00:52")


def test_what_was_done_by_hand_stands_there_and_the_steps_of_a_release_only_in_full():
    short, full = list(folded(lines(TRAIL))), lines(TRAIL)

    assert [(line.outcome, line.versions) for line in short if line.asked_by == "release"] == [
        ("rolled back by hand", "4 -> 3")
    ]
    assert [line.outcome for line in full if line.asked_by == "release"] == [
        *("canary 10 %", "promoted", "rolled back by hand")
    ]


def test_an_execution_that_nobody_asked_the_gate_for_is_told():
    (line,) = lines([entry("08:09:00", "pipeline", "failed", "by-hand", reason="new_data", detail="NoSuchKey")])

    assert (line.asked_by, line.decision, line.outcome, line.execution) == ("new_data", "", "failed", "by-hand")


def test_nothing_is_lost_in_the_full_history():
    assert len(lines(TRAIL)) == len(TRAIL) - 2  # the ends of two executions stand in the lines of their starts
    assert sum(line.count for line in folded(lines(TRAIL))) == len(TRAIL) - 4


def test_the_table_keeps_to_the_width_and_cuts_reasons_only():
    text = table(folded(lines(TRAIL)), 130)

    rows = text.splitlines()
    assert rows[0].startswith("time (UTC)           asked by")
    assert all(len(row) <= 130 for row in rows)
    assert "50 requests until 2026-11-24 10:00:52" in text
    assert "into alarm-1" in text
    long = "alarm-5f0c3a9d1e274c55a0b1c2d3e4f50617"
    (line,) = lines([gate("10:00:00", "started", long)])
    assert "alarm-5f0c3a9d…" in table([line], 130)
    assert long in table([line], FULL)
    assert table(lines(TRAIL), FULL).count("\n") == len(lines(TRAIL))
    assert "2026-11-24 10:00:00  alarm     started" in text
