"""Every declared candidate on the holdout of June 2025, by the functions of the pipeline.

``nice .venv/bin/python benchmarks/candidates.py`` takes the examples in as `prepare` does, calls the handlers of plan,
train, evaluate and report in this process with the settings of ``template.yaml``, and prints the table of
docs/evaluation.md: cross-validated Brier score, and figures on the holdout with 95 % bootstrap intervals. A bucket is
played by moto. First what was known at the end of 2022 is searched, then June 2025 merged with it, as in ``make demo``;
``--alone`` leaves end 2022 out, ``--page report.html`` keeps the page of the last search. Some minutes on one core.
"""

import argparse
import importlib
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "functions"), str(ROOT / "tests"), str(ROOT)]

from samtranslator.yaml_helper import yaml_parse  # noqa: E402 - the path is set above

FUNCTIONS = ("PlanFunction", "TrainFunction", "EvaluateFunction")
OLDER, NEWER = "nyc_sca_2022-12.csv", "nyc_sca_2025-06.csv"
FIGURES = ("auc", "brier", "accuracy")


def settings() -> dict[str, str]:
    """Return the environment that ``template.yaml`` gives the functions, its parameters at their defaults."""
    template = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))
    found = {"DATA_BUCKET": "data", "PREDICT_FUNCTION": "slipcast-predict"}
    defaults = {name: item.get("Default") for name, item in template["Parameters"].items()}
    for resource in FUNCTIONS:
        variables = template["Resources"][resource]["Properties"]["Environment"]["Variables"]
        for name, value in variables.items():
            given = defaults.get(value["Ref"]) if isinstance(value, dict) and "Ref" in value else value
            if isinstance(given, str | int | float):
                found.setdefault(name, str(given))
    return found


# The threads and instruction sets of the functions, before NumPy is imported.
os.environ |= settings() | {
    **{"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"},
    **{"POWERTOOLS_SERVICE_NAME": "slipcast", "POWERTOOLS_LOG_LEVEL": "CRITICAL"},
}

import boto3  # noqa: E402
from moto import mock_aws  # noqa: E402

from slipcast.datasets import versions  # noqa: E402
from slipcast.ingest.schedule import read_schedule  # noqa: E402
from slipcast_aws import storage  # noqa: E402
from slipcast_aws.release import versions as releases  # noqa: E402


class Context:
    """The part of Lambda's context that the handlers use."""

    function_name = function_version = aws_request_id = "benchmark"
    memory_limit_in_mb = 3008
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:benchmark"


def main() -> None:
    """Search, judge and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--alone", action="store_true", help="June 2025 without what was known at the end of 2022")
    parser.add_argument("--page", type=Path, help="where to write the page of the last training")
    options = parser.parse_args()
    apps = {name: load(name) for name in ("plan", "train", "evaluate", "report")}
    with mock_aws(), tempfile.TemporaryDirectory() as folder:
        boto3.client("s3").create_bucket(Bucket="data")
        live, previous = None, None
        for name in [NEWER] if options.alone else [OLDER, NEWER]:
            dataset, previous = take_in(name, previous, Path(folder))
            verdict = judged(apps, dataset, live)
            evaluation = storage.read_json(verdict["evaluation_uri"])
            show(name, evaluation)
            if verdict["release"]:
                live = as_live(verdict["model"])
        if options.page:
            page = apps["report"].handler({"evaluation_uri": verdict["evaluation_uri"]}, Context())
            options.page.write_bytes(storage.read_bytes(page["report_uri"]))


def load(name: str):
    """Return the module of a function."""
    return importlib.import_module(f"{name}.app")


def take_in(name: str, previous: Path | None, folder: Path) -> tuple[dict, Path]:
    """Read an example, merge it with the dataset so far, and store the version."""
    workdir = folder / name
    workdir.mkdir()
    schedule = read_schedule(ROOT / "examples" / name, name, workdir=workdir)
    version = workdir / "version.parquet"
    versions.merge(previous, schedule.table, version, workdir)
    described = versions.describe(version, workdir, tolerance_days=int(os.environ["TOLERANCE_DAYS"]))
    uri = f"s3://data/datasets/{described['dataset_id']}/table.parquet"
    manifest = uri.replace("table.parquet", "manifest.json")
    storage.write_bytes(uri, version.read_bytes())
    storage.write_json(manifest, described)
    return {**described, "uri": uri, "manifest_uri": manifest, "profile": schedule.profile.name}, version


def judged(apps: dict, dataset: dict, live: releases.LiveModel | None) -> dict:
    """Do what the state machine does from plan to evaluate; return the verdict."""
    step = apps["plan"].handler({"execution": dataset["dataset_id"], "dataset": dataset}, Context())
    while step["next"] != "evaluate":
        for task in step["tasks"]:
            apps["train"].handler({"round": step["round"], "task": task}, Context())
        step = apps["plan"].handler({"round": step["round"]}, Context())
    releases.live_model = lambda function: live
    event = {"execution": dataset["dataset_id"], "reason": "new_data", "dataset": dataset, "search": step["search"]}
    return apps["evaluate"].handler(event, Context())


def as_live(model: dict) -> releases.LiveModel:
    """Return a released model as the alias would tell of it."""
    taken = {name: model[name] for name in ("model_id", "sha256", "artefact_uri", "profile_uri", "dataset_id")}
    return releases.LiveModel(version="2", trained_at=model["trained_at"], **taken)


def show(name: str, evaluation: dict) -> None:
    """Print a training as a table in Markdown."""
    tables, candidates = evaluation["tables"], evaluation["candidates"]
    counts = f"{tables['train']['rows']:,} training rows, {tables['holdout']['rows']:,} on the holdout"
    print(f"\n{name}: {counts} from {evaluation['cut']}, protocol {evaluation['protocol']}\n")
    print(f"| family | CV Brier | {' | '.join(FIGURES)} |\n|---|---|{'---|' * len(FIGURES)}")
    for item in candidates:
        row = [item["family"], f"{item['cv_score']:.4f}", *(cell(item["metrics"], figure) for figure in FIGURES)]
        print("| " + " | ".join(row) + f" | {item['best_params']}")
    for who, key in (("challenger, recalibrated", "metrics"), ("late rate", "prior"), ("champion", "champion_metrics")):
        if evaluation[key]:
            print(f"| {who} | | " + " | ".join(cell(evaluation[key], figure) for figure in FIGURES) + " |")
    print(f"\nchallenger {evaluation['model']['family']}, model {evaluation['model']['model_id']}")
    print("released:" if evaluation["decision"]["release"] else "not released:")
    for reason in evaluation["decision"]["reasons"]:
        print(f"  - {reason}")
    for item in evaluation["failed"]:
        print(f"  {item['family']} {item['status']}: {item['why']}")


def cell(metrics: dict, figure: str) -> str:
    """Return a figure with its interval."""
    low, high = metrics[f"{figure}_ci"]
    digits = 4 if figure == "brier" else 3
    return f"{metrics[figure]:.{digits}f} [{low:.3f}, {high:.3f}]".replace("0.", ".")


if __name__ == "__main__":
    main()
