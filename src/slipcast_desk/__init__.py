"""The planner's web application: its sources are in ``web``, `build` makes the static files that a browser loads."""
