"""Azure ML: azure-ai-ml loads and validates every YAML file."""

import sys
from pathlib import Path

folder = Path(sys.argv[1])

from azure.ai.ml import (  # noqa: E402
    load_batch_deployment,
    load_batch_endpoint,
    load_component,
    load_data,
    load_environment,
    load_job,
    load_model,
    load_online_deployment,
    load_online_endpoint,
)
from azure.ai.ml.entities._load_functions import load_common  # noqa: E402
from azure.ai.ml.entities._monitoring.schedule import MonitorSchedule  # noqa: E402
from azure.ai.ml.entities._schedule.schedule import JobSchedule  # noqa: E402

loaders = {
    "environment.yml": load_environment,
    "batch-environment.yml": load_environment,
    "model.yml": load_model,
    "online-endpoint.yml": load_online_endpoint,
    "online-deployment.yml": load_online_deployment,
    "batch-endpoint.yml": load_batch_endpoint,
    "batch-deployment.yml": load_batch_deployment,
    "pipeline.yml": load_job,
    "schedule.yml": lambda path: load_common(JobSchedule, path, None, None),
    "reference.yml": load_data,
    "monitor-component.yml": load_component,
    "monitor.yml": lambda path: load_common(MonitorSchedule, path, None, None),
}
there = {path.name for path in folder.glob("*.yml")} - {"azure-pipelines.yml"}
assert there == loaders.keys(), there ^ loaders.keys()
for name, load in loaders.items():
    found = load(folder / name)
    if name == "pipeline.yml":
        result = found._validate()
        assert result.passed, result.error_messages
        assert [*found.jobs] == ["prepare", "train", "evaluate"]
    if name == "monitor-component.yml":
        # Both are found by the monitor under these names.
        result = found._validate()
        assert result.passed, result.error_messages
        component = f"azureml:{found.name}:{found.version}"
    if name == "reference.yml":
        reference = f"azureml:{found.name}:{found.version}"
monitor = (folder / "monitor.yml").read_text()
assert component in monitor and reference in monitor, (component, reference)
wrong = folder / "wrong.yml"
wrong.write_text((folder / "online-deployment.yml").read_text().replace("instance_count: 1", "instance_count: many"))
try:
    load_online_deployment(wrong)
except Exception as error:
    assert "instance_count" in str(error), error
else:
    raise AssertionError("a wrong value was not refused")
finally:
    wrong.unlink()
print(f"{len(loaders)} files")
