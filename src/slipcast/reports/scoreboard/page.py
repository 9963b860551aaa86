"""Rendering of the page from the template, charts and a scoreboard."""

from typing import Any

from slipcast.reports.environment import environment
from slipcast.reports.scoreboard import charts

# In the order of the page: column of the groups, heading, what a row is.
SECTIONS = (
    ("horizon", "By horizon", "from the data date to the P50"),
    ("stage", "By stage", "stage at the data date"),
    ("project_id", "By project", "project"),
    ("source", "By series of files", "series"),
    ("model_id", "By model", "model"),
    ("data_date", "By data date", "data date of the forecast"),
)
# Rows of a table: a page does not grow with the portfolio.
MOST = 60


def render(board: dict[str, Any]) -> str:
    """Return the page of the scoreboard: no other file, no network and no script is needed to read it.

    Parameters
    ----------
    board
        as `slipcast.forecast.scoreboard.document` returned it, with ``at`` and ``dataset_id``

    Returns
    -------
    str
        the page; the same scoreboard makes the same text

    Raises
    ------
    KeyError, jinja2.UndefinedError
        If the scoreboard lacks a field.
    """
    sections = [
        (name, heading, what, _shown(name, board["groups"][name]), len(board["groups"][name]))
        for name, heading, what in SECTIONS
        if board["groups"].get(name)
    ]
    return (
        environment("scoreboard")
        .get_template("scoreboard.html.j2")
        .render(
            b=board,
            total=board["total"],
            verdict=board["verdict"],
            sections=sections,
            levels=charts.levels(board["total"]),
            pictures={name: charts.groups(name, heading, rows) for name, heading, _, rows, _ in sections},
        )
    )


def _shown(name: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of a table: horizons as they are, data dates newest first, others with most judged first."""
    if name == "horizon":
        return rows
    if name == "data_date":
        return rows[::-1][:MOST]
    return sorted(rows, key=lambda row: (-row["p80_judged"], row[name]))[:MOST]
