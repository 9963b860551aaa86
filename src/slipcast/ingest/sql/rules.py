"""Faults of a row: one rule for each, as a condition that duckdb evaluates.

Conditions see the typed canonical columns, and the text of each cell as ``text_<column>``.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from slipcast.ingest.files.grid import MAX_CELL
from slipcast.schema import COLUMNS, STATUSES

FIRST_DAY, LAST_DAY = "1970-01-01", "2100-12-31"
LONGEST_DAYS = 36_525


@dataclass(frozen=True)
class Rule:
    """A rule that a good row does not break.

    Attributes
    ----------
    column
        Whose cell is to blame.
    broken
        SQL condition; NULL counts as not broken.
    reason, remedy
        For the person who corrects the file.
    """

    column: str
    broken: str
    reason: str
    remedy: str


CALENDAR = Rule("", "", "is not a date", "Write it as year-month-day, or give dates.formats in the profile")
NUMBER = Rule("", "", "is not a number", "Write digits with a decimal point, or give numbers in the profile")
DURATION = Rule("", "", "is not a duration", "Write days as a number, or with a unit as in 12d")


def cell_rules(
    mapped: Iterable[str], required: Iterable[str], features: Iterable[str] = (), *, measured: bool = True
) -> list[Rule]:
    """Return the rules about single cells.

    Parameters
    ----------
    mapped
        Canonical columns that the file has.
    required
        Canonical columns that must not be empty.
    features
        Further numeric columns.
    measured
        Whether a cell may be too long.
    """
    kinds = {column.name: column.kind for column in COLUMNS} | dict.fromkeys(features, "number")
    rules = []
    for name in mapped:
        text = f'"text_{name}"'
        unread = f'{text} IS NOT NULL AND "{name}" IS NULL'
        if measured:
            rules.append(Rule(name, f"strlen({text}) > {MAX_CELL}", f"is longer than {MAX_CELL} bytes", "Shorten it"))
            unread += f" AND strlen({text}) <= {MAX_CELL}"
        if name == "status":
            known = f"is not one of {', '.join(STATUSES)}, nor a word for one in the profile"
            rules.append(Rule(name, unread, known, "Use one of them, or leave it empty"))
        elif name == "schedule_adherence":
            rules.append(Rule(name, unread, "is no word for late or on time", "Name it under label in the profile"))
        elif kinds[name] == "date":
            rules.append(Rule(name, unread, CALENDAR.reason, CALENDAR.remedy))
            outside = f"\"{name}\" NOT BETWEEN DATE '{FIRST_DAY}' AND DATE '{LAST_DAY}'"
            rules.append(Rule(name, outside, f"is not between {FIRST_DAY} and {LAST_DAY}", "Check the year"))
        elif name == "baseline_duration_days":
            # It is needed only where the dates do not say it.
            unread += " AND (baseline_start IS NULL OR baseline_finish IS NULL)"
            rules.append(Rule(name, unread, DURATION.reason, DURATION.remedy))
        elif name == "total_float_days":
            rules.append(Rule(name, unread, DURATION.reason, DURATION.remedy))
        elif kinds[name] == "number":
            rules.append(Rule(name, unread, NUMBER.reason, NUMBER.remedy))
    rules += [Rule(name, f'"text_{name}" IS NULL', "is empty", "Fill it in") for name in required]
    return rules


# It is needed only where it becomes the baseline.
PLANNED = Rule(
    "planned_finish",
    "text_planned_finish IS NOT NULL AND planned_finish IS NULL AND text_baseline_finish IS NULL "
    "AND known_status = 'not_started'",
    CALENDAR.reason,
    CALENDAR.remedy,
)
# What starts and finishes on one day takes a day.
BEFORE_START = (
    Rule(
        "baseline_finish",
        "text_baseline_duration_days IS NULL AND baseline_finish < coalesce(baseline_start, start)",
        "is before the start",
        "Check start and baseline finish",
    ),
    Rule(
        "baseline_finish",
        "text_baseline_duration_days IS NOT NULL AND baseline_finish < baseline_start",
        "is before the baseline start",
        "Check the baseline",
    ),
)
# Where the file tells actual starts from planned ones, what starts after its baseline finish is late and no fault.
BEFORE_BASELINE_START = (
    Rule("baseline_finish", "baseline_finish < baseline_start", "is before the baseline start", "Check the baseline"),
)
ROW_RULES = (
    Rule(
        "baseline_duration_days",
        "text_baseline_duration_days IS NOT NULL AND baseline_duration_days <= 0",
        "is not positive",
        "Give the planned duration, or leave it empty",
    ),
    Rule(
        "baseline_duration_days",
        f"baseline_duration_days > {LONGEST_DAYS}",
        "is longer than a hundred years",
        "Check the unit of the duration, or the year of the baseline finish",
    ),
    Rule("actual_finish", "actual_finish < start", "is before the start", "Check start and finish"),
    Rule(
        "actual_finish",
        "actual_finish > data_date",
        "is after the data date",
        "A finish in the future is a forecast: leave it empty",
    ),
    Rule(
        "actual_finish",
        "status = 'complete' AND text_status IS NOT NULL AND text_actual_finish IS NULL AND actual_finish IS NULL",
        "is empty although the activity is complete",
        "Give the finish or the right status",
    ),
    Rule("percent_complete", "percent_complete NOT BETWEEN 0 AND 100", "is not between 0 and 100", "Give per cent"),
    Rule("budget", "budget < 0", "is negative", "Leave it empty if it is not known"),
    Rule("predecessor_count", "predecessor_count < 0", "is negative", "Leave it empty if it is not known"),
)


def any_broken(rules: list[Rule]) -> str:
    """Return a SQL expression that is true if a rule is broken: a third of the time of `mask`."""
    return f"coalesce({' OR '.join(f'({rule.broken})' for rule in rules)}, false)"


def mask(rules: list[Rule]) -> str:
    """Return a SQL expression whose bit i is set if rule i is broken."""
    integer = "UBIGINT" if len(rules) < 64 else "UHUGEINT"
    return " | ".join(
        f"(coalesce({rule.broken}, false)::{integer} << {position})" for position, rule in enumerate(rules)
    )
