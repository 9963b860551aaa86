"""Updates of activities from a queue: the predictions of the API, one answer a message, in the order of its group.

Delivery is at least once. A message keeps its id when it comes again, and the prediction's id is made of it: whoever
reads an answer or the log twice can tell. What no retry can help goes to the dead-letter queue at once, with a reason.
"""

import base64
import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import SqsFifoPartialProcessor
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import BotoCoreError, ClientError

from predict.api import answers
from predict.serving import feature_lookup, log_writer
from predict.serving.model_store import LoadedModel, NoModelError
from predict.stream.message import UnusableUpdateError, read
from slipcast_aws.serving import queues

# About two hours of trouble: the waits below double up to the longest. A message that ends the function itself is
# taken away by the queue, whose limit is higher.
GIVE_UP_AFTER = 40
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 5, 180

logger = Logger()


def answer(event: dict[str, Any], context: LambdaContext, model: Callable[[], LoadedModel]) -> dict[str, Any]:
    """Answer a batch of an SQS FIFO queue and say which messages have to come again (``batchItemFailures``).

    After a message that fails no other of its group is touched: none overtakes it.
    """
    beside = queues.beside(event["Records"][0]["eventSourceARN"])
    processor = SqsFifoPartialProcessor(skip_group_on_error=True)
    # An update that has to wait is no error of the function.
    processor.raise_on_entire_batch_failure = False
    with processor(event["Records"], lambda record: _one(record, beside, model), context):
        processor.process()
    response = processor.response()
    _come_again(event["Records"], response, beside.updates)
    return response


def _one(record: SQSRecord, beside: queues.Queues, model: Callable[[], LoadedModel]) -> None:
    try:
        _predict(record, beside.results, model())
    except UnusableUpdateError as error:
        _tell_release(record, HTTPStatus.UNPROCESSABLE_ENTITY)
        _set_aside(record, beside.dead_letters, str(error), error.errors, error.remedy)
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
        _set_aside(record, beside.dead_letters, reason, [], "remove the cause, then: make redrive")


def _tell_release(record: SQSRecord, status: HTTPStatus) -> None:
    """A canary that answers the queue worse than the live version is found out as one that answers the API worse."""
    request = {"httpMethod": "POST", "requestContext": {"requestId": record.message_id}}
    log_writer.finish(request, {"statusCode": int(status)}, 0.0)


def _predict(record: SQSRecord, results: str, model: LoadedModel) -> None:
    activity = read(record.body)
    known = feature_lookup.with_history([activity], model.scorer.history)
    rows = [model.scorer.features(item) for item in known]
    response = answers.answer(record.message_id, model, [activity], model.scorer.score(rows))
    queues.send(
        results,
        response.model_dump_json(),
        group=record.attributes.message_group_id,
        deduplication_id=record.message_id,
    )
    # After the answer: one that could not be sent is no prediction yet.
    answers.write(response, rows, [activity.get("project_id")], source="stream")


def _set_aside(record: SQSRecord, url: str, reason: str, errors: list[dict[str, str]], remedy: str) -> None:
    given = {name: _as_sent(value) for name, value in record.raw_event.get("messageAttributes", {}).items()}
    queues.send(
        url,
        record.body,
        group=record.attributes.message_group_id,
        deduplication_id=record.message_id,
        attributes=queues.explained(given, reason, json.dumps(errors), remedy),
    )
    logger.warning("an update was set aside", message_id=record.message_id, reason=reason)


def _as_sent(attribute: dict[str, Any]) -> dict[str, Any]:
    """An attribute as SQS takes it; the event has it in other names, and bytes as base64."""
    if attribute.get("stringValue") is not None:
        return {"DataType": attribute["dataType"], "StringValue": attribute["stringValue"]}
    return {"DataType": attribute["dataType"], "BinaryValue": base64.b64decode(attribute["binaryValue"])}


def _come_again(records: list[dict[str, Any]], response: dict[str, Any], url: str) -> None:
    """Without this, whatever failed would wait for the queue's visibility timeout, which is minutes."""
    failed = {item["itemIdentifier"] for item in response["batchItemFailures"]}
    again = [record for record in records if record["messageId"] in failed]
    if not again:
        return
    tries = max(int(record["attributes"]["ApproximateReceiveCount"]) for record in again)
    wait = min(FIRST_WAIT_SECONDS * 2 ** min(tries - 1, 10), LONGEST_WAIT_SECONDS)
    try:
        queues.visible_after(url, [record["receiptHandle"] for record in again], wait)
    except (BotoCoreError, ClientError) as error:
        logger.warning("what failed comes again only after the visibility timeout", error=str(error))
