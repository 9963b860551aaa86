"""Each function, each call to AWS, each fault: refused or repeated, never half done, never another result."""

from collections.abc import Callable
from hashlib import sha256

import boto3
import numpy as np
import pandas as pd
import pytest

from faults import worlds
from faults.explore import Scenario
from slipcast.evaluation import assessment
from slipcast.features.table import feature_table
from slipcast_aws import storage
from slipcast_aws.control import datasets
from slipcast_aws.release import versions
from slipcast_aws.serving import feature_store
from support.search_records import in_memory, search_record, tables


@pytest.fixture
def live(monkeypatch) -> dict:
    """What the alias serves; functions only read it."""
    state = {"model": None}
    monkeypatch.setattr(versions, "live_model", lambda function: state["model"])
    return state


@pytest.fixture
def prepare(load_app, lambda_context, live) -> Scenario:
    app = load_app("prepare", **worlds.SETTINGS)

    def arrange() -> Callable[[], dict]:
        worlds.bucket()
        worlds.control_table()
        # An older file of the same source: this one is merged with it.
        for number, raw in enumerate([worlds.schedule("2023-12-31"), worlds.schedule("2024-12-31", bad=(3,))]):
            version = boto3.client("s3").put_object(Bucket="data", Key="incoming/plan.csv", Body=raw)["VersionId"]
            source = worlds.source("incoming/plan.csv", version, number)
            event = {"execution": f"new-data-{number}", "reason": "new_data", "source": source}
            if number == 0:
                app.handler(event, lambda_context)
        return lambda: app.handler(event, lambda_context)

    return Scenario("prepare", arrange, unchecked=("incoming/",))


@pytest.fixture
def refused(load_app, lambda_context, live) -> Scenario:
    app = load_app("prepare", **worlds.SETTINGS)

    def arrange() -> Callable[[], dict]:
        worlds.bucket()
        worlds.control_table()
        version = boto3.client("s3").put_object(Bucket="data", Key="incoming/x.csv", Body=b"nothing,known\n1,2\n")
        source = worlds.source("incoming/x.csv", version["VersionId"])
        event = {"execution": "new-data-0", "reason": "new_data", "source": source}
        return lambda: app.handler(event, lambda_context)

    return Scenario("prepare, refusing a file", arrange, unchecked=("incoming/",))


@pytest.fixture(scope="module")
def found_once():
    objects, write = in_memory()
    return search_record(tables(), write), objects


@pytest.fixture
def evaluate(load_app, lambda_context, live, found_once, monkeypatch) -> Scenario:
    app = load_app("evaluate", **worlds.SETTINGS)
    # The same tables and pipelines have the same assessment, which takes a second.
    known, assess = {}, assessment.assess

    def assess_once(*, train, holdout, holdout_p, challenger, **other):
        tables = [int(pd.util.hash_pandas_object(table).sum()) for table in (train, holdout)]
        p = [*holdout_p.values(), *challenger.oof.values(), challenger.pipeline.predict_proba(feature_table(holdout))]
        key = (*tables, challenger.family, *(sha256(np.ascontiguousarray(array)).hexdigest() for array in p))
        given = {**other, "train": train, "holdout": holdout, "holdout_p": holdout_p, "challenger": challenger}
        return known[key] if key in known else known.setdefault(key, assess(**given))

    monkeypatch.setattr(assessment, "assess", assess_once)

    def arrange() -> Callable[[], dict]:
        worlds.bucket()
        search, objects = found_once
        for uri, raw in objects.items():
            storage.write_bytes(uri, raw)
        uri = "s3://data/runs/first/search/search.json"
        found = {"uri": uri, "sha256": storage.write_json(uri, search)}
        dataset = {"dataset_id": "d1", "data_date": "2022-12-31", "uri": "s3://data/datasets/d1/table.parquet"}
        dataset |= {"rows": 900, "sha256": "5" * 64, "manifest_uri": "s3://data/datasets/d1/manifest.json"}
        event = {"execution": "first", "reason": "new_data", "dataset": dataset, "search": found}
        return lambda: app.handler(event, lambda_context)

    return Scenario("evaluate", arrange)


@pytest.fixture
def refresh(load_app, lambda_context) -> Scenario:
    app = load_app("refresh", **worlds.SETTINGS)

    def arrange() -> Callable[[], dict]:
        worlds.bucket()
        worlds.control_table()
        worlds.feature_table()
        for phases in ("abc", "abd"):
            datasets.move_latest("control", worlds.dataset(phases), previous=datasets.latest_dataset("control"))
            if phases == "abc":
                app.handler({}, lambda_context)
        return lambda: app.handler({}, lambda_context)

    return Scenario("refresh", arrange, forget=(feature_store._cache.clear,))


@pytest.fixture
def notify(load_app, lambda_context) -> Scenario:
    topic = "arn:aws:sns:us-east-1:123456789012:slipcast"
    app = load_app("notify", **worlds.SETTINGS, TOPIC_ARN=topic)

    def arrange() -> Callable[[], dict]:
        worlds.control_table()
        boto3.client("sns").create_topic(Name="slipcast")
        event = {"outcome": "kept", "execution": "new-data-0", "reason": "new_data", "why": "not better"}
        return lambda: app.handler(event, lambda_context)

    return Scenario("notify", arrange, forget=(app.topic.client.cache_clear,))


@pytest.fixture
def trigger(load_app, lambda_context) -> Scenario:
    machine = "arn:aws:states:us-east-1:123456789012:stateMachine:slipcast-pipeline"
    app = load_app("trigger", **worlds.SETTINGS, STATE_MACHINE_ARN=machine)
    from trigger import executions

    def arrange() -> Callable[[], dict]:
        worlds.control_table()
        worlds.state_machine()
        event = {"reason": "manual", "id": "monday"}
        return lambda: app.handler(event, lambda_context)

    return Scenario("trigger", arrange, forget=(executions.client.cache_clear,))


CALLS = "one of its calls to AWS"
SAME = "refused or repeated, never half done; the same event leads to the same end"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("trigger", marks=pytest.mark.fault("events", "trigger: a request for a training", CALLS, SAME)),
        pytest.param("prepare", marks=pytest.mark.fault("pipeline", "prepare: a file with a bad row", CALLS, SAME)),
        pytest.param("refused", marks=pytest.mark.fault("pipeline", "prepare: a file that is refused", CALLS, SAME)),
        pytest.param("refresh", marks=pytest.mark.fault("pipeline", "refresh: the feature store", CALLS, SAME)),
        pytest.param("evaluate", marks=pytest.mark.fault("pipeline", "evaluate: the contest", CALLS, SAME)),
        pytest.param("notify", marks=pytest.mark.fault("pipeline", "notify: what came of it", CALLS, SAME)),
    ],
)
def test_after_any_fault_the_same_event_leads_to_the_same_end(name, assert_survives, request):
    assert_survives(request.getfixturevalue(name))
