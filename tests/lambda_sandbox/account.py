"""An account as moto plays it, with the functions of template.yaml in execution environments like Lambda's.

Who asks moto's Lambda to invoke a version of the predict function gets the answer of the real code, with the layers and
variables of that version: so release, replay and large batches are whole.
"""

import io
import json
import logging
import urllib.request
import zipfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from threading import RLock
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto.awslambda.models import LambdaBackend
from moto.server import ThreadedMotoServer
from moto.stepfunctions.models import StepFunctionBackend

from lambda_sandbox.environment import ACCOUNT, REGION, ROOT, Environment, Function, FunctionError, merged
from layers.build import assemble
from permissions.template import FUNCTIONS, RESOURCES, TEMPLATE, Stack
from support.release_records import behave_as_aws, zip_of

# Of a test session: the largest memory of each function in MB, for the table at its end.
PEAKS = pytest.StashKey[dict[str, float]]()
GLOBALS = TEMPLATE["Globals"]["Function"]
# Where the lambda of a release finds them, beside the model's own.
CODE_LAYERS = ("SlipcastLayer", "AwsAdaptersLayer", "PowertoolsLayer", "TrainingLayer")


@cache
def built(layer: str) -> Path:
    """Return the folder of a layer, by logical id, as `sam build` makes it."""
    resource = RESOURCES[layer]
    return assemble.built(Path(resource["Properties"]["ContentUri"]).name, resource["Metadata"]["BuildArchitecture"])


def property_of(function: str, name: str, default: Any = None) -> Any:
    """Return a property of a function, of the globals where it has none of its own."""
    return FUNCTIONS[function]["Properties"].get(name, GLOBALS.get(name, default))


def number_of(function: str, name: str) -> int:
    """Return a number among the properties of a function, for the default of a parameter that it may refer to."""
    return int(Stack().resolve(property_of(function, name)))


