"""What functions and roles need that no code of ours asks for, each with the reason why."""

# By a package that a function's code imports: it speaks to AWS itself.
OF_PACKAGES = {
    # sagemaker-mlflow signs each request to the serverless app; artefacts go from the client straight to its store:
    # https://docs.aws.amazon.com/sagemaker/latest/dg/mlflow-create-tracking-server-iam.html
    "mlflow": {"sagemaker:CallMlflowAppApi", "sagemaker:DescribeMlflowApp", "s3:GetObject", "s3:PutObject"},
}
# The part of the bucket that those are for: no test of ours sees the calls.
PREFIXES_OF_PACKAGES = {"mlflow": "mlflow/"}
# Roles that a service takes, not a function: what they grant is what the service's manual asks for.
OF_SERVICES = {
    # The store of the serverless MLflow's artefacts:
    # https://docs.aws.amazon.com/sagemaker/latest/dg/mlflow-create-tracking-server-iam.html
    "MlflowRole": {"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"},
}
