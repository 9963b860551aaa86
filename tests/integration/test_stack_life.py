"""Stacks of the transformed template on the emulator: made, next to each other, deleted, made again."""

import io
import json
import zipfile
from collections.abc import Iterator

import pytest

from audit import transformed
from local.cloud import LocalCloud
from slipcast_aws.serving import queues

# The emulator's CloudFormation knows no composite alarm and no MLflow app: local/README.md.
HERE = {"CompositeAlarm": "false", "MlflowTrackingUri": "none", "Streaming": "true"}
SERVER = "arn:aws:sagemaker:us-east-1:123456789012:mlflow-tracking-server/research"


class Site:
    """An emulator and the template with code that does nothing."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud, self.cloudformation = cloud, cloud.client("cloudformation")
        template = transformed.transformed(transformed.source())
        for item in template["Resources"].values():
            if "Definition" in item.get("Properties", {}):
                item["Properties"]["DefinitionString"] = json.dumps(item["Properties"].pop("Definition"))
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("app.py", "def handler(event, context): return {}")
        s3 = cloud.client("s3")
        s3.create_bucket(Bucket="bucket")
        for name in transformed.source()["Resources"]:
            s3.put_object(Bucket="bucket", Key=name, Body=code.getvalue())
        s3.put_object(Bucket="bucket", Key="template.json", Body=json.dumps(template).encode())
        self.url = s3.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "template.json"})

    def create(self, name: str, **parameters: str) -> dict[str, str]:
        """Make a stack and return its outputs."""
        given = [{"ParameterKey": key, "ParameterValue": value} for key, value in (HERE | parameters).items()]
        self.cloudformation.create_stack(
            StackName=name, TemplateURL=self.url, Parameters=given, Capabilities=["CAPABILITY_IAM"]
        )
        self.cloudformation.get_waiter("stack_create_complete").wait(
            StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )
        (made,) = self.cloudformation.describe_stacks(StackName=name)["Stacks"]
        return {item["OutputKey"]: item["OutputValue"] for item in made["Outputs"]}

    def delete(self, name: str) -> None:
        self.cloudformation.delete_stack(StackName=name)
        self.cloudformation.get_waiter("stack_delete_complete").wait(
            StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[Site]:
    cloud = LocalCloud(tmp_path_factory.mktemp("cloud"), say=lambda _: None)
    cloud.start_emulator()
    try:
        yield Site(cloud)
    finally:
        cloud.down()


@pytest.fixture
def sqs(site, monkeypatch):
    client = site.cloud.client("sqs")
    monkeypatch.setattr(queues, "client", lambda: client)
    queues.of_stack.cache_clear()
    yield client
    queues.of_stack.cache_clear()


def test_the_queue_of_updates_leads_to_the_queues_of_its_own_stack(site, sqs):
    for name in ("one", "two"):
        out = site.create(name)
        arn = sqs.get_queue_attributes(QueueUrl=out["UpdatesQueueUrl"], AttributeNames=["QueueArn"])["Attributes"]
        found = queues.of_stack(arn["QueueArn"])

        assert (found.updates, found.results, found.dead_letters) == (
            out["UpdatesQueueUrl"],
            out["ResultsQueueUrl"],
            out["UpdatesDeadLetterQueueUrl"],
        )


def test_a_stack_that_was_deleted_is_made_again_and_finds_no_name_taken(site):
    first = site.create("again")
    site.delete("again")
    second = site.create("again")

    assert first["DataBucketName"] != second["DataBucketName"]
    assert site.cloud.client("s3").head_bucket(Bucket=first["DataBucketName"])
    assert second["MlflowTrackingUri"] == "none"


def test_a_tracking_server_is_told_from_an_address_by_its_arn(site):
    """What the conditions of the template cut the ARN into."""
    for uri in ("https://mlflow.example.com/a", SERVER):
        out = site.create(f"mlflow-{len(uri)}", MlflowTrackingUri=uri)

        assert out["MlflowTrackingUri"] == uri
        granted = site.cloud.client("iam")
        role = next(r for r in granted.list_roles()["Roles"] if r["RoleName"].startswith(f"mlflow-{len(uri)}-TrackF"))
        policies = granted.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]
        text = str([granted.get_role_policy(RoleName=role["RoleName"], PolicyName=name) for name in policies])
        assert ("sagemaker-mlflow:LogBatch" in text) is (uri == SERVER)
