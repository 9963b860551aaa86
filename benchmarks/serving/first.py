"""A new interpreter until its first answer: run as a script, with the way to answer as its argument.

Nothing is imported here that the way does not need. What each way is, is said in `WAYS`.
"""

import json
import os
import sys


def bare(event: dict) -> None:
    """Answer a constant, as a function that does nothing would."""
    json.dumps({"statusCode": 200, "body": json.dumps({"probability": 0.5})})


def powertools(event: dict) -> None:
    """Answer a constant with Powertools: logger, metrics and a route."""
    from aws_lambda_powertools import Logger, Metrics
    from aws_lambda_powertools.event_handler import APIGatewayRestResolver

    Logger()
    Metrics()
    app = APIGatewayRestResolver()
    app.post("/predictions")(lambda: {"probability": 0.5})
    assert app.resolve(event, None)["statusCode"] == 200


def powertools_validated(event: dict) -> None:
    """Answer a constant with Powertools, whose request and answer pydantic validates."""
    from aws_lambda_powertools import Logger, Metrics
    from aws_lambda_powertools.event_handler import APIGatewayRestResolver
    from pydantic import BaseModel

    class Answer(BaseModel):
        probability: float

    def predict() -> Answer:
        return Answer(probability=0.5)

    Logger()
    Metrics()
    app = APIGatewayRestResolver(enable_validation=True)
    predict.__annotations__ = {"return": Answer}
    app.post("/predictions")(predict)
    assert app.resolve(event, None)["statusCode"] == 200


def slipcast(event: dict) -> None:
    """Answer as the predict function does, with validation and log."""
    from predict import app

    assert app.handler(event, None)["statusCode"] == 200


# The environment of the process makes the difference.
slipcast_store = slipcast_store_sdk = slipcast


def other_paths(event: dict) -> None:
    """Answer the same activity by MLflow's protocol, as the predict function does."""
    from predict import app

    body = json.loads(event["body"])
    rows = json.dumps({"dataframe_records": body.get("activities", [body])})
    asked = {**event, "path": "/invocations", "resource": "/invocations", "body": rows}
    assert app.handler(asked, None)["statusCode"] == 200


def scikit_learn(event: dict) -> None:
    """Predict with the pipeline and a DataFrame."""
    import joblib
    import pandas as pd

    pipeline = joblib.load(os.environ["PIPELINE"])
    pipeline.predict_proba(pd.DataFrame(json.loads(os.environ["ROWS"]), columns=pipeline.feature_names_in_))


def pyfunc(event: dict) -> None:
    """Predict with the model that MLflow logged."""
    import mlflow.pyfunc
    import pandas as pd

    rows = pd.DataFrame(json.loads(os.environ["ROWS"])).fillna(float("nan"))
    mlflow.pyfunc.load_model(os.environ["MLFLOW_MODEL"]).predict(rows.astype(json.loads(os.environ["TYPES"])))


if __name__ == "__main__":
    with open(os.environ["EVENT"], encoding="utf-8") as file:  # noqa: PTH123
        asked = json.load(file)
    globals()[sys.argv[1]](asked)
