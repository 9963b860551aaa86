"""Upload of a schedule file, the execution that it starts, and the result."""

import csv
import io
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from slipcast.training.retraining import execution_name
from slipcast_aws import links
from slipcast_cli.stack import DeployedStack, StackError

# EventBridge delivers within seconds; its retries take longer.
START_SECONDS = 180
# Long enough to look at the page once, and to show it to somebody.
LINK_SECONDS = 3600
# Outcomes of an execution that ingested the file.
ACCEPTED = ("released", "kept", "ingested", "rolled_back")


@dataclass(frozen=True)
class Dropped:
    """An uploaded file.

    Attributes
    ----------
    uri, version_id
        Where it is.
    execution
        ARN of the execution that it starts: its name is a digest of the upload.
    """

    uri: str
    version_id: str
    execution: str

    @property
    def name(self) -> str:
        """Name of the execution."""
        return self.execution.rpartition(":")[2]


@dataclass(frozen=True)
class Result:
    """Result of a dropped file.

    Attributes
    ----------
    outcome
        ``released``, ``kept``, ``ingested``, ``rolled_back``, ``refused`` or ``failed``.
    why
        One line for people.
    intake
        The intake report, ``reports/<execution>/intake.json``; None if the file was not read.
    page
        Link to the page of the intake report, valid for an hour; None without a report.
    riskiest
        Rows of ``predictions/<source>/<data date>.csv``, the highest probability first; empty without a live model.
    """

    outcome: str
    why: str
    intake: dict[str, Any] | None = None
    riskiest: list[dict[str, str]] = field(default_factory=list)
    page: str | None = None

    @property
    def accepted(self) -> bool:
        """True if the file was accepted."""
        return self.outcome in ACCEPTED


class Drop:
    """Upload of a file to one stack.

    Parameters
    ----------
    stack
        The stack.
    session
        AWS credentials; needs s3:PutObject on ``incoming/``, states:DescribeExecution and
        states:GetExecutionHistory, and s3:GetObject on ``reports/`` and ``predictions/``.
    every
        Seconds between two looks.
    """

    def __init__(self, stack: DeployedStack, session: boto3.Session | None = None, every: float = 2.0) -> None:
        session = session or boto3.Session()
        # Its links must name the region as well.
        self._s3, self._states = session.client("s3", config=links.config()), session.client("stepfunctions")
        self._bucket, self._machine = stack.output("DataBucketName"), stack.output("StateMachineArn")
        self._every = every

    def upload(self, file: Path, folder: str = "") -> Dropped:
        """Upload the file to ``incoming/``; a folder below it names the profile that reads it."""
        key = "/".join(["incoming", *([folder.strip("/")] if folder.strip("/") else []), file.name])
        with file.open("rb") as stream:
            answer = self._s3.put_object(Bucket=self._bucket, Key=key, Body=stream)
        version = answer.get("VersionId", "")
        name = execution_name("new_data", self._bucket, key, version)
        execution = f"{self._machine.replace(':stateMachine:', ':execution:')}:{name}"
        return Dropped(f"s3://{self._bucket}/{key}", version, execution)

    def follow(self, dropped: Dropped, minutes: float) -> Iterator[str]:
        """Yield the states of the execution as it enters them, until it ends.

        Raises
        ------
        StackError
            If the execution does not begin within three minutes, or still runs after `minutes`.
        """
        start, end = time.monotonic() + START_SECONDS, time.monotonic() + 60 * minutes
        seen = 0
        while True:
            status = self._status(dropped)
            if status is None:
                if time.monotonic() > start:
                    raise StackError(
                        f"no execution began within {START_SECONDS // 60} minutes of the upload of {dropped.uri}",
                        "slipcast dead-letters lists what could not be delivered",
                    )
            else:
                entered = self._entered(dropped)
                yield from entered[seen:]
                seen = len(entered)
                if status != "RUNNING":
                    return
                if time.monotonic() > end:
                    raise StackError(
                        f"{dropped.name} still runs after {minutes:g} minutes",
                        "it goes on by itself; wait longer with --minutes, or look at slipcast history later",
                    )
            time.sleep(self._every)

    def result(self, dropped: Dropped, top: int) -> Result:
        """Return the result of a file whose execution has ended, with its `top` riskiest open activities."""
        description = self._states.describe_execution(executionArn=dropped.execution)
        output = json.loads(description.get("output") or "{}")
        intake = self._document(f"reports/{dropped.name}/intake.json")
        page = self._link(f"reports/{dropped.name}/intake.html") if intake else None
        if description["status"] != "SUCCEEDED":
            if intake is not None and intake.get("outcome") == "refused":
                return Result("refused", intake["why"], intake, page=page)
            why = " ".join(filter(None, [description.get("error"), description.get("cause")]))
            return Result("failed", why, intake, page=page)
        rows = self._predictions(intake)[:top] if intake else []
        return Result(output.get("outcome", "ingested"), output.get("why", ""), intake, rows, page)

    def _status(self, dropped: Dropped) -> str | None:
        try:
            return self._states.describe_execution(executionArn=dropped.execution)["status"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "ExecutionDoesNotExist":
                return None
            raise

    def _entered(self, dropped: Dropped) -> list[str]:
        pages = self._states.get_paginator("get_execution_history").paginate(
            executionArn=dropped.execution, includeExecutionData=False
        )
        events = (event for page in pages for event in page["events"])
        return [event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event]

    def _link(self, key: str) -> str:
        wanted = {"Bucket": self._bucket, "Key": key}
        return self._s3.generate_presigned_url("get_object", Params=wanted, ExpiresIn=LINK_SECONDS)

    def _document(self, key: str) -> dict[str, Any] | None:
        raw = self._read(key)
        return None if raw is None else json.loads(raw)

    def _predictions(self, intake: dict[str, Any]) -> list[dict[str, str]]:
        raw = self._read(f"predictions/{intake['source']}/{intake['data_date']}.csv")
        return [] if raw is None else list(csv.DictReader(io.StringIO(raw.decode())))

    def _read(self, key: str) -> bytes | None:
        try:
            return self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except ClientError as error:
            # Without s3:ListBucket S3 answers 403 for missing objects.
            if error.response["Error"]["Code"] in ("NoSuchKey", "AccessDenied"):
                return None
            raise
