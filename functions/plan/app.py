"""Plan: cuts the dataset by time and lists the candidates to train, one task each."""

import tempfile
from datetime import date
from pathlib import Path
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from slipcast import candidates, dataset, labels, split, versions
from slipcast.history_table import history_table
from slipcast_aws import storage
from slipcast_aws.settings import number, setting

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Write the training and holdout tables of an execution and return its tasks.

    Returns
    -------
    ``tasks`` (family and training table of each candidate), ``tables`` (URIs and digests), ``cut`` (ISO date)
    """
    source = event["dataset"]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "table.parquet")
        storage.download(source["uri"], file, sha256=source["sha256"])
        table = versions.read_table(file)
    tolerance_days = int(number("TOLERANCE_DAYS"))
    labelled = labels.label(table, tolerance_days)
    labelled = labelled.join(history_table(table, labelled, tolerance_days))
    cut = split.holdout_cut(date.fromisoformat(source["data_date"]), int(number("HOLDOUT_MONTHS")))
    train, holdout = split.split(labelled, cut)
    if not len(train) or not len(holdout):
        raise ValueError(
            f"the cut {cut} leaves {len(train)} activities to train on and {len(holdout)} to test on: "
            "drop a longer history or lower HoldoutMonths"
        )
    prefix = f"s3://{setting('DATA_BUCKET')}/runs/{event['execution']}"
    tables = {}
    for name, part in {"train": train, "holdout": holdout}.items():
        uri = f"{prefix}/{name}.csv.gz"
        tables[name] = {"uri": uri, "sha256": storage.write_bytes(uri, dataset.to_bytes(part)), "rows": len(part)}
    tasks = [{"family": candidate.name, "train": tables["train"]} for candidate in candidates.load_candidates()]
    logger.info("planned", cut=str(cut), tasks=len(tasks), rows={name: item["rows"] for name, item in tables.items()})
    return {"tasks": tasks, "tables": tables, "cut": cut.isoformat()}
