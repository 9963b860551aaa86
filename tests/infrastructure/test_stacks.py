"""Stacks of template.yaml in an AWS account: its quotas and regions, two stacks side by side, one after another."""

import re
from functools import cache
from typing import Any

import pytest

from audit import transformed
from permissions.evaluation import ALLOWED, decide
from permissions.template import Stack as Policies
from permissions.template import pairs

TEMPLATE = transformed.transformed(transformed.source())
# "New AWS accounts have reduced concurrency and memory quotas"; the messages that people report name this one:
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html.
NEW_ACCOUNT_MEMORY_MB = 3008


@cache
def stack(name: str = "slipcast", **parameters: str) -> transformed.Stack:
    """Return the stack of a name with parameters; ``Region`` is one of them."""
    region = parameters.pop("Region", "us-east-1")
    return transformed.Stack(TEMPLATE, parameters, {"AWS::Region": region, "AWS::StackName": name})


def of_type(made: transformed.Stack, *kinds: str) -> dict[str, dict[str, Any]]:
    """Return the properties of a stack's resources of some types, parameters filled in, by logical id."""
    return {
        name: made.filled(item.get("Properties", {}))
        for name, item in made.resources().items()
        if item["Type"] in kinds
    }


# Quotas of an account


@pytest.mark.parametrize("name", of_type(stack(), "AWS::Lambda::Function"))
def test_no_function_has_more_memory_than_a_new_account_may_give_it(name):
    function = of_type(stack(), "AWS::Lambda::Function")[name]

    assert int(function["MemorySize"]) <= NEW_ACCOUNT_MEMORY_MB


def test_who_plans_a_search_knows_the_memory_of_who_fits():
    functions = of_type(stack(TrainMemoryMb="4096"), "AWS::Lambda::Function")

    assert functions["TrainFunction"]["MemorySize"] == functions["EvaluateFunction"]["MemorySize"] == "4096"
    assert functions["PlanFunction"]["Environment"]["Variables"]["TRAIN_MEMORY_MB"] == "4096"


def test_nothing_is_reserved_unless_it_is_asked_for():
    """Of ten executions at once, which is all that some accounts have, none may be reserved."""
    functions = of_type(stack(), "AWS::Lambda::Function")
    reserving = of_type(stack(PredictReservedConcurrency="50"), "AWS::Lambda::Function")

    assert not [name for name, item in functions.items() if "ReservedConcurrentExecutions" in item]
    assert reserving["PredictFunction"]["ReservedConcurrentExecutions"] == "50"


# Regions and MLflow

APP = "arn:aws:sagemaker:eu-west-1:123456789012:mlflow-app/app-ABC123"
SERVER = "arn:aws:sagemaker:eu-west-1:123456789012:mlflow-tracking-server/research"
OTHER_APP, OTHER_SERVER = f"{APP}4", f"{SERVER}-2"
WITHOUT_APP = transformed.REGIONS["without_mlflow_app"]


