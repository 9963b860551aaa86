"""Options of a schedule calculation, under the names that planners know from Primavera P6."""

from dataclasses import dataclass
from enum import StrEnum


class OutOfSequence(StrEnum):
    """Treatment of work that has started before its predecessors allow it.

    Attributes
    ----------
    RETAINED_LOGIC : what remains waits for the predecessors
    PROGRESS_OVERRIDE : what remains goes on at the data date; the predecessors are ignored
    ACTUAL_DATES : as progress override, and the predecessors are late against the actual dates of their successors
    """

    RETAINED_LOGIC = "retained_logic"
    PROGRESS_OVERRIDE = "progress_override"
    ACTUAL_DATES = "actual_dates"


class FloatKind(StrEnum):
    """Definition of total float: from late to early finish, from late to early start, or the smaller of both."""

    FINISH = "finish"
    START = "start"
    SMALLEST = "smallest"


@dataclass(frozen=True, slots=True)
class Options:
    """Options that a project is scheduled with; the defaults are P6's.

    Attributes
    ----------
    out_of_sequence : what becomes of work out of sequence
    lag_from_actual_start : whether the lag of a start-to-start relation counts from the actual start of its
        predecessor; else what has not passed of the lag counts from the data date
    open_ends_critical : whether an activity without successors has no float
    float_to_own_finish : whether float counts to the finish of the activity's own project, not of all projects
    float_kind : how total float is counted
    expected_finish : whether an activity with an expected finish gets the remaining duration that leads to it
    """

    out_of_sequence: OutOfSequence = OutOfSequence.RETAINED_LOGIC
    lag_from_actual_start: bool = False
    open_ends_critical: bool = False
    float_to_own_finish: bool = True
    float_kind: FloatKind = FloatKind.FINISH
    expected_finish: bool = False
