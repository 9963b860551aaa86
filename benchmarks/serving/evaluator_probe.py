"""Evaluate one artifact in one way, and say as JSON what that took; :mod:`benchmarks.serving.evaluators` runs it."""

import time

BEGAN = time.perf_counter()

import hashlib  # noqa: E402
import json  # noqa: E402
import statistics  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

# What each way needs to be installed.
NEEDS = {
    "standard_library": (),
    "numpy": ("numpy",),
    "kernels": ("numpy", "scipy", "scikit-learn", "joblib", "threadpoolctl"),
    "onnxruntime": ("numpy", "onnxruntime", "flatbuffers", "protobuf", "packaging"),
    "treelite": ("numpy", "scipy", "treelite", "packaging"),
    "scikit_learn": ("numpy", "scipy", "scikit-learn", "joblib", "threadpoolctl", "pandas", "python-dateutil", "six"),
}


def standard_library(model, pipeline, onnx):
    """Return the scorer of the prediction function."""
    from slipcast.model import scorer

    return _loaded(scorer, model).score


def kernels(model, pipeline, onnx):
    """Return the scorer of the function for large batches."""
    from slipcast.model import bulk_scorer

    return _loaded(bulk_scorer, model).score


def numpy(model, pipeline, onnx):
    """Return a numpy evaluator: all trees of all rows descend by one level at a time."""
    import numpy as np

    from slipcast.model import evaluators, scorer

    plain = _loaded(scorer, model)
    described = plain.document["model"]
    prepare = plain.prepare
    if described["kind"] == "linear":
        weights, intercept = np.array(described["coefficients"]), described["intercept"]
        return lambda rows: (1 / (1 + np.exp(-(np.array(list(map(prepare, rows))) @ weights + intercept)))).tolist()
    roots, feature, number, right = map(np.array, evaluators._join(described["trees"]))
    single = described["kind"] == "forest" or described.get("single_precision")
    missing_left = np.zeros(len(feature), dtype=bool)
    for root, tree in zip(roots.tolist(), described["trees"], strict=True):
        missing_left[[root + node for node in tree.get("missing_left", [])]] = True

    def score(rows):
        matrix = np.array(list(map(prepare, rows)))
        if single:
            matrix = matrix.astype(np.float32).astype(np.float64)
        node = np.broadcast_to(roots, (len(rows), len(roots))).copy()
        place = np.arange(len(rows))[:, None]
        while True:
            column = feature[node]
            inner = column >= 0
            if not inner.any():
                break
            value = matrix[place, np.maximum(column, 0)]
            left = (value <= number[node]) | (np.isnan(value) & missing_left[node])
            node = np.where(inner, np.where(left, node + 1, right[node]), node)
        total = number[node].sum(axis=1)
        if described["kind"] == "forest":
            return (total / len(roots)).tolist()
        return (1 / (1 + np.exp(-(described["baseline"] + total)))).tolist()

    return score


def onnxruntime(model, pipeline, onnx):
    """Return ONNX Runtime with the edge bundle's graph, all of it in float64."""
    import numpy as np
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    names = json.loads(Path(model).read_bytes())["features"]

    def score(rows):
        numeric = np.array([[row[name] for name in names["numeric"]] for row in rows], dtype="float64")
        categorical = np.array([[row[name] for name in names["categorical"]] for row in rows], dtype=object)
        return session.run(["probability"], {"numeric": numeric, "categorical": categorical})[0].tolist()

    return score


def treelite(model, pipeline, onnx):
    """Return treelite's general tree inference on rows that our preparation made."""
    import joblib
    import numpy as np
    import treelite as library

    from slipcast.model import scorer

    plain = _loaded(scorer, model)
    trees = library.sklearn.import_model(joblib.load(pipeline).named_steps["model"])

    def score(rows):
        matrix = np.array(list(map(plain.prepare, rows)))
        found = library.gtil.predict(trees, matrix, nthread=1)
        return found.reshape(len(rows), -1)[:, -1].astype(float).tolist()

    return score


def scikit_learn(model, pipeline, onnx):
    """Return the pipeline with a DataFrame made of the rows."""
    import joblib
    import pandas as pd

    fitted = joblib.load(pipeline)
    numeric = list(fitted.feature_names_in_[:-3])
    return lambda rows: fitted.predict_proba(pd.DataFrame(rows).astype(dict.fromkeys(numeric, "float64")))[
        :, 1
    ].tolist()


def _loaded(module, model):
    raw = Path(model).read_bytes()
    return module.load(raw, hashlib.sha256(raw).hexdigest())


def _median(call, calls):
    times = []
    for _ in range(calls):
        began = time.perf_counter()
        call()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def _bytes(packages):
    from importlib.metadata import PackageNotFoundError, files

    total = 0
    for name in packages:
        try:
            found = files(name) or []
        except PackageNotFoundError:
            continue
        total += sum(
            path.locate().stat().st_size for path in found if path.locate().is_file() and path.suffix != ".pyc"
        )
    return total


def main():
    """Measure the way that the first argument names."""
    way, model, pipeline, onnx, records, share = sys.argv[1:]
    rows = json.loads(Path(records).read_bytes())
    score = globals()[way](model, pipeline, onnx)
    score(rows[:1])
    first = (time.perf_counter() - BEGAN) * 1000
    many = max(3, round(20 * float(share)))
    print(
        json.dumps(
            {
                "MB": round(_bytes(NEEDS[way]) / 1e6, 1),
                "first": first,
                "one": _median(lambda: score(rows[:1]), 10 * many),
                "thousand": _median(lambda: score(rows), many),
                "scores": score(rows),
            }
        )
    )


if __name__ == "__main__":
    main()
