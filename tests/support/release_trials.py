"""Models to release by hand: as good as the live one, or bad in one way. The bad ones are bad by their layer alone."""

import io
import json
import time
import zipfile
from typing import Any

from local.watch import Stack
from slipcast.model import artifact, scorer
from slipcast_aws.release import versions

# Wraps the domain package from a layer that comes after it: what a release brings may be any code.
WRAPPER = """
from pkgutil import extend_path
__path__ = extend_path(__path__, __name__)
from slipcast.model import scorer as _scorer
import random, time
# Each environment begins elsewhere: what happens does not depend on how many there are.
_score, _count = _scorer.Scorer.score_columns, random.randrange(20)
def score_columns(self, columns):
    global _count
    # Known answers are asked for in one request of many: those are right.
    if len(next(iter(columns.values()))) == 1:
        _count += 1
        {harm}
    return _score(self, columns)
_scorer.Scorer.score_columns = score_columns
"""
HARMS = {
    "failing": "if _count % 20 < 2: raise RuntimeError('one in twenty, and when it is tried again')",
    "slow": "time.sleep(0.15)",
    "crashing": "if _count % 10 == 0: __import__('os')._exit(1)",
}


class Trials:
    """Publishes models beside the live one and runs the pipeline from PublishVersion on."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.function = stack.env["SLIPCAST_PREDICT_FUNCTION"]
        self.release_function = stack.env["SLIPCAST_STACK"] + "-release"
        self.machine = self._machine()
        self._pinned: dict[str, dict[str, str]] = {}
        self._scores: dict[str, list[float]] = {}

    def _machine(self) -> str:
        """Make a state machine of the deployed states that begins where the gate has let a model through."""
        deployed = self.stack.states.describe_state_machine(stateMachineArn=self.stack.machine)
        definition = json.loads(deployed["definition"])
        begin = definition["States"]["Begin"]
        begin["Assign"] |= {
            **{"reason": "trial", "source": {}, "prepared": {"upload": None}},
            **{"verdict": "{% $states.input %}", "why": "{% $states.input.why %}"},
        }
        begin["Next"] = "PublishVersion"
        return self.stack.states.create_state_machine(
            name=f"{self.stack.env['SLIPCAST_STACK']}-release-only-{time.time_ns()}",
            definition=json.dumps(definition),
            roleArn=deployed["roleArn"],
        )["stateMachineArn"]

    def settings(self, **changed: str) -> dict[str, str]:
        """Change settings of the release function and return those from before."""
        found = self.stack.lambdas.get_function_configuration(FunctionName=self.release_function)
        before = found["Environment"]["Variables"]
        self.stack.lambdas.update_function_configuration(
            FunctionName=self.release_function, Environment={"Variables": before | changed}
        )
        return before

    def pinned(self, version: str) -> dict[str, str]:
        """Return the variables of a version of the predict function."""
        if version not in self._pinned:
            found = self.stack.lambdas.get_function_configuration(FunctionName=self.function, Qualifier=version)
            self._pinned[version] = found["Environment"]["Variables"]
        return self._pinned[version]

    def artifact(self, version: str) -> dict[str, Any]:
        """Return the model of a version."""
        return json.loads(self._read(self.pinned(version)["MODEL_URI"]))

    def model(self, name: str, *, shift: float = 0.0, harm: str | None = None) -> dict[str, Any]:
        """Store a model like the live one under another name and return it as the evaluation does.

        Parameters
        ----------
        shift : added to the log-odds of every score
        harm : one of `HARMS`
        """
        live = self.pinned(self.stack.live_version())
        document = json.loads(self._read(live["MODEL_URI"]))
        golden = json.loads(self._read(live["MODEL_URI"].rsplit("/", 1)[0] + "/golden.json"))
        document["metadata"]["model_id"] = name
        if shift:
            line = document.get("calibration") or {"slope": 1.0, "intercept": 0.0, "clip": 1e-6}
            document["calibration"] = {**line, "intercept": line["intercept"] + shift}
        raw = artifact.encode(document)
        sha256 = artifact.digest(raw)
        golden["scores"] = scorer.load(raw, sha256).predict_proba(golden["activities"])
        # Of trials the classifier alone is published.
        golden.pop("forecasts", None)
        folder = f"models/{name}/{sha256}"
        for file, content in (
            ("model.json", raw),
            ("layer.zip", _layer(raw, harm)),
            ("golden.json", json.dumps(golden).encode()),
            ("profile.json", self._read(live["MODEL_PROFILE_URI"])),
        ):
            self.stack.s3.put_object(Bucket=self.stack.bucket, Key=f"{folder}/{file}", Body=content)
        prefix = f"s3://{self.stack.bucket}/{folder}"
        return {
            **{"model_id": name, "family": document["family"], "sha256": sha256},
            **{"artefact_uri": f"{prefix}/model.json", "profile_uri": f"{prefix}/profile.json"},
            **{"golden_uri": f"{prefix}/golden.json", "layer_key": f"{folder}/layer.zip"},
            **{"dataset_id": live["MODEL_DATASET_ID"], "trained_at": live["MODEL_TRAINED_AT"]},
            # MLflow knows the live model's execution: outcomes are noted there.
            "execution": live["MODEL_EXECUTION"],
        }

    def release(self, model: dict[str, Any]) -> str:
        """Start the release of a model and return its execution's ARN."""
        verdict = {"release": True, "why": f"trial of {model['model_id']}", "model": model, "reason": "trial"}
        name = f"trial-{model['model_id']}-{time.time_ns()}"
        return self.stack.states.start_execution(stateMachineArn=self.machine, name=name, input=json.dumps(verdict))[
            "executionArn"
        ]

    def weights(self) -> dict[str, float]:
        """Return the weights of further versions of the alias."""
        found = self.stack.lambdas.get_alias(FunctionName=self.function, Name="live")
        return found.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})

    def scores(self, version: str, activities: list[dict[str, Any]]) -> list[float]:
        """Return the scores that a version's model gives, computed here."""
        if version not in self._scores:
            self._scores[version] = scorer.Scorer(self.artifact(version)).predict_proba(activities)
        return self._scores[version]

    def _read(self, uri: str) -> bytes:
        bucket, key = uri.removeprefix("s3://").split("/", 1)
        return self.stack.s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def _layer(raw: bytes, harm: str | None) -> bytes:
    if harm is None:
        return versions.layer_archive(raw)
    written = io.BytesIO(versions.layer_archive(raw))
    with zipfile.ZipFile(written, "a") as archive:
        archive.writestr("python/slipcast/__init__.py", WRAPPER.format(harm=HARMS[harm]))
    return written.getvalue()
