"""Portable bundle: a released model with the host that serves it on any platform, in one zip file.

The host's modules are those of `slipcast_host` and of this package as they are, so that there is one source of truth
for every answer; :mod:`slipcast.edge.single_file` follows their imports.
"""

import hashlib
import json
from collections.abc import Mapping
from importlib.resources import files as resources
from pathlib import Path
from string import Template
from typing import Any

from slipcast.edge import bundle, single_file
from slipcast.features.activity import AHEAD_OF_ALL, FIELDS, GIVEN, NUMBER
from slipcast.model import native
from slipcast.model.scorer import Scorer

HOST = "slipcast_host"
# `__main__` and what it imports; Azure's inference server and MLflow load modules of their own, by path and by name.
MLFLOW_LOADER = f"{HOST}.mlflow_model"
ENTRY, SCRIPTS = f"{HOST}.__main__", (f"{HOST}.azureml", MLFLOW_LOADER)
MODEL, FORECAST, RELEASE, GOLDEN, SUMS = "model.json", "forecast.json", "release.json", "golden.json", "SHA256SUMS"
SBOM, README = "sbom.cdx.json", "README.md"
OLDEST = "3.12"
FORMAT_VERSION = 1
# Fields of the host's answer (`slipcast_host.engine`), which this package must not import; a test compares them.
OUTPUTS = {
    **{"activity_id": "BYTES", "probability": "FP64", "at_risk": "BOOL", "prediction_id": "BYTES"},
    **{"data_date": "BYTES", "stage": "BYTES", "days_late": "INT64"},
}
FORECAST_OUTPUTS = {
    **{"probability_late": "FP64", "expected_days_late": "FP64"},
    **dict.fromkeys(("p10", "p50", "p80", "p90"), "BYTES"),
}


def sources() -> dict[str, bytes]:
    """Return the modules of the host by their path in the bundle, and the compiled descent through trees where built.

    Raises
    ------
    SingleFileError
        If one of them imports more than the standard library.
    """
    found: dict[str, bytes] = {}
    for name, path in single_file.modules(ENTRY).items():
        found[_path(name, path)] = path.read_bytes()
    for name in SCRIPTS:
        found[f"{name.replace('.', '/')}.py"] = resources(HOST).joinpath(f"{name.rpartition('.')[2]}.py").read_bytes()
    # The scorer looks for both by name. Compiled for the machine that makes the bundle; another one computes in Python.
    library = Path(native.PLACE)
    for path in (Path(native.__file__), library):
        if path.exists():
            found[f"slipcast/model/{path.name}"] = path.read_bytes()
    return found


def _path(name: str, path: Path) -> str:
    folder = name.replace(".", "/")
    return f"{folder}/__init__.py" if path.name == "__init__.py" else f"{folder}.py"


def files(
    artifact: bytes,
    forecast: bytes | None,
    scorer: Scorer,
    golden: Mapping[str, Any],
    *,
    version: str,
    edge: Mapping[str, bytes],
    profile: bytes | None = None,
) -> dict[str, bytes]:
    """Return the files of the bundle by path.

    Parameters
    ----------
    artifact, scorer
        the model, and the scorer made from it
    forecast
        forecast model that the artifact pins; None if it pins none
    golden
        ``activities`` (prediction requests) and ``scores`` (their probabilities by scikit-learn)
    version
        version of the release
    edge
        the files of the edge bundle, whose scorer of one file comes along; empty to leave it out
    profile
        reference profile of the training data (``profile.json``), from which other stacks' monitors get their baseline

    Raises
    ------
    EdgeError
        If the forecast is not the one that the artifact pins.
    SingleFileError
        If the host imports more than the standard library.
    """
    pin = scorer.metadata.get("forecast")
    if (pin and pin["sha256"]) != (forecast and hashlib.sha256(forecast).hexdigest()):
        raise bundle.EdgeError("the forecast is not the one that the model was released with")
    digest = hashlib.sha256(artifact).hexdigest()
    release = {
        "format": "slipcast-portable",
        "format_version": FORMAT_VERSION,
        "version": version,
        "model_id": scorer.metadata["model_id"],
        "dataset_id": scorer.metadata["dataset_id"],
        "family": scorer.family,
        "threshold": scorer.threshold,
        "model_sha256": digest,
        "forecast_sha256": pin["sha256"] if pin else None,
        "python": f">={OLDEST}",
    }
    # The day before all plans: so that the model answers, and not the state of the activity on the day of the check.
    activities = [activity | AHEAD_OF_ALL for activity in golden["activities"]]
    found = {
        **sources(),
        **{asset.name: asset.read_bytes() for asset in resources(HOST).joinpath("assets").iterdir()},
        **{name: edge[name] for name in (bundle.SCORER, "golden.csv") if name in edge},
        MODEL: artifact,
        RELEASE: _json(release),
        # With what the prediction function's own scorer gives: it and the host may differ by less than scikit-learn.
        GOLDEN: _json(
            {
                "activities": activities,
                "scores": golden["scores"],
                "answers": scorer.predict_proba(golden["activities"]),
            }
        ),
        README: _readme(release, scorer),
        **_mlflow(release, activities[0], has_forecast=forecast is not None),
    }
    if forecast is not None:
        found[FORECAST] = forecast
    if profile is not None:
        found["profile.json"] = profile
    found[SBOM] = _json(sbom(found, release))
    sums = "".join(f"{hashlib.sha256(raw).hexdigest()}  {name}\n" for name, raw in sorted(found.items()))
    return found | {SUMS: sums.encode("ascii")}


