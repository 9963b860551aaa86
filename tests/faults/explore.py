"""Every fault at every call of one function, each in a world of its own, and what the world looks like afterwards."""

import gzip
import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import boto3
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import FakeDeleteMarker, s3_backends
from moto.sns import sns_backends

from faults.injector import Call, Fault, Injector
from faults.table import TRIED
from slipcast_aws import links, storage
from slipcast_aws.control import table as control
from slipcast_aws.release import approvals
from slipcast_aws.release import versions as releases
from slipcast_aws.serving import feature_store, prediction_log

ADAPTERS = (storage.client, links.client, control.client, releases.client, feature_store.client, approvals.states)
# Another one in each run: when something happened, how long it took, and what S3 calls a version.
VARYING = {"created_at", "trained_at", "at", "seconds", "fit_seconds", "version_id", "measured"}
# ISO 8601, or milliseconds since 1970.
MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ][\d:.]+(?:Z|\+00:00| UTC)?|\b\d{13}\b")
# With the other tests so many faults of a scenario, evenly spread; all of them take minutes: make faults.
SAMPLE = 3


@dataclass(frozen=True)
class Scenario:
    """A function and the event that it gets.

    Attributes
    ----------
    function : name of its folder
    arrange : fills an empty AWS; returns what runs the handler once
    stand_ins : what moto cannot do, by action: gets the parameters of a call and returns the answer
    unchecked : how the keys begin of which nobody has recorded a digest; only S3's own checksum guards what is read
    forget : cleared before each run, as in a new process
    """

    function: str
    arrange: Callable[[], Callable[[], Any]]
    unchecked: tuple[str, ...] = ()
    forget: tuple[Callable[[], None], ...] = ()
    stand_ins: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What became of one fault: what is another than without it at the end, or at once if nobody noticed the fault."""

    call: Call
    fault: Fault
    noticed: bool
    differs: list[str]


def assert_converges(injector: Injector, scenario: Scenario, record_property: Callable[[str, Any], None]) -> None:
    """Try the faults of a scenario, or a sample of them: after each the same event leads to the same end."""
    outcomes = explore(injector, scenario, at_most=None if os.environ.get("FAULTS") == "all" else SAMPLE)
    record_property(TRIED, dict(Counter(item.fault.value for item in outcomes)))
    assert outcomes
    wrong = [item for item in outcomes if item.differs]
    text = "\n".join(map(str, wrong[:20]))
    assert not wrong, f"{scenario.function}, {len(wrong)} of {len(outcomes)} faults end differently:\n{text}"


def explore(injector: Injector, scenario: Scenario, at_most: int | None = None) -> list[Outcome]:
    """Return the outcome of each fault at each call, or of `at_most` of them."""
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
    for number, call, fault in spread(all_faults, at_most):
        with world(injector, scenario) as run:
            injector.watch(number, fault)
            noticed = _attempt(run) or injector.dead
            injector.reset()
            at_once = state()
            for forget in scenario.forget:
                forget()
            run()
            differs = _differences(state(), expected) or ([] if noticed else _differences(at_once, expected))
        found.append(Outcome(call, fault, noticed, differs))
    return found


def _differences(found: dict[str, str], expected: dict[str, str]) -> list[str]:
    return sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))


def spread(items: list[Any], at_most: int | None) -> list[Any]:
    """Return `at_most` of the items, from all over; None: all of them."""
    if at_most is None or len(items) <= at_most:
        return items
    return [items[number * len(items) // at_most] for number in range(at_most)]


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
    if injector.session is None:
        forget_clients()
    for forget in scenario.forget:
        forget()
    with mock_aws():
        # Of its own, and gone afterwards, is the default session inside.
        injector.attach(scenario.stand_ins)
        yield scenario.arrange()


def forget_clients() -> None:
    """Let adapters make their clients anew."""
    for client in ADAPTERS:
        client.cache_clear()


def _attempt(run: Callable[[], Any]) -> bool:
    try:
        run()
    except Exception:
        return True
    return False


def state() -> dict[str, str]:
    """Return digests of every object, item, version and message; when they were written plays no part."""
    return {**_objects(), **_items(), **_versions(), **_messages()}


def _objects() -> dict[str, str]:
    found, logged = {}, {}
    # Straight from the model: of all that is looked at, objects are the most.
    for bucket in s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets.values():
        for key, item in bucket.keys.items():
            if isinstance(item, FakeDeleteMarker):
                continue
            if key.startswith(f"{prediction_log.PREFIX}dt="):
                # At least once: a prediction counts once wherever and however often it stands.
                rows = map(json.loads, gzip.decompress(item.value).splitlines())
                logged |= {f"log/{row['prediction_id']}": repr(_lasting(row)) for row in rows}
            else:
                found[f"{bucket.name}/{key}"] = _digest(key, item.value)
    return found | logged


def _items() -> dict[str, str]:
    found, dynamodb = {}, _client("dynamodb", boto3.DEFAULT_SESSION)
    for table in dynamodb.list_tables()["TableNames"]:
        for item in dynamodb.scan(TableName=table, ConsistentRead=True)["Items"]:
            name = "/".join(item[key]["S"] for key in ("pk", "sk") if key in item)
            if name.startswith("AUDIT/"):
                # Told twice, or told as a duplicate, is told.
                found[f"{table}/AUDIT/{name.partition('#')[2]}"] = "told"
            else:
                found[f"{table}/{name}"] = MOMENT.sub("then", repr(sorted(item.items())))
    return found


def _versions() -> dict[str, str]:
    """Return each version of each function, where its aliases point, and the layers that there are."""
    found, client = {}, _client("lambda", boto3.DEFAULT_SESSION)
    functions = client.list_functions()["Functions"]
    if not functions:
        return {}
    for function in functions:
        name = function["FunctionName"]
        for item in client.list_versions_by_function(FunctionName=name)["Versions"]:
            kept = {key: item.get(key) for key in ("Environment", "Layers", "MemorySize", "SnapStart")}
            found[f"{name}:{item['Version']}"] = repr(kept)
        for item in client.list_aliases(FunctionName=name)["Aliases"]:
            found[f"{name}:{item['Name']}"] = repr((item["FunctionVersion"], item.get("RoutingConfig")))
    for layer in client.list_layers()["Layers"]:
        versions = client.list_layer_versions(LayerName=layer["LayerName"])["LayerVersions"]
        found[f"layer/{layer['LayerName']}"] = repr(sorted(item["LayerVersionArn"] for item in versions))
    return found


def _messages() -> dict[str, str]:
    """Return what was told on topics: each message at least once."""
    topics = sns_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].topics
    told = [(name, *sent[1:3]) for name, topic in topics.items() for sent in topic.sent_notifications]
    return {f"{name}/{subject}/{MOMENT.sub('then', text)}": "told" for name, text, subject in told}


@lru_cache(maxsize=4)
def _client(service: str, session: boto3.Session) -> Any:
    return session.client(service)


def _digest(key: str, raw: bytes) -> str:
    if key.endswith(".json"):
        raw = MOMENT.sub("then", json.dumps(_lasting(json.loads(raw)), sort_keys=True)).encode()
    return hashlib.sha256(raw).hexdigest()


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _lasting(item) for name, item in value.items() if name not in VARYING}
    return [_lasting(item) for item in value] if isinstance(value, list) else value
