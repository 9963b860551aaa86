"""Documents of the project API, computed from the example schedules by the domain: for pages that need no stack.

The probabilities are shares of the draws of the project's network, so what a page shows is what the domain says of real
files; no number is made up here.
"""

import tempfile
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from slipcast.forecast import monte_carlo
from slipcast.ingest.read_network import read_network
from slipcast.ingest.schedule import read_schedule
from slipcast.schedule import backward, draws, forward
from slipcast.schedule.comparison import aligned, compare, document
from slipcast.schedule.compiled import compiled
from slipcast.schedule.engine import schedule
from slipcast.schedule.network import MILESTONES, Key
from slipcast.schedule.quality import assess
from slipcast.schedule.working_time import moment_of

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = {
    "ps118_annex": sorted((ROOT / "examples" / "annex").glob("*.xer")),
    "p6_bronx": sorted((ROOT / "examples" / "exports").glob("p6_bronx_*.xer")),
    "p6_highbridge": sorted((ROOT / "examples" / "exports").glob("p6_highbridge_*.xml")),
    "msproject_canarsie": sorted((ROOT / "examples" / "exports").glob("msproject_canarsie_*.xml")),
}
TOLERANCE_DAYS = 30
AT_RISK = 1 / 3
MODEL_VERSION = "7"
COUNT = 200


def _day(moment: int) -> str:
    return moment_of(int(moment) - 1).date().isoformat()


def _iso(value: date | None) -> str | None:
    return None if value is None else value.isoformat()


