"""Katib's experiments by the types of its API, the ServiceMonitor by those made of the published schema."""

import sys
from pathlib import Path

import yaml
from cloudcoil.models.prometheus_operator.v1 import ServiceMonitor
from kubeflow_katib_api.models import V1beta1Experiment

folder = Path(sys.argv[1])


def read(name, kind):
    """Return the manifests of a kind in a file."""
    return [item for item in yaml.safe_load_all((folder / name).read_text()) if item and item["kind"] == kind]


def unknown(sent, known, place=""):
    """Return the places of fields that the types do not hold: pydantic leaves them out."""
    if isinstance(sent, dict) and isinstance(known, dict):
        lines = [f"{place}.{name}" for name in sent.keys() - known.keys()]
        for name in sent.keys() & known.keys():
            lines += unknown(sent[name], known[name], f"{place}.{name}")
        return lines
    if isinstance(sent, list) and isinstance(known, list):
        pairs = zip(sent, known, strict=True)
        return [line for number, pair in enumerate(pairs) for line in unknown(*pair, f"{place}.{number}")]
    return [] if sent == known else [place]


def experiment(document):
    """Return an experiment as Katib reads it."""
    found = V1beta1Experiment.from_dict(document)
    assert not (lines := unknown(document, found.to_dict())), lines
    return found


def monitor(document):
    """Return a ServiceMonitor as the Prometheus operator reads it."""
    found = ServiceMonitor.model_validate(document)
    assert not (lines := unknown(document, found.model_dump(by_alias=True, exclude_none=True, mode="json"))), lines
    return found


def refused(read_as, document, place, value):
    """Check that the types refuse another value at a place of a manifest."""
    *path, last = place
    inside = document
    for name in path:
        inside = inside[name]
    inside[last] = value
    try:
        read_as(document)
    except (ValueError, AssertionError):
        return
    raise AssertionError(f"{place} was not refused")


experiments = read("katib.yaml", "Experiment")
for document in experiments:
    spec = experiment(document).spec
    template, points = spec.trial_template, 1
    # What a trial asks for is declared, and the other way round.
    assert {item.reference for item in template.trial_parameters} == {item.name for item in spec.parameters}
    for item in template.trial_parameters:
        assert f"${{trialParameters.{item.name}}}" in str(template.trial_spec), item.name
    for item in spec.parameters:
        points *= len(item.feasible_space.list)
    assert points == spec.max_trial_count, (points, spec.max_trial_count)
(watched,) = read("servicemonitor.yaml", "ServiceMonitor")
(service,) = read("servicemonitor.yaml", "Service")
found = monitor(watched).spec
# It selects the service by its label, and the port by its name.
assert found.selector.match_labels.items() <= service["metadata"]["labels"].items()
assert found.endpoints[0].port in {item["name"] for item in service["spec"]["ports"]}

refused(experiment, read("katib.yaml", "Experiment")[0], ["spec", "maxTrialCount"], "many")
refused(experiment, read("katib.yaml", "Experiment")[0], ["spec", "objectiv"], {})
for place, value in ((["spec", "endpoints", 0, "interval"], "soon"), (["spec", "endpoint"], [])):
    refused(monitor, read("servicemonitor.yaml", "ServiceMonitor")[0], place, value)
print(f"{len(experiments)} experiments, a ServiceMonitor")
