"""SageMaker: the SDK makes the pipeline's definition, botocore validates each request of the API."""

import json
import sys
from pathlib import Path

import boto3
from botocore.session import Session
from botocore.validate import ParamValidator

folder = Path(sys.argv[1])
sys.path.insert(0, str(folder))


def no_call(*_, **__):
    raise AssertionError("the definition must not call AWS")


import pipeline  # noqa: E402
from sagemaker.workflow.pipeline_context import PipelineSession  # noqa: E402

keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "us-east-1"}
session = PipelineSession(boto3.Session(**keys), default_bucket="my-sagemaker-bucket")
# The SDK asks S3 whether the bucket is there, unless it has asked before.
session._default_bucket = "my-sagemaker-bucket"
session.boto_session.client("s3").meta.events.register("before-send", no_call)
definition = json.loads(pipeline.build(session).definition())
steps = {step["Name"]: step for step in definition["Steps"]}
assert [*steps] == ["Prepare", "Train", "Evaluate", "Gate"], [*steps]
assert steps["Train"]["Arguments"]["AlgorithmSpecification"]["ContainerEntrypoint"][:3] == ["python", "-m", "slipcast"]
register = steps["Gate"]["Arguments"]["IfSteps"]
assert any(step["Type"] == "RegisterModel" for step in register), register
assert {item["Name"] for item in definition["Parameters"]} >= {"Schedule", "ToleranceDays", "HoldoutMonths"}

sys.argv = ["deploy.py"]
import deploy  # noqa: E402

model = Session().get_service_model("sagemaker")
operations = {name.lower(): name for name in model.operation_names}
checked = 0
for path in sorted((folder / "requests").glob("*.json")):
    operation = path.stem.replace("_serverless", "").replace("_", "")
    shape = model.operation_model(operations[operation]).input_shape
    request = deploy.request(path.stem)
    report = ParamValidator().validate(request, shape)
    assert not report.has_errors(), f"{path.name}: {report.generate_report()}"
    assert "${" not in json.dumps(request), path.name
    wrong = ParamValidator().validate({**request, "Unknown": 1}, shape)
    assert wrong.has_errors()
    checked += 1
print(f"pipeline of {len(steps)} steps, {checked} requests")