@dataclass(frozen=True)
class Update:
    """One update of a schedule, with everything that the API says of it."""

    source: str
    path: Path
    reference: monte_carlo.Reference

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        with tempfile.TemporaryDirectory() as folder:
            found = read_schedule(self.path, self.path.name, workdir=Path(folder))
            return list(found.rows())

    @cached_property
    def network(self):
        return read_network(self.path)

    @cached_property
    def dates(self):
        return schedule(self.network)

    @property
    def data_date(self) -> str:
        return max(row["data_date"] for row in self.rows).isoformat()

    @cached_property
    def forecast_document(self) -> monte_carlo.ProjectForecast:
        found = monte_carlo.project_forecasts(self.network, self.reference, groups=self.groups, count=COUNT)
        return next(iter(found.values()))

    @cached_property
    def groups(self) -> dict[str, dict[Key, str]]:
        by_id = {row["activity_id"]: row for row in self.rows}
        return {
            name: {
                key: by_id[key.activity][name]
                for key in self.network.activities
                if key.activity in by_id and by_id[key.activity][name]
            }
            for name in ("phase", "location")
        }

    @cached_property
    def drawn(self):
        nodes = compiled(self.network)
        forward.run(nodes)
        backward.run(nodes)
        drawn = monte_carlo.durations(nodes, self.reference, {}, COUNT, 0)
        return draws.run(nodes, drawn, COUNT)

    @cached_property
    def project(self) -> str:
        return next(iter(self.network.projects))

    @cached_property
    def finishes(self) -> dict[str, np.ndarray]:
        return {
            node.activity.key.activity: np.sort(self.drawn.finishes(place))
            for place, node in enumerate(self.drawn.nodes)
            if not node.complete
        }

    @cached_property
    def criticality(self) -> dict[str, float]:
        share = self.drawn.critical(self.project)
        return {node.activity.key.activity: float(share[place]) for place, node in enumerate(self.drawn.nodes)}

    @cached_property
    def activities(self) -> list[dict[str, Any]]:
        return [self._activity(row) for row in self.rows]

    def _activity(self, row: dict[str, Any]) -> dict[str, Any]:
        name, today = row["activity_id"], row["data_date"]
        drawn, complete = self.finishes.get(name), row["status"] == "complete"
        found = self.dates.activities.get(Key(self.project, name))
        baseline = row["baseline_finish"]
        out: dict[str, Any] = {
            "activity_id": name,
            "activity_name": row["activity_name"],
            "phase": row["phase"],
            "location": row["location"],
            "wbs": row["work_type"],
            "stage": "complete" if complete else row["status"],
            "status": row["status"],
            "baseline_start": _iso(row["baseline_start"]),
            "baseline_finish": _iso(baseline),
            "start": _iso(row["start"]),
            "finish": _iso(row["actual_finish"]),
            "total_float_days": row["total_float_days"],
            **dict.fromkeys(("late_probability", "at_risk", "days_late", "p10", "p50", "p80", "p90", "criticality")),
            "is_milestone": any(
                key.activity == name and item.kind in MILESTONES for key, item in self.network.activities.items()
            ),
        }
        if complete or found is None or drawn is None:
            return out
        out["start"] = _iso(row["start"]) if row["status"] == "in_progress" else _day(found.early_start + 1)
        out["finish"] = _day(found.early_finish)
        days = [moment_of(int(moment) - 1).date() for moment in drawn]
        late = 0 if baseline is None else (today - baseline).days
        overdue = late > TOLERANCE_DAYS
        out["stage"] = "already_late" if overdue else row["status"]
        if baseline is not None:
            limit = baseline.toordinal() + TOLERANCE_DAYS
            out["late_probability"] = 1.0 if overdue else sum(d.toordinal() > limit for d in days) / len(days)
            out["at_risk"] = out["late_probability"] >= AT_RISK
        out["days_late"] = late if overdue else None
        for level in (10, 50, 80, 90):
            out[f"p{level}"] = days[max(int(np.ceil(level / 100 * COUNT)) - 1, 0)].isoformat()
        out["criticality"] = round(self.criticality.get(name, 0.0), 4)
        return out

    @property
    def completion(self) -> dict[str, Any]:
        found = self.forecast_document
        latest, _ = self.drawn.project_finish(self.project)
        planned = [row["baseline_finish"] for row in self.rows if row["baseline_finish"]]
        return {
            "baseline": _iso(max(planned, default=None)),
            "planned": found["computed"],
            "cpm": found["computed"],
            "p10": _day(monte_carlo.quantile(latest, 0.1)),
            **{level: found[level] for level in ("p50", "p80", "p90")},
        }

    @property
    def milestones(self) -> list[dict[str, Any]]:
        by_id = {row["activity_id"]: row for row in self.rows}
        return [
            {
                "activity_id": item["activity_id"],
                "name": item["activity_name"],
                "baseline_finish": _iso((by_id.get(item["activity_id"]) or {}).get("baseline_finish")),
                "planned_finish": item["computed"],
                **{level: item[level] for level in ("p50", "p80", "p90")},
            }
            for item in self.forecast_document["milestones"]
        ]

    def detail(self, name: str, history: list[dict[str, Any]]) -> dict[str, Any] | None:
        row = next((item for item in self.activities if item["activity_id"] == name), None)
        if row is None:
            return None
        drawn = self.finishes.get(name)
        points = []
        if drawn is not None and row["status"] != "complete":
            levels = [0.01, *(number / 20 for number in range(1, 20)), 0.99]
            points = [{"date": _day(monte_carlo.quantile(drawn, level)), "probability": level} for level in levels]
        names = {key.activity: item.name for key, item in self.network.activities.items()}

        def linked(own: str, other: str) -> list[dict[str, Any]]:
            return [
                {
                    "activity_id": getattr(item, other).activity,
                    "name": names.get(getattr(item, other).activity),
                    "type": item.kind,
                    "lag_days": round(item.lag / 480, 1),
                }
                for item in self.network.relations
                if getattr(item, own).activity == name
            ]

        return {
            **row,
            "distribution": points,
            "reasons": [],
            "history": history,
            "predecessors": linked("successor", "predecessor"),
            "successors": linked("predecessor", "successor"),
        }


