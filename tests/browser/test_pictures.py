"""Pictures of the documentation, each taken after the page says what it is to show.

They show the example schedules with the forecasts of small models. In a shell with the variables of a local cloud
(``source .local/env``) on which ``make demo`` has run they show what that cloud says.
"""

import io
import os
import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect

from support import desk_data, desk_site

DOCS = Path(__file__).resolve().parents[2] / "docs" / "desk"
ANNEX = f"projects/{desk_data.ANNEX}"
WIDE, PHONE = (1440, 900), (390, 844)
# Name → path of the screen, size, scheme, a text that is there when it is complete.
PICTURES = {
    "portfolio": ("", (1440, 900), "light", "Show the heat map"),
    "heat": ("", (1440, 600), "light", "Show the heat map"),
    "gantt": (f"{ANNEX}/gantt", WIDE, "light", "Finishes"),
    "activity-dark": (f"{ANNEX}/gantt?activity=A1430", (1440, 1300), "dark", "When will it finish"),
    "drivers": (f"{ANNEX}/drivers", (1440, 1000), "light", "Where the days come from"),
    "compare": (f"{ANNEX}/compare", (1440, 1000), "light", "Finishes that moved"),
    "what-if": (f"{ANNEX}/what-if", (1440, 820), "light", "None is saved"),
    "export": (f"{ANNEX}/export", (1440, 720), "light", "Excel"),
    "upload": ("upload", (1440, 560), "light", "Drop a schedule here"),
    "model": ("model", (1440, 1500), "light", "Trainings"),
    "phone": (f"{ANNEX}/gantt", PHONE, "light", "Finishes"),
}
# Name → what is done before the picture is taken.
STEPS = {
    "heat": (
        lambda page: page.get_by_role("button", name="Show the heat map").click(),
        lambda page: page.locator("table.heat").scroll_into_view_if_needed(),
        lambda page: page.get_by_role("heading", name=re.compile("Heat map")).evaluate("node => node.scrollIntoView()"),
        lambda page: page.evaluate("window.scrollBy(0, -80)"),
    ),
    "what-if": (
        lambda page: page.get_by_label("Find an activity").fill("A1430 – Finishes"),
        lambda page: page.get_by_role("button", name="Change it").click(),
        lambda page: page.get_by_label("Remaining duration").fill("120"),
        lambda page: page.get_by_role("button", name="Compute").click(),
        lambda page: expect(page.get_by_role("row").filter(has_text=re.compile("^P80"))).to_contain_text("later"),
    ),
}


@pytest.fixture(scope="module")
def examples():
    chosen = (desk_data.ANNEX, "p6_highbridge")
    with desk_data.Portfolio({name: desk_data.FILES[name] for name in chosen}) as found:
        yield found


@pytest.mark.slow
def test_the_pictures_of_the_documentation_are_taken(examples, serve, open_page):
    cloud = os.environ.get("SLIPCAST_API_URL")
    url = f"{cloud}/desk/index.html" if cloud else serve(examples.api).url
    key = os.environ["SLIPCAST_API_KEY"] if cloud else desk_site.KEY
    DOCS.mkdir(exist_ok=True)

    for name, (path, (width, height), scheme, text) in PICTURES.items():
        page = open_page(f"{url}#/{path}", width=width, height=height, scheme=scheme, key=key)
        expect(page.get_by_text(re.compile(text)).first).to_be_attached()
        for step in STEPS.get(name, ()):
            step(page)
        page.wait_for_load_state("networkidle")
        taken = Image.open(io.BytesIO(page.screenshot(animations="disabled"))).convert("RGB")
        # A screen has few colors: a third of the bytes.
        taken.quantize(256, dither=Image.Dither.NONE).save(DOCS / f"{name}.png", optimize=True)
        page.context.close()

    assert {path.stem for path in DOCS.glob("*.png")} == PICTURES.keys()
