"""Edge: makes the bundle of a released model for machines without network and packages, tries it and publishes it."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from edge import publication
from slipcast_aws.settings import number, setting

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Publish the bundle of ``event["model"]``, released as ``event["version"]``; repeated, it writes the same files.

    Returns
    -------
    ``bundle_uri``, ``record_uri`` and what the record says of ONNX: ``published``, and ``why`` where not

    Raises
    ------
    EdgeError, SingleFileError
        If the scorer in the bundle does not compute what scikit-learn computed. Nothing is published then.
    """
    published = publication.publish(
        bucket=setting("DATA_BUCKET"),
        model=event["model"],
        version=event["version"],
        rows=int(number("MEASURED_ROWS")),
    )
    logger.info("edge bundle published", **published)
    return published
