"""No file: objects that programs leave for themselves are taken for what a person has dropped."""

# aws-solutions-library-samples/accelerated-intelligent-document-processing-on-aws#552: a folder of the S3 console
#   starts an execution
# panther-labs/panther#1819: the same of a reader of logs
# dilshod/xlsx2csv#265: .DS_Store in a folder of workbooks
# 4teamwork/opengever.core#1702: files of Excel for itself, ~$name.xlsx

import json

import pytest

NO_FILES = (
    *("incoming/", "incoming/tower/", "incoming/nyc_sca/baseline/", "incoming/.DS_Store", "incoming/._hall.xer"),
    *("incoming/~$hall.xlsx", "incoming/.~lock.hall.xlsx#", "incoming/p6/Thumbs.db", "incoming/desktop.ini"),
    *("incoming/__MACOSX/hall.xer", "incoming/.Trash/hall.xer", "incoming/.hall.csv.swp"),
)


@pytest.mark.parametrize("key", NO_FILES)
def test_what_programs_leave_for_themselves_starts_nothing(trigger, lambda_context, key):
    detail = {"bucket": {"name": "data"}, "object": {"key": key, "size": 0, "version-id": "v", "sequencer": "0A"}}

    answer = trigger.handler({"detail-type": "Object Created", "detail": detail}, lambda_context)

    assert answer == {"outcomes": []}


@pytest.mark.parametrize(
    "key", ["incoming/hall.xer", "incoming/p6/$hall~.xlsx", "incoming/a.b/hall", "incoming/東京.csv"]
)
def test_what_a_person_drops_starts_an_execution_with_its_place_in_the_order(trigger, lambda_context, key):
    detail = {"bucket": {"name": "data"}, "object": {"key": key, "version-id": "v", "sequencer": "0062E99A"}}

    assert trigger.handler({"detail-type": "Object Created", "detail": detail}, lambda_context) == {
        "outcomes": ["started"]
    }

    client = trigger.admission.executions.client()
    (found,) = client.list_executions(stateMachineArn=trigger.machine)["executions"]
    document = json.loads(client.describe_execution(executionArn=found["executionArn"])["input"])
    assert document["source"] == {"bucket": "data", "key": key, "version_id": "v", "sequencer": "0062E99A"}
