"""The emulator alone with what a release needs: our real predict, collect and release functions, API, states, log."""

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import yaml

from local.cloud import LocalCloud
from local.watch import Stack
from slipcast.model import artifact, scorer
from slipcast.model.export.pipeline import export
from slipcast_aws.release import versions
from support.serving_cases import fitted

ROOT = Path(__file__).resolve().parents[2]
ROLE = "arn:aws:iam::000000000000:role/any"
PREDICT, BUCKET, TABLE = "site-predict", "site-data", "site-control"
SETTINGS = {
    **{
        "DATA_BUCKET": BUCKET,
        "PREDICT_LOG_GROUP": f"/aws/lambda/{PREDICT}",
        "PREDICT_FUNCTION": PREDICT,
        "MODEL_LAYER_NAME": "site-model",
        "CONTROL_TABLE": TABLE,
    },
    **{"CANARY_MIN_MINUTES": "0", "CANARY_MAX_ERROR_RATE": "0.01", "MAX_LATENCY_RATIO": "1.5", "KEEP_VERSIONS": "5"},
    **{"MAX_SCORE_SHIFT": "0.25", "CANARY_MAX_SCORE_SHIFT": "0.1", "CANARY_STEPS": "50", "SHADOW_REQUESTS": "20"},
    **{"CANARY_MIN_REQUESTS": "100", "CANARY_MAX_MINUTES": "2"},
    **{"PREDICT_MEMORY_MB": "1024", "SCIKIT_LEARN_MEMORY_MB": "1769", "SNAP_START": "off"},
    "SCIKIT_LEARN_LAYER": "arn:aws:lambda:us-east-1:000000000000:layer:none:1",
    **{"POWERTOOLS_SERVICE_NAME": "slipcast", "POWERTOOLS_METRICS_NAMESPACE": "Slipcast"},
}
# Notify, track and score: they are no part of what is tested here.
OTHERS = "def handler(event, context): return event"


