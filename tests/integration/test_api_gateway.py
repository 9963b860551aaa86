"""The API of template.yaml on the emulator: who is let in, what is refused, and in what words."""

import gzip
import io
import json
import time
import uuid
import zipfile
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request

import pytest

from local.cloud import DIRECT, LocalCloud
from support.template_text import template

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = template()
POOL = "arn:aws:cognito-idp:us-east-1:000000000000:userpool/"
ROLE = "arn:aws:iam::000000000000:role/any"
HANDLER = """
import json

def handler(event, context):
    body = json.dumps({"path": event["path"], "by": event["requestContext"].get("authorizer")})
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": body}
"""


def definition(parameters: dict[str, str], function: str) -> dict:
    """Return the API's definition as CloudFormation would resolve it, `function` behind every path."""

    def holds(condition) -> bool:
        if isinstance(condition, str):
            return holds(TEMPLATE["Conditions"][condition])
        ((kind, operands),) = condition.items()
        if kind == "Condition":
            return holds(operands)
        if kind == "Fn::Equals":
            return resolve(operands[0]) == resolve(operands[1])
        return not holds(operands[0]) if kind == "Fn::Not" else all(map(holds, operands))

    def resolve(item):
        if isinstance(item, list):
            return [resolve(part) for part in item]
        if not isinstance(item, dict):
            return item
        if "Fn::If" in item:
            condition, one, other = item["Fn::If"]
            return resolve(one if holds(condition) else other)
        if "Ref" in item:
            name = item["Ref"]
            return parameters.get(name, TEMPLATE["Parameters"].get(name, {"Default": name})["Default"])
        if "Fn::Sub" in item:
            return f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function}/invocations"
        return {name: resolve(part) for name, part in item.items()}

    return resolve(TEMPLATE["Resources"]["Api"]["Properties"]["DefinitionBody"])