def test_the_regions_are_those_that_the_template_and_the_guide_name():
    guide = (transformed.ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    found = {name: re.findall(r"\b[a-z]{2}-[a-z]+-\d\b", line) for name, line in named_regions(guide).items()}
    known = [
        region
        for regions in transformed.REGIONS.values()
        for region in regions
        if stack(Region=region).condition("RegionHasMlflow")
    ]

    assert found == transformed.REGIONS
    assert known == transformed.REGIONS["mlflow_app"]


def named_regions(guide: str) -> dict[str, str]:
    """Return the two paragraphs of docs/deploy.md that name regions, by the list in audit/regions.yaml."""
    begins = {"mlflow_app": "**With an MLflow app of its own**", "without_mlflow_app": "**Without**"}
    paragraphs = guide.split("\n\n")
    return {
        name: next(text for text in paragraphs if text.startswith(begin)).split("Not tried")[0]
        for name, begin in begins.items()
    }


@pytest.mark.parametrize("parameters", [{"MlflowTrackingUri": "none"}, *({"Region": one} for one in WITHOUT_APP[:2])])
def test_without_mlflow_the_function_knows_and_everything_else_is_there(parameters):
    made, usual = stack(**parameters), stack(Region=parameters.get("Region", "us-east-1"), MlflowTrackingUri="")
    track = of_type(made, "AWS::Lambda::Function")["TrackFunction"]

    assert track["Environment"]["Variables"]["MLFLOW_TRACKING_URI"] == "none"
    assert made.filled(made.resolved()["Outputs"]["MlflowTrackingUri"]["Value"]) == "none"
    assert set(stack().resources()) - set(made.resources()) == {"MlflowApp", "MlflowRole"}
    assert set(usual.resources()) >= set(made.resources())


TRACKING_URIS = ["", "none", "http://127.0.0.1:5000", "https://mlflow.example.com/a", APP, SERVER]
NO_TRACKING_URIS = [
    "None",
    "mlflow.example.com",
    "sqlite:///x.db",
    "s3://a/b",
    APP.replace("mlflow-app", "domain"),
    f"{APP}/x",
]


@pytest.mark.parametrize("uri", TRACKING_URIS + NO_TRACKING_URIS)
def test_a_tracking_uri_is_an_address_or_an_mlflow_of_sagemaker(uri):
    pattern = TEMPLATE["Parameters"]["MlflowTrackingUri"]["AllowedPattern"]

    assert bool(re.fullmatch(pattern, uri)) is (uri in TRACKING_URIS)


@pytest.mark.parametrize(("uri", "store"), [("s3://a", False), ("s3://old-data/mlflow", True), ("s3://b/*", False)])
def test_a_store_of_artifacts_is_a_bucket_or_a_prefix_of_it(uri, store):
    assert bool(re.fullmatch(TEMPLATE["Parameters"]["MlflowArtifactStore"]["AllowedPattern"], uri)) is store


def mlflow_rights(**parameters: str) -> set[tuple[str, str]]:
    """Return action and resource of all that the track function may do outside its stack's bucket, without webhook."""
    policies = Policies(**{"RegistryWebhookSecretArn": ""} | parameters).statements("TrackFunction")
    own = Policies().attribute("DataBucket", "Arn")
    return {(action, resource) for action, resource, _ in pairs(policies) if not resource.startswith(own)}


@pytest.mark.parametrize("uri", ["none", "https://mlflow.example.com"])
def test_an_mlflow_that_is_no_resource_of_aws_needs_no_rights(uri):
    assert mlflow_rights(MlflowTrackingUri=uri) == set()


def test_an_app_is_called_and_described_and_no_other():
    statements = Policies(MlflowTrackingUri=APP).statements("TrackFunction")
    wanted = {"sagemaker:CallMlflowAppApi", "sagemaker:DescribeMlflowApp"}

    assert mlflow_rights(MlflowTrackingUri=APP) == {(action, APP) for action in wanted}
    for action in wanted:
        assert decide(statements, action, APP) == ALLOWED
        assert decide(statements, action, OTHER_APP) != ALLOWED


def test_a_tracking_server_is_described_and_its_api_called_and_no_other():
    statements = Policies(MlflowTrackingUri=SERVER).statements("TrackFunction")

    assert {resource for _, resource in mlflow_rights(MlflowTrackingUri=SERVER)} == {SERVER}
    assert decide(statements, "sagemaker-mlflow:LogBatch", SERVER) == ALLOWED
    assert decide(statements, "sagemaker-mlflow:LogBatch", OTHER_SERVER) != ALLOWED
    assert decide(statements, "sagemaker:DescribeMlflowTrackingServer", SERVER) == ALLOWED
    assert decide(statements, "sagemaker:CallMlflowAppApi", SERVER) != ALLOWED


def test_the_mlflow_of_a_stack_that_was_deleted_goes_on_in_the_next():
    """As docs/security.md says: MlflowTrackingUri is the old app, MlflowArtifactStore its place in the old bucket."""
    statements = Policies(MlflowTrackingUri=APP, MlflowArtifactStore="s3://old-data/mlflow").statements("TrackFunction")
    artifact = "arn:aws:s3:::old-data/mlflow/1/models/m-1/artifacts/model.pkl"

    for action in ("s3:PutObject", "s3:GetObject"):
        assert decide(statements, action, artifact) == ALLOWED
        assert decide(statements, action, "arn:aws:s3:::old-data/models/model.json") != ALLOWED
    assert decide(statements, "sagemaker:CallMlflowAppApi", APP) == ALLOWED
    kept = {name: stack().resources()[name] for name in ("MlflowApp", "MlflowRole", "DataBucket")}
    assert {item["DeletionPolicy"] for item in kept.values()} == {"RetainExceptOnCreate"}


@pytest.mark.parametrize("mode", ["AutoModelRegistrationDisabled", "AutoModelRegistrationEnabled"])
def test_the_app_enters_models_in_sagemakers_registry_only_if_it_is_to(mode):
    parameters = {} if mode.endswith("Disabled") else {"ModelRegistrationMode": mode}
    group = "arn:aws:sagemaker:us-east-1:123456789012:model-package-group/slipcast"
    decided = decide(Policies(**parameters).statements("MlflowRole"), "sagemaker:CreateModelPackageGroup", group)

    app = of_type(stack(**parameters), "AWS::SageMaker::MlflowApp")["MlflowApp"]
    assert app["ModelRegistrationMode"] == mode
    assert (decided == ALLOWED) is mode.endswith("Enabled")


def test_the_webhook_of_the_registry_has_a_door_and_rights_only_if_it_has_a_secret():
    secret = "arn:aws:secretsmanager:us-east-1:123456789012:secret:webhook-AbCdEf"
    door = of_type(stack(RegistryWebhookSecretArn=secret), "AWS::Lambda::Url", "AWS::Lambda::Permission")
    added = {*stack(RegistryWebhookSecretArn=secret).resources()} - {*stack().resources()}

    assert added == {"RegistryWebhookUrl", "RegistryWebhookMayBeCalled", "RegistryWebhookMayInvoke"} <= {*door}
    assert {resource for _, resource in mlflow_rights(MlflowTrackingUri="none", RegistryWebhookSecretArn=secret)} == {
        secret,
        Policies().attribute("ReleaseFunction", "Arn"),
    }


def test_a_whole_bucket_may_be_the_store():
    statements = Policies(MlflowTrackingUri=SERVER, MlflowArtifactStore="s3://artifacts").statements("TrackFunction")

    assert decide(statements, "s3:PutObject", "arn:aws:s3:::artifacts/1/model.pkl") == ALLOWED
    assert decide(statements, "s3:PutObject", "arn:aws:s3:::artifacts-2/1/model.pkl") != ALLOWED


def test_services_may_send_to_the_dead_letter_queue_with_the_keys_that_they_send():
    """EventBridge sends aws:SourceAccount, of SNS only aws:SourceArn is documented."""
    policies = Policies()
    statements, queue = policies.resource_policies("DeadLetterQueue"), policies.attribute("DeadLetterQueue", "Arn")
    topic = policies.reference("Topic")

    def may(service: str, **context: str) -> bool:
        keys = {f"aws:{name}": value for name, value in context.items()}
        return decide(statements, "sqs:SendMessage", queue, keys, f"{service}.amazonaws.com") == ALLOWED

    assert may("events", SourceAccount="123456789012")
    assert not may("events", SourceAccount="210987654321")
    assert may("sns", SourceArn=topic)
    assert not may("sns", SourceArn=f"{topic}-2")
    assert not may("sns", SourceAccount="123456789012")


# The life of a stack


def test_a_create_that_fails_leaves_nothing_behind():
    """boto3 on RetainExceptOnCreate: with Retain, newly created resources outlive the rollback of their creation."""
    made = stack(Streaming="true").resources()
    kept = {name: item["DeletionPolicy"] for name, item in made.items() if "DeletionPolicy" in item}

    assert set(kept.values()) == {"RetainExceptOnCreate", "Delete"}
    assert "AWS::Lambda::LayerVersion" in {made[name]["Type"] for name in kept}


def test_nothing_that_outlives_its_stack_has_a_name_that_the_next_stack_takes():
    """Log groups too: late lines of a function bring its group back to life after the stack was deleted."""
    id_of_stack = {"Fn::Select": ["2", {"Fn::Split": ["/", {"Ref": "AWS::StackId"}]}]}
    for name, item in stack(Streaming="true").resources().items():
        kept = item.get("DeletionPolicy", "Delete") != "Delete" or item["Type"] == "AWS::Logs::LogGroup"
        given = [key for key in NAMES if key in item.get("Properties", {})] if kept else []
        # A layer's versions are numbered; an alias or version is named by its function.
        if item["Type"] in ("AWS::Lambda::LayerVersion", "AWS::Lambda::Version"):
            continue
        for key in given:
            assert str(id_of_stack).replace("'2'", "2") in str(item["Properties"][key]), name


# Where CloudFormation's resources have their names, and how long AWS lets these be.
NAMES = {
    "FunctionName": 64,
    "StateMachineName": 80,
    "LayerName": 140,
    "AlarmName": 255,
    "DashboardName": 255,
    "LogGroupName": 512,
    "QueueName": 80,
    "UsagePlanName": 255,
    "Name": 256,
}


def physical(made: transformed.Stack) -> set[tuple[str, str]]:
    """Return type and name of all that a stack names itself."""
    owners = {
        "AWS::Lambda::Alias",
        "AWS::Lambda::Version",
        "AWS::Lambda::Permission",
        "AWS::Lambda::EventSourceMapping",
    }
    owners |= {"AWS::Lambda::EventInvokeConfig", "AWS::Logs::SubscriptionFilter"}
    return {
        (item["Type"], text(properties[key]))
        for item in made.resources().values()
        if item["Type"] not in owners
        for properties in [made.filled(item.get("Properties", {}))]
        for key in NAMES
        if key in properties
    }


def text(name: Any) -> str:
    return name if isinstance(name, str) else name["Fn::Sub"][0].replace("${Id}", "0" * 36)


def test_names_stay_within_their_limits_for_the_longest_name_of_a_stack():
    """`make deploy` reads LongestStackName; CloudFormation itself would take 128 characters."""
    longest = TEMPLATE["Metadata"]["LongestStackName"]

    def too_long(length: int) -> list[str]:
        made = stack("s" * length, Streaming="true")
        return [
            f"{name} {key}"
            for name, item in made.resources().items()
            for key, limit in NAMES.items()
            for value in [made.filled(item.get("Properties", {})).get(key)]
            if value is not None and "Ref" not in value and len(text(value)) > limit
        ]

    assert f"A stack's name has up to {longest} characters" in (transformed.ROOT / "docs" / "deploy.md").read_text(
        encoding="utf-8"
    )
    assert too_long(longest) == []
    assert too_long(longest + 1) == ["PredictBatchFunction FunctionName"]


# Two stacks in one account and region

METRIC = re.compile(r'"service", "([^"]+)"')


def shared_things(made: transformed.Stack) -> set[Any]:
    """Return whatever two stacks could have in common: names, dimensions of own metrics, what they log as and to."""
    found: set[Any] = set(physical(made))
    for item in map(made.filled, made.resources().values()):
        properties = item.get("Properties", {})
        if properties.get("Namespace") == "Slipcast":
            found |= {(properties["MetricName"], each["Name"], each["Value"]) for each in properties["Dimensions"]}
        if item["Type"] == "AWS::CloudWatch::Dashboard":
            body = properties["DashboardBody"]
            found |= {("dashboard", name) for name in METRIC.findall(str(body))}
        variables = properties.get("Environment", {}).get("Variables", {})
        names = (
            "POWERTOOLS_SERVICE_NAME",
            "MLFLOW_EXPERIMENT",
            "MLFLOW_MODEL_NAME",
            "RETRAIN_ALARMS",
            "MODEL_LAYER_NAME",
        )
        found |= {(name, part) for name in names if name in variables for part in variables[name].split(",")}
    for output in made.resolved()["Outputs"].values():
        if "Export" in output:
            found.add(("export", str(made.filled(output["Export"]))))
    return found


def test_two_stacks_in_one_account_and_region_share_nothing():
    one, other = (shared_things(stack(name, Streaming="true")) for name in ("staging", "production"))

    assert one & other == set()
    assert len(one) == len(other)
    assert {("POWERTOOLS_SERVICE_NAME", "staging"), ("Drift", "service", "staging"), ("dashboard", "staging")} <= one


def test_a_stack_whose_name_begins_with_that_of_another_shares_nothing_with_it():
    made = physical(stack("a", Streaming="true"))
    ends = [(kind, name.removeprefix("a")) for kind, name in made]

    assert not [
        (kind, end, longer)
        for kind, end in ends
        for other, longer in ends
        if kind == other and end and end != longer and longer.endswith(end)
    ]


def test_the_metrics_of_a_function_have_the_dimension_that_the_alarms_watch():
    for function in of_type(stack("staging"), "AWS::Lambda::Function").values():
        assert function["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"] == "staging"


# The API


@pytest.mark.parametrize(
    "change", [{"ApiAuth": "iam"}, {"ApiAuth": "api_key"}, {"JwtScope": "b"}, {"JwtUserPoolArn": "c"}]
)
def test_another_way_to_authenticate_reaches_the_stage(change, monkeypatch):
    """CloudFormation makes a deployment when its logical id is another; SAM hashes what it sees of the definition."""

    def deployment(parameters: dict[str, str], seconds: int) -> str:
        monkeypatch.setattr("samtranslator.model.apigateway.time.time", lambda: seconds)
        source = transformed.source()
        for name, value in parameters.items():
            source["Parameters"][name]["Default"] = value
        (made,) = [name for name in transformed.transformed(source)["Resources"] if name.startswith("ApiDeployment")]
        return made

    before = deployment({"ApiAuth": "jwt", "JwtScope": "a", "JwtUserPoolArn": "a"}, 1_800_000_000)
    assert deployment({"ApiAuth": "jwt", "JwtScope": "a", "JwtUserPoolArn": "a", **change}, 1_800_000_060) != before


# What a person sees in the console


def test_every_parameter_stands_in_one_group_of_the_form():
    groups = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = [name for group in groups for name in group["Parameters"]]

    assert sorted(grouped) == sorted(TEMPLATE["Parameters"])


def test_no_metric_is_paid_for_that_nobody_reads():
    """With MetricsEnabled API Gateway has five metrics for each method; alarms and dashboard name ApiName and Stage."""
    made = stack(Streaming="true")
    watched = [item["Dimensions"] for item in of_type(made, "AWS::CloudWatch::Alarm").values()]
    (stage,) = of_type(made, "AWS::ApiGateway::Stage").values()

    assert "Method" not in {each["Name"] for dimensions in watched for each in dimensions}
    assert not any(setting.get("MetricsEnabled") for setting in stage["MethodSettings"])
