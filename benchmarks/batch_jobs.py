"""Rows in a second and peak memory of batch jobs: ``.venv/bin/python benchmarks/batch_jobs.py``.

S3 and DynamoDB are in memory. Each form of the file is worked on in a process of its own, by the logistic regression of
the tests; the history is sent.
"""

import io
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SIZES = (20_000, 200_000)
KINDS = {
    "CSV": "text/csv",
    "NDJSON": "application/x-ndjson",
    "Arrow": "application/vnd.apache.arrow.stream",
    "Parquet": "application/vnd.apache.parquet",
}


def table(rows: int) -> bytes:
    """Return activities as CSV."""
    lines = ["activity_id,phase,location,start,data_date,baseline_duration_days,project_slip_days"]
    lines += [
        f"A{n},Design,district {n % 30:02},2022-0{n % 9 + 1}-01,2022-01-01,{n % 300 + 1},{n % 7}" for n in range(rows)
    ]
    return "\n".join(lines).encode()


def written(kind: str, rows: int) -> bytes:
    """Return the activities in a form."""
    raw = table(rows)
    if kind == KINDS["CSV"]:
        return raw
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    options = pa.csv.ConvertOptions(column_types={"start": pa.string(), "data_date": pa.string()})
    found, sink = pa.csv.read_csv(io.BytesIO(raw), convert_options=options), io.BytesIO()
    if kind == KINDS["NDJSON"]:
        given = found.to_pylist()
        return b"".join(
            json.dumps({**row, "history": {"project_slip_days": float(row.pop("project_slip_days"))}}).encode() + b"\n"
            for row in given
        )
    if kind == KINDS["Parquet"]:
        pa.parquet.write_table(found, sink, row_group_size=50_000)
    else:
        with pa.ipc.new_stream(sink, found.schema) as writer:
            writer.write_table(found, max_chunksize=10_000)
    return sink.getvalue()


def work(kind: str, rows: int) -> None:
    """Print seconds and peak of memory in MB, of the work alone, as JSON."""
    sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "functions")]
    from moto import mock_aws

    os.environ |= {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    os.environ |= {"POWERTOOLS_METRICS_NAMESPACE": "Slipcast", "DATA_BUCKET": "data", "CONTROL_TABLE": "control"}
    os.environ |= {"POWERTOOLS_LOG_LEVEL": "CRITICAL", "PREDICT_FUNCTION": "slipcast-predict"}
    with mock_aws():
        import boto3

        from predict.jobs import store, web, work
        from slipcast.model.artifact import digest
        from support.predict_api import artifact

        client, raw = boto3.client("s3"), written(kind, rows)
        client.create_bucket(Bucket="data")
        client.put_object(Bucket="data", Key="models/m/model.json", Body=artifact())
        client.put_object(Bucket="data", Key="batch-input/b", Body=raw)
        boto3.client("dynamodb").create_table(
            TableName="control",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        )
        size, moment = len(raw), store.now()
        del raw
        job = store.Job(
            id="b",
            caller="",
            state=store.RUNNING,
            kind=kind,
            accept=kind,
            forecasts=False,
            created=moment.isoformat(),
            expires=(moment + store.KEPT).isoformat(),
            uri="s3://data/batch-input/b",
            uploaded=True,
            today="2022-01-01",
            size=size,
        )
        job.model = {"uri": "s3://data/models/m/model.json", "sha256": digest(artifact()), "version": "1"}
        job.model |= {"model_id": "m", "dataset_id": "d", "forecast_uri": ""}
        store.write(job)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.process_time()
        state = work.work("b", _Context())
        seconds = time.process_time() - began
        assert state == store.SUCCEEDED, web.store.read("b")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(json.dumps({"seconds": seconds, "mb": peak / 1024, "bytes": size}))


class _Context:
    """Context of an invocation that has time."""

    function_name = "slipcast-jobs"

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


def main() -> None:
    """Print a table: form, rows, MB of the file, processor seconds, rows in a second, MB above what the process had."""
    print("| form | rows | MB | rows in a second | MB of memory more |\n|---|--:|--:|--:|--:|")
    for name, kind in KINDS.items():
        for rows in SIZES:
            done = subprocess.run(
                [sys.executable, __file__, kind, str(rows)], capture_output=True, text=True, check=True, cwd=ROOT
            )
            found = json.loads(done.stdout.splitlines()[-1])
            pace = rows / found["seconds"]
            print(f"| {name} | {rows:,} | {found['bytes'] / 1e6:.1f} | {pace:,.0f} | {found['mb']:.0f} |", flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        work(sys.argv[1], int(sys.argv[2]))
    else:
        main()
