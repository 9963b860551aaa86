"""Patches for differences between the emulator and AWS, for exactly one version of the emulator.

Each patch replaces a private function of ministack, so it holds for `VERSION` alone and says so at once when another is
installed. `tests/integration/test_local_emulator.py` shows that each is still needed; local/README.md lists them.
"""

import functools
import gzip
import hashlib
import json
import logging
import queue
import random
import tempfile
import threading
import time
import uuid
import zipfile
from contextvars import ContextVar
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import yaml

from local import copies
from local.emulator import alarms, emf, log_patterns

VERSION = "1.5.33"
EVALUATE_EVERY_SECONDS = 2.0
DELIVER_EVERY_SECONDS = 0.5
DELIVERED_LINES = 2000
SCHEDULES_EVERY_SECONDS = 1
# What the Lambda runtime for Python brings along.
IN_RUNTIME = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six.py", "snapshot_restore_py.py")
# No line of JSON or of a traceback has this.
END_OF_LOG = "\x1eend of the event's log"
END_OF_LOG_SECONDS = 2.0

_log = logging.getLogger(__name__)
# Alias of the current invocation.
_alias: ContextVar[str | None] = ContextVar("alias", default=None)


def apply() -> None:
    """Patch the emulator in this process.

    Raises
    ------
    RuntimeError
        If another version of ministack is installed than the one the patches were written for.
    """
    if (found := version("ministack")) != VERSION:
        raise RuntimeError(
            f"ministack {found} is installed, local/emulator/patches.py is for {VERSION}: run make again or adapt it"
        )
    for patch in PATCHES:
        patch()


def functions_in_conditions() -> None:
    """``Fn::Join``, ``Fn::Split`` and ``AWS::Region`` in the conditions of a template."""
    from ministack.services.cloudformation import changesets, engine, handlers, stacks

    evaluate = engine._evaluate_conditions

    def plain(node: Any, params: dict[str, Any]) -> Any:
        if isinstance(node, list):
            return [plain(item, params) for item in node]
        if not isinstance(node, dict):
            return node
        node = {name: plain(value, params) for name, value in node.items()}
        if node == {"Ref": "AWS::Region"}:
            return engine.get_region()
        if set(node) == {"Ref"} and node["Ref"] in params:
            return params[node["Ref"]]["Value"]
        if set(node) == {"Fn::Join"}:
            return node["Fn::Join"][0].join(map(str, node["Fn::Join"][1]))
        if set(node) == {"Fn::Split"}:
            return str(node["Fn::Split"][1]).split(node["Fn::Split"][0])
        if set(node) == {"Fn::Select"} and isinstance(node["Fn::Select"][1], list):
            return engine._select(int(node["Fn::Select"][0]), node["Fn::Select"][1])
        return node

    def evaluate_all(template: dict[str, Any], params: dict[str, Any]) -> dict[str, bool]:
        return evaluate({**template, "Conditions": plain(template.get("Conditions", {}), params)}, params)

    for module in (engine, changesets, handlers, stacks):
        module._evaluate_conditions = evaluate_all


def metrics_of_functions() -> None:
    """CloudWatch turns embedded metric format in logs into metrics; the emulator only stores the lines.

    AWS/Lambda metrics are counted here as well, once for each invocation: the emulator's own count leaves out those
    that come from the API, a rule, a topic or a state machine, and does not know the dimensions of an alias.
    """
    from ministack.services import cloudwatch, lambda_svc

    emit, count = lambda_svc._emit_lambda_logs, lambda_svc._emit_lambda_metrics

    def emit_and_measure(
        func: Any, request_id: str, log_text: str, error: bool, duration_ms: int, **options: Any
    ) -> None:
        emit(func, request_id, log_text, error, duration_ms, **options)
        config = func.get("config") or func
        count(config["FunctionName"], duration_ms, error, False)
        if alias := _alias.get():
            resource = {"Resource": f"{config['FunctionName']}:{alias}", "ExecutedVersion": config["Version"]}
            for name, value in (("Invocations", 1), ("Errors", int(error))):
                dimensions = {"FunctionName": config["FunctionName"], **resource}
                cloudwatch.record_metric("AWS/Lambda", name, value, "Count", dimensions)
        for line in (log_text or "").splitlines():
            for metric in emf.metrics(line):
                cloudwatch.record_metric(*metric)

    def count_throttles(name: str, duration_ms: float, error: bool, throttle: bool) -> None:
        if throttle:
            count(name, duration_ms, error, throttle)

    lambda_svc._emit_lambda_logs = emit_and_measure
    lambda_svc._emit_lambda_metrics = count_throttles