class Gateway:
    """An emulator with one function and as many deployments of the API as the tests ask for."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud, self.endpoint = cloud, cloud._endpoint()
        self.cognito = cloud.client("cognito-idp")
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("index.py", HANDLER)
        self.function = cloud.client("lambda").create_function(
            FunctionName="answers",
            Runtime="python3.13",
            Role=ROLE,
            Handler="index.handler",
            Code={"ZipFile": packed.getvalue()},
        )["FunctionArn"]

    def deploy(self, rate: int = 100, burst: int = 200, **parameters: str) -> tuple[str, str]:
        """Deploy the API and return its base URL and a key."""
        resources = {
            "Api": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Body": definition(parameters, self.function)}},
            "Deployment": {"Type": "AWS::ApiGateway::Deployment", "Properties": {"RestApiId": {"Ref": "Api"}}},
            "Stage": {
                "Type": "AWS::ApiGateway::Stage",
                "Properties": {
                    "RestApiId": {"Ref": "Api"},
                    "DeploymentId": {"Ref": "Deployment"},
                    "StageName": "v1",
                    "MethodSettings": [
                        {
                            "ResourcePath": "/*",
                            "HttpMethod": "*",
                            "ThrottlingRateLimit": rate,
                            "ThrottlingBurstLimit": burst,
                        }
                    ],
                },
            },
            "Key": {"Type": "AWS::ApiGateway::ApiKey", "Properties": {"Enabled": True}},
            "Plan": {
                "Type": "AWS::ApiGateway::UsagePlan",
                "Properties": {"ApiStages": [{"ApiId": {"Ref": "Api"}, "Stage": {"Ref": "Stage"}}]},
            },
            "PlanKey": {
                "Type": "AWS::ApiGateway::UsagePlanKey",
                "Properties": {"KeyId": {"Ref": "Key"}, "KeyType": "API_KEY", "UsagePlanId": {"Ref": "Plan"}},
            },
        }
        outputs = {name: {"Value": {"Ref": name}} for name in ("Api", "Key")}
        name, stacks = f"s-{uuid.uuid4().hex[:8]}", self.cloud.client("cloudformation")
        stacks.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": resources, "Outputs": outputs}))
        deadline = time.monotonic() + 180
        while (stack := stacks.describe_stacks(StackName=name)["Stacks"][0])["StackStatus"] == "CREATE_IN_PROGRESS":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert stack["StackStatus"] == "CREATE_COMPLETE", stack
        out = {item["OutputKey"]: item["OutputValue"] for item in stack["Outputs"]}
        key = self.cloud.client("apigateway").get_api_key(apiKey=out["Key"], includeValue=True)["value"]
        return f"{self.endpoint}/restapis/{out['Api']}/v1/_user_request_", key


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    cloud = LocalCloud(tmp_path_factory.mktemp("cloud"), say=lambda _: None)
    cloud.start_emulator()
    yield Gateway(cloud)
    cloud.down()


@pytest.fixture(scope="module")
def by_key(gateway):
    return gateway.deploy()


def ask(url: str, path: str, method: str = "GET", **headers: str) -> tuple[int, dict, dict[str, str]]:
    body = b"{}" if method == "POST" else None
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    request = Request(url + path, body, sent, method=method)  # noqa: S310
    try:
        with DIRECT.open(request, timeout=120) as answer:
            return answer.status, json.loads(answer.read()), dict(answer.headers)
    except HTTPError as error:
        return error.code, json.loads(error.read()), dict(error.headers)


def is_problem(answer: tuple[int, dict, dict[str, str]], status: int) -> None:
    found, problem, headers = answer
    assert found == status
    assert headers["Content-Type"] == "application/problem+json"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert problem["type"] == "about:blank"
    assert problem.get("status", status) == status
    assert problem["request_id"]
    assert problem["detail"]
    text = json.dumps(problem)
    assert "arn:" not in text
    assert "/var/" not in text
    assert not [name for name in headers if name.lower().startswith("access-control-")]


def test_a_long_answer_is_compressed_for_a_client_that_takes_it(by_key):
    url, key = by_key
    long, headers = f"{url}/v2/models/{'a' * 2000}", {"x-api-key": key, "Accept-Encoding": "gzip, br"}

    with DIRECT.open(Request(long, headers=headers), timeout=120) as answer:  # noqa: S310
        packed, encoding = answer.read(), answer.headers["Content-Encoding"]
    with DIRECT.open(Request(f"{url}/ping", headers=headers), timeout=120) as answer:  # noqa: S310
        short = answer.headers["Content-Encoding"]

    assert (encoding, short) == ("gzip", None)
    assert json.loads(gzip.decompress(packed))["path"].endswith("a" * 2000)
    assert ask(url, f"/v2/models/{'a' * 2000}", x_api_key=key)[2].get("Content-Encoding") is None


CLOSED = [
    ("POST", "/predictions"),
    ("GET", "/model"),
    ("GET", "/v2"),
    ("GET", "/v2/models/slipcast"),
    ("POST", "/v2/models/slipcast/versions/4/infer"),
    ("POST", "/invocations"),
]
OPEN = ["/health", "/openapi.json", "/v2/health/live", "/v2/health/ready", "/ping", "/version"]


@pytest.mark.parametrize(("method", "path"), CLOSED)
def test_without_a_key_nothing_is_predicted(by_key, method, path):
    url, _ = by_key

    is_problem(ask(url, path, method), 403)
    is_problem(ask(url, path, method, x_api_key="guessed"), 403)


@pytest.mark.parametrize(("method", "path"), CLOSED)
def test_with_a_key_the_function_answers(by_key, method, path):
    url, key = by_key

    status, answer, _ = ask(url, path, method, x_api_key=key)

    assert (status, answer["path"]) == (200, path)


@pytest.mark.parametrize("path", OPEN)
def test_probes_need_no_key(by_key, path):
    assert ask(by_key[0], path)[0] == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/nothing"), ("GET", "/predictions"), ("OPTIONS", "/predictions"), ("DELETE", "/model")],
)
def test_other_paths_and_methods_do_not_reach_the_function(by_key, method, path):
    is_problem(ask(by_key[0], path, method, x_api_key=by_key[1], Origin="https://example.com"), 403)


def test_too_many_requests_are_told_when_to_come_again(gateway):
    url, key = gateway.deploy(rate=1, burst=3)

    answers = [ask(url, "/predictions", "POST", x_api_key=key) for _ in range(12)]

    refused = [answer for answer in answers if answer[0] != 200]
    assert len(refused) >= 6
    for answer in refused:
        is_problem(answer, 429)
        assert answer[2]["Retry-After"] == "1"


@pytest.mark.parametrize(("method", "path"), CLOSED)
def test_by_iam_a_request_is_signed(gateway, method, path):
    url, key = gateway.deploy(ApiAuth="iam")

    is_problem(ask(url, path, method, x_api_key=key), 403)
    assert ask(url, "/health")[0] == 200


def test_by_jwt_a_token_of_the_user_pool_is_needed(gateway):
    pool = gateway.cognito.create_user_pool(PoolName="callers")["UserPool"]["Id"]
    client = gateway.cognito.create_user_pool_client(
        UserPoolId=pool, ClientName="planner", ExplicitAuthFlows=["ALLOW_ADMIN_USER_PASSWORD_AUTH"]
    )["UserPoolClient"]["ClientId"]
    secret = "Correct-horse-9"
    gateway.cognito.admin_create_user(UserPoolId=pool, Username="ann", MessageAction="SUPPRESS")
    gateway.cognito.admin_set_user_password(UserPoolId=pool, Username="ann", Password=secret, Permanent=True)
    tokens = gateway.cognito.admin_initiate_auth(
        UserPoolId=pool,
        ClientId=client,
        AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": "ann", "PASSWORD": secret},
    )["AuthenticationResult"]
    url, key = gateway.deploy(ApiAuth="jwt", JwtUserPoolArn=f"{POOL}{pool}")

    status, answer, _ = ask(url, "/predictions", "POST", Authorization=tokens["IdToken"])

    assert status == 200
    assert answer["by"]["claims"]["sub"]
    for method, path in CLOSED:
        is_problem(ask(url, path, method, x_api_key=key), 401)
        is_problem(ask(url, path, method, Authorization="a.b.c"), 401)
    scoped, _ = gateway.deploy(ApiAuth="jwt", JwtUserPoolArn=f"{POOL}{pool}", JwtScope="slipcast/predict")
    assert ask(scoped, "/predictions", "POST", Authorization=tokens["IdToken"])[0] in (401, 403)
