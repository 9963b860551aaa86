"""What the policies of template.yaml decide, asked as IAM is asked: who may, and who may not."""

import pytest

from permissions.evaluation import ALLOWED, DENIED, decide
from permissions.template import ACCOUNT, FUNCTIONS, MACHINES, REGION, STACK, Stack, of_type

CLOUD = Stack()
ROLES = [*FUNCTIONS, *MACHINES, *(name for name in of_type("AWS::IAM::Role") if CLOUD.exists(name))]
STATEMENTS = {role: CLOUD.statements(role) for role in ROLES}
BUCKET = CLOUD.attribute("DataBucket", "Arn")
PREDICT = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{STACK}-predict"

# The whole of it: which role may read and write what in the data bucket.
OBJECTS = {
    "incoming/a.csv": {"read": {"PrepareFunction", "ProjectsFunction"}, "write": {"ProjectsFunction"}},
    "profiles/own.yaml": {"read": {"PrepareFunction"}, "write": {"PrepareFunction"}},
    "config/candidates.json": {"read": {"PlanFunction"}, "write": set()},
    "datasets/d/table.parquet": {
        "read": {"PrepareFunction", "PlanFunction", "RefreshFunction"},
        "write": {"PrepareFunction"},
    },
    "datasets/d/manifest.json": {
        "read": {"PrepareFunction", "PlanFunction", "RefreshFunction", "TrackFunction"},
        "write": {"PrepareFunction"},
    },
    "sources/s/latest.json": {"read": {"PrepareFunction", "ScoreFunction"}, "write": {"PrepareFunction"}},
    "batch-input/j": {"read": {"BatchFunction"}, "write": {"BatchFunction"}},
    "batch/j/result.csv": {"read": {"BatchFunction"}, "write": {"BatchFunction"}},
    "exports/d/annex.xer": {"read": {"ProjectsFunction"}, "write": {"ProjectsFunction"}},
    "quarantine/e/rejected.csv": {"read": {"ProjectsFunction"}, "write": {"PrepareFunction"}},
    "quarantine/e/corrections/tower.xlsx": {"read": {"ProjectsFunction"}, "write": {"PrepareFunction"}},
    "features/index.json.gz": {"read": {"RefreshFunction"}, "write": {"RefreshFunction"}},
    "runs/e/search/plan.json": {
        "read": {"PlanFunction", "TrainFunction", "EvaluateFunction", "TrackFunction", "ScoreFunction"},
        "write": {"PrepareFunction", "PlanFunction", "TrainFunction"},
    },
    "models/m/1/model.json": {
        "read": {
            *("EvaluateFunction", "ReleaseFunction", "ScoreFunction", "MonitorFunction"),
            *("EdgeFunction", "PredictBatchFunction", "BatchFunction", "TrackFunction"),
        },
        "write": {"EvaluateFunction"},
    },
    "reports/e/intake.json": {"read": {"TrackFunction", "ApproveFunction"}, "write": {"PrepareFunction"}},
    "reports/e/intake.html": {
        "read": {"TrackFunction", "ApproveFunction", "NotifyFunction", "ProjectsFunction"},
        "write": {"PrepareFunction"},
    },
    "reports/e/evaluation.json": {
        "read": {"ReportFunction", "TrackFunction", "ApproveFunction", "ProjectsFunction"},
        "write": {"EvaluateFunction"},
    },
    "reports/e/report.html": {
        "read": {"TrackFunction", "ApproveFunction", "ProjectsFunction"},
        "write": {"ReportFunction"},
    },
    "reports/e/approval.json": {"read": {"TrackFunction", "ApproveFunction"}, "write": {"ApproveFunction"}},
    "predictions/s/2025-01-01.csv": {"read": {"ScoreFunction"}, "write": {"ScoreFunction"}},
    "projects/index.json": {"read": {"ScoreFunction", "ProjectsFunction"}, "write": {"ScoreFunction"}},
    "projects/s/scenarios/p.json": {
        "read": {"ScoreFunction", "ProjectsFunction"},
        "write": {"ScoreFunction", "ProjectsFunction"},
    },
    "prediction-log/dt=2025-01-01/hour=01/x.jsonl.gz": {
        "read": {"CollectFunction", "MonitorFunction", "ReleaseFunction"},
        "write": {"CollectFunction", "MonitorFunction", "ScoreFunction", "BatchFunction"},
    },
    "failed-requests/dt=2025-01-01/hour=01/x.jsonl.gz": {
        "read": {"ReleaseFunction"},
        "write": {"CollectFunction"},
    },
    "monitoring/1.json": {
        "read": {"MonitorFunction", "ReportFunction", "ProjectsFunction"},
        "write": {"MonitorFunction"},
    },
    "monitoring/1.html": {
        "read": {"MonitorFunction", "ProjectsFunction"},
        "write": {"MonitorFunction", "ReportFunction"},
    },
    "edge/m/bundle.zip": {"read": set(), "write": {"EdgeFunction"}},
    "edge/m/edge.json": {"read": {"ReportFunction"}, "write": {"EdgeFunction"}},
    "portable/7/portable.json": {"read": set(), "write": {"EdgeFunction"}},
    "reports/e/release.json": {
        "read": {"ReleaseFunction", "TrackFunction", "ApproveFunction"},
        "write": {"ReleaseFunction"},
    },
    "tracking/pending/e-1-run.json": {
        "read": {"TrackFunction"},
        "write": {"EvaluateFunction", "ReleaseFunction", "ApproveFunction"},
    },
    "tracking/deliveries/1.json": {
        "read": {"TrackFunction"},
        "write": {"TrackFunction", "EvaluateFunction", "ReleaseFunction", "ApproveFunction"},
    },
    "mlflow/1/model": {"read": {"MlflowRole", "TrackFunction"}, "write": {"MlflowRole", "TrackFunction"}},
    "elsewhere/x": {"read": set(), "write": set()},
}
RECORDS = {
    "LEASE": {"dynamodb:GetItem": {"TriggerFunction"}, "dynamodb:PutItem": {"Pipeline"}},
    "GATE": {
        "dynamodb:GetItem": {"TriggerFunction", "PrepareFunction"},
        "dynamodb:PutItem": {"TriggerFunction", "NotifyFunction"},
    },
    "BUDGET": {"dynamodb:GetItem": set(), "dynamodb:UpdateItem": {"PrepareFunction"}},
    "RELEASE": {"dynamodb:GetItem": {"ProjectsFunction", "ReleaseFunction"}, "dynamodb:PutItem": {"ReleaseFunction"}},
    "DATASET": {
        "dynamodb:GetItem": {"MonitorFunction", "PrepareFunction", "RefreshFunction"},
        "dynamodb:PutItem": {"PrepareFunction"},
    },
    "BATCH": {
        "dynamodb:GetItem": {"BatchFunction"},
        "dynamodb:PutItem": {"BatchFunction"},
        "dynamodb:DeleteItem": {"BatchFunction"},
    },
    "APPROVAL": {"dynamodb:GetItem": {"ApproveFunction"}, "dynamodb:PutItem": {"ApproveFunction"}},
    "AUDIT": {
        "dynamodb:GetItem": set(),
        "dynamodb:PutItem": {
            *("TriggerFunction", "NotifyFunction", "ApproveFunction", "ReleaseFunction", "ProjectsFunction"),
        },
        "dynamodb:UpdateItem": set(),
        "dynamodb:DeleteItem": set(),
    },
}


