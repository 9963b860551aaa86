"""Fixtures that every layer of the tests shares."""

import functools
import gc
import importlib
import itertools
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from functools import cache
from inspect import CO_VARKEYWORDS
from pathlib import Path
from typing import Self

import botocore.session
import duckdb
import pytest
import yaml
from botocore import hooks, regions
from botocore.client import ClientCreator
from botocore.compat import accepts_kwargs
from botocore.loaders import create_loader
from hypothesis import settings

from permissions.recording import RECORDER
from slipcast.forecast import stage
from support import state_contract

# Before NumPy and scikit-learn are imported: on small tables several threads wait for each other more than they work,
# and the workers of a run share the processors.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

# Each test has sessions and clients of its own, and each would work out the same again: a third of the time of the
# tests with AWS. First the descriptions of services: files of the SDK. A loader keeps what it read.
botocore.session.create_loader = cache(create_loader)

# Then the classes of clients, and the rules by which a service finds its endpoint: functions of those descriptions.
_client_class, _client_classes = ClientCreator._create_client_class, {}
_endpoint_provider, _endpoint_providers = regions.EndpointProvider, {}


def _class_once(creator: ClientCreator, service: str, model):
    if service not in _client_classes:
        _client_classes[service] = _client_class(creator, service, model)
    return _client_classes[service]


def _provider_once(ruleset_data, partition_data, excluded_params=None):
    # What is kept holds both descriptions: no other gets their identity.
    key = (id(ruleset_data), id(partition_data), frozenset(excluded_params or ()))
    if key not in _endpoint_providers:
        made = _endpoint_provider(ruleset_data, partition_data, excluded_params)
        _endpoint_providers[key] = (made, ruleset_data, partition_data)
    return _endpoint_providers[key][0]


ClientCreator._create_client_class = _class_once
regions.EndpointProvider = _provider_once

# Whether a handler takes keyword arguments: a flag of its code, without building its signature.
hooks.accepts_kwargs = lambda handler: (
    handler.__code__.co_flags & CO_VARKEYWORDS if hasattr(handler, "__code__") else accepts_kwargs(handler)
)

# Today's name of an event: a function of the name.
_todays_name = hooks.EventAliaser._alias_event_name
_todays_names: dict[str, str] = {}


def _name_once(aliaser: hooks.EventAliaser, event: str) -> str:
    if event not in _todays_names:
        _todays_names[event] = _todays_name(aliaser, event)
    return _todays_names[event]


hooks.EventAliaser._alias_event_name = _name_once

# libyaml reads the same ten times as fast; its loader is given the constructors that the slow one has at the moment.
_load = yaml.load


def _load_fast(stream, Loader):
    if Loader is not yaml.SafeLoader:
        return _load(stream, Loader)
    known = {name: getattr(Loader, name) for name in ("yaml_constructors", "yaml_multi_constructors")}
    return _load(stream, type("Loader", (yaml.CSafeLoader,), known))


if hasattr(yaml, "CSafeLoader"):
    yaml.load = _load_fast

# A database of DuckDB costs 25 to 50 ms of processor time before its first query, and each file that is read has ten of
# them one after the other. Here they are empty catalogs of one database: the same from inside, and ten times as fast.
_connect = duckdb.connect
_catalogs = itertools.count()


