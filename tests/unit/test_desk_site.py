"""The function that serves the web application's files."""

import json

import pytest

from desk import app, site
from support import desk_site


@pytest.fixture(autouse=True)
def built(monkeypatch, tmp_path):
    for name, value in desk_site.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    for name in ("index.html", "app-0123.js", "icon.svg", "secret.key"):
        (tmp_path / name).write_text(name)
    monkeypatch.setattr(site, "STATIC", tmp_path)
    site.files.cache_clear()
    yield
    site.files.cache_clear()


def ask(name, path="", **headers):
    return app.handler({"path": path, "pathParameters": {"file": name} if name else None, "headers": headers}, None)


def test_a_file_that_is_named_by_its_content_is_kept_and_the_page_is_asked_for_again():
    script, page = ask("app-0123.js"), ask("index.html")

    assert (script["statusCode"], script["body"]) == (200, "app-0123.js")
    assert script["headers"]["Cache-Control"] == "public, max-age=31536000, immutable"
    assert page["headers"]["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("sent", ["{}", "W/{}", '"other", {}'])
def test_what_a_browser_has_is_not_sent_again(sent):
    tag = ask("index.html")["headers"]["ETag"]

    again = ask("index.html", **{"If-None-Match": sent.format(tag)})

    assert (again["statusCode"], again["body"]) == (304, "")


@pytest.mark.parametrize("name", ["secret.key", "../app.py", "nothing.js", ""])
def test_nothing_else_is_served(name):
    answer = ask(name or "x")

    assert answer["statusCode"] == 404
    assert answer["headers"]["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(("path", "place"), [("/desk", "desk/index.html"), ("/desk/", "index.html")])
def test_the_short_address_leads_to_the_page_below_any_base_path(path, place):
    answer = ask(None, path)

    assert (answer["statusCode"], answer["headers"]["Location"]) == (302, place)


def test_the_policy_allows_scripts_of_its_own_origin_alone_and_names_bucket_and_sign_in(monkeypatch):
    monkeypatch.setenv("BUCKET_ORIGIN", "https://data.s3.eu-west-1.amazonaws.com")
    monkeypatch.setenv("SIGN_IN_DOMAIN", "https://people.example.com")

    rules = dict(
        item.strip().split(" ", 1) for item in ask("index.html")["headers"]["Content-Security-Policy"].split(";")
    )

    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == "'self'"
    assert rules["connect-src"] == "'self' https://data.s3.eu-west-1.amazonaws.com https://people.example.com"
    assert rules["frame-ancestors"] == "'none'"


def test_the_page_learns_how_callers_sign_in(monkeypatch):
    monkeypatch.setenv("API_AUTH", "jwt")
    monkeypatch.setenv("SIGN_IN_DOMAIN", "https://people.example.com")
    monkeypatch.setenv("SIGN_IN_CLIENT_ID", "abc123")

    config = json.loads(ask("config.json")["body"])

    sign_in = {"domain": "https://people.example.com", "client_id": "abc123", "scope": ""}
    assert config == {"auth": "jwt", "sign_in": sign_in}
