"""Rendering of the page from templates, charts and an evaluation record."""

from typing import Any

from slipcast.reports.environment import environment
from slipcast.reports.training import verdict
from slipcast.reports.training.charts import candidates, confusion, curves, features, forecast, groups, search

# In the order of the page: anchor (and template), heading.
SECTIONS = (
    ("card", "Model card"),
    ("candidates", "Candidates"),
    ("ranking", "Ranking"),
    ("threshold", "Warnings"),
    ("calibration", "Calibration"),
    ("forecast", "Forecast"),
    ("features", "What the model looks at"),
    ("slices", "Where it is weaker"),
    ("fairness", "Fairness"),
    ("leakage", "Leakage checks"),
    ("gate", "The gate"),
    ("data", "Data profile"),
    ("drift", "Drift"),
    ("search", "Search"),
    ("protocol", "Protocol"),
    ("edge", "Edge bundle"),
    ("reproducibility", "Reproducibility"),
)


def render(record: dict[str, Any], edge: dict[str, Any] | None = None) -> str:
    """Return the report on an execution as a page that needs no other file, no network and no script.

    Parameters
    ----------
    record
        ``evaluation.json``; the parts that may be absent (champion, drift, paper, worst slice, dates) are None
    edge
        ``edge.json`` of the released model; None leaves its section out

    Returns
    -------
    str
        the page; the same records make the same text

    Raises
    ------
    KeyError, jinja2.UndefinedError
        If the record lacks a field.
    """
    template = environment("training").get_template("page.html.j2")
    return template.render(
        r=record,
        e=edge,
        sections=SECTIONS if edge else [section for section in SECTIONS if section[0] != "edge"],
        charts=_charts(record),
        verdict=verdict.words(record),
        card=verdict.card(record),
    )


def _charts(record: dict[str, Any]) -> dict[str, Any]:
    return {
        "accuracy": candidates.bars(record, "accuracy"),
        "auc": candidates.bars(record, "auc"),
        "roc": curves.roc(record),
        "pr": curves.precision_recall(record),
        "confusion": confusion.confusion(record),
        "reliability": curves.reliability(record),
        "importance": features.importances(record),
        "dependences": features.dependences(record),
        "slices": groups.slices(record),
        "gaps": groups.gaps(record),
        "leakage": features.leakage(record),
        "drift": features.drift(record),
        "budget": search.budget(record),
        "windows": search.windows(record),
        "pit": forecast.histogram(record),
        "coverage": forecast.coverage(record),
        "fan": forecast.fan(record),
    }
