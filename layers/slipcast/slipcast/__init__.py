"""Slipcast's domain: schedules, labels, features, candidates, metrics, drift and model artefacts. Knows no AWS.

The modules that a prediction needs (`schema`, `features`, `artefact`, `scorer`) import nothing but the standard library.
"""

__version__ = "0.1.0"