def mlflow_signature(*, has_forecast: bool) -> dict[str, str | None]:
    """Return the signature over canonical columns as an ``MLmodel`` file holds it; point-in-time features are optional.

    https://mlflow.org/docs/latest/ml/model/signatures
    """
    # Numbers of any type: pandas reads whole numbers as int64, which MLflow would not take for a double.
    kinds = {field.name: "any" if field.kind == NUMBER else "string" for field in FIELDS} | dict.fromkeys(GIVEN, "any")
    inputs = [{"type": kind, "name": name, "required": False} for name, kind in kinds.items()]
    types = {"BYTES": "string", "FP64": "double", "BOOL": "boolean", "INT64": "long"}
    given = {**OUTPUTS, **(FORECAST_OUTPUTS if has_forecast else {})}
    outputs = [{"type": types[kind], "name": name, "required": True} for name, kind in given.items()]
    return {"inputs": json.dumps(inputs), "outputs": json.dumps(outputs), "params": None}


def input_example(activity: Mapping[str, Any]) -> dict[str, Any]:
    """Return an activity as a row of a table: its columns, with its point-in-time features among them."""
    return {name: value for name, value in activity.items() if name != "history"} | dict(activity.get("history") or {})


def _mlflow(release: Mapping[str, Any], example: Mapping[str, Any], *, has_forecast: bool) -> dict[str, bytes]:
    """Return the files that make the bundle an MLflow model: signature over canonical columns, example, environment.

    https://mlflow.org/docs/latest/ml/model: ``MLmodel`` is YAML, of which JSON is a part.
    """
    row = input_example(example)
    split = {"columns": [*row], "data": [[*row.values()]]}
    document = {
        "flavors": {
            "python_function": {
                "code": ".",
                "data": ".",
                "env": {"virtualenv": "python_env.yaml"},
                "loader_module": MLFLOW_LOADER,
                "python_version": "3.13.0",
            }
        },
        "metadata": {"slipcast_version": release["version"], "model_sha256": release["model_sha256"]},
        "mlflow_version": "3.0.0",
        "model_uuid": release["model_sha256"][:32],
        "saved_input_example_info": {
            "artifact_path": "input_example.json",
            "pandas_orient": "split",
            "serving_input_path": "serving_input_example.json",
            "type": "dataframe",
        },
        "signature": mlflow_signature(has_forecast=has_forecast),
        "utc_time_created": "1980-01-01 00:00:00.000000",
    }
    return {
        "MLmodel": _json(document),
        "python_env.yaml": _json({"python": "3.13", "build_dependencies": [], "dependencies": ["-r requirements.txt"]}),
        "requirements.txt": b"mlflow\npandas\n",
        "input_example.json": _json(split),
        "serving_input_example.json": _json({"dataframe_split": split}),
    }


def sbom(contents: Mapping[str, bytes], release: Mapping[str, Any]) -> dict[str, Any]:
    """Return the bill of materials of the bundle as CycloneDX 1.6: the model, the host, its files; no other package."""
    listed = [
        {
            "type": "file",
            "bom-ref": f"file:{name}",
            "name": name,
            "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(raw).hexdigest()}],
        }
        for name, raw in sorted(contents.items())
    ]
    model = {
        "type": "machine-learning-model",
        "bom-ref": "model",
        "name": f"slipcast-{release['family']}",
        "version": release["model_id"],
        "hashes": [{"alg": "SHA-256", "content": release["model_sha256"]}],
    }
    python = {"type": "platform", "bom-ref": "python", "name": "python", "version": release["python"]}
    host = {
        "type": "application",
        "bom-ref": "host",
        "name": HOST.replace("_", "-"),
        "version": release["version"],
        "licenses": [{"license": {"id": "MIT"}}],
    }
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": host},
        "components": [model, python, *listed],
        "dependencies": [{"ref": "host", "dependsOn": ["model", "python", *(item["bom-ref"] for item in listed)]}],
    }


def _readme(release: Mapping[str, Any], scorer: Scorer) -> bytes:
    text = resources(HOST).joinpath("assets", README).read_text(encoding="utf-8")
    names = ", ".join(f"`{name}`" for name in scorer.history) or "none"
    values = {**release, "history": names, "forecast": "yes" if release["forecast_sha256"] else "no"}
    return Template(text).substitute(values).encode()


def _json(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()