def alarms_by_dimension_and_period() -> None:
    """The emulator's own evaluation mixes dimensions and knows neither periods nor missing data."""
    from ministack.services import cloudwatch

    one_at_a_time = threading.Lock()

    def evaluate(alarm: dict[str, Any]) -> None:
        if alarm.get("ComparisonOperator") not in alarms.BREACHES or not alarm.get("MetricName"):
            return
        with one_at_a_time:
            values = _values(cloudwatch, alarm)
            old, new = alarm["StateValue"], alarms.state(alarm, values)
            if new == old:
                return
            reason = f"{alarm['MetricName']} by period, newest first: {values}; threshold {alarm.get('Threshold')}"
            alarm.update(StateValue=new, StateReason=reason, StateUpdatedTimestamp=int(time.time()))
            cloudwatch._record_history(alarm["AlarmName"], old, new, reason)
        cloudwatch._dispatch_alarm_actions(alarm, old, new, reason)
        cloudwatch._evaluate_parent_alarms(alarm)

    cloudwatch._evaluate_alarm = evaluate

    # Without a tick an alarm would not notice that data stopped coming.
    def tick() -> None:
        while True:
            time.sleep(EVALUATE_EVERY_SECONDS)
            try:
                cloudwatch._evaluate_all_alarms()
            except Exception:
                _log.exception("alarms were not evaluated")

    threading.Thread(target=tick, daemon=True, name="alarms").start()


def _values(cloudwatch: Any, alarm: dict[str, Any]) -> list[float | None]:
    wanted = {item["Name"]: item["Value"] for item in alarm.get("Dimensions") or []}
    points = [
        point
        for (namespace, name, _), series in cloudwatch._metrics.items()
        if (namespace, name) == (alarm["Namespace"], alarm["MetricName"])
        for point in list(series)
        if (point.get("Dimensions") or {}) == wanted
    ]
    statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic", "Average")
    periods = alarms.by_period(
        points, seconds=alarm.get("Period", 60), count=alarm.get("EvaluationPeriods", 1), now=time.time()
    )
    return [
        cloudwatch._stat_value(cloudwatch._calc_stats(inside), statistic, inside) if inside else None
        for inside in periods
    ]


def log_patterns_on_json() -> None:
    """A subscription's pattern on a JSON property never matches: the emulator looks for its words in the line."""
    from ministack.services import cloudwatch_logs

    words = cloudwatch_logs._subscription_pattern_matches

    def on_json(pattern: str, message: str) -> bool:
        if not (pattern or "").lstrip().startswith("{"):
            return words(pattern, message)
        return log_patterns.matches(pattern, message or "")

    cloudwatch_logs._subscription_pattern_matches = on_json


def log_lines_in_batches() -> None:
    """CloudWatch Logs collects lines for a moment and delivers them together; the emulator starts a function for each.

    At some tens of requests a second those starts use the whole machine.
    """
    from ministack.services import cloudwatch_logs

    deliver = cloudwatch_logs._fanout_to_subscription_filters
    waiting: dict[str, tuple[str, list[dict[str, Any]]]] = {}
    guard = threading.Lock()

    def wait(group: str, stream: str, events: list[dict[str, Any]]) -> None:
        if not (cloudwatch_logs._log_groups.get(group) or {}).get("subscriptionFilters"):
            return
        with guard:
            waiting.setdefault(group, (stream, []))[1].extend(events)

    def tick() -> None:
        while True:
            time.sleep(DELIVER_EVERY_SECONDS)
            with guard:
                batches = dict(waiting)
                waiting.clear()
            for group, (stream, events) in batches.items():
                for begin in range(0, len(events), DELIVERED_LINES):
                    deliver(group, stream, events[begin : begin + DELIVERED_LINES])

    threading.Thread(target=tick, daemon=True, name="log deliveries").start()
    cloudwatch_logs._fanout_to_subscription_filters = wait


