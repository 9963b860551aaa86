"""Steps of the pipeline on any machine, without AWS: python -m slipcast prepare | train | evaluate.

The options have the environment variables of SageMaker's script mode (``SM_CHANNEL_TRAINING``, ``SM_MODEL_DIR``) and of
Vertex AI's custom training (``AIP_TRAINING_DATA_URI``, ``AIP_MODEL_DIR``, mounted below ``/gcs``) as their defaults.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slipcast.datasets.network import Updates
    from slipcast.evaluation.assessment import Assessment

# Exit status of `evaluate` for a model that the gate keeps.
KEPT = 3
TABLE, MANIFEST = "table.parquet", "manifest.json"


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit status: 0 done, 2 the input cannot be used, 3 the gate keeps the model."""
    options = _parser(os.environ).parse_args(arguments)
    try:
        status: int = options.run(options)
    except (ValueError, OSError, LookupError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return status


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m slipcast", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    prepare = commands.add_parser("prepare", help="make a dataset version from a schedule")
    prepare.add_argument("--data", type=Path, required=True, help="CSV, XLSX, XER, PMXML or MSPDI file")
    prepare.add_argument("--out", type=Path, required=True, help="folder of the dataset version")
    prepare.add_argument("--tolerance-days", type=int, default=30)
    prepare.set_defaults(run=_prepare)
    train = commands.add_parser("train", help="search, fit and judge; write a portable bundle")
    train.add_argument("--data", type=Path, default=_place(environment, "SM_CHANNEL_TRAINING", "AIP_TRAINING_DATA_URI"))
    train.add_argument("--out", type=Path, default=_place(environment, "SM_MODEL_DIR", "AIP_MODEL_DIR"))
    train.add_argument("--tolerance-days", type=int, default=30)
    train.add_argument("--holdout-months", type=int, default=18)
    train.add_argument("--random-seed", type=int, default=20240101)
    train.add_argument("--candidates", type=Path, help="own candidates.json")
    train.add_argument("--forecast", type=Path, help="own forecast.json (the grid of the forecast)")
    train.add_argument("--version", default="0", help="version of the release that the bundle names")
    train.set_defaults(run=_train)
    evaluate = commands.add_parser("evaluate", help="check a bundle and say what the gate decided")
    evaluate.add_argument("--model", type=Path, default=_place(environment, "SM_CHANNEL_MODEL", "AIP_MODEL_DIR"))
    evaluate.add_argument("--out", type=Path, required=True, help="folder for evaluation.json")
    evaluate.set_defaults(run=_evaluate)
    return parser


def _place(environment: Mapping[str, str], *names: str) -> Path | None:
    text = next((environment[name] for name in names if environment.get(name)), None)
    if text is None:
        return None
    # Vertex AI mounts its buckets with Cloud Storage FUSE.
    return Path(f"/gcs/{text.removeprefix('gs://')}" if text.startswith("gs://") else text)


def _prepare(options: argparse.Namespace) -> int:
    from slipcast.datasets import network, versions
    from slipcast.ingest.refusal import ScheduleRefused
    from slipcast.ingest.schedule import read_schedule

    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        try:
            schedule = read_schedule(options.data, options.data.name, workdir=Path(folder))
        except ScheduleRefused as error:
            raise ValueError(str(error)) from error
        shutil.copyfile(schedule.table, options.out / TABLE)
        manifest = versions.describe(options.out / TABLE, Path(folder), tolerance_days=options.tolerance_days)
        links = network.merge({}, schedule.network, options.out)
        manifest = versions.with_network(manifest, links, Path(folder))
    (options.out / MANIFEST).write_text(json.dumps(manifest, indent=1, default=str) + "\n", encoding="utf-8")
    print(f"{manifest['rows']} activities as of {manifest['data_date']}: dataset {manifest['dataset_id']}")
    return 0


def _train(options: argparse.Namespace) -> int:
    from slipcast.datasets import versions
    from slipcast.evaluation import standalone
    from slipcast.model import scorer
    from slipcast.model.artifact import digest
    from slipcast.training.search.planning import Choices

    if options.data is None or options.out is None:
        raise ValueError("name the folder of the dataset version by --data and a folder for the model by --out")
    table, manifest = _dataset(options.data)
    dataset_id = manifest["dataset_id"]
    # A family of which more fits fail is left out, as TOLERATED_FAILURE_SHARE says in the template.
    choices = Choices(options.tolerance_days, options.holdout_months, options.random_seed, tolerated_failure_share=0.25)
    declared = {
        name: path.read_text(encoding="utf-8")
        for name, path in {"candidates": options.candidates, "forecast": options.forecast}.items()
        if path is not None
    }
    with tempfile.TemporaryDirectory() as folder:
        trained = standalone.train(
            versions.read_table(table),
            dataset_id=dataset_id,
            data_date=date.fromisoformat(str(manifest["data_date"])[:10]),
            settings=standalone.Settings(choices, **declared),
            fills=manifest.get("fills", {}),
            networks=_networks(table.parent, manifest, Path(folder)),
            report=lambda line: print(line, flush=True),
        )
    assessed = trained.assessed
    sha256 = digest(assessed.artifact)
    _write_bundle(options.out, assessed, options.version)
    evaluation = {
        "model_id": assessed.model_id,
        "model_sha256": sha256,
        "family": trained.family,
        "dataset_id": dataset_id,
        "search": trained.search,
        **assessed.record,
    }
    (options.out / "evaluation.json").write_text(json.dumps(evaluation), encoding="utf-8")
    decision = assessed.record["decision"]
    print(f"model {scorer.load(assessed.artifact, sha256).metadata['model_id']} ({trained.family}), SHA-256 {sha256}")
    print("; ".join(decision["reasons"]))
    return 0


def _dataset(data: Path) -> tuple[Path, dict[str, Any]]:
    """Return the table of a dataset version and its manifest."""
    table = data / TABLE if data.is_dir() else data
    manifest: dict[str, Any] = json.loads((table.parent / MANIFEST).read_text(encoding="utf-8"))
    if not manifest["data_date"]:
        raise ValueError("the dataset has no dates: it cannot be split by time")
    from slipcast.datasets import versions

    if versions.sha256(table) != manifest["sha256"]:
        raise ValueError(f"{table} is not the table that {MANIFEST} describes; prepare it again")
    return table, manifest


def _networks(data: Path, manifest: Mapping[str, Any], workdir: Path) -> "Updates | None":
    """Return the networks of a dataset version, whose files lie next to its table; None without any."""
    from slipcast.datasets import network, versions

    files = {name: data / f"{name}.parquet" for name in manifest.get("network", {})}
    for name, file in files.items():
        if not file.is_file() or versions.sha256(file) != manifest["network"][name]["sha256"]:
            raise ValueError(f"{file} is not the table that {MANIFEST} describes; the version needs all its tables")
    return network.Updates(files, workdir) if files else None


def _write_bundle(out: Path, assessed: "Assessment", version: str) -> None:
    from slipcast.edge import bundle, portable
    from slipcast.model import scorer
    from slipcast.model.artifact import digest

    artifact, golden = assessed.artifact, assessed.golden
    loaded = scorer.load(artifact, digest(artifact))
    contents = portable.files(
        artifact,
        assessed.forecast,
        loaded,
        golden,
        version=version,
        edge=bundle.files(artifact, loaded, golden, None),
        profile=json.dumps(assessed.profile).encode(),
    )
    for name, raw in contents.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)


def _evaluate(options: argparse.Namespace) -> int:
    from slipcast.edge import trial

    if options.model is None:
        raise ValueError("name the folder of the bundle by --model")
    evaluation = json.loads((options.model / "evaluation.json").read_text(encoding="utf-8"))
    print(trial.check_in_place(options.model))
    decision = evaluation["decision"]
    options.out.mkdir(parents=True, exist_ok=True)
    found = {
        **{name: evaluation[name] for name in ("model_id", "model_sha256", "family", "metrics", "prior")},
        "release": decision["release"],
        "reasons": decision["reasons"],
    }
    (options.out / "evaluation.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print("; ".join(decision["reasons"]))
    return 0 if decision["release"] else KEPT


if __name__ == "__main__":
    sys.exit(main())
