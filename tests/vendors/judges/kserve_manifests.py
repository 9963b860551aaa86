"""Kubernetes: each field of the manifests is one of the types of the clients of Kubernetes and KServe."""

import re
import sys
from pathlib import Path

import kserve.models
import kubernetes.client.models
import yaml

KINDS = {"Secret": "V1Secret", "ServiceAccount": "V1ServiceAccount", "Service": "V1Service", "ConfigMap": "V1ConfigMap"}
KINDS |= {"InferenceService": "V1beta1InferenceService", "ServingRuntime": "V1alpha1ServingRuntime", "Job": "V1Job"}
# Neither client has types for these; of an experiment the job of a trial is judged here, the rest by Katib's own.
ELSEWHERE = {"Experiment", "ServiceMonitor"}
PLAIN = {"str": str, "int": int, "bool": bool, "float": float}


def wrong(value, kind, place):
    """Return what is wrong with a value, its place first; nothing where all is well."""
    if inner := re.fullmatch(r"list\[(.+)\]", kind):
        if not isinstance(value, list):
            return [f"{place}: no list"]
        return [line for number, item in enumerate(value) for line in wrong(item, inner[1], f"{place}.{number}")]
    if inner := re.fullmatch(r"dict\(str, (.+)\)", kind):
        if not isinstance(value, dict):
            return [f"{place}: no object"]
        return [line for name, item in value.items() for line in wrong(item, inner[1], f"{place}.{name}")]
    if kind in PLAIN:
        # A bool is an int for Python, not for Kubernetes.
        fits = isinstance(value, PLAIN[kind]) and (kind == "bool" or not isinstance(value, bool))
        return [] if fits else [f"{place}: {value!r} is no {kind}"]
    found = getattr(kserve.models, kind, None) or getattr(kubernetes.client.models, kind, None)
    if found is None or not hasattr(found, "openapi_types"):
        return []
    if not isinstance(value, dict):
        return [f"{place}: no object"]
    names = {sent: name for name, sent in found.attribute_map.items()}
    lines = [f"{place}.{name}: {kind} has no such field" for name in value.keys() - names.keys()]
    for name in value.keys() & names.keys():
        lines += wrong(value[name], found.openapi_types[names[name]], f"{place}.{name}")
    return lines


def read(text):
    """Return the manifests in a file, and the jobs of trials."""
    manifests = [item for item in yaml.safe_load_all(text) if item]
    jobs = [item["spec"]["trialTemplate"]["trialSpec"] for item in manifests if item["kind"] == "Experiment"]
    return manifests + jobs


folder, judged = Path(sys.argv[1]), 0
# KFP's pipeline is no manifest.
for path in sorted({*folder.glob("*.yaml")} - {folder / "pipeline.yaml"}):
    for manifest in read(path.read_text()):
        if manifest["kind"] in ELSEWHERE:
            continue
        lines = wrong(manifest, KINDS[manifest["kind"]], f"{path.name} {manifest['kind']}")
        assert not lines, lines
        judged += 1
text = (folder / "inferenceservice.yaml").read_text()
for broken in (text.replace("minReplicas: 1", "minReplica: 1"), text.replace("minReplicas: 1", "minReplicas: one")):
    assert wrong(read(broken)[0], "V1beta1InferenceService", "x"), "a wrong manifest was not refused"
print(f"{judged} manifests")
