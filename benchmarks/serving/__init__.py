"""What a prediction costs: Slipcast's handler beside bare handlers, scikit-learn, MLflow and MLServer.

``.venv/bin/python -m benchmarks.serving`` measures it; docs/serving.md explains the figures.
"""
