"""First step of a search: tables of the execution, plan and first round."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from typing import Any

import pandas as pd

from plan import next_round
from plan.settings import Settings
from slipcast.contracts import DatasetRef, Planned
from slipcast.datasets import network, versions
from slipcast.training import candidates
from slipcast.training.search import forecast, planning, rounds
from slipcast_aws import scratch, storage
from slipcast_aws.objects import Folder

OWN_CANDIDATES = "config/candidates.json"
OWN_FORECAST = "config/forecast.json"


def begin(execution: str, source: DatasetRef, settings: Settings) -> Planned:
    """Write the tables and the plan of an execution and return its first round, see `next_round.publish`.

    Raises
    ------
    ValueError
        If the dataset cannot be split or cross-validated, or is too large for the function that trains.
    """
    table = _read(source)
    folder = Folder(f"s3://{settings.data_bucket}/runs/{execution}")
    data_date = source.get("data_date")
    uri = source.get("manifest_uri")
    manifest: dict[str, Any] = storage.read_json(uri) if uri else {}
    with _networks(manifest) as networks:
        plan = planning.plan(
            execution,
            table,
            date.fromisoformat(data_date) if data_date else None,
            planning.Choices(
                tolerance_days=settings.tolerance_days,
                holdout_months=settings.holdout_months,
                random_seed=settings.random_seed,
                tolerated_failure_share=settings.tolerated_failure_share,
                budget_seconds=settings.search_budget_seconds or None,
                paper_protocol=settings.paper_protocol,
                memory_mb=settings.train_memory_mb,
            ),
            folder,
            families=_declared(settings.data_bucket, OWN_CANDIDATES, candidates.load_candidates),
            forecast_points=_declared(settings.data_bucket, OWN_FORECAST, forecast.load_grid),
            fills=manifest.get("fills", {}),
            networks=networks,
        )
    uri = f"{folder.prefix}/search/plan.json"
    return next_round.publish(
        {"uri": uri, "sha256": storage.write_json(uri, plan)}, rounds.first_round(plan), settings.inline_tasks
    )


def _read(source: DatasetRef) -> pd.DataFrame:
    with scratch.folder() as folder:
        file = folder / "table.parquet"
        storage.download(source["uri"], file, sha256=source["sha256"])
        return versions.read_table(file)


@contextmanager
def _networks(manifest: Mapping[str, Any]) -> Iterator[network.Updates | None]:
    """Yield the networks of a dataset version; None without any."""
    stored = manifest.get("network")
    if not stored:
        yield None
        return
    with scratch.folder() as folder:
        files = {name: folder / f"{name}.parquet" for name in stored}
        for name, file in files.items():
            storage.download(stored[name]["uri"], file, sha256=stored[name]["sha256"])
        yield network.Updates(files, folder)


def _declared[T](bucket: str, key: str, load: Callable[[str | None], T]) -> T:
    """Return what the owner declares at `key` of the data bucket, else what the package does."""
    uri = f"s3://{bucket}/{key}"
    if not storage.exists(uri):
        return load(None)
    try:
        return load(storage.read_bytes(uri).decode())
    except (candidates.CandidateError, UnicodeDecodeError) as error:
        raise ValueError(f"{uri}: {error}") from None
