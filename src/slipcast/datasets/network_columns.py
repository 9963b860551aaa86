"""Columns of the tables of a network. Standard library only: functions without duckdb read these tables as JSON."""

# Column → type in duckdb. Minutes are of working time, but for a lag whose calendar is `elapsed`.
ACTIVITIES = {
    **dict.fromkeys(("activity_id", "activity_name", "activity_type", "status", "calendar_id"), "VARCHAR"),
    **dict.fromkeys(("planned_start", "planned_finish", "actual_start", "actual_finish"), "TIMESTAMP"),
    **dict.fromkeys(("early_start", "early_finish", "late_start", "late_finish", "expected_finish"), "TIMESTAMP"),
    **dict.fromkeys(("planned_minutes", "remaining_minutes", "total_float_minutes"), "BIGINT"),
    "percent_complete": "DOUBLE",
    "percent_complete_type": "VARCHAR",
    **{"constraint_type": "VARCHAR", "constraint_date": "TIMESTAMP"},
    **{"second_constraint_type": "VARCHAR", "second_constraint_date": "TIMESTAMP"},
    **{"suspended": "TIMESTAMP", "resumed": "TIMESTAMP"},
    # Bounds by relations to projects that are not in the file.
    **{"external_early_start": "TIMESTAMP", "external_late_finish": "TIMESTAMP"},
}
RELATIONS = {
    **dict.fromkeys(("predecessor_project_id", "predecessor_id", "successor_id", "relation_type"), "VARCHAR"),
    **{"lag_minutes": "BIGINT", "lag_percent": "DOUBLE"},
    **dict.fromkeys(("lag_calendar", "lag_calendar_id"), "VARCHAR"),
}
CALENDARS = {
    **dict.fromkeys(("calendar_id", "calendar_name", "base_calendar_id"), "VARCHAR"),
    **{"hours_per_day": "DOUBLE", "hours_per_week": "DOUBLE"},
    **dict.fromkeys(("week", "exceptions"), "VARCHAR"),
}
# What the tool schedules a project with; `slipcast.schedule.options` says what the words mean.
PROJECTS = {
    **dict.fromkeys(("data_time", "planned_start", "must_finish"), "TIMESTAMP"),
    **dict.fromkeys(("calendar_id", "out_of_sequence", "float_kind"), "VARCHAR"),
    **dict.fromkeys(("lag_from_actual_start", "open_ends_critical", "float_to_own_finish"), "BOOLEAN"),
}
TABLES = {"projects": PROJECTS, "activities": ACTIVITIES, "relations": RELATIONS, "calendars": CALENDARS}
# What a row of each table is about, and the order of its rows.
KEYS = {
    "projects": (),
    "activities": ("activity_id",),
    "relations": (
        *("successor_id", "predecessor_project_id", "predecessor_id", "relation_type", "lag_minutes", "lag_percent"),
        *("lag_calendar", "lag_calendar_id"),
    ),
    "calendars": ("calendar_id",),
}
ORIGIN = {"source": "VARCHAR", "project_id": "VARCHAR", "data_date": "DATE"}
