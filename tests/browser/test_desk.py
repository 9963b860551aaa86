"""What a planner does in the web application, against documents that the domain computes from the example schedules."""

import itertools
import json
import re
import time

import pytest
from playwright.sync_api import Page, expect

from slipcast_desk import build
from support import desk_data, desk_site

ANNEX = desk_data.ANNEX
PARTS = "The update", "The model"
SCREENS = ["", f"projects/{ANNEX}", f"projects/{ANNEX}/drivers", f"projects/{ANNEX}/compare", "upload"]
SCREENS += [f"projects/{ANNEX}/what-if", f"projects/{ANNEX}/export", f"projects/{ANNEX}/gantt?activity=A1430", "model"]
SCREENS += [f"projects/{ANNEX}/lineage?activity=A1430"]


def at(site: desk_site.Site, path: str) -> str:
    return f"{site.url}#/{path}"


def visit(page: Page, site: desk_site.Site, path: str) -> None:
    page.goto(at(site, path))
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.wait_for_load_state("networkidle")
    expect(page.locator(".waiting")).to_have_count(0)


def large(portfolio, count: int):
    """Return an API whose project has the same activities over and over."""
    columns = portfolio.get("projects", ANNEX, "activities", layout="columns")["columns"]
    size = len(columns["activity_id"])
    many = {name: [values[place % size] for place in range(count)] for name, values in columns.items()}
    many["activity_id"] = [f"B{number:05}" for number in range(count)]

    def api(method, parts, query, body):
        if parts[2:] == ["activities"]:
            return 200, {"columns": many, "next": None}
        return portfolio.api(method, parts, query, body)

    return api


def serious(page: Page, axe: str) -> list[tuple[str, str]]:
    """Return the serious violations of accessibility in a page, each with the element."""
    page.evaluate(axe)
    violations = page.evaluate("axe.run().then((result) => result.violations)")
    return [
        (item["id"], item["nodes"][0]["html"][:200]) for item in violations if item["impact"] in ("serious", "critical")
    ]


def chart(page: Page):
    return page.get_by_role("treegrid")


def test_a_wrong_key_is_refused_and_the_right_one_opens_the_portfolio(site, open_page):
    page = open_page(site.url, key=None)

    page.get_by_label("API key").fill("guessed")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("This key is not accepted")
    page.get_by_label("API key").fill(desk_site.KEY)
    page.get_by_role("button", name="Sign in").click()

    row = page.get_by_role("row").filter(has_text=ANNEX)
    expect(row).to_contain_text("later")


def test_what_is_at_risk_is_found_and_opened_by_keyboard_alone(site, open_page, portfolio):
    risky = portfolio.get("projects", ANNEX, "activities", at_risk="true")["activities"]
    name = risky[-1]["activity_name"]
    page = open_page(at(site, f"projects/{ANNEX}"))

    page.get_by_label("At risk").check()
    expect(page.get_by_text(f"{len(risky)} of 31 activities")).to_be_visible()
    page.get_by_label("Find activity").fill(name.upper())
    expect(page.get_by_text("1 of 31 activities")).to_be_visible()
    chart(page).focus()
    page.keyboard.press("End")
    page.keyboard.press("Enter")

    panel = page.get_by_role("complementary")
    expect(panel.get_by_role("heading", name=name)).to_be_focused()
    expect(panel).to_contain_text("With 80% probability it is finished by")
    expect(panel.get_by_role("img", name="When will it finish?")).to_be_visible()
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(chart(page)).to_be_focused()


@pytest.mark.slow
def test_an_activity_leads_to_the_model_file_and_run_of_its_forecast(site, open_page):
    page = open_page(at(site, f"projects/{ANNEX}/gantt?activity=A1430"))

    page.get_by_role("link", name="Model, dataset, file and run").click()
    expect(page.get_by_role("heading", name="Where this comes from")).to_be_visible()
    expect(page.get_by_text(f"slipcast lineage {ANNEX}/2026-03-31/A1430")).to_be_visible()
    update, model = (page.locator("section").filter(has=page.get_by_role("heading", name=name)) for name in PARTS)
    expect(update).to_contain_text(f"{ANNEX}_2026-03-31.xer")
    expect(update.get_by_role("link")).to_have_attribute("href", re.compile("/reports/e/intake.html"))
    expect(model).to_contain_text("46563b0165b1")
    expect(model).to_contain_text("new data")
    expect(model.get_by_role("link").first).to_have_attribute("href", re.compile("/report.html"))
    page.get_by_role("link", name="Back to the activity").click()
    expect(page.get_by_role("complementary")).to_be_visible()


