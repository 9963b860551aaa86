"""What schemathesis does not know by itself: it loads this module by SCHEMATHESIS_HOOKS."""

import schemathesis

# A text, as CSV is here.
schemathesis.serializer.alias("application/x-ndjson", "text/plain")
for kind in ("application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"):
    schemathesis.serializer.alias(kind, "application/octet-stream")
