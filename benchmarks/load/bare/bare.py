"""What the runtime itself takes: a handler that does nothing."""

ANSWER = {
    "statusCode": 200,
    "headers": {"Content-Type": "application/json"},
    "body": '{"predictions": [{"probability": 0.5}], "errors": []}',
}


def handler(event: dict, context: object) -> dict:
    """Answer a constant."""
    return ANSWER
