"""A planner's way through the deployed stack in a browser: upload, watch, Gantt, compare, what if, export."""

import re
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from support.chromium import PATIENCE, chromium

ANNEX = "ps118_annex"
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FILES = sorted((EXAMPLES / "annex").glob("*.xer"))[-2:]
UNKNOWN = EXAMPLES / "exports" / "custom" / "hochbau_2025-06-30.csv"
# An execution takes minutes on a busy machine.
EXECUTION = 900_000
pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def uploaded(page: Page, path: Path) -> None:
    """Upload a file and wait until the page says that its execution has ended well."""
    page.get_by_role("link", name="Upload").click()
    another = page.get_by_role("button", name="Upload another file")
    expect(page.locator("#file").or_(another)).to_be_attached()
    if another.is_visible():
        another.click()
    page.locator("#file").set_input_files(path)
    expect(page.get_by_role("heading", name="The pipeline is at work")).to_be_visible()
    expect(page.get_by_role("heading", name="The file is taken in")).to_be_visible(timeout=EXECUTION)
    expect(page.get_by_role("listitem").filter(has_text="Forecast the open activities")).to_contain_text("done")


def refused(page: Page) -> None:
    """Upload a table that no profile reads and look at the draft of one."""
    page.get_by_role("link", name="Upload").click()
    page.locator("#file").set_input_files(UNKNOWN)
    expect(page.get_by_role("heading", name="The file was not taken in")).to_be_visible(timeout=EXECUTION)
    expect(page.get_by_text("no profile knows this header")).to_be_visible()
    page.get_by_role("button", name="Suggest a mapping").click()
    expect(page.get_by_role("row").filter(has_text="baseline finish").first).to_contain_text("Ende Soll")
    page.get_by_role("button", name="Upload another file").click()


def journey(page: Page, url: str, key: str) -> str:
    """Go the way of a planner, and return the text of the file that is exported at its end."""
    page.goto(f"{url}/desk")
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()

    refused(page)
    for path in FILES:
        uploaded(page, path)
    expect(page.frame_locator("iframe").get_by_text(FILES[-1].name).first).to_be_visible()

    page.get_by_role("link", name="Portfolio", exact=True).click()
    page.get_by_label("Find a project").fill(ANNEX)
    page.get_by_role("link", name=ANNEX).click()
    expect(page.get_by_text("31 of 31 activities")).to_be_visible()
    page.get_by_role("row", name=re.compile("A1430")).click()
    expect(page.get_by_role("complementary").get_by_role("heading", name="Why?")).to_be_visible()

    page.get_by_role("link", name="Model, dataset, file and run").click()
    expect(page.get_by_text(FILES[-1].name)).to_be_visible()
    expect(page.get_by_role("link", name="Training report")).to_be_visible()

    page.get_by_role("link", name="Updates compared").click()
    expect(page.get_by_role("row").filter(has_text="Punch list").first).to_be_visible()

    page.get_by_role("link", name="What if").click()
    page.get_by_label("Find an activity").fill("A1430 – Finishes")
    page.get_by_role("button", name="Change it").click()
    page.get_by_label("Remaining duration").fill("300")
    page.get_by_role("button", name="Compute").click()
    expect(page.get_by_role("row").filter(has_text=re.compile("^P80"))).to_contain_text("later")

    page.get_by_role("link", name="Export", exact=True).click()
    with page.expect_response(re.compile(r"/export\?format=xer")) as answer:
        page.get_by_role("button", name=re.compile("XER")).click()
    with urllib.request.urlopen(answer.value.json()["url"]) as file:  # noqa: S310
        return str(file.read().decode("cp1252"))


def test_a_planner_uploads_two_updates_and_takes_the_forecast_back(released):
    with chromium() as browser:
        context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-GB")
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        failed: list[str] = []
        page.on("pageerror", lambda error: failed.append(str(error)))
        text = journey(page, released.env["SLIPCAST_API_URL"], released.env["SLIPCAST_API_KEY"])

    assert text.startswith("ERMHDR")
    # The user-defined fields that P6 imports on top of the project.
    assert "%T\tUDFTYPE" in text
    assert "%T\tUDFVALUE" in text
    assert failed == []
