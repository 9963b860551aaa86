"""Slipcast's domain: schedules, labels, features, candidates, metrics, drift and model artefacts. Knows no AWS.

What a prediction needs (`schema`, `features`, `artefact`, `scorer`) imports nothing but the standard library.
"""

__version__ = "0.1.0"