def version_ids_in_bucket_events() -> None:
    """EventBridge's "Object Created" from a versioned bucket names the version; the emulator's does not."""
    from ministack.services import eventbridge, s3

    current = threading.local()
    fire, dispatch = s3._fire_s3_event, eventbridge._dispatch_event

    @functools.wraps(fire)
    def fire_and_remember(*args: Any, **options: Any) -> None:
        current.version_id = options.get("version_id")
        try:
            fire(*args, **options)
        finally:
            current.version_id = None

    def dispatch_with_version(event: dict[str, Any], *rest: Any) -> Any:
        if event["Source"] == "aws.s3" and getattr(current, "version_id", None):
            detail = json.loads(event["Detail"])
            detail["object"]["version-id"] = current.version_id
            event = {**event, "Detail": json.dumps(detail)}
        return dispatch(event, *rest)

    s3._fire_s3_event = fire_and_remember
    eventbridge._dispatch_event = dispatch_with_version


def asynchronous_invocations() -> None:
    """Rules and topics invoke functions asynchronously: with retries, then the dead-letter queue.

    The emulator does so for ``InvocationType=Event`` alone, and forgets a function's DeadLetterConfig in a template.
    """
    from ministack.services import eventbridge, lambda_svc, sns
    from ministack.services.cloudformation import provisioners

    def invoke(arn: str, event: Any) -> None:
        func, config, name = lambda_svc._get_func_record_for_ref(arn)
        if func and config:
            record = lambda_svc._execution_record_for_config(func, config)
            # The settings of asynchronous invocation belong to the function, not to one version's record.
            function = lambda_svc._functions[name]
            settings = {key: function.get(key) for key in ("event_invoke_config", "event_invoke_configs")}
            lambda_svc.invoke_async_with_retry({**record, **settings}, event)
        else:
            _log.warning("function %s was not found", name)

    def from_rule(arn: str, payload: str) -> None:
        invoke(arn, json.loads(payload))

    def from_topic(endpoint: str, envelope: str, topic_arn: str, sub_arn: str, *_: Any) -> None:
        message = {"MessageAttributes": {}, **json.loads(envelope)}
        record = {"EventVersion": "1.0", "EventSubscriptionArn": sub_arn, "EventSource": "aws:sns", "Sns": message}
        invoke(endpoint, {"Records": [record]})

    handler = provisioners._RESOURCE_HANDLERS["AWS::Lambda::Function"]
    create = handler["create"]

    def create_with_dead_letters(logical_id: str, props: dict[str, Any], stack_name: str) -> tuple[str, Any]:
        name, attributes = create(logical_id, props, stack_name)
        if props.get("DeadLetterConfig"):
            lambda_svc._functions[name]["config"]["DeadLetterConfig"] = props["DeadLetterConfig"]
        return name, attributes

    eventbridge._dispatch_to_lambda = from_rule
    sns._deliver_to_lambda = from_topic
    handler["create"] = create_with_dead_letters


