"""Consumer of activity updates from a queue: the API's predictions, one answer for each message, in group order.

Delivery is at least once. A redelivered message keeps its id, from which the prediction's id is made: readers can
recognise duplicates in answers and log. A message that no retry can fix goes to the dead-letter queue at once, with a
reason.
"""

import base64
import json
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import SqsFifoPartialProcessor
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import BotoCoreError, ClientError

from predict.api import predictions
from predict.logged import encode
from predict.serving import log_writer
from predict.serving.model_store import LoadedModel, NoModelError
from predict.stream.message import UnusableUpdateError, read
from slipcast_aws.serving import queues

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse

# Retries span about two hours: the waits below double up to the longest. A message that crashes the function is removed
# by the queue, whose limit is higher.
GIVE_UP_AFTER = 40
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 5, 180

logger = Logger()


def answer(
    event: dict[str, Any], context: LambdaContext, model: Callable[[], LoadedModel]
) -> "PartialItemFailureResponse":
    """Answer a batch of an SQS FIFO queue and return the messages to retry (``batchItemFailures``).

    After a failed message, no other message of its group is processed, so the order is kept.
    """
    stack = queues.of_stack(event["Records"][0]["eventSourceARN"])
    processor = SqsFifoPartialProcessor(skip_group_on_error=True)
    # An update that has to wait is not an error of the function.
    processor.raise_on_entire_batch_failure = False
    with processor(event["Records"], lambda record: _one(record, stack, model), context):
        processor.process()
    response = processor.response()
    _come_again(event["Records"], response, stack.updates)
    return response


def _one(record: SQSRecord, stack: queues.Queues, model: Callable[[], LoadedModel]) -> None:
    try:
        _predict(record, stack.results, model())
    except UnusableUpdateError as error:
        _tell_release(record, HTTPStatus.UNPROCESSABLE_ENTITY)
        _set_aside(record, stack.dead_letters, str(error), error.errors, error.remedy)
    except Exception as error:
        of_aws = isinstance(error, BotoCoreError | ClientError)
        no_model = isinstance(error, NoModelError)
        if not of_aws:
            _tell_release(record, HTTPStatus.SERVICE_UNAVAILABLE if no_model else HTTPStatus.INTERNAL_SERVER_ERROR)
        tell = logger.warning if of_aws or no_model else logger.exception
        tries = int(record.attributes.approximate_receive_count)
        tell("an update was not answered", message_id=record.message_id, tries=tries, error=str(error))
        if tries < GIVE_UP_AFTER:
            raise
        reason = f"given up after {tries} tries: {type(error).__name__}: {error}"
        _set_aside(record, stack.dead_letters, reason, [], "remove the cause, then: make redrive")


def _tell_release(record: SQSRecord, status: HTTPStatus) -> None:
    """Log the failure, so that the canary is judged by the queue's errors as by those of the API."""
    request = {"httpMethod": "POST", "requestContext": {"requestId": record.message_id}}
    log_writer.finish(request, {"statusCode": int(status)}, 0.0)


def _predict(record: SQSRecord, results: str, model: LoadedModel) -> None:
    scored = predictions.score(record.message_id, model, read(record.body))
    queues.send(
        results,
        encode(scored.response()).decode(),
        group=record.attributes["MessageGroupId"],
        deduplication_id=record.message_id,
    )
    # Logged after sending: an answer that could not be sent is not a prediction yet.
    log_writer.write_lines(scored.logged(), source="stream")


def _set_aside(record: SQSRecord, url: str, reason: str, errors: list[dict[str, str]], remedy: str) -> None:
    given = {name: _as_sent(value) for name, value in record.raw_event.get("messageAttributes", {}).items()}
    queues.send(
        url,
        record.body,
        group=record.attributes["MessageGroupId"],
        deduplication_id=record.message_id,
        attributes=queues.explained(given, reason, json.dumps(errors), remedy),
    )
    logger.warning("an update was set aside", message_id=record.message_id, reason=reason)


def _as_sent(attribute: dict[str, Any]) -> dict[str, Any]:
    """Return an attribute in SQS's form; the event uses other names, and base64 for bytes."""
    if attribute.get("stringValue") is not None:
        return {"DataType": attribute["dataType"], "StringValue": attribute["stringValue"]}
    return {"DataType": attribute["dataType"], "BinaryValue": base64.b64decode(attribute["binaryValue"])}


def _come_again(records: list[dict[str, Any]], response: "PartialItemFailureResponse", url: str) -> None:
    """Set the delay after which failed messages are retried; the queue's visibility timeout is minutes long."""
    failed = {item["itemIdentifier"] for item in response["batchItemFailures"]}
    again = [record for record in records if record["messageId"] in failed]
    if not again:
        return
    tries = max(int(record["attributes"]["ApproximateReceiveCount"]) for record in again)
    wait = min(FIRST_WAIT_SECONDS * 2 ** min(tries - 1, 10), LONGEST_WAIT_SECONDS)
    try:
        queues.visible_after(url, [record["receiptHandle"] for record in again], wait)
    except (BotoCoreError, ClientError) as error:
        logger.warning("failed messages are retried only after the visibility timeout", error=str(error))
