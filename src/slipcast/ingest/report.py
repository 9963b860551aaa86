"""The report on one upload: what was understood, what was not and why, as a document and as a page."""

from html import escape
from typing import Any

from slipcast.csv_safety import neutral
from slipcast.ingest.mapping.detect import known
from slipcast.ingest.mapping.profile import normal
from slipcast.ingest.schedule import Schedule

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}
h1{font-size:1.4rem;margin:0}h2{font-size:1.05rem;margin:2rem 0 .4rem}p{margin:.4rem 0}
.outcome{display:inline-block;padding:.1rem .6rem;border-radius:1rem;color:#fff;font-size:.85rem;vertical-align:middle}
.accepted{background:#1a7f37}.partly{background:#9a6700}.refused{background:#b42318}
table{border-collapse:collapse;width:100%}td,th{padding:.3rem .7rem .3rem 0;text-align:left;vertical-align:top;
border-bottom:1px solid #e3e6ea}th{font-weight:600;color:#57606a}td.n,th.n{text-align:right;
font-variant-numeric:tabular-nums}.numbers{display:flex;gap:2.2rem;flex-wrap:wrap;margin:1.2rem 0}
.numbers div{line-height:1.2}.numbers b{display:block;font-size:1.5rem}.muted{color:#57606a}
"""
SAMPLE = 50


def accepted(schedule: Schedule, *, file: str, labels: dict[str, int], changes: list[str]) -> dict[str, Any]:
    """Return the report on a file that was read, whole or in part.

    Parameters
    ----------
    file : its name
    labels : matured, late, open and censored activities of this file
    changes : how it differs in kind from the last file of its source
    """
    return {
        "outcome": "accepted",
        "file": file,
        "source": schedule.source,
        "profile": {"name": schedule.profile.name, "title": schedule.profile.title},
        "data_date": schedule.data_date and schedule.data_date.isoformat(),
        "counts": schedule.counts,
        "labels": labels,
        "problems": schedule.problems,
        "columns": {
            "read": list(schedule.mapped),
            "not_read": [name for name in schedule.header if name and name not in _read_headers(schedule)],
        },
        "changes": changes,
        "notes": list(schedule.notes),
    }


def _read_headers(schedule: Schedule) -> set[str]:
    reads = known(schedule.profile)
    codes = {header for found in schedule.codes.values() for header in found}
    return {name for name in schedule.header if name in codes or normal(name) in reads}


def refused(file: str, refusal: Exception) -> dict[str, Any]:
    """Return the report on a file that cannot be used."""
    parts = {name: getattr(refusal, name, None) for name in ("row", "column", "reason", "remedy")}
    return {"outcome": "refused", "file": file, "why": str(refusal), **parts}


def page(report: dict[str, Any], rejected: list[dict[str, str]] | None = None) -> str:
    """Return a report as a self-contained HTML page.

    Parameters
    ----------
    rejected : the first bad cells: ``line``, ``column``, ``value``, ``reason``, ``remedy``
    """
    body = _refused(report) if report["outcome"] == "refused" else _accepted(report, rejected or [])
    title = escape(f"Slipcast: {report['file']}")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{STYLE}</style>'
        f"<body>{body}</body></html>\n"
    )


def _refused(report: dict[str, Any]) -> str:
    where = [f"line {report['row']}"] if report["row"] is not None else []
    where += [f"column {report['column']}"] if report["column"] else []
    rows = [("Where", ", ".join(where) or "the file as a whole"), ("Why", report["reason"])]
    rows.append(("What to do", report["remedy"]))
    return _head(report["file"], "refused", "refused") + _table(None, [[name, value] for name, value in rows])


def _accepted(report: dict[str, Any], rejected: list[dict[str, str]]) -> str:
    counts, labels = report["counts"], report["labels"]
    partly = counts["rejected"] > 0
    parts = [_head(report["file"], "partly" if partly else "accepted", "partly accepted" if partly else "accepted")]
    day = f", data date {report['data_date']}" if report["data_date"] else ""
    parts.append(
        f'<p class="muted">{_text(report["profile"]["title"])} (profile {_text(report["profile"]["name"])}), '
        f"source {_text(report['source'])}{_text(day)}</p>"
    )
    figures = [
        ("rows read", counts["read"]),
        ("accepted", counts["accepted"]),
        ("in quarantine", counts["rejected"]),
        ("left out by filters", counts["filtered"]),
        ("outcome known", labels["matured"]),
        ("of these late", labels["late"]),
        ("open", labels["open"]),
        ("not due yet", labels["censored"]),
    ]
    numbers = "".join(f"<div><b>{value:,}</b>{_text(name)}</div>" for name, value in figures)
    parts.append(f'<div class="numbers">{numbers}</div>')
    for title, items in (("Changed since the last file of this source", report["changes"]), ("Notes", report["notes"])):
        if items:
            parts.append(f"<h2>{title}</h2>" + "".join(f"<p>{_text(item)}</p>" for item in items))
    if report["problems"]:
        rows = [[item["column"], item["reason"], item["cells"], item["remedy"]] for item in report["problems"]]
        parts.append("<h2>What is wrong</h2>" + _table(["Column", "Problem", "Cells", "What to do"], rows))
    if rejected:
        rows = [[item[name] for name in ("line", "column", "value", "reason")] for item in rejected[:SAMPLE]]
        parts.append(f"<h2>The first {len(rows)} bad cells</h2>" + _table(["Line", "Column", "Value", "Problem"], rows))
    columns = report["columns"]
    parts.append("<h2>Columns</h2>" + _table(None, [["Read", ", ".join(columns["read"])]]))
    if columns["not_read"]:
        parts.append(f'<p class="muted">Not read: {_text(", ".join(columns["not_read"]))}</p>')
    return "".join(parts)


def _head(file: str, kind: str, outcome: str) -> str:
    return f'<h1>{_text(file)} <span class="outcome {kind}">{outcome}</span></h1>'


def _table(header: list[str] | None, rows: list[list[Any]]) -> str:
    head = "<tr>" + "".join(f"<th>{_text(name)}</th>" for name in header) + "</tr>" if header else ""
    return f"<table>{head}{''.join('<tr>' + ''.join(_cell(value) for value in row) + '</tr>' for row in rows)}</table>"


def _cell(value: Any) -> str:
    return f'<td class="n">{value:,}</td>' if isinstance(value, int) else f"<td>{_text(value)}</td>"


def _text(value: Any) -> str:
    return escape(neutral(value))
