"""What the part for networks adds to the draws of the Monte Carlo, trained and judged as the pipeline does, on DSLIB.

    .venv/bin/python benchmarks/forecast_networks.py FOLDER [--cut 2013-08-09] [--repeats 3]

FOLDER is your own download of its workbooks (`slipcast bench dslib`). The second table has parts that were learned from
fewer projects, drawn at random.
"""

import argparse
import json
import time
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from slipcast.evaluation import networks
from slipcast.forecast import network_state, network_table, network_training
from slipcast.forecast.network_table import Listed
from slipcast.schedule.compiled import compiled
from slipcast.schedule.network import CycleError, Network
from slipcast.schedule.working_time import moment_of
from slipcast_cli import dslib

SEED = 1
SIZES = (8, 12, 16, 20, 25)


class Download:
    """Networks of the usable projects of a download, whose plan is the frozen baseline."""

    def __init__(self, folder: Path) -> None:
        self._projects = {item.name: item for item in dslib.read_folder(folder) if _usable(item)}

    def listed(self) -> list[tuple[str, str, date, int]]:
        """Return source, project, data date and number of activities of all status dates."""
        return [
            ("dslib", name, moment_of(period.data_date).date(), len(item.network.activities))
            for name, item in self._projects.items()
            for period in item.periods
        ]

    def network(self, update: Listed) -> Network:
        """Return the network of one project at a status date."""
        item = self._projects[update.project_id]
        same = [period for period in item.periods if moment_of(period.data_date).date() == update.data_date]
        return network_state.alone(item.as_of(same[-1]), item.name, {})


def _usable(project: dslib.TrackedProject) -> bool:
    try:
        compiled(project.network)
    except CycleError:
        return False
    return not dslib.unusable(project)


def main() -> None:
    """Make the tables, and judge the part of all projects and of fewer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cut", type=date.fromisoformat, default=date(2013, 8, 9))
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    download = Download(options.folder)
    until = max(day for _, _, day, _ in download.listed()) + timedelta(days=400)
    began = time.process_time()
    found = network_table.tables(download, options.cut, until)
    if found.why:
        raise SystemExit(found.why)
    parts = {name: (len(rows), rows["project_id"].nunique()) for name, rows in found.parts.items()}
    print(f"cut {options.cut}: rows and projects {parts}, {time.process_time() - began:.0f} s of processor time\n")
    began = time.process_time()
    names = found.parts["projects-train"]["project_id"].unique()
    raw, judged = trained(found.parts)
    print(f"the part: {raw / 1e6:.2f} MB, {time.process_time() - began:.0f} s to fit and judge\n")
    print("| | with the part | draws alone | difference | P80 held | of the draws |\n|---|--:|--:|--:|--:|--:|")
    for name in ("completion", "activities"):
        item = judged[name]
        low, high = item["ci"]
        print(
            f"| {name} ({item['rows']:,} rows, {item['projects']} projects) | {item['pinball']:.2f} | "
            f"{item['drawn']:.2f} | {item['less']:+.2f} [{low:+.2f}, {high:+.2f}] | {item['held_80']:.0%} | "
            f"{item['drawn_held_80']:.0%} |"
        )
    rng = np.random.default_rng(SEED)
    print("\n| projects | completions | P80 held | activities | within the limits |\n|--:|--:|--:|--:|--:|")
    for size in [size for size in SIZES if size < len(names)]:
        runs = [trained(found.parts, rng.choice(names, size, replace=False))[1] for _ in range(options.repeats)]
        losses = [np.mean([run[name]["pinball"] for run in runs]) for name in ("completion", "activities")]
        held = np.mean([run["completion"]["held_80"] for run in runs])
        kept = sum(run["released"] for run in runs)
        row = f"| {size} | {losses[0]:.2f} | {held:.0%} | {losses[1]:.2f} | {kept} in {len(runs)} |"
        print(row, flush=True)


def trained(parts: Mapping[str, pd.DataFrame], names: Any = None) -> tuple[int, Any]:
    """Return the bytes of the part that all projects teach, or some, and its figures on the holdout."""
    projects, activities = (parts[f"{name}-train"] for name in ("projects", "activities"))
    if names is not None:
        # Of the others not even the activities that are still open.
        projects, activities = (item[item["project_id"].isin(list(names))] for item in (projects, activities))
    fitted = network_training.fit(projects, activities, SEED)
    raw = json.dumps(fitted)
    holdout = parts["projects-holdout"], parts["activities-holdout"]
    return len(raw), networks.assess(json.loads(raw), *holdout, "", 0.7, seed=SEED)


if __name__ == "__main__":
    main()
