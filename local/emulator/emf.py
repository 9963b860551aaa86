"""Parser of CloudWatch's embedded metric format in log lines.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
from collections.abc import Iterator
from typing import NamedTuple


class Metric(NamedTuple):
    """One value of one metric under one set of dimensions."""

    namespace: str
    name: str
    value: float
    unit: str
    dimensions: dict[str, str]


def metrics(line: str) -> Iterator[Metric]:
    """Yield the metrics in a log line; a line that is not of the format yields none."""
    if '"CloudWatchMetrics"' not in line:
        return
    try:
        document = json.loads(line)
        directives = document["_aws"]["CloudWatchMetrics"]
    except (ValueError, KeyError, TypeError):
        return
    for directive in directives:
        for names in directive.get("Dimensions") or [[]]:
            dimensions = {name: str(document[name]) for name in names}
            for metric in directive["Metrics"]:
                found = document.get(metric["Name"])
                for value in found if isinstance(found, list) else [found]:
                    if value is not None:
                        unit = metric.get("Unit", "None")
                        yield Metric(directive["Namespace"], metric["Name"], float(value), unit, dimensions)
