"""The state of a CloudWatch alarm: M of N periods, with CloudWatch's treatment of missing data.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
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
    alarm : the alarm's ComparisonOperator, Threshold, DatapointsToAlarm, TreatMissingData and present StateValue
    periods : the statistic of each evaluation period, newest first; None where there is no data
    """
    breaches = BREACHES[alarm["ComparisonOperator"]]
    missing = {"breaching": True, "notBreaching": False}.get(alarm.get("TreatMissingData", "missing"))
    verdicts = [missing if value is None else breaches(value, alarm["Threshold"]) for value in periods]
    known = [verdict for verdict in verdicts if verdict is not None]
    if not known:
        ignore = alarm.get("TreatMissingData") == "ignore"
        return alarm.get("StateValue", "INSUFFICIENT_DATA") if ignore else "INSUFFICIENT_DATA"
    needed = alarm.get("DatapointsToAlarm") or len(verdicts)
    return "ALARM" if sum(known) >= needed else "OK"
