"""Reading the prediction log of a span of time."""

import gzip
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from slipcast_aws import storage


def predictions(bucket: str, since: datetime, until: datetime) -> Iterator[dict[str, Any]]:
    """Yield the logged predictions between two moments; one may come more than once."""
    day = since.date()
    while day <= until.date():
        for uri in storage.list_uris(f"s3://{bucket}/prediction-log/dt={day.isoformat()}/"):
            for line in gzip.decompress(storage.read_bytes(uri)).decode().splitlines():
                item = json.loads(line)
                if since <= datetime.fromisoformat(item["at"]) <= until:
                    yield item
        day += timedelta(days=1)