def weighted_aliases() -> None:
    """An alias's additional version weights are stored and then ignored: everything goes to its main version."""
    from ministack.services import lambda_svc

    resolve, invoke = lambda_svc._get_func_record_for_ref, lambda_svc._invoke

    def draw(name: str, qualifier: str | None) -> str | None:
        alias = (lambda_svc._functions.get(name) or {}).get("aliases", {}).get(qualifier) or {}
        _alias.set(alias.get("Name"))
        rest = random.random()  # noqa: S311 - traffic is split, nothing is kept secret
        for other, weight in ((alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}).items():
            rest -= weight
            if rest < 0:
                return other
        return None

    def resolve_by_weight(ref: str) -> Any:
        drawn = draw(*lambda_svc._resolve_name_and_qualifier(ref))
        return resolve(f"{ref.rsplit(':', 1)[0]}:{drawn}" if drawn else ref)

    async def invoke_by_weight(
        name: str, event: Any, headers: Any, path_qualifier: str | None = None, query_params: Any = None
    ) -> Any:
        asked = path_qualifier or lambda_svc._qp_first(query_params or {}, "Qualifier")
        return await invoke(name, event, headers, draw(name, asked) or path_qualifier, query_params)

    run_batch = lambda_svc._run_sqs_batch

    def run_batch_by_weight(esm: dict[str, Any], record: Any, *rest: Any) -> None:
        if drawn := draw(esm["FunctionName"], esm.get("Qualifier")):
            record, _ = lambda_svc._get_func_record_for_qualifier(esm["FunctionName"], drawn)
        run_batch(esm, record, *rest)

    lambda_svc._get_func_record_for_ref = resolve_by_weight
    lambda_svc._invoke = invoke_by_weight
    lambda_svc._run_sqs_batch = run_batch_by_weight


