"""Command that judges the kept forecasts of a stack."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import pandas as pd
from rich.table import Table

from slipcast.csv_safety import neutral
from slipcast.forecast import scoreboard
from slipcast_aws import forecasts
from slipcast_aws.control import datasets
from slipcast_cli.show import output
from slipcast_cli.stack import DeployedStack


def judged(stack: DeployedStack) -> pd.DataFrame:
    """Return the forecasts that a stack has kept, with what its latest dataset version knows of them.

    Raises
    ------
    RuntimeError
        If there is nothing to judge.
    """
    objects = forecasts.kept(stack.output("DataBucketName"))
    if not objects:
        raise RuntimeError(
            "no forecast has been kept yet: one is, when a schedule is scored by a model with a forecast"
        )
    dataset = datasets.latest_dataset(stack.output("ControlTableName"))
    if dataset is None or not dataset.get("last_seen_uri"):
        raise RuntimeError("no dataset version can judge the kept forecasts yet: drop the next schedule")
    table = forecasts.judged(
        objects, dataset, lambda uri: click.echo(f"left out, no table of forecasts: {uri}", err=True)
    )
    if not len(table):
        raise RuntimeError("none of the activities that were forecast is in the latest dataset version")
    return table


def document(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of `scoreboard.summary` as JSON takes them."""
    return [{name: _plain(value) for name, value in row.items()} for row in table.to_dict("records")]


def write(table: pd.DataFrame, by: Sequence[str], path: Path) -> None:
    """Write the rows of `scoreboard.summary` as CSV."""
    shown = table.copy()
    for name in by:
        shown[name] = [neutral(_plain(value)) for value in shown[name]]
    shown.to_csv(path, index=False, float_format="%.4f", lineterminator="\n")


def print_table(table: pd.DataFrame, by: Sequence[str]) -> None:
    """Print what held, next to the planner's own dates."""
    total = table.iloc[0]
    if not by and total["p80_judged"]:
        output.print(f"Of the finishes we called 80 % sure, {total['p80_held']:.0%} held.")
    heads = ("forecasts", "P80 came", "P80 held", "95 %", "P50 held", "P90 held", "planner held", "P50/planner")
    shown = Table(*by, *heads, box=None, pad_edge=False)
    for row in document(table):
        interval = f"{row['p80_low']:.0%} to {row['p80_high']:.0%}" if row["p80_judged"] else "-"
        ratio = "-" if row["pinball_ratio"] is None else f"{row['pinball_ratio']:.2f}"
        held = [_share(row[f"{name}_held"]) for name in ("p50", "p90", scoreboard.PLANNED)]
        counts = (f"{row['forecasts']:,}", f"{row['p80_judged']:,}", _share(row["p80_held"]), interval)
        shown.add_row(*(str(row[name]) for name in by), *counts, *held, ratio)
    output.print(shown)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _plain(value: Any) -> Any:
    return value.date().isoformat() if isinstance(value, pd.Timestamp) else value
