"""Sign-in with tokens: the application in a browser, against a page that answers as Cognito's does."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from support import desk_data, desk_site
from support.sign_in import CLIENT, SignInPage

ANNEX = desk_data.ANNEX
pytestmark = pytest.mark.slow


@pytest.fixture
def signed(serve, portfolio) -> Iterator[tuple[desk_site.Site, SignInPage]]:
    """The application with ApiAuth=jwt, and its sign-in page; the API takes the tokens of that page."""
    with SignInPage("", ["viewer", "projects:"]) as page:
        site = serve(portfolio.api, API_AUTH="jwt", SIGN_IN_DOMAIN=page.url, SIGN_IN_CLIENT_ID=CLIENT)
        page.callback, site.keys = site.url, page.tokens
        # As API Gateway passes on the groups of a token.
        portfolio.claims = {"cognito:groups": "viewer,projects:"}
        yield site, page
        portfolio.claims = {}


def test_a_person_signs_in_returns_to_the_place_and_stays_in_when_a_token_ends(signed, open_page):
    site, provider = signed
    page = open_page(f"{site.url}#/projects/{ANNEX}/drivers", key=None)

    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="What drives the completion")).to_be_visible()
    assert page.url == f"{site.url}#/projects/{ANNEX}/drivers"
    expect(page.get_by_role("button", name="ann@example.com")).to_be_visible()
    # A viewer is not offered what a viewer may not do.
    expect(page.get_by_role("link", name="Upload")).to_have_count(0)

    provider.tokens.clear()
    page.get_by_role("link", name="Updates compared").click()
    expect(page.get_by_role("heading", name="What changed between two updates")).to_be_visible()
    assert provider.asked.count("/oauth2/token refresh_token") == 1

    provider.tokens.clear()
    provider.refresh.clear()
    page.get_by_role("link", name="Export", exact=True).click()
    page.get_by_role("link", name="Drivers and milestones").click()
    expect(page.get_by_role("alert")).to_contain_text("Your session has expired")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="What drives the completion")).to_be_visible()

    page.get_by_role("button", name="ann@example.com").click()
    expect(page.get_by_role("heading", name="Sign in to Slipcast")).to_be_visible()
    assert provider.refresh == set()
    assert "/logout" in provider.asked


def test_an_answer_that_nobody_asked_for_signs_nobody_in(signed, open_page):
    site, provider = signed
    page = open_page(f"{site.url}?code=stolen&state=guessed", key=None)

    expect(page.get_by_role("heading", name=re.compile("Sign in"))).to_be_visible()
    assert provider.asked == []
