"""Plan and train, each call to AWS, each fault: a round is planned once, a task leaves one result."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from faults import worlds
from faults.explore import Scenario
from slipcast_aws import storage
from support import schedules

SETTINGS = {
    **{"DATA_BUCKET": "data", "TOLERANCE_DAYS": "30", "HOLDOUT_MONTHS": "18", "RANDOM_SEED": "20240101"},
    **{"SEARCH_BUDGET_SECONDS": "0", "PAPER_PROTOCOL": "false", "TOLERATED_FAILURE_SHARE": "0.25"},
    **{"INLINE_TASKS": "100", "TRAIN_MEMORY_MB": "3008"},
}
# Declared slower than they are, so that there are several tasks.
COST = {"seconds": 20.0, "growth": 1.0}
TREE = {"name": "tree", "estimator": "sklearn.tree.DecisionTreeClassifier", "grid": {"max_depth": [2, 4]}, "cost": COST}
# What the rounds and results of a search consist of has no digest of its own; candidates are a person's.
UNCHECKED = ("config/", "runs/")


class Search:
    """A search as the state machine carries it out, up to a place at which a scenario begins."""

    def __init__(self, load_app: Callable[..., Any], context: Any) -> None:
        self.apps = {name: load_app(name, **SETTINGS) for name in ("plan", "train")}
        self.context = context
        self.example = schedules.example("nyc_sca_2022-12.csv")

    def begin(self) -> dict[str, Any]:
        uri = "s3://data/datasets/d1/table.parquet"
        dataset = {"dataset_id": "d1", "data_date": self.example.data_date.isoformat(), "uri": uri}
        dataset["sha256"] = storage.write_bytes(uri, self.example.parquet)
        storage.write_bytes("s3://data/config/candidates.json", json.dumps([TREE]).encode())
        return {"execution": "new-data-1", "dataset": dataset}

    def call(self, name: str, event: dict[str, Any]) -> dict[str, Any]:
        return self.apps[name].handler(event, self.context)

    def scenario(self, function: str, rounds: int, before: str = "plan") -> Scenario:
        """Return what harms the call of `function` after so many whole rounds."""
        worker = self.apps["train"].tasks

        kept: dict[str, bytes] = {}
        began: list[dict[str, Any]] = []

        def arrange() -> Callable[[], dict[str, Any]]:
            worlds.bucket()
            # The seconds that tasks took are in the record of a search: the same rounds for all worlds.
            for uri, raw in kept.items():
                storage.write_bytes(uri, raw)
            if not began:
                began.append(self._play(rounds, before))
                kept.update(
                    {uri: storage.read_bytes(uri) for part in "cdr" for uri in storage.list_uris(f"s3://data/{part}")}
                )
            return lambda: self.call(function, began[0])

        return Scenario(
            function, arrange, unchecked=UNCHECKED, forget=(worker._worker.cache_clear, worker._json.cache_clear)
        )

    def _play(self, rounds: int, before: str) -> dict[str, Any]:
        event = self.begin()
        for number in range(rounds):
            step = self.call("plan", event)
            event = {"round": step["round"]}
            if before == "train" and number + 1 == rounds:
                return event | {"task": step["tasks"][0]}
            for task in step["tasks"]:
                self.call("train", {**event, "task": task})
        return event


@pytest.fixture
def search(load_app, lambda_context) -> Search:
    return Search(load_app, lambda_context)


@pytest.fixture
def first(search) -> Scenario:
    return search.scenario("plan", 0)


@pytest.fixture
def following(search) -> Scenario:
    return search.scenario("plan", 1)


@pytest.fixture
def last(search) -> Scenario:
    return search.scenario("plan", 2)


@pytest.fixture
def measuring(search) -> Scenario:
    return search.scenario("train", 1, before="train")


@pytest.fixture
def fitting(search) -> Scenario:
    return search.scenario("train", 2, before="train")


CALLS = "one of its calls to AWS"
SAME = "refused or repeated; the round again leads to the same plan, the task again to the same model"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("first", marks=pytest.mark.fault("pipeline", "plan: tables and first round", CALLS, SAME)),
        pytest.param("following", marks=pytest.mark.fault("pipeline", "plan: the round after", CALLS, SAME)),
        pytest.param("last", marks=pytest.mark.fault("pipeline", "plan: the end of a search", CALLS, SAME)),
        pytest.param("measuring", marks=pytest.mark.fault("pipeline", "train: a task that measures", CALLS, SAME)),
        pytest.param("fitting", marks=pytest.mark.fault("pipeline", "train: a task that fits", CALLS, SAME)),
    ],
)
def test_after_any_fault_a_search_finds_the_same(name, assert_survives, request):
    assert_survives(request.getfixturevalue(name))
