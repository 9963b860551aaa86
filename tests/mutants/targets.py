"""Which modules are changed, and which tests have to notice: the only place that names them.

A module name that is found on `PATHS` is enough; the tests are files or folders.
"""

# Where modules are found, relative to the root of the repository.
PATHS = ("src", "functions", "tests", ".")
TARGETS: dict[str, tuple[str, ...]] = {
    "slipcast.datasets.labels": ("tests/unit/datasets/test_labels.py",),
    "slipcast.evaluation.threshold": ("tests/unit/evaluation/test_threshold.py",),
    "slipcast.evaluation.gate": ("tests/unit/evaluation/test_gate.py",),
    "slipcast.release.canary": ("tests/unit/release/test_canary.py",),
    "slipcast.training.retraining": ("tests/unit/training/test_retraining.py",),
    "slipcast.monitoring.drift": ("tests/unit/monitoring/test_drift.py", "tests/unit/monitoring/test_distances.py"),
    "slipcast.features.point_in_time": ("tests/unit/features/test_point_in_time.py",),
    "slipcast.features.activity": ("tests/unit/features/test_activity.py",),
    "predict.api.requests": ("tests/unit/predict/test_requests.py",),
    "predict.transport.body": ("tests/unit/predict/test_body.py",),
}