@pytest.mark.slow
def test_groups_close_and_open_and_the_chart_says_what_its_bars_show(site, open_page):
    page = open_page(at(site, f"projects/{ANNEX}"))
    construction = page.get_by_role("row", name=re.compile("Construction"))

    bar = page.get_by_role("row", name=re.compile("A1430")).get_by_role("gridcell").last
    expect(bar).to_have_attribute("aria-label", re.compile(r"Plan .* to .*\. Baseline finish .*\. Forecast P10"))
    construction.click()
    expect(construction).to_have_attribute("aria-expanded", "false")
    expect(page.get_by_role("row", name=re.compile("A1430"))).to_have_count(0)


@pytest.mark.slow
def test_activities_stand_below_their_work_breakdown_structure(serve, open_page, portfolio):
    def api(method, parts, query, body):
        status, document = portfolio.api(method, parts, query, body) or (404, {})
        if parts[2:] == ["activities"]:
            ids = document["columns"]["activity_id"]
            paths = {"A1430": "Annex > Interior > Finishes", "A1420": "Annex > Interior"}
            document["columns"]["wbs"] = [paths.get(name, "Annex") for name in ids]
        return status, document

    page = open_page(at(serve(api), f"projects/{ANNEX}"))

    page.get_by_label("Group by").select_option("wbs")
    page.get_by_role("button", name="Expand all").click()
    levels = page.get_by_role("row").filter(has=page.locator("b"))
    expect(page.get_by_role("row", name=re.compile("A1430"))).to_have_attribute("aria-level", "4")
    expect(levels.filter(has_text="Finishes")).to_have_attribute("aria-level", "3")
    levels.filter(has_text="Interior").click()
    expect(page.get_by_role("row", name=re.compile("A1430"))).to_have_count(0)
    expect(page.get_by_role("row", name=re.compile("A1420"))).to_have_count(0)


@pytest.mark.slow
def test_the_heat_map_has_the_expected_share_of_late_activities_by_phase_and_location(site, open_page, portfolio):
    rows = portfolio.get("projects", ANNEX, "activities", limit="1000")["activities"]
    cells: dict[str, list[float]] = {}
    for row in rows:
        if row["status"] != "complete" and row["late_probability"] is not None:
            cells.setdefault(row["phase"], []).append(row["late_probability"])
    page = open_page(site.url)

    page.get_by_role("button", name="Show the heat map").click()

    table = page.locator("table.heat")
    expect(table.get_by_role("columnheader")).to_have_text(["Location", *sorted(cells)])
    # Of a schedule without locations.
    expect(table.get_by_role("rowheader")).to_have_count(1)
    shares = [f"{sum(cells[name]) / len(cells[name]) * 100:.0f}%" for name in sorted(cells)]
    for place, share in enumerate(shares):
        expect(table.get_by_role("cell").nth(place)).to_contain_text(share)


@pytest.mark.slow
def test_two_updates_are_compared(site, open_page):
    page = open_page(at(site, f"projects/{ANNEX}/compare"))

    row = page.get_by_role("row").filter(has_text="Punch list").first
    expect(row).to_contain_text("Foundations")
    page.get_by_label("From").select_option("2025-02-28")
    expect(page.get_by_text("Asbestos abatement").first).to_be_visible()


@pytest.mark.slow
def test_a_longer_activity_moves_the_completion_and_nothing_is_stored(site, open_page, portfolio):
    before = portfolio.get("projects", ANNEX, "forecast")
    page = open_page(at(site, f"projects/{ANNEX}/what-if"))

    page.get_by_label("Find an activity").fill("A1430 – Finishes")
    page.get_by_role("button", name="Change it").click()
    page.get_by_label("Remaining duration").fill("300")
    page.get_by_role("button", name="Compute").click()

    expect(page.get_by_role("row").filter(has_text=re.compile("^P80"))).to_contain_text("later")
    expect(page.get_by_role("row").filter(has_text="Punch list")).to_contain_text("later")
    assert portfolio.get("projects", ANNEX, "forecast") == before
    page.get_by_label("Name of the scenario").fill("one crew")
    page.get_by_role("button", name="Save as scenario").click()
    expect(page.get_by_role("button", name="Delete: one crew")).to_be_visible()
    page.reload()
    page.get_by_role("button", name="Open: one crew").click()
    expect(page.get_by_label("Remaining duration")).to_have_value("300")
    expect(page.get_by_role("row").filter(has_text="Punch list")).to_contain_text("later")
    page.get_by_role("button", name="Delete: one crew").click()
    expect(page.get_by_text("None is saved.")).to_be_visible()


