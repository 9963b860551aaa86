"""Vertex AI: KFP compiles the pipeline, the SDK accepts its job and refuses a wrong parameter."""

import os
import sys
from pathlib import Path

folder = Path(sys.argv[1])
sys.path.insert(0, str(folder))
os.environ["GOOGLE_CLOUD_PROJECT"] = "my-project"

import pipeline  # noqa: E402
from google.auth.credentials import AnonymousCredentials  # noqa: E402
from google.cloud import aiplatform  # noqa: E402
from kfp import compiler  # noqa: E402

compiler.Compiler().compile(pipeline.pipeline, str(folder / "pipeline.yaml"))
sys.argv = ["deploy.py"]
import deploy  # noqa: E402

aiplatform.init(
    project="my-project", location="europe-west4", staging_bucket="gs://my-bucket", credentials=AnonymousCredentials()
)
job = deploy.job()
assert job.pipeline_spec["pipelineInfo"]["name"] == "slipcast" if isinstance(job.pipeline_spec, dict) else job
spec = job.to_dict() if hasattr(job, "to_dict") else {}
try:
    deploy.job(colour="red")
except ValueError as error:
    assert "colour" in str(error), error
else:
    raise AssertionError("an unknown parameter was not refused")
# The request that the upload makes, without sending it.
from google.cloud.aiplatform_v1.types import ModelContainerSpec  # noqa: E402

names = {"image_uri", "health_route", "predict_route", "ports", "environment_variables"}
assert {name.removeprefix("serving_container_") for name in deploy.CONTAINER} == names
ModelContainerSpec(
    image_uri=deploy.IMAGE, health_route="/isalive", predict_route="/predict", ports=[{"container_port": 8080}]
)
print("pipeline job accepted, unknown parameter refused")
