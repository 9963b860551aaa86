"""Slipcast's domain: schedules, labels, features, candidates, metrics, drift and model artifacts. Knows no AWS.

The modules that a prediction needs (`schema`, `features`, `model.artifact`, `model.scorer`) import only the standard
library.
"""

__version__ = "0.1.0"
