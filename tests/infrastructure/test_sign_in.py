"""What parameters make of the web application: the user pool where ApiAuth=jwt names none, the mail on a schedule."""

import json

import pytest

from audit import transformed
from projects import access

URL = {"Fn::Sub": "https://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}/${Apiv1Stage}"}
OWN = "arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_Example1"


@pytest.fixture(scope="module")
def stack():
    """A function that returns the resources of a stack, conditions carried out."""
    template = transformed.transformed(transformed.source())

    def made(**parameters):
        found = transformed.Stack(template, parameters)
        return {
            name: found.branches(item)
            for name, item in template["Resources"].items()
            if "Condition" not in item or found.condition(item["Condition"])
        }

    return made


def of_cognito(resources):
    return {name: item for name, item in resources.items() if item["Type"].startswith("AWS::Cognito::")}


def desk(resources):
    return resources["DeskFunction"]["Properties"]["Environment"]["Variables"]


def authorizer(resources):
    schemes = resources["Api"]["Properties"]["Body"]["components"]["securitySchemes"]
    return schemes["caller"]["x-amazon-apigateway-authorizer"]["providerARNs"]


def test_a_pool_is_made_for_tokens_alone_and_only_if_none_is_named(stack):
    assert of_cognito(stack()) == {}
    assert of_cognito(stack(ApiAuth="iam")) == {}
    own = stack(ApiAuth="jwt", JwtUserPoolArn=OWN, SignInDomain="https://x.example", SignInClientId="abc")
    assert of_cognito(own) == {}
    assert authorizer(own) == [{"Ref": "JwtUserPoolArn"}]
    assert desk(own)["SIGN_IN_CLIENT_ID"] == {"Ref": "SignInClientId"}


def test_the_api_and_the_page_use_the_pool_of_the_stack(stack):
    found = stack(ApiAuth="jwt")

    assert authorizer(found) == [{"Fn::GetAtt": ["UserPool", "Arn"]}]
    assert desk(found)["SIGN_IN_CLIENT_ID"] == {"Ref": "UserPoolClient"}
    assert "amazoncognito.com" in desk(found)["SIGN_IN_DOMAIN"]["Fn::Sub"]
    client = found["UserPoolClient"]["Properties"]
    # A page keeps no secret: the code is worth nothing without the verifier (RFC 7636).
    assert client["GenerateSecret"] is False
    assert client["AllowedOAuthFlows"] == ["code"]
    assert client["CallbackURLs"] == [{"Fn::Sub": ["${Base}/desk/index.html", {"Base": URL}]}]
    # What the page asks for: web/auth.ts.
    assert set(client["AllowedOAuthScopes"]) == {"openid", "email"}


def test_nobody_signs_up_by_themselves_and_the_pool_outlives_the_stack(stack):
    pool = stack(ApiAuth="jwt")["UserPool"]

    assert pool["Properties"]["AdminCreateUserConfig"] == {"AllowAdminCreateUserOnly": True}
    assert (pool["DeletionPolicy"], pool["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")


def test_the_groups_of_the_pool_are_the_roles_that_the_api_knows(stack):
    found = of_cognito(stack(ApiAuth="jwt")).values()
    groups = {item["Properties"]["GroupName"] for item in found if item["Type"].endswith("Group")}

    assert groups == {access.VIEWER, access.PLANNER, access.APPROVER, access.PROJECTS}


@pytest.mark.parametrize(("schedule", "state"), [("", "DISABLED"), ("cron(0 6 ? * MON *)", "ENABLED")])
def test_the_mail_about_the_projects_is_sent_on_the_schedule_of_the_parameter(stack, schedule, state):
    rules = [
        item for name, item in stack(ReportSchedule=schedule).items() if name.startswith("ProjectsFunctionReports")
    ]
    (rule,) = [item["Properties"] for item in rules if item["Type"] == "AWS::Events::Rule"]

    assert rule["State"] == state
    assert json.loads(rule["Targets"][0]["Input"]) == {"task": "mail"}
    assert rule["ScheduleExpression"] == ({"Ref": "ReportSchedule"} if schedule else "rate(30 days)")
