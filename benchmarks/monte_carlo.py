"""Processor time and memory of the Monte Carlo over a network, next to one pass of the engine.

    python -m benchmarks.monte_carlo [--activities 10000] [--draws 2000] [--calendars 3]

The network is drawn with a fixed seed: two relations an activity, mostly finish-to-start, a tenth with lags, a tenth of
the activities complete. Each step is timed by processor time in one process; memory is the highest resident size.
"""

import argparse
import resource
from time import process_time

import numpy as np

from slipcast.datasets.calendars import Calendar
from slipcast.forecast import monte_carlo
from slipcast.schedule import draws
from slipcast.schedule.compiled import compiled
from slipcast.schedule.engine import schedule
from slipcast.schedule.network import Activity, Key, Kind, Network, Project, Relation, Status

DATA_DATE = 29_000_000 // 1440 * 1440
DAY_SHIFT = ((480, 720), (780, 1020))


def network(activities: int, calendars: int, seed: int = 0) -> Network:
    """Return a drawn network of one project."""
    rng = np.random.default_rng(seed)
    keys = [Key("p", str(number)) for number in range(activities)]
    found, relations = {}, []
    for number, key in enumerate(keys):
        duration = int(rng.lognormal(1.8, 0.9) * 480) + 60
        complete = number < activities // 10
        kind = Kind.FINISH_MILESTONE if number % 100 == 99 else Kind.TASK
        start = DATA_DATE - int(rng.integers(100, 200)) * 1440 + 480
        found[key] = Activity(
            key,
            str(number * calendars // activities),
            0 if kind is Kind.FINISH_MILESTONE else duration,
            0 if complete or kind is Kind.FINISH_MILESTONE else duration,
            kind=kind,
            status=Status.COMPLETE if complete else Status.NOT_STARTED,
            actual_start=start if complete else None,
            actual_finish=start + duration * 4 if complete else None,
        )
        for _ in range(2 if number else 0):
            before = int(max(number - rng.geometric(0.02), 0)) if rng.random() < 0.7 else int(rng.integers(number))
            lag = int(rng.integers(1, 10)) * 480 if rng.random() < 0.1 else 0
            relations.append(
                Relation(keys[before], key, str(rng.choice(["FS", "FS", "FS", "SS", "FF"])), lag, found[key].calendar)
            )
    weeks = [
        (DAY_SHIFT,) * 5 + ((), ()),
        (DAY_SHIFT,) * 6 + ((),),
        (((0, 1440),),) * 7,
        (((420, 1140),),) * 5 + ((), ()),
    ]
    named = {str(number): Calendar(weeks[number % len(weeks)]) for number in range(calendars)}
    return Network({"p": Project(DATA_DATE)}, found, relations, named)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--activities", type=int, default=10_000)
    parser.add_argument("--draws", type=int, default=2_000)
    parser.add_argument("--calendars", type=int, default=3)
    arguments = parser.parse_args()
    plan = network(arguments.activities, arguments.calendars)
    rng = np.random.default_rng(1)
    projects = [str(number) for number in rng.integers(0, 30, 600)]
    reference = monte_carlo.reference_class(projects, np.exp(rng.normal(0.1, 0.6, 600)).tolist())
    steps = {}
    began = process_time()

    def lap(name: str) -> None:
        nonlocal began
        steps[name] = process_time() - began
        began = process_time()

    schedule(plan)
    lap("engine, both passes")
    nodes = compiled(plan)
    lap("network with calendars as tables")
    drawn = monte_carlo.durations(nodes, reference, {}, arguments.draws, 0)
    lap("durations")
    result = draws.run(nodes, drawn, arguments.draws)
    lap("forward pass")
    monte_carlo.activity_quantiles(result)
    lap("P10, P50, P80, P90 of every activity")
    result.critical("p")
    lap("criticality")
    del drawn, result
    began = process_time()
    monte_carlo.project_forecasts(plan, reference, count=arguments.draws)
    lap("whole forecast of the project")
    print(f"{arguments.activities:,} activities, {len(plan.relations):,} relations, {arguments.calendars} calendars")
    for name, seconds in steps.items():
        print(f"{name:40} {seconds:6.2f} s")
    print(f"memory at the peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
