"""What functions and roles need that no code of ours asks for, each with the reason why."""

# By a package that a function's code imports: it speaks to AWS itself.
OF_PACKAGES = {
    # sagemaker-mlflow signs each request to the serverless app; artifacts go from the client straight to its store:
    # https://docs.aws.amazon.com/sagemaker/latest/dg/mlflow-create-tracking-server-iam.html
    "mlflow": {"sagemaker:CallMlflowAppApi", "sagemaker:DescribeMlflowApp", "s3:GetObject", "s3:PutObject"},
    # Its layer for DynamoDB; a look at what is there comes back with the refused PutItem:
    # https://docs.powertools.aws.dev/lambda/python/latest/utilities/idempotency/#required-resources
    "aws_lambda_powertools.utilities.idempotency": {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"},
}
# By what Lambda polls for a function: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
OF_EVENT_SOURCES = {"AWS::SQS::Queue": {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}}
# What a function learns of by an event, not by its settings: the stream's queues have names that differ in their ends.
BY_EVENT = {"PredictFunction": {"UpdatesQueue", "ResultsQueue", "UpdatesDeadLetterQueue"}}
# The part of the bucket that those are for: no test of ours sees the calls.
PREFIXES_OF_PACKAGES = {"mlflow": "mlflow/"}
# Roles that a service takes, not a function: what they grant is what the service's manual asks for.
OF_SERVICES = {
    # The store of the serverless MLflow's artifacts:
    # https://docs.aws.amazon.com/sagemaker/latest/dg/mlflow-create-tracking-server-iam.html
    "MlflowRole": {"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"},
}
