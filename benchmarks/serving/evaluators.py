"""Ways to evaluate the same artifact: standard library, numpy, scikit-learn's kernels, ONNX Runtime, treelite.

Each is measured in a process of its own in the benchmark's environment: size of what it needs, start to first answer,
one and a thousand rows, largest difference from the pipeline.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.serving import loopback, models, runtime

PROBE = Path(__file__).with_name("evaluator_probe.py")
WAYS = ("standard_library", "numpy", "kernels", "onnxruntime", "treelite", "scikit_learn")


def measure(case: models.Case, rows: pd.DataFrame, share: float = 1.0) -> dict[str, dict[str, Any]]:
    """Return what was measured of each way; a way that cannot hold the model says why."""
    import joblib

    python = loopback.environment()
    frame = models.frame(rows.head(1000))
    records = models.FOLDER / "records.json"
    records.write_text(models.records(frame))
    onnx = case.model.with_suffix(".onnx")
    onnx.write_bytes(_onnx(case))
    expected = joblib.load(case.pipeline).predict_proba(frame)[:, 1]
    found = {}
    for way in WAYS:
        paths = [runtime.ROOT / "layers" / "slipcast"]
        done = subprocess.run(
            [str(python), str(PROBE), way, str(case.model), str(case.pipeline), str(onnx), str(records), str(share)],
            env=runtime.environment(PYTHONPATH=":".join(map(str, paths)), OMP_NUM_THREADS="1"),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            found[way] = {"failed": done.stderr.strip().splitlines()[-1][:200]}
            continue
        answer = json.loads(done.stdout.splitlines()[-1])
        answer["difference"] = float(np.abs(np.array(answer.pop("scores")) - expected).max())
        found[way] = answer
    return found


def _onnx(case: models.Case) -> bytes:
    from slipcast.edge import onnx_graph
    from slipcast.model import scorer

    return onnx_graph.build(scorer.load(case.model.read_bytes(), case.sha256), case.sha256)