@pytest.mark.slow
def test_a_project_of_ten_thousand_activities_has_the_rows_in_view_alone(serve, open_page, portfolio):
    many = 10_000
    page = open_page(at(serve(large(portfolio, many)), f"projects/{ANNEX}"))
    expect(page.get_by_text("10,000 of 10,000 activities")).to_be_visible()
    page.get_by_label("Group by").select_option("none")
    chart(page).focus()
    page.keyboard.press("End")

    expect(page.get_by_role("row").last).to_have_attribute("aria-rowindex", str(many + 1))
    assert 10 < page.get_by_role("row").count() < 80


@pytest.mark.slow
def test_an_expired_session_asks_to_sign_in_again_and_returns_to_the_place(serve, open_page, portfolio):
    states = itertools.chain([200, 401], itertools.repeat(200))

    def api(method, parts, query, body):
        if parts[2:] == ["activities"] and next(states) == 401:
            return 401, {"title": "Unauthorized", "detail": "send a valid token in the header Authorization"}
        return portfolio.api(method, parts, query, body)

    page = open_page(at(serve(api), f"projects/{ANNEX}"))
    expect(page.get_by_text("31 of 31 activities")).to_be_visible()
    page.get_by_role("link", name="What if").click()
    expect(page.get_by_role("alert")).to_contain_text("Your session has expired")
    page.get_by_label("API key").fill(desk_site.KEY)
    page.get_by_role("button", name="Sign in").click()

    expect(page.get_by_role("heading", name="What if")).to_be_visible()


@pytest.mark.slow
def test_what_a_caller_may_not_see_is_said(serve, open_page):
    page = open_page(at(serve(lambda *_: (403, {"detail": "the project is not yours"})), f"projects/{ANNEX}"))

    expect(page.get_by_role("alert")).to_contain_text("the project is not yours")


def uploads(steps):
    """Return an API that takes uploads, the files that it got, and a list with an item while the network is away."""
    sent: list[bytes] = []
    away: list[bool] = []

    def api(method, parts, query, body):
        match method, parts:
            case "POST", ["uploads"] if body["name"].endswith("/"):
                return 422, {"detail": "send the name of a file"}
            case "POST", ["uploads"]:
                form = {"url": "bucket", "fields": {"key": f"incoming/{body['name']}", "policy": "p"}}
                return 201, {**form, "key": f"incoming/{body['name']}"}
            case "POST", ["bucket"]:
                if away:
                    raise ConnectionAbortedError
                sent.append(body)
                return 200, {}
            case "GET", ["executions"]:
                return next(steps)
        return None

    return api, sent, away


def run(status, *names, **more):
    steps = [{"name": name, "status": state, "started": None, "ended": None} for name, state in names]
    return 200, {"status": status, "steps": steps, "intake_url": None, "outcome": None, **more}


HALL = {"name": "hall.xer", "mimeType": "application/octet-stream", "buffer": b"ERMHDR\t19.12"}


def test_an_upload_that_the_network_lost_is_sent_again_and_followed(serve, open_page):
    missing = 404, {"detail": "nothing was uploaded under this key"}
    prepared = ("Prepare", "SUCCEEDED")
    states = iter(
        [missing, run("RUNNING", ("Prepare", "RUNNING")), run("SUCCEEDED", prepared, ("ScoreOpen", "SUCCEEDED"))]
    )
    api, sent, away = uploads(states)
    away.append(True)
    page = open_page(at(serve(api), "upload"))

    page.locator("#file").set_input_files(HALL)
    expect(page.get_by_role("alert")).to_contain_text("The connection was lost")
    away.clear()
    page.get_by_role("button", name="Send it again").click()

    expect(page.get_by_role("heading", name="The file is taken in")).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text="Forecast the open")).to_contain_text("done")
    assert b'name="policy"' in sent[-1]
    assert HALL["buffer"] in sent[-1]


def test_a_wrong_file_is_refused_with_the_reason(serve, open_page):
    why = "hall.xer: the file is no schedule. Export XER from Primavera P6"
    failed = run("FAILED", ("Prepare", "SUCCEEDED"), outcome={"outcome": "refused", "why": why})
    api, _, _ = uploads(iter([failed]))
    page = open_page(at(serve(api), "upload"))

    page.locator("#file").set_input_files(HALL)

    expect(page.get_by_role("heading", name="The file was not taken in")).to_be_visible()
    expect(page.get_by_text(why)).to_be_visible()


