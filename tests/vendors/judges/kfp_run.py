"""Kubeflow: KFP compiles the pipeline and runs it by its subprocess runner, from a CSV file to a model."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

folder, schedule, candidates, forecast = Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
sys.path.insert(0, str(folder))

import kfp  # noqa: E402
import pipeline  # noqa: E402
import yaml  # noqa: E402
from kfp import compiler, local  # noqa: E402

compiler.Compiler().compile(pipeline.pipeline, str(folder / "pipeline.yaml"))
spec = next(yaml.safe_load_all((folder / "pipeline.yaml").read_text()))
assert [*spec["root"]["dag"]["tasks"]] == ["evaluate", "importer", "prepare", "train"]
# As training/Dockerfile installs it: KFP alone in the interpreter that has Slipcast is enough to start a step.
assert 'pip install --no-cache-dir --no-deps "kfp' in (folder / "training/Dockerfile").read_text()
with tempfile.TemporaryDirectory() as alone:
    (Path(alone) / "kfp").symlink_to(Path(kfp.__file__).parent)
    step = [os.environ["SLIPCAST_PYTHON"], "-m", "kfp.dsl.executor_main", "--help"]
    subprocess.run(
        step, env={"PYTHONPATH": alone, "_KFP_RUNTIME": "true", "PATH": ""}, check=True, stdout=subprocess.DEVNULL
    )
if schedule != "-":
    root = folder / "outputs"
    local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root=str(root), raise_on_error=True)
    done = pipeline.pipeline(
        schedule=schedule, candidates=Path(candidates).read_text(), forecast=Path(forecast).read_text()
    )
    model = Path(done.output.path) if hasattr(done, "output") else next(root.rglob("release.json")).parent
    release = json.loads((model / "release.json").read_text())
    print(json.dumps({"model": str(model), "sha256": release["model_sha256"]}))
else:
    print("compiled")
