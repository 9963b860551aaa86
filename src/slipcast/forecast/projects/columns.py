"""Columns of an activity of a project, in the order of answers. Standard library only."""

COLUMNS = (
    *("activity_id", "activity_name", "phase", "location", "wbs", "stage", "status"),
    *("baseline_start", "baseline_finish", "start", "finish", "total_float_days"),
    *("late_probability", "at_risk", "days_late", "p10", "p50", "p80", "p90", "criticality", "is_milestone"),
)