def zipped(files: dict[str, bytes | str]) -> bytes:
    """Return a zip file of `files`."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return written.getvalue()


def folder(path: Path, prefix: str = "") -> dict[str, bytes]:
    """Return the Python files, and data, under `path`."""
    found = (file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    return {f"{prefix}{file.relative_to(path)}": file.read_bytes() for file in found}


class Site:
    """Makes everything once; the first model is not released yet."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud
        self.lambdas, self.s3 = cloud.client("lambda"), cloud.client("s3")
        self.s3.create_bucket(Bucket=BUCKET)
        cloud.client("dynamodb").create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        )
        # Instead of the layers of packages, whose build takes minutes.
        packages = {"python/lib/python3/site-packages/packages.pth": str(Path(yaml.__file__).parents[1])}
        layers = [self._layer("slipcast"), self._layer("aws", "slipcast_aws"), self._publish("packages", packages)]
        self._function(PREDICT, folder(ROOT / "functions" / "predict", "predict/"), layers, "predict.app.handler")
        version = self.lambdas.publish_version(FunctionName=PREDICT)["Version"]
        self.lambdas.create_alias(FunctionName=PREDICT, Name="live", FunctionVersion=version)
        release = self._function(
            "site-release", folder(ROOT / "functions" / "release", "release/"), layers, "release.app.handler"
        )
        collect = self._function(
            "site-collect", folder(ROOT / "functions" / "collect", "collect/"), layers, "collect.app.handler"
        )
        other = self._function("site-other", {"app.py": OTHERS}, [])
        self._log(collect)
        cloud.env = {
            **{"SLIPCAST_STACK": "site", "SLIPCAST_BUCKET": BUCKET, "SLIPCAST_PREDICT_FUNCTION": PREDICT},
            **{"SLIPCAST_API_URL": self._api(), "SLIPCAST_API_KEY": "none"},
            **{"SLIPCAST_STATE_MACHINE_ARN": self._machine(release, other), "AWS_ENDPOINT_URL": cloud._endpoint()},
        }
        self.stack = Stack(cloud)

    def _layer(self, name: str, package: str | None = None) -> str:
        package = package or name
        files = folder(ROOT / "src" / package, f"python/{package}/")
        return self._publish(name, files)

    def _publish(self, name: str, files: dict[str, Any]) -> str:
        return self.lambdas.publish_layer_version(LayerName=f"site-{name}", Content={"ZipFile": zipped(files)})[
            "LayerVersionArn"
        ]

    def _function(self, name: str, files: dict[str, Any], layers: list[str], handler: str = "app.handler") -> str:
        return self.lambdas.create_function(
            FunctionName=name,
            Runtime="python3.13",
            Role=ROLE,
            Handler=handler,
            Code={"ZipFile": zipped(files)},
            Layers=layers,
            Timeout=60,
            Environment={"Variables": SETTINGS},
        )["FunctionArn"]

    def _log(self, collect: str) -> None:
        logs = self.cloud.client("logs")
        logs.create_log_group(logGroupName=f"/aws/lambda/{PREDICT}")
        logs.put_subscription_filter(
            logGroupName=f"/aws/lambda/{PREDICT}",
            filterName="predictions",
            filterPattern='{ $.log = "prediction" }',
            destinationArn=collect,
        )

    def _api(self) -> str:
        gateway = self.cloud.client("apigateway")
        api = gateway.create_rest_api(name="site")["id"]
        root = gateway.get_resources(restApiId=api)["items"][0]["id"]
        alias = f"arn:aws:lambda:us-east-1:000000000000:function:{PREDICT}:live"
        for path, method in (("predictions", "POST"), ("model", "GET")):
            resource = gateway.create_resource(restApiId=api, parentId=root, pathPart=path)["id"]
            at = {"restApiId": api, "resourceId": resource, "httpMethod": method}
            gateway.put_method(**at, authorizationType="NONE")
            uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{alias}/invocations"
            gateway.put_integration(**at, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
        gateway.create_deployment(restApiId=api, stageName="v1")
        return f"{self.cloud._endpoint()}/restapis/{api}/v1/_user_request_"

    def _machine(self, release: str, other: str) -> str:
        given = {"ControlTableName": TABLE, "Partition": "aws", "SearchConcurrency": "2"}
        given |= {"ApprovalRequired": "false", "ApprovalHours": "1"}
        given["ReleaseFunctionArn"] = release
        text = (ROOT / "statemachine" / "pipeline.asl.yaml").read_text(encoding="utf-8")
        definition = yaml.safe_load(re.sub(r"\$\{(\w+)\}", lambda found: given.get(found[1], other), text))
        states = self.cloud.client("stepfunctions")
        return states.create_state_machine(name="site-pipeline", definition=json.dumps(definition), roleArn=ROLE)[
            "stateMachineArn"
        ]

    def first_model(self, activities: list[dict[str, Any]]) -> dict[str, Any]:
        """Store a model that scikit-learn has fitted and return it as the evaluation does."""
        pipeline, frame, _ = fitted("random_forest")
        metadata = {
            **{"model_id": "first", "dataset_id": "d1", "data_date": "2026-01-01", "training_cut": "2025-01-01"},
            **{"training_rows": len(frame), "tolerance_days": 30, "params": {}, "metrics": {"auc": 0.7}},
            "family": "random_forest",
        }
        raw = export(pipeline, family="random_forest", threshold=0.3, metadata=metadata)
        sha256 = artifact.digest(raw)
        golden = {"activities": activities, "scores": scorer.load(raw, sha256).predict_proba(activities)}
        for name, content in (
            ("model.json", raw),
            ("layer.zip", versions.layer_archive(raw)),
            ("golden.json", json.dumps(golden).encode()),
            ("profile.json", b"{}"),
        ):
            self.s3.put_object(Bucket=BUCKET, Key=f"models/first/{name}", Body=content)
        prefix = f"s3://{BUCKET}/models/first"
        return {
            **{"model_id": "first", "family": "random_forest", "sha256": sha256, "dataset_id": "d1"},
            **{"artefact_uri": f"{prefix}/model.json", "profile_uri": f"{prefix}/profile.json"},
            **{"golden_uri": f"{prefix}/golden.json", "layer_key": "models/first/layer.zip"},
            **{"trained_at": "2026-01-01T00:00:00+00:00", "execution": "first"},
        }
