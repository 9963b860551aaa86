"""A training in one process: search, holdout and gate of the pipeline, for any machine with a dataset version.

The steps are the pipeline's own functions, with memory for their store instead of a bucket: the artifact has the digest
that the pipeline's would have for the same dataset, settings and packages.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from typing import Any

import pandas as pd

from slipcast.contracts import Round, SearchPlan, Track
from slipcast.evaluation import of_search
from slipcast.evaluation.assessment import Assessment, Policy
from slipcast.forecast.network_table import Updates
from slipcast.training import candidates
from slipcast.training.search import forecast, planning, rounds, running
from slipcast.training.search.data import unpack
from slipcast.training.search.objects import Memory
from slipcast.training.search.worker import Worker


@dataclass(frozen=True)
class Settings:
    """Settings that the stack's parameters give, with their defaults.

    Attributes
    ----------
    choices
        those of the search
    policy
        costs and limits of the gate
    candidates, forecast
        own ``candidates.json`` and ``forecast.json``; None takes those of the package
    """

    choices: planning.Choices
    policy: Policy = field(default_factory=lambda: Policy(2.0, 1.0, fairness_columns=("location",)))
    candidates: str | None = None
    forecast: str | None = None


@dataclass(frozen=True)
class Trained:
    """Result of a training.

    Attributes
    ----------
    assessed
        artifact, forecast, golden activities, profile and the record of the evaluation
    search
        record of the search
    family
        family of the challenger
    """

    assessed: Assessment
    search: dict[str, Any]
    family: str


def train(
    table: pd.DataFrame,
    *,
    dataset_id: str,
    data_date: date,
    settings: Settings,
    fills: Mapping[str, dict[str, list[int]]],
    networks: Updates | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> Trained:
    """Search, fit and judge on a dataset version, without a champion.

    Parameters
    ----------
    table
        as `versions.read_table` returns it
    dataset_id, data_date
        of the version; they are part of the artifact
    fills
        the ``fills`` of its manifest; empty without any
    networks
        networks of the version; None without any
    report
        takes a line after each step

    Raises
    ------
    ValueError
        If the dataset cannot be split or cross-validated.
    AssessmentError, SearchFailedError
        If no family can be fitted and served.
    """
    store, choices = Memory(), settings.choices
    plan: SearchPlan = _json(
        planning.plan(
            "standalone",
            table,
            data_date,
            choices,
            store,
            families=candidates.load_candidates(settings.candidates),
            forecast_points=forecast.load_grid(settings.forecast),
            fills=fills,
            networks=networks,
        )
    )

    @cache
    def rows(uri: str) -> Worker:
        return Worker(unpack(store.get(uri)), choices.random_seed)

    def worker(track: Track) -> Worker:
        return rows(track["data"]["uri"])

    document: Round = _json(rounds.first_round(plan))
    while True:
        number = document["round"]
        report(f"round {number}: {len(document['tasks'])} tasks of kind {document['kind']}")
        results = {
            task["id"]: _json(running.run(task, plan, worker, store, f"r{number}/{task['id']}"))
            for task in document["tasks"]
        }
        if document["kind"] != "search":
            break
        document = _json(rounds.next_round(plan, document, results))
    search = _json(rounds.conclude(plan, document, results))
    family, assessed = of_search.assess(
        search,
        store,
        champion=None,
        champion_forecast=None,
        policy=settings.policy,
        reason="manual",
        dataset_id=dataset_id,
        data_date=data_date.isoformat(),
        tolerance_days=choices.tolerance_days,
    )
    report(f"challenger: {family}")
    return Trained(assessed, search, family)


def _json(document: Any) -> Any:
    """Return the document as the pipeline's next function reads it."""
    return json.loads(json.dumps(document))
