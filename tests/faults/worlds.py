"""What a function finds in AWS: buckets, tables, files, as the stack and earlier executions leave them."""

import csv
import hashlib
import io
import json

import boto3
import pandas as pd

from slipcast_aws import storage

SETTINGS = {
    **{"DATA_BUCKET": "data", "CONTROL_TABLE": "control", "FEATURE_TABLE": "features"},
    **{"PREDICT_FUNCTION": "slipcast-predict", "TOLERANCE_DAYS": "30", "RANDOM_SEED": "20240101"},
    **{"MAX_FILE_MEGABYTES": "1", "ON_SCHEMA_CHANGE": "warn", "MAX_BAD_SHARE": "0.2", "MIN_MATURED_ROWS": "20"},
    **{"TRAIN_ON_NEW_DATA": "true", "RETRAIN_BUDGET": "2", "COOLDOWN_MINUTES": "60", "HOLDOUT_MONTHS": "18"},
    **{"MISSED_DELAY_COST": "2", "FALSE_ALARM_COST": "1", "FAIRNESS_COLUMNS": "location, phase"},
    **{"MAX_SELECTION_RATE_GAP": "1", "MAX_FALSE_NEGATIVE_RATE_GAP": "1", "MAX_CALIBRATION_GAP": "1"},
    **{"MIN_FORECAST_COVERAGE": "0.7", "MAX_FORECAST_COVERAGE": "0.9"},
    **{"MAX_MODEL_AGE_DAYS": "365", "NON_INFERIORITY_MARGIN": "0.005", "RETRAIN_ALARMS": "slipcast-drift"},
}


def bucket() -> None:
    """Make the versioned data bucket."""
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="data")
    s3.put_bucket_versioning(Bucket="data", VersioningConfiguration={"Status": "Enabled"})


def source(key: str, version_id: str, number: int = 0) -> dict[str, str]:
    """Return drop `number` of a key as trigger names it; S3's sequencer grows with each."""
    return {"bucket": "data", "key": key, "version_id": version_id, "sequencer": f"0062E99A88DC{number:06X}"}


def control_table() -> None:
    """Make an empty control table."""
    _table("control", "pk", "sk")


def feature_table() -> None:
    """Make an empty feature store."""
    _table("features", "pk")


def _table(name: str, *keys: str) -> None:
    boto3.client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)],
    )


def state_machine() -> None:
    """Make a state machine of the pipeline's name."""
    role = boto3.client("iam").create_role(RoleName="states", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    boto3.client("stepfunctions").create_state_machine(
        name="slipcast-pipeline",
        definition=json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}),
        roleArn=role,
    )


def schedule(data_date: str, rows: int = 30, bad: tuple[int, ...] = ()) -> bytes:
    """Return a schedule whose even activities were late; the rows numbered in `bad` have no readable budget."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["activity_id", "data_date", "start", "baseline_finish", "actual_finish", "budget"])
    for number in range(rows):
        finish = "2023-09-30" if number % 2 == 0 else "2023-06-20"
        budget = "a lot" if number in bad else str(1000 + number)
        writer.writerow([f"A{number:02}", data_date, "2023-01-02", "2023-06-30", finish, budget])
    return out.getvalue().encode()


def dataset(phases: str) -> dict:
    """Store a dataset version with an activity for each letter and return its reference."""
    rows = [
        {
            **{"activity_id": f"A{number}", "project_id": "p", "phase": phase, "activity_name": f"{phase} {number}"},
            **{"location": "here", "data_date": pd.Timestamp("2024-12-31"), "start": pd.Timestamp("2024-01-01")},
            "baseline_finish": pd.Timestamp("2024-03-01"),
            "actual_finish": pd.Timestamp("2024-03-01"),
        }
        for number, phase in enumerate(phases)
    ]
    buffer = io.BytesIO()
    pd.DataFrame(rows).to_parquet(buffer)
    sha256 = hashlib.sha256(buffer.getvalue()).hexdigest()
    uri = f"s3://data/datasets/{sha256[:16]}/table.parquet"
    storage.write_bytes(uri, buffer.getvalue())
    return {"dataset_id": sha256[:16], "uri": uri, "sha256": sha256}
