"""Every fault at every call of one function, each in a world of its own, and what the world looks like afterwards."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
from moto import mock_aws

from faults.injector import Call, Fault, Injector
from slipcast_aws import control, feature_store, releases, storage

ADAPTERS = (storage.client, control.client, releases.client, feature_store.client)
# Another one in each run: when something happened, and what S3 calls a version.
VARYING = {"created_at", "trained_at", "at", "seconds", "fit_seconds", "version_id"}
# ISO 8601, or milliseconds since 1970.
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|\+00:00)?|\b\d{13}\b")


@dataclass(frozen=True)
class Scenario:
    """A function and the event that it gets.

    Attributes
    ----------
    function : name of its folder
    arrange : fills an empty AWS; returns what runs the handler once
    unchecked : how the keys begin of which nobody has recorded a digest; only S3's own checksum guards what is read
    forget : cleared before each run, as in a new process
    """

    function: str
    arrange: Callable[[], Callable[[], Any]]
    unchecked: tuple[str, ...] = ()
    forget: tuple[Callable[[], None], ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What became of one fault: ``converged`` or ``refused, then converged`` or ``not noticed``."""

    function: str
    call: Call
    fault: Fault
    after: str
    same: bool


def explore(injector: Injector, scenario: Scenario, every: int = 1) -> list[Outcome]:
    """Return the outcome of each fault at each call, or of every n-th one."""
    with world(injector, scenario) as run:
        injector.watch()
        run()
        calls = list(injector.calls)
        injector.reset()
        expected = state()
    found = []
    all_faults = [
        (number, call, fault) for number, call in enumerate(calls) for fault in faults(call, scenario.unchecked)
    ]
    for number, call, fault in all_faults[::every]:
        with world(injector, scenario) as run:
            injector.watch(number, fault)
            noticed = _attempt(run) or injector.dead
            injector.reset()
            same_at_once = state() == expected
            for forget in scenario.forget:
                forget()
            run()
            same = state() == expected
        after = "refused, then converged" if noticed else "as if nothing had happened"
        if not noticed and not same_at_once:
            after, same = "not noticed", False
        found.append(Outcome(scenario.function, call, fault, after, same))
    return found


def faults(call: Call, unchecked: tuple[str, ...]) -> Iterator[Fault]:
    """Yield what can happen to a call: only a change can be left half done, only what is read can be corrupt."""
    if call.reads:
        yield Fault.REFUSED
        if call.action == "s3:GetObject" and not call.target.startswith(unchecked):
            yield Fault.CORRUPT
    else:
        yield from (Fault.KILLED_BEFORE, Fault.KILLED_AFTER, Fault.REFUSED)


@contextmanager
def world(injector: Injector, scenario: Scenario) -> Iterator[Callable[[], Any]]:
    """An AWS with nothing but what the scenario puts into it, and a function that starts cold."""
    injector.reset()
    for forget in (*(client.cache_clear for client in ADAPTERS), *scenario.forget):
        forget()
    with mock_aws():
        injector.attach()
        yield scenario.arrange()


def _attempt(run: Callable[[], Any]) -> bool:
    try:
        run()
    except Exception:
        return True
    return False


def state() -> dict[str, str]:
    """Return digests of every object and every item there is; when they were written plays no part."""
    found = {}
    s3 = boto3.client("s3")
    for bucket in s3.list_buckets()["Buckets"]:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket["Name"]):
            for item in page.get("Contents", []):
                raw = s3.get_object(Bucket=bucket["Name"], Key=item["Key"])["Body"].read()
                found[f"{bucket['Name']}/{item['Key']}"] = _digest(item["Key"], raw)
    dynamodb = boto3.client("dynamodb")
    for table in dynamodb.list_tables()["TableNames"]:
        for item in dynamodb.scan(TableName=table, ConsistentRead=True)["Items"]:
            name = "/".join(item[key]["S"] for key in ("pk", "sk") if key in item)
            if name.startswith("AUDIT/"):
                # Told twice, or told as a duplicate, is told.
                found[f"{table}/AUDIT/{name.partition('#')[2]}"] = "told"
            else:
                found[f"{table}/{name}"] = MOMENT.sub("then", repr(sorted(item.items())))
    return found


def _digest(key: str, raw: bytes) -> str:
    if key.endswith(".json"):
        raw = json.dumps(_lasting(json.loads(raw)), sort_keys=True).encode()
    return hashlib.sha256(raw).hexdigest()


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _lasting(item) for name, item in value.items() if name not in VARYING}
    return [_lasting(item) for item in value] if isinstance(value, list) else value