class Catalog:
    """Connection to an empty catalog, which goes when it is closed."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection, self._name = connection, f"catalog_{next(_catalogs)}"
        connection.execute(f"ATTACH ':memory:' AS {self._name}")
        connection.execute(f"USE {self._name}")

    def __getattr__(self, name: str):
        return getattr(self._connection, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with suppress(duckdb.Error):
            self._connection.execute("USE memory")
            self._connection.execute(f"DETACH {self._name}")
        self._connection.close()


@cache
def _database(settings: tuple[tuple[str, object], ...]) -> duckdb.DuckDBPyConnection:
    # Where it spills to cannot be changed later, and outlives no test.
    spill = {"temp_directory": str(Path(tempfile.gettempdir(), f"slipcast-tests-{os.getpid()}"))}
    return _connect(config=dict(settings) | spill)


def _connect_to_catalog(database: str = ":memory:", read_only: bool = False, config: dict | None = None):
    if database != ":memory:" or read_only:
        return _connect(database, read_only, config or {})
    kept = {name: value for name, value in (config or {}).items() if name != "temp_directory"}
    return Catalog(_database(tuple(sorted(kept.items()))).cursor())


# This file is imported under two names, by pytest and by tests/support.
if duckdb.connect.__name__ != _connect_to_catalog.__name__:
    duckdb.connect = _connect_to_catalog

# A busy machine is no bug: hypothesis gives an example 200 ms.
settings.register_profile("slipcast", deadline=None)
settings.load_profile("slipcast")

pytest_plugins = ["faults.table"]
ROOT = Path(__file__).resolve().parents[1]


class LambdaContext:
    """What a handler may ask of the Lambda context object."""

    function_name = "slipcast-test"
    function_version = "7"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:slipcast-test"
    aws_request_id = "5f2a1c1e-0000-4000-8000-000000000001"

    def get_remaining_time_in_millis(self) -> int:
        return 30_000


@pytest.fixture(autouse=True)
def today(monkeypatch) -> date:
    """Before any activity of the tests, so that none that names no data date is late; a test of today undoes it."""
    day = date(2015, 1, 1)
    monkeypatch.setattr(stage, "today", lambda: day)
    return day


@pytest.fixture(autouse=True)
def yaml_as_it_was():
    """The constructors of PyYAML; sam's parser makes every mapping that this process reads an OrderedDict."""
    before = dict(yaml.SafeLoader.yaml_constructors)
    yield
    yaml.SafeLoader.yaml_constructors = before


@pytest.fixture
def lambda_context() -> LambdaContext:
    return LambdaContext()


@pytest.fixture
def aws_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials and a region that reach no account."""
    # Without a token: with a role's the feature store is read past the SDK, and so past what plays AWS (direct_reads).
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "POWERTOOLS_SERVICE_NAME": "slipcast",
        "POWERTOOLS_METRICS_NAMESPACE": "Slipcast",
        "POWERTOOLS_TRACE_DISABLED": "1",
        "MLFLOW_MODEL_NAME": "slipcast",
    }.items():
        monkeypatch.setenv(name, value)


def _as_agreed(name: str, handler):
    """Let a handler through whose answers to the state machine fit `state_contract.RETURNS`."""

    @functools.wraps(handler)
    def agreed(event, context):
        answer = handler(event, context)
        asked = state_contract.name_of(name, event) if isinstance(event, dict) else name
        # What else a function is called for (a page, a schedule's own event) answers somebody else.
        if asked in state_contract.RETURNS and isinstance(answer, dict) and "statusCode" not in answer:
            assert state_contract.problems(asked, answer) == []
        return answer

    return agreed


@pytest.fixture
def load_app(monkeypatch: pytest.MonkeyPatch, aws_environment: None):
    """A loader of a function's ``app`` as Lambda would load it, its environment set; a dotted name loads that module.

    The modules of the function's package are forgotten before and after, so that each load runs the init phase again.
    """
    loaded: list[str] = []

    def forget(package: str) -> None:
        for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
            del sys.modules[name]

    def load(name: str, **env: str):
        package = name.partition(".")[0]
        for key, value in env.items():
            monkeypatch.setenv(key, value)
        forget(package)
        module = importlib.import_module(name if "." in name else f"{name}.app")
        loaded.append(package)
        if hasattr(module, "handler"):
            module.handler = RECORDER.wrap(package, module.handler)
        return module

    yield load
    for package in loaded:
        forget(package)


@pytest.fixture
def event():
    """A reader of ``events/<name>.json``."""

    def read(name: str) -> dict:
        return json.loads((ROOT / "events" / f"{name}.json").read_text())

    return read


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Import the tests without rounds of the garbage collector, a quarter of that time: what comes then stays."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """Leave what is there once all tests are collected out of the garbage collector's rounds: it stays to the end."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """Let the collector have it all at the end: libraries report what is left as leaks."""
    gc.unfreeze()


# Those that take longest, longest first: what begins last is waited for by the other workers.
LONG = (
    "test_layers.py",
    "test_release_swap.py",
    "test_prepare_function.py",
    "test_track_function.py",
    "test_release_function.py",
    "test_intake_kinds.py",
    "test_evaluate_function.py",
    "test_approve_function.py",
    "test_release_states.py",
    "test_assessment.py",
    "test_faults_release.py",
    "test_monitor_function.py",
    "test_training_report.py",
    "test_scorer.py",
    "test_openapi_contract.py",
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first."""
    place = {name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.path.name, len(LONG)))
