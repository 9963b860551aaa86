"""Output for people: progress on standard error, results on standard output."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from slipcast_cli.drop import Result

errors = Console(stderr=True, highlight=False)
output = Console(highlight=False)


@contextmanager
def progress(title: str) -> Iterator[Callable[[str], None]]:
    """Yield a function that shows a step: the last one on a terminal, else each on a line with its time."""
    began = monotonic()
    if errors.is_terminal:
        with errors.status(title) as status:
            yield lambda step: status.update(f"{title}: {step}")
    else:
        print(title, file=sys.stderr, flush=True)
        yield lambda step: print(f"{monotonic() - began:7.1f} s  {step}", file=sys.stderr, flush=True)


@contextmanager
def counter(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yield a function that is called with the number of items done; a bar on a terminal, else nothing."""
    with Progress(console=errors, disable=not errors.is_terminal, transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda done: bar.advance(task, done)


def result(found: Result, execution: str) -> None:
    """Print the intake result of a file and its riskiest open activities."""
    output.print(f"[bold]{found.outcome}[/bold]: {found.why}", soft_wrap=True)
    if intake := found.intake:
        if intake["outcome"] == "refused":
            _page(found, execution)
            return
        counts = intake["counts"]
        output.print(
            f"profile {intake['profile']['name']}, data date {intake['data_date']}: {counts['read']} rows read, "
            f"{counts['accepted']} accepted, {counts['rejected']} rejected",
            soft_wrap=True,
        )
        for problem in intake["problems"][:5]:
            output.print(
                f"  {problem['cells']} × {problem['column']}: {problem['reason']}; {problem['remedy']}", soft_wrap=True
            )
        for note in intake["notes"]:
            output.print(f"  note: {note}", soft_wrap=True, markup=False)
        output.print(f"what to change in the export: {intake['advice']}", soft_wrap=True, markup=False)
    if found.riskiest:
        table = Table("activity", "name", "baseline finish", "probability", "risk", box=None, pad_edge=False)
        for row in found.riskiest:
            cells = (row["activity_id"], row["activity_name"], row["baseline_finish"], row["probability"])
            table.add_row(*cells, row["risk_band"])
        output.print(table)
    _page(found, execution)


def _page(found: Result, execution: str) -> None:
    output.print(f"report: reports/{execution}/intake.html", soft_wrap=True)
    if found.page:
        # A link on one line, without a style: terminals open it.
        output.print(found.page, soft_wrap=True, markup=False)
