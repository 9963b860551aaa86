"""MLflow model of an execution's challenger that takes activities: artifact, forecast and the code that answers.

It is what the registry holds. The code is the portable host's, so the answers are those of the API; besides MLflow and
pandas it needs no package, and no network.
"""

import json

import mlflow
import pandas as pd
from mlflow.models import ModelSignature

from slipcast.contracts import ModelRef
from slipcast.edge import portable
from slipcast.model import scorer
from slipcast.model.scorer import Scorer
from slipcast_aws import scratch, storage

NAME = "activities"
# Files that the loader reads, and known answers with which a copy can be checked.
DATA = (portable.MODEL, portable.FORECAST, portable.RELEASE, portable.GOLDEN)


def log(model: ModelRef) -> str | None:
    """Log the model to the active run and return its URI; None for one that takes no activities.

    A model without known activities was trained on a file without dates, whose columns are features themselves.
    """
    if "golden_uri" not in model or not storage.exists(model["artefact_uri"]):
        return None
    golden = storage.read_json(model["golden_uri"])
    if not golden["activities"]:
        return None
    artifact = storage.read_bytes(model["artefact_uri"], sha256=model["sha256"])
    loaded = scorer.load(artifact, model["sha256"])
    forecast = _forecast(loaded, model)
    # Only a release has a version.
    contents = portable.files(artifact, forecast, loaded, golden, version=model["model_id"], edge={})
    example = portable.input_example(json.loads(contents[portable.GOLDEN])["activities"][0])
    with scratch.folder() as folder:
        for name, raw in contents.items():
            place = folder / ("data" if name in DATA else "code") / name
            if name in DATA or name.endswith(".py"):
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(raw)
        logged = mlflow.pyfunc.log_model(
            name=NAME,
            loader_module=portable.MLFLOW_LOADER,
            data_path=str(folder / "data"),
            code_paths=[str(path) for path in sorted((folder / "code").iterdir())],
            signature=ModelSignature.from_dict(portable.mlflow_signature(has_forecast=forecast is not None)),
            input_example=pd.DataFrame([example]),
            # Given here; otherwise MLflow starts a process that imports the model to find them.
            # By the modules: a layer holds MLflow's client alone, which is another distribution (mlflow-skinny).
            pip_requirements=[f"mlflow=={mlflow.__version__}", f"pandas=={pd.__version__}"],
            metadata={"model_id": model["model_id"], "model_sha256": model["sha256"]},
        )
    uri: str = logged.model_uri
    return uri


def _forecast(loaded: Scorer, model: ModelRef) -> bytes | None:
    """Return the forecast model that the artifact pins; None if it pins none."""
    pin = loaded.metadata.get("forecast")
    return None if pin is None else storage.read_bytes(model["forecast_uri"], sha256=pin["sha256"])