@pytest.mark.slow
def test_a_table_is_corrected_and_sent_into_the_folder_that_it_was_in(serve, open_page, axe):
    link = "https://bucket.example/corrections/hall.xlsx"
    partly = run("FAILED", ("Prepare", "SUCCEEDED"), outcome={"outcome": "refused", "why": "9 of 12 rows are bad"})
    whole = run("SUCCEEDED", ("Prepare", "SUCCEEDED"), outcome={"outcome": "ingested", "why": ""})
    partly[1]["corrections_url"] = link
    uploading, sent, _ = uploads(iter([partly, whole]))
    asked = []

    def api(method, parts, query, body):
        if parts == ["uploads"]:
            asked.append(body.get("source"))
            status, form = uploading(method, parts, query, body)
            return status, {**form, "key": f"incoming/mine/{body['name']}"}
        return uploading(method, parts, query, body)

    page = open_page(at(serve(api), "upload"))
    page.locator("#file").set_input_files({**HALL, "name": "hall.csv"})

    expect(page.get_by_role("heading", name="The file was not taken in")).to_be_visible()
    expect(page.get_by_role("link", name="Download the table to correct")).to_have_attribute("href", link)
    assert serious(page, axe) == []
    page.locator("#corrected").set_input_files({**HALL, "name": "hall.xlsx", "buffer": b"PK corrected"})

    expect(page.get_by_role("heading", name="The file is taken in")).to_be_visible()
    assert asked == [None, "mine"]
    assert b"PK corrected" in sent[-1]


@pytest.mark.slow
def test_an_approver_rejects_a_release_that_waits_and_the_picture_says_what_held(serve, open_page, portfolio):
    decided: list[dict] = []

    def api(method, parts, query, body):
        if (method, parts[:1]) == ("POST", ["releases"]):
            decided.append(body)
            return 200, {"execution": parts[1], "status": "rejected", "delivery": "delivered", "decided_at": "2026"}
        status, document = portfolio.api(method, parts, query, body) or (404, {})
        if parts == ["releases"]:
            closed = [{**document["waiting"][0], "status": "rejected", "decided_at": None, "by": "Ann", "comment": ""}]
            lists = {"waiting": [], "decided": closed} if decided else {"waiting": document["waiting"]}
            document = {**document, **lists, "may_decide": True}
        return status, document

    page = open_page(at(serve(api), "model"))
    picture = page.get_by_role("img", name="What was said, and what happened")
    expect(picture.locator(".given circle")).to_have_count(4)
    expect(picture.locator(".late circle")).to_have_count(10)
    expect(page.get_by_text("AUC (higher is better)")).to_be_visible()
    page.get_by_label("Comment").fill("wait for the audit")
    page.get_by_role("button", name="Reject").click()

    expect(page.get_by_text("None waits.")).to_be_visible()
    assert decided == [{"decision": "reject", "comment": "wait for the audit"}]


@pytest.mark.slow
def test_a_table_that_is_not_understood_gets_a_profile_and_is_sent_again(serve, open_page, axe):
    refused = run("FAILED", ("Prepare", "SUCCEEDED"), outcome={"outcome": "refused", "why": "no profile fits"})
    taken = run("SUCCEEDED", ("Prepare", "SUCCEEDED"), ("ScoreOpen", "SUCCEEDED"), outcome={"outcome": "ingested"})
    uploading, sent, _ = uploads(iter([refused, taken]))
    asked: list[tuple[str, dict]] = []
    guess = {"headers": ["Ende Soll"], "why": "words of its header", "examples": ["12.10.2024"]}
    draft = {
        "text": "name: tracker\n",
        "guesses": [{**guess, "column": "baseline_finish", "confidence": 0.7}],
        **{"not_used": ["Kosten Ist"], "notes": [], "counts": {"read": 41, "accepted": 34}},
        "preview": [{"activity_id": "102", "baseline_finish": "2024-10-12"}],
    }

    def api(method, parts, query, body):
        if parts[0] in ("profiles", "uploads"):
            asked.append(("/".join(parts), body))
        if parts[0] == "profiles":
            return (200, draft) if parts[1:] else (201, {"profile": body["profile"]})
        return uploading(method, parts, query, body)

    page = open_page(at(serve(api), "upload"))
    page.locator("#file").set_input_files({**HALL, "name": "Tracker 2026-03-31.csv", "mimeType": "text/csv"})
    expect(page.get_by_role("heading", name="Make a profile for this table")).to_be_visible()
    expect(page.get_by_label("Name of the profile")).to_have_value("tracker")
    page.get_by_role("button", name="Suggest a mapping").click()
    expect(page.get_by_role("row").filter(has_text="baseline finish").first).to_contain_text("70%")
    expect(page.get_by_text("Not used: Kosten Ist")).to_be_visible()
    assert serious(page, axe) == []
    page.get_by_label("Profile (YAML)").fill("name: tracker\ntitle: ours\n")
    page.get_by_role("button", name="Save as profile").click()

    expect(page.get_by_role("listitem").filter(has_text="Forecast the open")).to_contain_text("done")
    paths = [path for path, _ in asked]
    assert paths == ["uploads", "profiles/suggestions", "profiles", "uploads"]
    assert asked[2][1] == {"profile": "tracker", "text": "name: tracker\ntitle: ours\n"}
    assert asked[3][1]["source"] == "tracker"
    assert len(sent) == 2


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_screen_has_a_serious_violation_of_accessibility(site, open_page, axe, scheme):
    page = open_page(site.url, scheme=scheme)
    found = {}

    for path in SCREENS:
        visit(page, site, path)
        found[path] = serious(page, axe)

    assert not any(found.values()), found


