"""Costs of a prediction: Slipcast's handler next to bare handlers, scikit-learn, MLflow and MLServer.

``.venv/bin/python -m benchmarks.serving`` measures it; docs/serving.md explains the figures.
"""
