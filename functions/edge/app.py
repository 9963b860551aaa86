"""Edge: builds, tests and publishes a released model for machines without network and for other platforms."""

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from edge import publication
from edge.settings import Settings
from slipcast.contracts import EdgePublished, EdgeRequest

logger = Logger()


@logger.inject_lambda_context
def handler(event: EdgeRequest, context: LambdaContext) -> EdgePublished:
    """Publish the bundles of ``event["model"]``, released as ``event["version"]``; a repeat writes the same files.

    Returns
    -------
    dict[str, Any]
        ``bundle_uri``, ``record_uri`` and the record's entry on ONNX: ``published``, and ``why`` if it was not

    Raises
    ------
    EdgeError
        If the scorer in the bundle does not compute what scikit-learn computed. Nothing is published then.
    SingleFileError
        If the scorer cannot be written as a single file. Nothing is published then.
    """
    settings = Settings.from_environment()
    published = publication.publish(
        bucket=settings.data_bucket,
        model=event["model"],
        version=event["version"],
        rows=settings.measured_rows,
    )
    logger.info("edge bundle published", **published)
    return published