@pytest.mark.slow
def test_on_a_phone_nothing_is_wider_than_the_screen(site, open_page):
    page = open_page(site.url, width=390, height=844)
    wide = {}

    for path in SCREENS:
        visit(page, site, path)
        wide[path] = page.evaluate("document.documentElement.scrollWidth")

    assert {path: width for path, width in wide.items() if width > 390} == {}


@pytest.mark.slow
def test_the_page_speaks_german_and_remembers_it(site, open_page):
    page = open_page(at(site, f"projects/{ANNEX}"))

    page.get_by_label("Language").select_option("de")
    expect(page.get_by_text("31 von 31 Vorgängen")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "de")
    page.reload()
    expect(page.get_by_text("31 von 31 Vorgängen")).to_be_visible()


# Texts of a page but those that are marked as English, those of the schedule, and names of levels and files.
TEXTS = """() => {
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
  for (let node = walk.nextNode(); node; node = walk.nextNode())
    if (!node.parentElement.closest('[lang=en], select, pre, code, script, style')) found.push(node.textContent.trim());
  return found.filter(Boolean);
}"""
# Words that no German text has, and no name of the example schedules.
ENGLISH = re.compile(r"\b(the|of|is|are|were|with|from|this|that|than|have|has|been|not|late|days)\b", re.I)


@pytest.mark.slow
def test_in_german_nothing_is_english_but_what_says_so(site, open_page):
    page = open_page(site.url)
    page.evaluate("localStorage.setItem('slipcast.language', 'de')")
    page.reload()
    found = {}

    for path in SCREENS:
        visit(page, site, path)
        found[path] = [text for text in page.evaluate(TEXTS) if ENGLISH.search(text)]

    assert {path: words for path, words in found.items() if words} == {}


SCROLL = """() => new Promise((done) => {
  const chart = document.querySelector('[role=treegrid]'), times = [], began = performance.now();
  const step = (now) => {
    times.push(now);
    chart.scrollTop += 120;
    if (now - began < 3000) requestAnimationFrame(step);
    else done({frames: times.length, seconds: (times.at(-1) - times[0]) / 1000});
  };
  requestAnimationFrame(step);
})"""


@pytest.mark.slow
def test_the_budget_of_ten_thousand_activities(serve, open_page, portfolio):
    """Bytes are judged; time to the first view and frames of a scroll are written down: they are the machine's too."""
    page = open_page("about:blank")
    session = page.context.new_cdp_session(page)
    received: list[float] = []
    session.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
    session.send("Network.enable")
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    site = serve(large(portfolio, 10_000))

    began = time.monotonic()
    page.goto(at(site, f"projects/{ANNEX}"))
    expect(chart(page).get_by_role("row").nth(5)).to_be_visible()
    first_view = time.monotonic() - began
    page.wait_for_load_state("networkidle")
    busy = {item["name"]: item["value"] for item in session.send("Performance.getMetrics")["metrics"]}
    scroll = page.evaluate(SCROLL)
    after = {item["name"]: item["value"] for item in session.send("Performance.getMetrics")["metrics"]}

    found = {
        "bytes": sum(received),
        "first_view_seconds": round(first_view, 2),
        "first_view_processor_seconds": round(busy["TaskDuration"], 2),
        "frames_per_second": round(scroll["frames"] / scroll["seconds"], 1),
        "processor_ms_per_frame": round((after["TaskDuration"] - busy["TaskDuration"]) * 1000 / scroll["frames"], 1),
    }
    (build.CACHE / "budget.json").write_text(json.dumps(found, indent=1))
    assert found["bytes"] <= 400_000, found