def who_may(action: str, resource: str, **context: str) -> set[str]:
    named = {name.replace("_", ":", 1): value for name, value in context.items()}
    return {role for role in ROLES if decide(STATEMENTS[role], action, resource, named) == ALLOWED}


@pytest.mark.parametrize("key", OBJECTS)
def test_an_object_is_read_and_written_by_these_alone(key):
    assert who_may("s3:GetObject", f"{BUCKET}/{key}") == OBJECTS[key]["read"]
    assert who_may("s3:PutObject", f"{BUCKET}/{key}") == OBJECTS[key]["write"]


@pytest.mark.parametrize("key", OBJECTS)
def test_an_object_is_deleted_by_these_alone(key):
    deleters = {
        "prediction-log": {"MonitorFunction"},
        "tracking": {"TrackFunction"},
        "mlflow": {"MlflowRole"},
    }

    assert who_may("s3:DeleteObject", f"{BUCKET}/{key}") == deleters.get(key.split("/")[0], set())
    # What a version holds stays, but for jobs: of a cancelled one nothing does.
    jobs = {"BatchFunction"} if key.startswith("batch") else set()
    assert who_may("s3:DeleteObjectVersion", f"{BUCKET}/{key}") == jobs


@pytest.mark.parametrize("role", ROLES)
def test_no_role_writes_what_it_could_not_know_of(role):
    for action in ("s3:PutBucketPolicy", "s3:PutLifecycleConfiguration", "s3:DeleteBucket", "s3:PutBucketVersioning"):
        assert decide(STATEMENTS[role], action, BUCKET) != ALLOWED
    for action in ("iam:PassRole", "iam:PutRolePolicy", "sts:AssumeRole", "kms:Decrypt", "lambda:AddPermission"):
        assert decide(STATEMENTS[role], action, "arn:aws:iam::123456789012:role/x") != ALLOWED


@pytest.mark.parametrize("prefix", ["models/", "incoming/", "prediction-log/", "reports/"])
def test_names_are_listed_by_these_alone(prefix):
    everything = {"CollectFunction", "MonitorFunction", "ReleaseFunction", "MlflowRole"}
    listers = {
        "reports/": {"TrackFunction", "ApproveFunction", "ProjectsFunction"},
        "models/": {"EvaluateFunction", "TrackFunction"},
    }.get(prefix, set())

    assert who_may("s3:ListBucket", BUCKET, s3_prefix=prefix) == everything | listers
    assert who_may("s3:ListBucket", BUCKET) == everything


