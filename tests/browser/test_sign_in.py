"""Sign-in with tokens: the application in a browser, against a page that answers as Cognito's does."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from support import desk_site
from support.sign_in import CLIENT, SignInPage

pytestmark = pytest.mark.slow
DOCUMENTS: dict[str, Any] = {
    "projects": {"projects": [], "next": None},
    "releases": {"may_decide": False, "waiting": [], "decided": []},
    "monitoring": {"live": None, "evaluation": None, "monitor": None, "scoreboard": [], "trainings": [], "pages": {}},
}


@pytest.fixture
def signed(serve) -> Iterator[tuple[desk_site.Site, SignInPage]]:
    """The application with ApiAuth=jwt and without a project, and its page; the API takes the tokens of that page."""
    with SignInPage("", ["viewer", "projects:"]) as page:
        environment = {"API_AUTH": "jwt", "SIGN_IN_DOMAIN": page.url, "SIGN_IN_CLIENT_ID": CLIENT}
        site = serve(lambda method, parts, query, body: (200, DOCUMENTS[parts[0]]), **environment)
        page.callback, site.keys = site.url, page.tokens
        yield site, page


def test_a_person_signs_in_returns_to_the_place_and_stays_in_when_a_token_ends(signed, open_page):
    site, provider = signed
    page = open_page(f"{site.url}#/model", key=None)

    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="No model is live yet")).to_be_visible()
    assert page.url == f"{site.url}#/model"
    expect(page.get_by_role("button", name="ann@example.com")).to_be_visible()
    # A viewer is not offered what a viewer may not do.
    expect(page.get_by_role("link", name="Upload")).to_have_count(0)

    provider.tokens.clear()
    page.get_by_role("link", name="Portfolio").click()
    expect(page.get_by_role("heading", name="No project yet")).to_be_visible()
    assert provider.asked.count("/oauth2/token refresh_token") == 1

    provider.tokens.clear()
    provider.refresh.clear()
    page.get_by_role("link", name="Model").click()
    expect(page.get_by_role("alert")).to_contain_text("Your session has expired")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="No model is live yet")).to_be_visible()

    with page.expect_response(provider.discovery["revocation_endpoint"]):
        page.get_by_role("button", name="ann@example.com").click()
    expect(page.get_by_role("heading", name="Sign in to Slipcast")).to_be_visible()
    assert provider.refresh == set()
    assert "/logout" in provider.asked


def test_an_answer_that_nobody_asked_for_signs_nobody_in(signed, open_page):
    site, provider = signed
    page = open_page(f"{site.url}?code=stolen&state=guessed", key=None)

    expect(page.get_by_role("heading", name=re.compile("Sign in"))).to_be_visible()
    assert provider.asked == []