def error_types() -> None:
    """Step Functions matches Retry and Catch by the exception's class; the emulator forgets the class."""
    from ministack.core import lambda_runtime
    from ministack.services import lambda_svc

    answered = '"error": str(e), "trace"'
    if answered not in lambda_runtime._PYTHON_WORKER_SCRIPT:
        raise RuntimeError(
            "the emulator's Python worker has changed: local/emulator/patches.py cannot report error types"
        )
    lambda_runtime._PYTHON_WORKER_SCRIPT = lambda_runtime._PYTHON_WORKER_SCRIPT.replace(
        answered, '"error_type": type(e).__name__, "error": str(e), "trace"'
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


def environments_that_are_copies() -> None:
    """Every environment imports all that its function needs; here the init phase runs once, environments are forks.

    Code and layers are unpacked once as well: on Lambda an environment cannot write to them. What is forked is what
    SnapStart keeps, so its hooks before a snapshot run once, those after a restore in each environment.
    """
    from ministack.core import lambda_runtime
    from ministack.services import lambda_svc

    if not copies.SUPPORTED:
        return
    restore = "for _fn, _args, _kwargs in get_after_restore():\n                    _fn(*_args, **_kwargs)\n"
    loop = "    while True:\n        line = sys.stdin.readline()\n"
    begin = "def run():\n"
    script = lambda_runtime._PYTHON_WORKER_SCRIPT
    for part in (restore, loop, begin):
        if script.count(part) != 1:
            raise RuntimeError(
                "the emulator's Python worker has changed: local/emulator/patches.py cannot copy environments"
            )
    script = script.replace(restore, "after_restore = list(get_after_restore())\n")
    script = script.replace(loop, f"    _serve_copies(_real_stdout, after_restore)\n{loop}")
    lambda_runtime._PYTHON_WORKER_SCRIPT = script.replace(
        begin, f"{copies.WORKER_SCRIPT_LOOP}{begin}    after_restore = []\n"
    )
    spawn = lambda_runtime.Worker._spawn
    guard = threading.Lock()
    # By the worker's key: the settings and code that the original was started with, and the original.
    originals: dict[str, tuple[str, copies.Original]] = {}

    def original(worker: Any) -> copies.Original:
        config = worker.config
        variables = (config.get("Environment") or {}).get("Variables") or {}
        settings = repr([hashlib.sha256(worker.code_zip).hexdigest(), sorted(config.items(), key=str)])
        key = lambda_runtime._worker_key(worker.func_name, config, config.get("Version", "$LATEST"))
        with guard:
            outdated = {name for name in originals if not _exists(lambda_svc, name)}
            if key in originals and originals[key][0] != settings:
                outdated.add(key)
            gone = [originals.pop(name)[1].worker for name in outdated]
            if key not in originals:
                environment = {"Variables": {**variables, copies.VARIABLE: "1"}}
                first = lambda_runtime.Worker(worker.func_name, {**config, "Environment": environment}, worker.code_zip)
                originals[key] = (settings, copies.Original(first, spawn))
            found = originals[key][1]
        lambda_runtime.kill_workers(gone)
        return found

    def copy(self: Any) -> None:
        if not str(self.config.get("Runtime", "")).startswith("python"):
            spawn(self)
            return
        found = original(self)
        self._proc = found.copy(str(uuid.uuid4()))
        self._stderr_queue = queue.Queue()
        for line in found.logged().splitlines():
            self._stderr_queue.put(line)
        reader = threading.Thread(target=self._read_stderr, daemon=True, name=f"stderr-{self.func_name}")
        self._stderr_thread = reader
        reader.start()
        self._start_time = time.time()

    lambda_runtime.Worker._spawn = copy


def _exists(lambda_svc: Any, key: str) -> bool:
    _, _, name, version = key.split(":")
    function = lambda_svc._functions.get(name)
    return function is not None and (version == "$LATEST" or version in function["versions"])


def logs_with_an_end() -> None:
    """After each event the emulator waits up to 50 ms for lines of the log, and 5 ms more for another one.

    Here the function's process writes a mark behind the last line: no line is missed, and nobody waits.
    """
    from ministack.core import lambda_runtime

    answer = "            result = handler_fn(event, context)\n"
    failure = "        except Exception as e:\n            _real_stdout.write("
    script = lambda_runtime._PYTHON_WORKER_SCRIPT
    loop = script.index("handler_fn(event, context)") if answer in script else len(script)
    place = script.find(failure, loop)
    if place < 0:
        raise RuntimeError(
            "the emulator's Python worker has changed: local/emulator/patches.py cannot mark the end of a log"
        )
    mark = f"sys.stderr.write({END_OF_LOG + chr(10)!r}); sys.stderr.flush()"
    script = (
        script[:place]
        + failure.replace("_real_stdout", f"{mark}\n            _real_stdout")
        + script[place + len(failure) :]
    )
    lambda_runtime._PYTHON_WORKER_SCRIPT = script.replace(answer, f"{answer}            {mark}\n")
    bounded = lambda_runtime.Worker._drain_stderr_bounded

    def up_to_mark(self: Any, *waits: Any, **named: Any) -> str:
        # A process that ended wrote no mark.
        if type(self) is not lambda_runtime.Worker or self._stderr_thread is None:
            return bounded(self, *waits, **named)
        lines: list[str] = []
        deadline = time.monotonic() + END_OF_LOG_SECONDS
        while time.monotonic() < deadline:
            try:
                line = self._stderr_queue.get(timeout=0.05)
            except queue.Empty:
                if not self._stderr_thread.is_alive():
                    break
                continue
            text, found, _ = line.partition(END_OF_LOG)
            if text or not found:
                lines.append(text)
            if found:
                break
        return "\n".join(lines)

    lambda_runtime.Worker._drain_stderr_bounded = up_to_mark


def schedules_on_time() -> None:
    """Schedules are looked at every 10 s: what is due each minute comes up to 10 s late, each time."""
    from ministack.services import eventbridge, scheduler

    eventbridge._SCHEDULER_TICK_INTERVAL = scheduler._SCHEDULE_TICK_INTERVAL = SCHEDULES_EVERY_SECONDS


def yaml_state_machines() -> None:
    """CloudFormation accepts a state machine's definition in YAML; the emulator parses JSON only."""
    from ministack.services.cloudformation import provisioners

    definition = provisioners._sfn_definition

    def as_json(props: dict[str, Any]) -> str:
        text = definition(props)
        return text if text.lstrip().startswith("{") else json.dumps(yaml.safe_load(text))

    provisioners._sfn_definition = as_json


def layers_unpacked_once() -> None:
    """Every worker unpacks its layers again: 1.5 s and 220 MB for the largest. Here workers share one copy.

    A handler sees a link to it, which the emulator removes with the worker; on Lambda /opt is read-only anyway.
    """
    from ministack.core import lambda_runtime

    one_at_a_time = threading.Lock()

    class SharingZipFile(zipfile.ZipFile):
        def extractall(self, path: Any = None, *rest: Any) -> None:
            if not Path(path).name.startswith("layer_"):
                super().extractall(path, *rest)
                return
            content = repr([(entry.filename, entry.CRC, entry.file_size) for entry in self.infolist()])
            shared = Path(tempfile.gettempdir()) / "layers" / hashlib.sha256(content.encode()).hexdigest()[:16]
            with one_at_a_time:
                if not shared.exists():
                    unfinished = shared.with_suffix(".new")
                    super().extractall(unfinished)
                    unfinished.rename(shared)
            for entry in shared.iterdir():
                (Path(path) / entry.name).symlink_to(entry)

    lambda_runtime.zipfile = SimpleNamespace(**vars(zipfile) | {"ZipFile": SharingZipFile})


def functions_with_their_layers_alone() -> None:
    """A function's process is this environment's Python, which has every package of the project.

    Here it finds the standard library, what Lambda's runtime brings along, its layers and its code: what a layer lacks
    is missing here as well.
    """
    from ministack.core import lambda_runtime

    packages = Path(boto3.__file__).parents[1]
    runtime = Path(tempfile.gettempdir()) / "runtime"
    runtime.mkdir(exist_ok=True)
    for name in IN_RUNTIME:
        if not (runtime / name).exists():
            (runtime / name).symlink_to(packages / name)
    begin = "    sys.path.insert(0, code_dir)\n"
    script = lambda_runtime._PYTHON_WORKER_SCRIPT
    if script.count(begin) != 1:
        raise RuntimeError("the emulator's Python worker has changed: local/emulator/patches.py cannot hide packages")
    standard = "path.startswith(sys.base_prefix) and 'site-packages' not in path"
    alone = f"    sys.path[:] = [path for path in sys.path if {standard}] + [{str(runtime)!r}]\n"
    lambda_runtime._PYTHON_WORKER_SCRIPT = script.replace(begin, alone + begin)


def tasks_with_a_token() -> None:
    """A task that waits for its token has the time limit of its JSONata, and fails when its function does.

    The emulator takes the limit as it is written, and goes on waiting for a function that raised.
    """
    from ministack.services import stepfunctions

    wait, call = stepfunctions._invoke_with_callback, stepfunctions._call_lambda
    waiting = threading.local()

    def wait_within_limit(resource: str, arguments: Any, token: str, state: dict[str, Any]) -> Any:
        limit = state.get("TimeoutSeconds")
        if isinstance(limit, str):
            expression = limit.removeprefix("{%").removesuffix("%}").strip()
            state = {**state, "TimeoutSeconds": stepfunctions._evaluate_jsonata(expression, arguments)}
        waiting.token = token
        try:
            return wait(resource, arguments, token, state)
        finally:
            waiting.token = None

    def call_and_tell(function: str, event: Any) -> Any:
        try:
            return call(function, event)
        except stepfunctions._ExecutionError as error:
            if info := stepfunctions._task_tokens.get(getattr(waiting, "token", None)):
                info["error"] = {"Error": error.error, "Cause": error.cause}
                info["event"].set()
            raise

    stepfunctions._invoke_with_callback = wait_within_limit
    stepfunctions._call_lambda = call_and_tell


def gateway_responses_of_a_definition() -> None:
    """An API's definition holds the gateway's own answers and its binary types; the emulator reads the rest only."""
    from ministack.services import apigateway_v1

    paths_and_callers = apigateway_v1._import_rest_api

    def whole(spec: dict[str, Any], base_data: dict[str, Any] | None = None) -> str:
        kinds = {"binaryMediaTypes": spec.get("x-amazon-apigateway-binary-media-types") or []}
        api_id = paths_and_callers(spec, {**(base_data or {}), **kinds})
        for kind, response in (spec.get("x-amazon-apigateway-gateway-responses") or {}).items():
            status, _, body = apigateway_v1._put_gateway_response(api_id, kind, response)
            if status >= 400:
                raise ValueError(f"gateway response {kind}: {body!r}")
        return api_id

    apigateway_v1._import_rest_api = whole


def compressed_answers() -> None:
    """API Gateway compresses answers of at least the size in the definition, for clients that take gzip."""
    from ministack.services import apigateway_v1

    import_api, execute = apigateway_v1._import_rest_api, apigateway_v1._handle_execute_in_scope

    def with_size(spec: dict[str, Any], base_data: dict[str, Any] | None = None) -> str:
        api_id = import_api(spec, base_data)
        size = spec.get("x-amazon-apigateway-minimum-compression-size")
        apigateway_v1._rest_apis[api_id]["minimumCompressionSize"] = size
        return api_id

    async def compressed(api_id: str, stage: str, method: str, path: str, headers: dict[str, Any], *more: Any) -> Any:
        status, found, body = await execute(api_id, stage, method, path, headers, *more)
        least = (apigateway_v1._rest_apis.get(api_id) or {}).get("minimumCompressionSize")
        accepted = apigateway_v1._header_ci(headers, "accept-encoding")
        if least is not None and len(body) >= int(least) and "gzip" in accepted:
            return status, {**found, "Content-Encoding": "gzip"}, gzip.compress(body, 6)
        return status, found, body

    apigateway_v1._import_rest_api = with_size
    apigateway_v1._handle_execute_in_scope = compressed


def distributed_maps_in_jsonata() -> None:
    """A Distributed Map reads its JSONata: items, what a child is given, limits, output; children see no variables.

    The emulator does so for an inline Map alone: of a Distributed Map it reads ``ItemsPath`` and JSONPath, and it lets
    children read the variables of their parent, which AWS does not.
    """
    from ministack.services import stepfunctions

    run = stepfunctions._run_distributed_map

    def run_jsonata(
        state: dict[str, Any], given: Any, effective: Any, iterator: dict[str, Any], execution: Any, ctx: dict[str, Any]
    ) -> Any:
        if stepfunctions._state_query_language(state, ctx) != "JSONata":
            return run(state, given, effective, iterator, execution, ctx)
        items = given
        if "Items" in state:
            items = stepfunctions._jsonata_state_field(state, "Items", "array", given, ctx)
        if "ItemSelector" in state:
            items = [
                stepfunctions._apply_jsonata_template(
                    state["ItemSelector"], given, {**ctx, "Map": {"Item": {"Index": index, "Value": item}}}
                )
                for index, item in enumerate(items)
            ]
        plain = {
            name: value for name, value in state.items() if name not in ("Items", "ItemSelector", "Output", "Assign")
        }
        for limit in ("MaxConcurrency", "ToleratedFailurePercentage", "ToleratedFailureCount"):
            if limit in state:
                plain[limit] = stepfunctions._jsonata_state_field(state, limit, "number", given, ctx)
        results, following = run(plain, given, items, iterator, execution, {**ctx, "variables": {}})
        output = stepfunctions._apply_jsonata_output(state, given, ctx, result=results, default=results)
        stepfunctions._apply_state_assign(state, given, ctx, result=results)
        return output, following

    stepfunctions._run_distributed_map = run_jsonata


PATCHES = (
    functions_in_conditions,
    metrics_of_functions,
    alarms_by_dimension_and_period,
    log_patterns_on_json,
    log_lines_in_batches,
    version_ids_in_bucket_events,
    asynchronous_invocations,
    weighted_aliases,
    error_types,
    layers_unpacked_once,
    functions_with_their_layers_alone,
    environments_that_are_copies,
    logs_with_an_end,
    schedules_on_time,
    yaml_state_machines,
    tasks_with_a_token,
    distributed_maps_in_jsonata,
    gateway_responses_of_a_definition,
    compressed_answers,
)
