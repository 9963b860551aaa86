"""Rendering of a stack's files: readable templates, the bundle as the image's folder, archives that the stack wants."""

import gzip
import io
import json
import tarfile
from collections.abc import Mapping
from importlib.resources import files as resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from slipcast.features import activity
from slipcast.features.row import MISSING
from slipcast.training.candidates import dump_candidates, load_candidates
from slipcast_cli.port import baseline
from slipcast_cli.port.bundle import Bundle, PortError

STACKS = ("sagemaker", "azureml", "vertex", "kserve", "airflow")
# Files of a model by themselves: what a stack mounts into a host.
MODEL_FILES = ("release.json", "model.json", "forecast.json")
IMAGE = "image"
PROFILE = "profile.json"
# Templates that several stacks share, by the file that they become.
SHARED = {
    "sagemaker": {"training/Dockerfile": "training.Dockerfile"},
    "azureml": {"training/Dockerfile": "training.Dockerfile"},
    "vertex": {"training/Dockerfile": "training.Dockerfile", "pipeline.py": "kfp_pipeline.py"},
    "kserve": {"training/Dockerfile": "training.Dockerfile", "pipeline.py": "kfp_pipeline.py"},
    "airflow": {},
}
# What compares with the training data: it takes the profile of the release.
MONITORS = {
    "sagemaker": ("requests/create_data_quality_job_definition.json", "requests/create_monitoring_schedule.json"),
    "azureml": ("monitor.yml", "monitor-component.yml", "reference.yml", "reference/MLTable"),
}
CAPTURED = "monitor/captured.py"


def write(stack: str, bundle: Bundle, out: Path) -> list[Path]:
    """Write the files for `stack` into the empty folder `out` and return them.

    Raises
    ------
    PortError
        If `out` holds something already.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise PortError(f"{out} is not empty: name a new folder by --out")
    written = {f"{IMAGE}/{name}": raw for name, raw in bundle.files.items()} if stack != "airflow" else {}
    values = _values(bundle)
    environment = _environment()
    folder = resources("slipcast_cli").joinpath(f"port/templates/{stack}")
    sources = {path: f"{stack}/{path}.j2" for path in _paths(folder)}
    sources |= {path: f"shared/{name}.j2" for path, name in SHARED[stack].items()}
    if PROFILE not in bundle.files:
        sources = {path: source for path, source in sources.items() if path not in MONITORS.get(stack, ())}
    elif stack in MONITORS:
        sources[CAPTURED] = "shared/captured.py.j2"
    for path, template in sources.items():
        written[path] = environment.get_template(template).render(values, stack=stack).encode()
    written |= _MADE.get(stack, lambda _: {})(bundle)
    for name, raw in written.items():
        target = out / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(raw)
    return [out / name for name in sorted(written)]


def _environment() -> Environment:
    # Azure ML, Katib and Airflow write braces of their own. No page is made here: nothing to escape.
    return Environment(  # noqa: S701
        loader=PackageLoader("slipcast_cli", "port/templates"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        variable_start_string="<<",
        variable_end_string=">>",
        block_start_string="<%",
        block_end_string="%>",
        comment_start_string="<#",
        comment_end_string="#>",
    )


def _paths(folder: Traversable, prefix: str = "") -> list[str]:
    found: list[str] = []
    for item in folder.iterdir():
        if item.is_dir():
            found += _paths(item, f"{prefix}{item.name}/")
        elif item.name.endswith(".j2"):
            found.append(f"{prefix}{item.name.removesuffix('.j2')}")
    return found


def _values(bundle: Bundle) -> dict[str, Any]:
    golden = json.loads(bundle.files["golden.json"])
    described = json.loads(bundle.files[PROFILE])["features"] if PROFILE in bundle.files else {}
    sample = {name: value for name, value in golden["activities"][0].items() if name != "history"}
    return {
        **bundle.release,
        "short": bundle.release["model_sha256"][:12],
        "columns": [
            {"name": item.name, "kind": item.kind, "required": item.required, "description": item.description}
            for item in activity.FIELDS
        ],
        "sample": json.dumps(sample),
        "sample_instances": json.dumps({"instances": [sample]}),
        "grids": [
            {
                "name": item.name,
                "grid": item.grid,
                "points": len(item.points()),
                "declared": _trial(json.loads(dump_candidates([item]))[0]),
            }
            for item in load_candidates()
            if item.serve and item.grid
        ],
        "has_profile": PROFILE in bundle.files,
        "features": (*described,),
        "categories": tuple(name for name, item in described.items() if item["kind"] != "numeric"),
        "missing": MISSING,
        "grafana": bundle.files["grafana.json"].decode(),
    }


def _trial(declared: dict[str, Any]) -> str:
    """Return a family as a trial of Katib declares it: at the one point that its parameters name."""
    point = ", ".join(f'"{name}": [${{trialParameters.{name}}}]' for name in declared["grid"])
    rest = json.dumps({name: value for name, value in declared.items() if name != "grid"})
    return f'{rest[:-1]}, "grid": {{{point}}}}}'


def _sagemaker(bundle: Bundle) -> dict[str, bytes]:
    contents = {name: bundle.files[name] for name in MODEL_FILES if name in bundle.files}
    code = {f"code/{name}": raw for name, raw in _host(bundle).items()}
    script = _environment().get_template("sagemaker/code/inference.py.j2").render(_values(bundle)).encode()
    made = {"model.tar.gz": archive({**contents, **code, "code/inference.py": script})}
    if PROFILE in bundle.files:
        profile = json.loads(bundle.files[PROFILE])
        made["baseline/statistics.json"] = _json(baseline.statistics(profile))
        made["baseline/constraints.json"] = _json(baseline.constraints(profile))
    golden = json.loads(bundle.files["golden.json"])
    lines = "".join(json.dumps(item) + "\n" for item in golden["activities"])
    return made | {"sample.jsonl": lines.encode()}


def _host(bundle: Bundle) -> dict[str, bytes]:
    return {name: raw for name, raw in bundle.files.items() if name.startswith(("slipcast/", "slipcast_host/"))}


def _azureml(bundle: Bundle) -> dict[str, bytes]:
    # The driver of a batch deployment imports the host from its own folder.
    made = _model_folder(bundle) | {f"batch/{name}": raw for name, raw in _host(bundle).items()}
    if PROFILE in bundle.files:
        rows = baseline.reference(json.loads(bundle.files[PROFILE]))
        made["reference/rows.jsonl"] = "".join(json.dumps(row) + "\n" for row in rows).encode()
    return made


def _model_folder(bundle: Bundle) -> dict[str, bytes]:
    return {f"model/{name}": bundle.files[name] for name in MODEL_FILES if name in bundle.files}


_MADE = {"sagemaker": _sagemaker, "azureml": _azureml, "vertex": _model_folder, "kserve": _model_folder}


def archive(contents: Mapping[str, bytes]) -> bytes:
    """Return the files as ``tar.gz``; the same files give the same bytes."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as packed:
        for name, raw in sorted(contents.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(raw), 0o644, 315_532_800
            packed.addfile(entry, io.BytesIO(raw))
    return gzip.compress(plain.getvalue(), mtime=0)


def _json(document: Any) -> bytes:
    return (json.dumps(document, indent=1) + "\n").encode()
