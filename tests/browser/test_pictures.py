"""Pictures of the documentation, each taken after the page says what it is to show.

They show the example schedules with the forecasts of small models. In a shell with the variables of a local cloud
(``source .local/env``) on which ``make demo`` has run they show what that cloud says. Each screen is also taken in the
light and in the dark scheme and on a phone, into ``.cache/desk/pictures``, to be looked at.
"""

import csv
import io
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from slipcast.ingest.files.formats import Limits
from slipcast.ingest.refusal import ScheduleRefused
from slipcast.ingest.schedule import read_schedule
from slipcast.ingest.suggest import suggest
from slipcast_desk import build
from support import desk_data, desk_site

LOOKED_AT = build.CACHE / "pictures"
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
    "wizard": ("upload", (1440, 1400), "light", "Drop a schedule here"),
    "corrections": ("upload", (1440, 900), "light", "Drop a schedule here"),
    "lineage": (f"{ANNEX}/lineage?activity=A1430", (1440, 900), "light", "The model"),
    "sign-in": ("", (1440, 420), "light", "Sign in to Slipcast"),
    "model": ("model", (1440, 1500), "light", "Trainings"),
    "phone": (f"{ANNEX}/gantt", PHONE, "light", "Finishes"),
}
EXPORTS = Path(__file__).resolve().parents[2] / "examples" / "exports"
# A table that no profile reads, and one with days that are none in every third row.
UNKNOWN = EXPORTS / "custom" / "hochbau_2025-06-30.csv"
KNOWN = EXPORTS / "p6_queens_2024-09-30.csv"


def damaged() -> bytes:
    """Return a table of which too many rows cannot be taken."""
    with KNOWN.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    place = rows[0].index("BL Project Finish")
    for row in rows[2::3]:
        row[place] = "tbd"
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


def choose(name: str, raw: bytes) -> Callable[[Page], None]:
    """Return the step that chooses a file to upload and waits until it was refused."""

    def step(page: Page) -> None:
        page.locator("#file").set_input_files({"name": name, "mimeType": "text/csv", "buffer": raw})
        expect(page.get_by_role("heading", name="The file was not taken in")).to_be_visible(timeout=300_000)

    return step


# Name → what is done before the picture is taken.
STEPS = {
    "heat": (
        lambda page: page.get_by_role("button", name="Show the heat map").click(),
        lambda page: page.locator("table.heat").scroll_into_view_if_needed(),
        lambda page: page.get_by_role("heading", name=re.compile("Heat map")).evaluate("node => node.scrollIntoView()"),
        lambda page: page.evaluate("window.scrollBy(0, -80)"),
    ),
    "wizard": (
        choose(UNKNOWN.name, UNKNOWN.read_bytes()),
        lambda page: page.get_by_role("button", name="Suggest a mapping").click(),
        lambda page: expect(page.get_by_role("heading", name=re.compile("First rows"))).to_be_visible(),
        lambda page: page.get_by_role("heading", name="Make a profile").evaluate("node => node.scrollIntoView()"),
        lambda page: page.evaluate("window.scrollBy(0, -80)"),
    ),
    "corrections": (
        choose(KNOWN.name, damaged()),
        lambda page: expect(page.get_by_role("link", name="Download the table to correct")).to_be_visible(),
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


def take(page: Page, path: Path) -> None:
    """Take a picture; a screen has few colors: a third of the bytes."""
    taken = Image.open(io.BytesIO(page.screenshot(animations="disabled"))).convert("RGB")
    taken.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def with_uploads(api: desk_site.Api) -> desk_site.Api:
    """Return an API that also refuses uploads, as the pipeline does, and drafts profiles by the real function."""

    def answer(method, parts, query, body):
        match method, parts:
            case "POST", ["uploads"]:
                key = f"incoming/{body['name']}"
                return 201, {"url": "bucket", "fields": {"key": key}, "key": key}
            case "POST", ["bucket"]:
                return 200, {}
            case "GET", ["executions"]:
                return 200, refused(PurePosixPath(query["key"]).name)
            case "POST", ["profiles", "suggestions"]:
                return 200, draft(body["profile"])
        return api(method, parts, query, body)

    return answer


def refused(name: str) -> dict[str, Any]:
    """Return what the pipeline says of a table that it did not take."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(UNKNOWN.read_bytes() if name == UNKNOWN.name else damaged())
        try:
            read_schedule(path, name, workdir=Path(folder), max_bad_share=0.2)
        except ScheduleRefused as refusal:
            why = str(refusal)
    corrections = None if name == UNKNOWN.name else "https://bucket.example/corrections.xlsx"
    step = {
        "name": "Prepare",
        "status": "SUCCEEDED",
        "started": "2026-04-01T06:00:00Z",
        "ended": "2026-04-01T06:00:03Z",
    }
    return {
        **{"execution": "new-data-1", "status": "FAILED", "steps": [step], "intake_url": None, "rejected_url": None},
        **{"corrections_url": corrections, "outcome": {"outcome": "refused", "why": why}},
    }


def draft(profile: str) -> dict[str, Any]:
    """Return the draft of a profile for the table that none reads."""
    with tempfile.TemporaryDirectory() as folder:
        found = suggest(UNKNOWN, UNKNOWN.name, workdir=Path(folder), profile=profile, limits=Limits())
    return {
        **{"text": found.text, "guesses": [guess._asdict() for guess in found.guesses], "counts": found.counts},
        **{key: list(getattr(found, key)) for key in ("not_used", "notes", "preview")},
    }


@pytest.mark.slow
def test_the_pictures_of_the_documentation_are_taken(examples, serve, open_page):
    cloud = os.environ.get("SLIPCAST_API_URL")
    url = f"{cloud}/desk/index.html" if cloud else serve(with_uploads(examples.api)).url
    key = os.environ["SLIPCAST_API_KEY"] if cloud else desk_site.KEY
    for folder in (DOCS, LOOKED_AT):
        folder.mkdir(exist_ok=True)

    for name, (path, (width, height), scheme, text) in PICTURES.items():
        page = open_page(
            f"{url}#/{path}", width=width, height=height, scheme=scheme, key=None if name == "sign-in" else key
        )
        expect(page.get_by_text(re.compile(text)).first).to_be_attached()
        for step in STEPS.get(name, ()):
            step(page)
        # The page in a frame has its own state, for which Chromium never says that the network is idle.
        if page.locator("iframe").count():
            page.frame_locator("iframe").get_by_role("heading").first.wait_for()
        else:
            page.wait_for_load_state("networkidle")
        take(page, DOCS / f"{name}.png")
        for kind, size in (("light", WIDE), ("dark", WIDE), ("light", PHONE)):
            page.emulate_media(color_scheme=kind)
            page.set_viewport_size({"width": size[0], "height": size[1]})
            take(page, LOOKED_AT / f"{name}-{kind}-{size[0]}.png")
        page.context.close()

    assert {path.stem for path in DOCS.glob("*.png")} == PICTURES.keys()