@pytest.mark.parametrize(
    "action",
    ["UpdateAlias", "UpdateFunctionConfiguration", "PublishVersion", "PublishLayerVersion"],
)
def test_only_a_release_changes_what_is_served(action):
    resource = f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:{STACK}-model" if "Layer" in action else PREDICT

    assert who_may(f"lambda:{action}", resource) == {"ReleaseFunction"}


@pytest.mark.parametrize("action", ["UpdateFunctionCode", "DeleteAlias", "CreateAlias", "AddPermission"])
def test_nobody_changes_the_code_that_is_served(action):
    assert who_may(f"lambda:{action}", PREDICT) == set()
    assert who_may(f"lambda:{action}", f"{PREDICT}:live") == set()


def test_a_release_deletes_versions_and_never_the_function():
    assert who_may("lambda:DeleteFunction", f"{PREDICT}:3") == {"ReleaseFunction"}
    assert who_may("lambda:DeleteFunction", PREDICT) == set()


# Large batches, decisions on a release and drafts of a profile are handed on; a job goes on in another invocation.
CALLERS = {
    "PredictBatchFunction": {"PredictFunction"},
    "BatchFunction": {"BatchFunction"},
    "ApproveFunction": {"Pipeline", "ProjectsFunction"},
    "PrepareFunction": {"Pipeline", "ProjectsFunction"},
    # MLflow's alias champion, moved by hand.
    "ReleaseFunction": {"Pipeline", "TrackFunction"},
}


@pytest.mark.parametrize("function", [name for name in FUNCTIONS if name != "PredictFunction"])
def test_only_the_pipeline_invokes_a_function(function):
    callers = CALLERS.get(function, {"Pipeline"})

    assert who_may("lambda:InvokeFunction", CLOUD.attribute(function, "Arn")) <= callers
    assert who_may("lambda:InvokeFunction", CLOUD.attribute(function, "Arn") + ":7") == set()


def test_only_a_release_asks_a_version_of_the_serving_function():
    assert who_may("lambda:InvokeFunction", f"{PREDICT}:7") == {"ReleaseFunction"}


def test_only_the_gate_and_the_pipeline_itself_start_the_pipeline():
    arn = CLOUD.attribute("Pipeline", "Arn")

    assert who_may("states:StartExecution", arn) == {"TriggerFunction", "Pipeline"}
    assert who_may("states:SendTaskSuccess", arn) == {"ApproveFunction"}
    assert who_may("states:SendTaskFailure", arn) == who_may("states:UpdateStateMachine", arn) == set()


@pytest.mark.parametrize("kind", RECORDS)
def test_a_record_of_the_control_table_is_written_by_these_alone(kind):
    table = CLOUD.attribute("ControlTable", "Arn")
    for action, roles in RECORDS[kind].items():
        assert who_may(action, table, dynamodb_LeadingKeys=kind) == roles
    # Without a partition key the conditions would hold of everything.
    listers = {"ProjectsFunction"} if kind in ("APPROVAL", "AUDIT") else set()
    assert who_may("dynamodb:Query", table, dynamodb_LeadingKeys=kind) == listers
    for action in ("Scan", "PartiQLSelect", "ExportTableToPointInTime", "DeleteTable"):
        assert who_may(f"dynamodb:{action}", table, dynamodb_LeadingKeys=kind) == set()


ATTACHED = of_type("AWS::S3::Bucket", "AWS::SQS::Queue", "AWS::SNS::Topic")
USUAL = {"AWS::S3::Bucket": "s3:GetObject", "AWS::SQS::Queue": "sqs:SendMessage", "AWS::SNS::Topic": "sns:Publish"}


@pytest.mark.parametrize("name", ATTACHED)
def test_nothing_is_reached_without_tls(name):
    action = USUAL[ATTACHED[name]["Type"]]
    arn = CLOUD.attribute(name, "Arn") + ("/any" if action.startswith("s3") else "")
    # Whatever the caller's own policies say.
    statements = [*CLOUD.resource_policies(name), {"Effect": "Allow", "Action": action, "Resource": "*"}]
    anybody = f"arn:aws:iam::{ACCOUNT}:role/any"

    assert decide(statements, action, arn, {"aws:SecureTransport": "false"}, anybody) == DENIED
    assert decide(statements, action, arn, {"aws:SecureTransport": "true"}, anybody) == ALLOWED


@pytest.mark.parametrize("name", ATTACHED)
def test_another_account_reaches_nothing(name):
    action = USUAL[ATTACHED[name]["Type"]]
    arn = CLOUD.attribute(name, "Arn") + ("/any" if action.startswith("s3") else "")
    secure = {"aws:SecureTransport": "true"}
    services = ("events", "sns", "cloudwatch", "logging.s3", "firehose", "scheduler")
    strangers = ["arn:aws:iam::999999999999:role/any", *(f"{service}.amazonaws.com" for service in services)]

    for stranger in strangers:
        context = secure | {"aws:SourceAccount": "999999999999"}
        assert decide(CLOUD.resource_policies(name), action, arn, context, stranger) != ALLOWED, stranger
