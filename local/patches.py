"""What the emulator does not do as AWS does, mended for exactly one version of it.

Each patch replaces a private function of ministack, so it holds for `VERSION` alone and says so at once when another is
installed. `tests/integration/test_local_emulator.py` shows that each is still needed.
"""

import json
import threading
import time
from importlib.metadata import version
from typing import Any

import yaml

from local import alarms, emf

VERSION = "1.5.33"
EVALUATE_EVERY_SECONDS = 2.0


def apply() -> None:
    """Patch the emulator in this process.

    Raises
    ------
    RuntimeError
        If another version of ministack is installed than the one the patches were written for.
    """
    if (found := version("ministack")) != VERSION:
        raise RuntimeError(
            f"ministack {found} is installed, local/patches.py is for {VERSION}: run make again or adapt it"
        )
    _metrics_from_logs()
    _alarms_by_dimension_and_period()
    _error_types()
    _yaml_state_machines()


def _metrics_from_logs() -> None:
    """CloudWatch turns embedded metric format in logs into metrics; the emulator only stores the lines."""
    from ministack.services import cloudwatch, lambda_svc

    emit = lambda_svc._emit_lambda_logs

    def emit_and_measure(func: Any, request_id: str, log_text: str, error: bool, *rest: Any, **options: Any) -> None:
        emit(func, request_id, log_text, error, *rest, **options)
        for line in (log_text or "").splitlines():
            for metric in emf.metrics(line):
                cloudwatch.record_metric(*metric)
        if error:
            name = (func.get("config") or func)["FunctionName"]
            cloudwatch.record_metric("AWS/Lambda", "Errors", 1, "Count", {"FunctionName": name})
        cloudwatch._evaluate_all_alarms()

    lambda_svc._emit_lambda_logs = emit_and_measure


def _alarms_by_dimension_and_period() -> None:
    """The emulator's own evaluation mixes dimensions and knows neither periods nor missing data."""
    from ministack.services import cloudwatch

    def evaluate(alarm: dict[str, Any]) -> None:
        if alarm.get("ComparisonOperator") not in alarms.BREACHES or not alarm.get("MetricName"):
            return
        values = _periods(cloudwatch, alarm)
        old, new = alarm["StateValue"], alarms.state(alarm, values)
        if new == old:
            return
        reason = f"{alarm['MetricName']} by period, newest first: {values}; threshold {alarm.get('Threshold')}"
        alarm.update(StateValue=new, StateReason=reason, StateUpdatedTimestamp=int(time.time()))
        cloudwatch._record_history(alarm["AlarmName"], old, new, reason)
        cloudwatch._dispatch_alarm_actions(alarm, old, new, reason)
        cloudwatch._evaluate_parent_alarms(alarm)

    cloudwatch._evaluate_alarm = evaluate

    def tick() -> None:
        while True:
            time.sleep(EVALUATE_EVERY_SECONDS)
            cloudwatch._evaluate_all_alarms()

    # Without a tick an alarm would not notice that data stopped coming.
    threading.Thread(target=tick, daemon=True, name="alarms").start()


def _periods(cloudwatch: Any, alarm: dict[str, Any]) -> list[float | None]:
    wanted = {item["Name"]: item["Value"] for item in alarm.get("Dimensions") or []}
    points = [
        point
        for (namespace, name, _), series in cloudwatch._metrics.items()
        if (namespace, name) == (alarm["Namespace"], alarm["MetricName"])
        for point in series
        if (point.get("Dimensions") or {}) == wanted
    ]
    seconds, now = alarm.get("Period", 60), time.time()
    statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic", "Average")
    values: list[float | None] = []
    for age in range(alarm.get("EvaluationPeriods", 1)):
        inside = [p for p in points if now - seconds * (age + 1) < p["Timestamp"] <= now - seconds * age]
        found = cloudwatch._stat_value(cloudwatch._calc_stats(inside), statistic, inside) if inside else None
        values.append(found)
    return values


def _error_types() -> None:
    """Step Functions matches Retry and Catch by the exception's class; the emulator forgets the class."""
    from ministack.core import lambda_runtime
    from ministack.services import lambda_svc

    told = '"error": str(e), "trace"'
    if told not in lambda_runtime._PYTHON_WORKER_SCRIPT:
        raise RuntimeError("the emulator's Python worker has changed: local/patches.py cannot report error types")
    lambda_runtime._PYTHON_WORKER_SCRIPT = lambda_runtime._PYTHON_WORKER_SCRIPT.replace(
        told, '"error_type": type(e).__name__, "error": str(e), "trace"'
    )
    last, invoke, execute = threading.local(), lambda_runtime.Worker.invoke, lambda_svc._execute_function_warm

    def invoke_and_remember(self: Any, *args: Any, **options: Any) -> dict[str, Any]:
        result = invoke(self, *args, **options)
        last.error_type = result.get("error_type")
        return result

    def execute_and_name(*args: Any, **options: Any) -> dict[str, Any]:
        last.error_type = None
        result = execute(*args, **options)
        body = result.get("body")
        if last.error_type and isinstance(body, dict) and body.get("errorType") == "Runtime.HandlerError":
            body["errorType"] = last.error_type
        return result

    lambda_runtime.Worker.invoke = invoke_and_remember
    lambda_svc._execute_function_warm = execute_and_name


def _yaml_state_machines() -> None:
    """CloudFormation accepts a state machine's definition in YAML; the emulator parses JSON only."""
    from ministack.services.cloudformation import provisioners

    definition = provisioners._sfn_definition

    def as_json(props: dict[str, Any]) -> str:
        text = definition(props)
        return text if text.lstrip().startswith("{") else json.dumps(yaml.safe_load(text))

    provisioners._sfn_definition = as_json
