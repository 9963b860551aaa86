"""Vertex AI: KFP compiles the pipeline, the SDK accepts its job and refuses a wrong parameter."""

import os
import sys
from pathlib import Path
from unittest import mock

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
# Each command makes its calls with the names that the SDK's functions take; nothing is sent.
real, model, served = deploy.aiplatform, aiplatform.Model, aiplatform.Endpoint
with mock.patch.multiple(
    real,
    **{
        name: mock.create_autospec(getattr(real, name))
        for name in ("Model", "Endpoint", "ModelDeploymentMonitoringJob")
    },
):
    # What the class's functions return is held to its methods, too.
    real.Model.upload.return_value = mock.create_autospec(model, instance=True)
    real.Endpoint.list.return_value = [mock.create_autospec(served, instance=True)]
    for command in (deploy.upload, deploy.endpoint, deploy.batch, deploy.monitor):
        command()
    (uploaded,) = {str(call) for call in real.Model.upload.call_args_list}
    assert "MODEL_SHA256" in uploaded and "/predict" in uploaded, uploaded
    assert real.Model.upload.return_value.deploy.called and real.Model.upload.return_value.batch_predict.called
    assert real.ModelDeploymentMonitoringJob.create.called
    # Endpoint and version that are there are used again.
    assert not real.Endpoint.create.called
print("pipeline job accepted, unknown parameter refused, four commands")
