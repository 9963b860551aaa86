"""Faults at the border between a function and AWS: at one call each, and a dead process makes no further call."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from types import SimpleNamespace
from typing import Any

import boto3
from botocore.response import StreamingBody

READS = ("Get", "Head", "List", "Describe", "Query", "Scan", "BatchGet")


class Fault(Enum):
    """What happens to a call."""

    KILLED_BEFORE = "died before"
    KILLED_AFTER = "died after"
    REFUSED = "refused"
    CORRUPT = "flipped byte"
    OVERTAKEN = "overtaken"


class ProcessDied(Exception):
    """The function's process is gone."""


@dataclass(frozen=True)
class Call:
    """A call to AWS: ``s3:PutObject`` and the key, table or topic that it is about."""

    action: str
    target: str

    @property
    def reads(self) -> bool:
        """Whether it changes nothing."""
        return self.action.split(":")[1].startswith(READS)


class Injector:
    """Records the calls of clients; once armed, does harm to one of them."""

    def __init__(self) -> None:
        self.stand_ins: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {}
        self.session: boto3.Session | None = None
        self.reset()

    def attach(self, stand_ins: dict[str, Callable[[dict[str, Any]], dict[str, Any]]]) -> None:
        """Make a session the default whose clients are watched; later worlds go on with the same clients.

        Parameters
        ----------
        stand_ins : what answers calls of an action (``lambda:Invoke``), given their parameters
        """
        self.stand_ins = stand_ins
        if self.session is None:
            self.session = boto3.Session()
            self.session.events.register_first("provide-client-params.*.*", self._noted)
            self.session.events.register("before-call.*.*", self._before)
            self.session.events.register("after-call.*.*", self._after)
        boto3.DEFAULT_SESSION = self.session

    def reset(self) -> None:
        """Forget everything; no call is harmed."""
        self.calls: list[Call] = []
        self.dead = False
        self.watching = False
        self._plan: tuple[int, Fault] | None = None

    def watch(
        self, index: int | None = None, fault: Fault | None = None, other: Callable[[], Any] = lambda: None
    ) -> None:
        """Record calls from now on, and let call number `index` suffer `fault`; `other` is who overtakes it."""
        self.reset()
        self.watching = True
        self._other = other
        self._plan = None if index is None or fault is None else (index, fault)

    def _noted(self, params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        context["slipcast_target"], context["slipcast_params"] = target(params), params

    def _before(self, model: Any, context: dict[str, Any], **_: Any) -> Any:
        action = f"{model.service_model.service_name}:{model.name}"
        if not self.watching:
            return self._stand_in(action, context)
        if self.dead:
            raise ProcessDied("a dead process makes no calls")
        number = len(self.calls)
        self.calls.append(Call(action, context.get("slipcast_target", "")))
        context["slipcast_number"] = number
        if self._plan == (number, Fault.KILLED_BEFORE):
            self._die()
        if self._plan == (number, Fault.OVERTAKEN):
            self.watching = False
            self._other()
            self.watching = True
        if self._plan == (number, Fault.REFUSED):
            return refusal(model.service_model.service_name)
        return self._stand_in(action, context)

    def _stand_in(self, action: str, context: dict[str, Any]) -> Any:
        if action not in self.stand_ins:
            return None
        # What it looks up is nothing that the function asked for.
        watching, self.watching = self.watching, False
        answer = self.stand_ins[action](context.get("slipcast_params", {}))
        self.watching = watching
        return SimpleNamespace(status_code=200), answer

    def _after(self, parsed: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        number = context.get("slipcast_number")
        if not self.watching or number is None or self._plan is None:
            return
        if self._plan == (number, Fault.KILLED_AFTER):
            self._die()
        if self._plan == (number, Fault.CORRUPT) and "Body" in parsed:
            raw = bytearray(parsed["Body"].read())
            if raw:
                raw[len(raw) // 2] ^= 0x01
            parsed["Body"] = StreamingBody(io.BytesIO(bytes(raw)), len(raw))

    def _die(self) -> None:
        self.dead = True
        raise ProcessDied("killed")


def target(params: dict[str, Any]) -> str:
    """Return what a call is about, in words that are the same for each run."""
    if "Key" in params and isinstance(params["Key"], str):
        return params["Key"]
    if "TableName" in params:
        item = params.get("Key") or params.get("Item") or {}
        names = [value["S"] for name, value in item.items() if name in ("pk", "sk") and "S" in value]
        return "/".join([params["TableName"], *names[:1]])
    for name in ("Prefix", "FunctionName", "LayerName", "TopicArn", "stateMachineArn", "executionArn", "QueueUrl"):
        if name in params:
            return str(params[name]).rsplit(":", 1)[-1].rsplit("/", 1)[-1] if name != "Prefix" else str(params[name])
    return ", ".join(sorted(params.get("RequestItems", {})))


def refusal(service: str) -> tuple[SimpleNamespace, dict[str, Any]]:
    """Return the answer of a service that is too busy, after all retries of the SDK."""
    code = {"s3": "SlowDown", "dynamodb": "ProvisionedThroughputExceededException"}.get(service, "ThrottlingException")
    status = 503 if service == "s3" else 400
    error = {"Error": {"Code": code, "Message": "busy"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return SimpleNamespace(status_code=status), error
