"""Limits and version of the API, for the fast path and the application."""

VERSION = "1.0.0"


# `models` has the same limits and takes them from here. A forest takes 0.3 ms for an activity, and the answer for so
# many fits into the 6 MB that Lambda passes on.
MAX_ACTIVITIES = 10_000
MAX_TEXT = 500
MAX_ID = 200
