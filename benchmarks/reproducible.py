"""Comparison of models of the same rows, code and seed on different machines.

``.venv/bin/python benchmarks/reproducible.py`` fits every family that can be released in processes that differ in what
machines differ in (hash seed, threads, the instruction sets that NumPy and OpenBLAS may use) and compares the digests
of the artifacts, first as the processes come, then with the variables that template.yaml gives to the functions that
fit and judge models.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests")]

# With AVX-512 and without; numbers of threads and hash seeds change along.
MACHINES = {
    "this one": {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"},
    "AVX-512": {"PYTHONHASHSEED": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_CORETYPE": "SkylakeX"},
    "AVX2": {
        **{"PYTHONHASHSEED": "2", "OMP_NUM_THREADS": "3", "OPENBLAS_CORETYPE": "Haswell"},
        "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    },
}
PINNED = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES")


def main() -> None:
    """Fit on each machine and compare."""
    if "--one" in sys.argv:
        print(json.dumps(digests()))
        return
    pinned = of_template()
    print("template.yaml: " + ", ".join(f"{name}={value}" for name, value in pinned.items()))
    free = {name: fitted(settings) for name, settings in MACHINES.items()}
    held = {name: fitted(settings | pinned) for name, settings in MACHINES.items()}
    print(f"{'family':25} {'as they come':14} {'as in the template':18}")
    for family in next(iter(free.values())):
        print(f"{family:25} {same(free, family):14} {same(held, family):18}")


def of_template() -> dict[str, str]:
    """Return the variables of the function that trains which make machines alike."""
    from samtranslator.yaml_helper import yaml_parse

    template = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))
    given = template["Resources"]["TrainFunction"]["Properties"]["Environment"]["Variables"]
    return {name: given[name] for name in PINNED if name in given}


def fitted(settings: dict[str, str]) -> dict[str, str]:
    """Return the digests that a process with these settings finds."""
    clean = {name: value for name, value in os.environ.items() if name not in (*PINNED, "PYTHONHASHSEED")}
    ran = subprocess.run([sys.executable, __file__, "--one"], env=clean | settings, capture_output=True, check=True)
    return json.loads(ran.stdout)


def digests() -> dict[str, str]:
    """Return the digest of the artifact of each family, fitted on the 2022 example."""
    from slipcast.datasets import labels, splits
    from slipcast.features.point_in_time_table import history_table
    from slipcast.model.export.pipeline import export
    from slipcast.training.candidates import load_candidates
    from slipcast.training.search.protocols import time_protocol
    from slipcast.training.search.worker import Worker
    from support import schedules

    example = schedules.example("nyc_sca_2022-12.csv")
    labelled = labels.label(example.table, 30)
    labelled = labelled.join(history_table(example.table, labelled, 30))
    track = time_protocol(*splits.split(labelled, splits.holdout_cut(example.data_date, 18)))
    worker, found = Worker(track.data, 20240101), {}
    for candidate in load_candidates():
        if candidate.serve:
            model, _, _ = worker.fit(candidate, candidate.points()[0])
            found[candidate.name] = hashlib.sha256(export(model, family=candidate.name, threshold=0.5)).hexdigest()
    return found


def same(found: dict[str, dict[str, str]], family: str) -> str:
    """Return ``same``, or which machines agree."""
    groups: dict[str, list[str]] = {}
    for machine, each in found.items():
        groups.setdefault(each[family], []).append(machine)
    return "same" if len(groups) == 1 else " | ".join("+".join(names) for names in groups.values())


if __name__ == "__main__":
    main()