class Portfolio:
    """The projects of the example schedules."""

    def __init__(self, examples: dict[str, list[Path]] | None = None) -> None:
        self.files = EXAMPLES if examples is None else examples

    @cached_property
    def reference(self) -> monte_carlo.Reference:
        found: list[tuple[str, float]] = []
        for paths in self.files.values():
            found += zip(*monte_carlo.finished_durations(read_network(paths[-1])), strict=True)
        return monte_carlo.reference_class([item[0] for item in found], [item[1] for item in found])

    @cached_property
    def updates(self) -> dict[str, list[Update]]:
        return {
            source: [Update(source, path, self.reference) for path in paths] for source, paths in self.files.items()
        }

    def summary(self, source: str) -> dict[str, Any]:
        updates = self.updates[source]
        last = updates[-1]
        rows = [row for row in last.activities if row["status"] != "complete"]
        checks = [check.passed for check in assess(last.network, last.dates) if check.passed is not None]
        return {
            "project_id": source,
            "name": last.project,
            "source": source,
            "data_date": last.data_date,
            "activities": len(last.activities),
            "open": len(rows),
            "at_risk": sum(bool(row["at_risk"]) for row in rows),
            "already_late": sum(row["stage"] == "already_late" for row in rows),
            "completion": last.completion,
            "trend": [
                {"data_date": item.data_date, "p50": item.completion["p50"], "p80": item.completion["p80"]}
                for item in updates
            ],
            "quality": {"passed": sum(checks), "checks": len(checks)},
            "model_version": MODEL_VERSION,
        }

    def projects(self) -> dict[str, Any]:
        return {"projects": [self.summary(source) for source in self.files], "next": None}

    def project(self, source: str) -> dict[str, Any]:
        last = self.updates[source][-1]
        return {
            **self.summary(source),
            "milestones": last.milestones,
            "updates": self.data_dates(source),
            **{
                many: sorted({row[one] for row in last.rows if row[one]})
                for many, one in (("phases", "phase"), ("locations", "location"))
            },
        }

    def data_dates(self, source: str) -> list[dict[str, str]]:
        return [{"data_date": item.data_date, "dataset_version": item.path.stem} for item in self.updates[source]]

    def columns(self, source: str) -> dict[str, Any]:
        rows = self.updates[source][-1].activities
        return {"columns": {name: [row[name] for row in rows] for name in rows[0]}, "next": None}

    def activity(self, source: str, name: str) -> dict[str, Any] | None:
        updates = self.updates[source]
        history = [
            {"data_date": item.data_date, "p50": row["p50"], "p80": row["p80"], "model_version": MODEL_VERSION}
            for item in updates
            for row in item.activities
            if row["activity_id"] == name and row["p50"]
        ]
        return updates[-1].detail(name, history)

    def forecast(self, source: str) -> dict[str, Any]:
        last = self.updates[source][-1]
        found = last.forecast_document
        return {
            "project_id": source,
            "data_date": last.data_date,
            "completion": last.completion,
            "milestones": last.milestones,
            "drivers": [
                {
                    "activity_id": item["activity_id"],
                    "name": item["activity_name"],
                    "criticality": item["criticality"],
                    "days": item["days"],
                }
                for item in found["drivers"]
            ],
            "groups": [
                {"column": column, "value": item["name"], "days": item["days"]}
                for column, items in found["groups"].items()
                for item in items
            ],
            "driving_path": found["driving_path"],
            "reference_class": {"n": last.reference.activities, "text": found["reference"]},
            "model_version": MODEL_VERSION,
        }

    def compare(self, source: str, before: str, after: str) -> dict[str, Any]:
        by_date = {item.data_date: item for item in self.updates[source]}
        was, now = by_date[before], by_date[after]
        old = aligned(was.network, now.network)
        found = compare(old, now.network, schedule(old), now.dates)
        return {"from": before, "to": after, **document(found, old, now.network)}
