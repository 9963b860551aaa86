"""Limits and version of the API, for the fast path and the application."""

VERSION = "1.0.0"


# The schemas import these limits. A forest takes 0.3 ms for one activity, and the answer for this many fits into
# Lambda's limit of 6 MB.
MAX_ACTIVITIES = 10_000
MAX_TEXT = 500
MAX_ID = 200
