"""Time and memory of what the score function stores of one project with a network, and of a what-if question about it.

    python -m benchmarks.project_documents [--activities 10000]

The network is that of `benchmarks.monte_carlo`, with forecasts of made-up spread for all open activities. Times are
processor times of one process; memory is the highest resident size.
"""

import argparse
import json
import resource
from datetime import date
from time import process_time
from typing import Any

from benchmarks.monte_carlo import DATA_DATE, network
from slipcast.datasets.calendars import DAY
from slipcast.forecast.distribution import FinishDistribution
from slipcast.forecast.projects import documents, sections, views, what_if
from slipcast.schedule.network import Network, Status
from slipcast.schedule.working_time import moment_of

SHARES = ((0.0, 0.0), (0.5, 0.1), (1.0, 0.4), (1.5, 0.7), (3.0, 0.95), (6.0, 1.0))


def tables(plan: Network) -> dict[str, list[dict[str, Any]]]:
    """Return a network as rows of `slipcast.datasets.network_columns.TABLES`."""
    day = moment_of(DATA_DATE).date()

    def text(minute: int | None) -> str | None:
        return None if minute is None else moment_of(minute).isoformat()

    activities = [
        {
            **{"project_id": key.project, "activity_id": key.activity, "data_date": day.isoformat()},
            **{
                "activity_name": f"Activity {key.activity}",
                "activity_type": item.kind.value,
                "status": item.status.value,
            },
            **{"calendar_id": item.calendar, "planned_minutes": item.duration, "remaining_minutes": item.remaining},
            **{"actual_start": text(item.actual_start), "actual_finish": text(item.actual_finish)},
            **{"early_start": text(DATA_DATE), "early_finish": text(DATA_DATE + item.remaining * 3)},
        }
        for key, item in plan.activities.items()
    ]
    relations = [
        {
            **{"project_id": "p", "predecessor_project_id": "p", "predecessor_id": item.predecessor.activity},
            **{"successor_id": item.successor.activity, "relation_type": item.kind, "lag_minutes": item.lag},
            **{"lag_calendar": "predecessor", "lag_calendar_id": item.calendar},
        }
        for item in plan.relations
    ]
    calendars = [
        {"project_id": "p", "calendar_id": name, "week": json.dumps(item.week), "exceptions": "{}"}
        for name, item in plan.calendars.items()
    ]
    projects = [{"project_id": "p", "data_time": moment_of(DATA_DATE).isoformat()}]
    return {"projects": projects, "activities": activities, "relations": relations, "calendars": calendars}


def update(plan: Network) -> documents.Update:
    """Return the network as an update that was scored."""
    day = moment_of(DATA_DATE).date()
    activities, predictions, details = [], {}, {}
    for key, item in plan.activities.items():
        begin = item.actual_start if item.actual_start is not None else DATA_DATE + DAY
        finish = moment_of(begin + item.duration * 3 + DAY).date()
        activities.append(
            {
                **{"activity_id": key.activity, "activity_name": f"Activity {key.activity}", "project_id": "p"},
                **{"phase": f"Phase {int(key.activity) % 12}", "location": f"Floor {int(key.activity) % 30}"},
                **{"status": item.status.value, "start": moment_of(begin).date().isoformat()},
                **{"baseline_start": moment_of(begin).date().isoformat(), "baseline_finish": finish.isoformat()},
                "actual_finish": moment_of(item.actual_finish).date().isoformat() if item.actual_finish else None,
            }
        )
        if item.status is not Status.COMPLETE:
            days = max((finish - day).days, 20)
            spread = FinishDistribution(*zip(*((days * share, level) for share, level in SHARES), strict=True))
            details[key] = documents.Basis(spread)
            dates = {name: spread.finish_date(day, level) for name, level in documents.LEVELS.items()}
            predictions[key] = {"probability": 0.3, "probability_late": 0.3, "at_risk": False, **dates}
    return documents.Update("p", day, activities, predictions, details, tables(plan), "1", 30)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--activities", type=int, default=10_000)
    arguments = parser.parse_args()
    scored = update(network(arguments.activities, 3))
    began = process_time()

    def lap(name: str) -> None:
        nonlocal began
        print(f"{name:60} {process_time() - began:6.2f} s")
        began = process_time()

    _, parts = documents.documents(scored)
    lap("documents: completion, drivers, criticality, all rows")
    packed = sections.pack(parts)
    lap(f"packed: {len(packed.raw) / 1e6:.1f} MB")
    columns = parts[0][1][sections.ROWS]
    answer = sections.encode({"columns": views.by_column(columns, range(len(columns["activity_id"]))), "next": None})
    lap("answer with all activities, column by column")
    print(f"{'':60} {len(answer) / 1e6:.2f} MB, {len(sections.pack_one(json.loads(answer))) / 1e3:.0f} KB packed")
    began = process_time()
    stored = what_if.Stored(
        "p",
        date.fromisoformat(str(scored.data_date)),
        30,
        columns,
        parts[0][1][sections.DETAILS],
        json.loads(sections.encode(parts[0][1][sections.NETWORK])),
    )
    waiting = next(key.activity for key in scored.details)
    what_if.answer(stored, what_if.Question([what_if.Change(waiting, None, 90.0)]))
    lap("what-if of one duration, both networks")
    print(f"memory at the peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