class Account:
    """Bucket, tables, topic and predict function of a stack, and all its functions.

    Parameters
    ----------
    folder : empty folder for code and environments
    names : physical names of resources by logical id, where they are not made up
    parameters : of the stack, where they are not the template's
    """

    def __init__(self, folder: Path, names: Mapping[str, str] | None = None, **parameters: str) -> None:
        self.folder = folder
        self.stack = Stack(names, **parameters)
        self.bucket, self.control = self.stack.name("DataBucket"), self.stack.name("ControlTable")
        # More than the template has, for what it has no names of (the tracking server of a test).
        self.more: dict[str, dict[str, str]] = {}
        self.peaks: dict[str, float] = {}
        self.written: dict[str, list[str]] = {}
        self._environments: dict[Any, Environment] = {}
        self._lock = RLock()
        self._patch = pytest.MonkeyPatch()

    def __enter__(self) -> "Account":
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
            self._patch.delenv(name, raising=False)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            self._patch.setenv(name, "testing")
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        behave_as_aws(self._patch)
        self._patch.setattr(LambdaBackend, "invoke", lambda *given: self._invoked(*given))
        # What the executions that wait were told, by task token: moto forgets it.
        self.results: dict[str, Any] = {}
        self._patch.setattr(
            StepFunctionBackend,
            "send_task_success",
            lambda backend, token, outcome: self.results.update({token: json.loads(outcome)}),
        )
        self._server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        self._server.start()
        self.endpoint = "http://{}:{}".format(*self._server.get_host_and_port())
        self._patch.setenv("AWS_ENDPOINT_URL", self.endpoint)
        # What moto plays is one for the process.
        urllib.request.urlopen(urllib.request.Request(f"{self.endpoint}/moto-api/reset", method="POST")).close()  # noqa: S310
        self._make()
        return self

    def __exit__(self, *_: object) -> None:
        for environment in self._environments.values():
            environment.close()
        self._server.stop()
        self._patch.undo()

    def client(self, service: str) -> Any:
        """Return a client for moto's server."""
        return boto3.client(
            service, REGION, endpoint_url=self.endpoint, config=Config(retries={"max_attempts": 1}, proxies={})
        )

    def _make(self) -> None:
        self.client("s3").create_bucket(Bucket=self.bucket)
        self.client("s3").put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"})
        for table in ("ControlTable", "FeatureTable", "IdempotencyTable"):
            properties = RESOURCES[table]["Properties"]
            self.client("dynamodb").create_table(
                TableName=self.stack.name(table),
                **{name: properties[name] for name in ("BillingMode", "AttributeDefinitions", "KeySchema")},
            )
        topic = self.client("sns").create_topic(Name=self.stack.name("Topic"))["TopicArn"]
        assert topic == self.stack.reference("Topic")
        # Where the test reads what people are told.
        self.told = self.client("sqs").create_queue(QueueName="told")["QueueUrl"]
        self.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:{ACCOUNT}:told")
        # The queue of updates leads to the other two, which it names.
        for queue in ("ResultsQueue", "UpdatesDeadLetterQueue", "UpdatesQueue"):
            properties = self.stack.resolve(RESOURCES[queue]["Properties"])
            attributes = {"FifoQueue": "true"}
            if "RedrivePolicy" in properties:
                attributes["RedrivePolicy"] = json.dumps(properties["RedrivePolicy"])
            self.client("sqs").create_queue(
                QueueName=self.stack.name(queue),
                Attributes=attributes,
                tags={tag["Key"]: tag["Value"] for tag in properties.get("Tags", [])},
            )
        self.client("logs").create_log_group(logGroupName=self.stack.name("PredictLogGroup"))
        self._make_predict()
        self._make_machine()

    def _make_predict(self) -> None:
        lambda_ = self.client("lambda")
        role = self.client("iam").create_role(RoleName="predict", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        self.layers = {
            lambda_.publish_layer_version(
                LayerName=self.stack.name(layer), Content={"ZipFile": zip_of("python/x.py", "")}
            )["LayerVersionArn"]: layer
            for layer in CODE_LAYERS
        }
        self.more["ReleaseFunction"] = {
            "SCIKIT_LEARN_LAYER": next(arn for arn, layer in self.layers.items() if layer == "TrainingLayer")
        }
        for function in ("PredictFunction", "PredictBatchFunction"):
            used = [reference["Ref"] for reference in property_of(function, "Layers")]
            lambda_.create_function(
                FunctionName=self.stack.name(function),
                Runtime=GLOBALS["Runtime"],
                Role=role,
                Handler=property_of(function, "Handler"),
                MemorySize=number_of(function, "MemorySize"),
                Timeout=number_of(function, "Timeout"),
                Code={"ZipFile": zip_of("app.py", "")},
                Layers=[arn for layer in used for arn, known in self.layers.items() if known == layer],
                Environment={"Variables": self.variables(function)},
            )
        name = self.stack.name("PredictFunction")
        first = lambda_.publish_version(FunctionName=name)["Version"]
        lambda_.create_alias(FunctionName=name, Name="live", FunctionVersion=first)

    def _make_machine(self) -> None:
        """One that only takes executions down: `pipeline` carries them out."""
        self.machine = self.client("stepfunctions").create_state_machine(
            name=self.stack.name("Pipeline"),
            definition='{"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 9999, "End": true}}}',
            roleArn=f"arn:aws:iam::{ACCOUNT}:role/pipeline",
        )["stateMachineArn"]
        assert self.machine == self.stack.reference("Pipeline")

    def variables(self, function: str) -> dict[str, str]:
        """Return a function's environment variables, as its stack sets them."""
        usual = self.stack.resolve(GLOBALS["Environment"]["Variables"])
        found = usual | self.stack.variables(function) | self.more.get(function, {})
        return {name: str(value) for name, value in found.items()}

    def invoke(self, function: str, event: Any) -> Any:
        """Return what a function of the template answers; its environment is started at the first event and kept."""
        return self._ask(function, function, self.variables(function), [], event)

    def _ask(
        self, key: Any, function: str, variables: dict[str, str], models: list[bytes], event: Any, **settings: Any
    ) -> Any:
        with self._lock:
            environment = self._environments.get(key)
            if environment is None:
                environment = self._environments[key] = self._start(function, variables, models, settings)
        try:
            return environment.invoke(event)
        finally:
            self.peaks[function] = max(self.peaks.get(function, 0.0), environment.peak_mb)
            self.written[function] = sorted({*self.written.get(function, []), *environment.written})

    def _start(
        self, function: str, variables: dict[str, str], models: list[bytes], settings: dict[str, Any]
    ) -> Environment:
        folder = self.folder / f"{function}-{len(self._environments)}"
        source, code = ROOT / property_of(function, "CodeUri"), folder / "task"
        if FUNCTIONS[function].get("Metadata", {}).get("BuildMethod") == "makefile":
            assemble.copy_function(source, code)
        else:
            merged([source], code)
        layers = [built(reference["Ref"]) for reference in property_of(function, "Layers", [])]
        for number, archive in enumerate(models):
            layer = folder / f"model-{number}"
            with zipfile.ZipFile(io.BytesIO(archive)) as opened:
                opened.extractall(layer)
            layers.append(layer)
        described = Function(
            name=self.stack.name(function),
            code=code,
            handler=property_of(function, "Handler"),
            layers=layers,
            memory=number_of(function, "MemorySize"),
            timeout=number_of(function, "Timeout"),
            storage=int(self.stack.resolve(property_of(function, "EphemeralStorage", {"Size": 512}))["Size"]),
            variables=variables | {"AWS_ENDPOINT_URL": self.endpoint},
        )
        for name, value in settings.items():
            setattr(described, name, value)
        return Environment(described, folder / "run", merged(described.layers, folder / "opt"))

    def _invoked(
        self,
        backend: LambdaBackend,
        function_name: str,
        qualifier: str | None,
        body: Any,
        headers: Any,
        response_headers: Any,
    ) -> bytes:
        found = backend.get_function(function_name, qualifier)
        configuration = found.get_configuration()
        function = next(name for name in FUNCTIONS if self.stack.name(name) == found.function_name)
        models = []
        for layer in configuration.get("Layers", []):
            if layer["Arn"] not in self.layers:
                name, version = layer["Arn"].split(":")[-2:]
                models.append(backend.get_layer_version(name, version).code_bytes)
        key = (function, configuration["Version"], json.dumps(configuration["Environment"], sort_keys=True))
        try:
            answer = self._ask(
                key,
                function,
                configuration["Environment"]["Variables"],
                models,
                json.loads(body or b"{}"),
                version=configuration["Version"],
                memory=configuration["MemorySize"],
            )
        except FunctionError as error:
            response_headers["x-amz-function-error"] = "Unhandled"
            answer = {"errorType": "FunctionError", "errorMessage": str(error)}
        payload = json.dumps(answer).encode()
        response_headers["Content-Length"] = str(len(payload))
        return payload

    def running(self, function: str) -> list[Environment]:
        """Return the environments of a function that were started so far."""
        return [each for key, each in self._environments.items() if function in (key, key[0])]

    def messages(self) -> list[dict[str, Any]]:
        """Return what the topic was told since the last call."""
        sqs, found = self.client("sqs"), []
        while got := sqs.receive_message(QueueUrl=self.told, MaxNumberOfMessages=10).get("Messages", []):
            for message in got:
                found.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=self.told, ReceiptHandle=message["ReceiptHandle"])
        return found

    def document(self, key: str) -> Any:
        """Return a JSON object of the data bucket."""
        return json.loads(self.client("s3").get_object(Bucket=self.bucket, Key=key)["Body"].read())

    def keys(self, prefix: str) -> list[str]:
        """Return the keys of the data bucket that begin with `prefix`."""
        found = self.client("s3").list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        return [item["Key"] for item in found.get("Contents", [])]
