"""Adapters between the domain package and AWS or MLflow: the only code that calls boto3 or an MLflow client."""
