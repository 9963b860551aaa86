"""Which modules are changed, and which tests have to notice: the only place that names them.

A module name that is found on `PATHS` is enough; the tests are files or folders.
"""

# Where modules are found, relative to the root of the repository.
PATHS = ("layers/slipcast", "layers/aws", "functions/predict", "tests", ".")
TARGETS: dict[str, tuple[str, ...]] = {
    "slipcast.labels": ("tests/unit/test_labels.py",),
    "slipcast.threshold": ("tests/unit/test_threshold.py",),
    "slipcast.gate": ("tests/unit/test_gate.py",),
    "slipcast.canary": ("tests/unit/test_canary.py",),
    "slipcast.retraining": ("tests/unit/test_retraining.py",),
    "slipcast.drift": ("tests/unit/test_drift.py", "tests/unit/test_effects.py"),
    "slipcast.history": ("tests/unit/test_history.py",),
    "plain_request": ("tests/unit/test_plain_request.py",),
    "json_body": ("tests/integration/test_predict_function.py",),
}
