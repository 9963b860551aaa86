"""Limits and version of the API."""

VERSION = "1.0.0"

# The answer for this many fits into Lambda's limit of 6 MB.
MAX_ACTIVITIES = 10_000
# Two for each activity, as most schedules have. The largest network takes seconds of the 29 that API Gateway waits.
MAX_RELATIONS = 20_000
# A forest takes about 30 ms for the reasons of one activity, and API Gateway waits 29 s at most.
MAX_EXPLAINED = 100
# Errors of a refused request that are listed.
MAX_ERRORS = 100
# When a client may try again.
RETRY_AFTER_SECONDS = "30"
