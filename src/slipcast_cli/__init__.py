"""Commands of operators: they read and change a deployed stack. In no Lambda function."""
