"""Commands for operators, which read and change a deployed stack. They are in no Lambda function."""
