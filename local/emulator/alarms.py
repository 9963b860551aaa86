"""The state of a CloudWatch alarm: M of N periods, with CloudWatch's treatment of missing data.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
CloudWatch looks a little further back than N periods when some of them are empty; here exactly N are looked at.
"""

import operator
from collections.abc import Sequence
from typing import Any

BREACHES = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}


def state(alarm: dict[str, Any], periods: Sequence[float | None]) -> str:
    """Return ``OK``, ``ALARM`` or ``INSUFFICIENT_DATA``.

    Parameters
    ----------
    alarm
        the alarm's ComparisonOperator, Threshold, DatapointsToAlarm, TreatMissingData and present StateValue
    periods
        the statistic of each evaluation period, newest first; None where there is no data
    """
    breaches = BREACHES[alarm["ComparisonOperator"]]
    treatment = alarm.get("TreatMissingData") or "missing"
    missing = {"breaching": True, "notBreaching": False}.get(treatment)
    verdicts = [missing if value is None else breaches(value, alarm["Threshold"]) for value in periods]
    known = [verdict for verdict in verdicts if verdict is not None]
    if not known:
        return alarm.get("StateValue", "INSUFFICIENT_DATA") if treatment == "ignore" else "INSUFFICIENT_DATA"
    needed = alarm.get("DatapointsToAlarm") or len(verdicts)
    # Fewer known periods than needed cannot prove an alarm, however bad they are.
    return "ALARM" if sum(known) >= needed else "OK"


def by_period(points: Sequence[dict[str, Any]], *, seconds: int, count: int, now: float) -> list[list[dict[str, Any]]]:
    """Return the points of the last `count` periods, newest period first.

    Periods begin at multiples of their length, as CloudWatch's do. The one that has only begun counts as soon as it
    has data; until then the last complete one is the newest, so that an alarm does not flap between two data points.

    Parameters
    ----------
    points
        data points with a ``Timestamp`` in seconds since the epoch
    seconds
        length of a period
    count
        number of periods
    now
        seconds since the epoch
    """
    current = int(now // seconds)
    filled = {int(point["Timestamp"] // seconds) for point in points}
    newest = current if current in filled else current - 1
    return [[point for point in points if int(point["Timestamp"] // seconds) == newest - age] for age in range(count)]
