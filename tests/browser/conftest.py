"""The web application in a real browser: Chromium of the machine, driven by Playwright."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from slipcast_desk import build
from support import desk_data, desk_site
from support.chromium import PATIENCE, chromium


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="session")
def axe() -> str:
    """Source of the accessibility checker, at the version of the lock."""
    return (build.packages() / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def portfolio() -> Iterator[desk_data.Portfolio]:
    with desk_data.Portfolio({desk_data.ANNEX: desk_data.FILES[desk_data.ANNEX]}) as found:
        yield found


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., desk_site.Site]]:
    """Serve an API and the web application; everything ends with the test."""
    running: list[desk_site.Site] = []

    def start(api: desk_site.Api, **environment: str) -> desk_site.Site:
        for name, value in {**desk_site.ENVIRONMENT, **environment}.items():
            monkeypatch.setenv(name, value)
        desk_site.static()
        running.append(desk_site.Site(api).__enter__())
        return running[-1]

    yield start
    for site in running:
        site.__exit__()


@pytest.fixture
def site(serve, portfolio) -> desk_site.Site:
    return serve(portfolio.api)


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open a page; an error in its console or script fails the test, as does what the policy forbids."""
    contexts: list[Any] = []
    errors: list[str] = []

    def opened(
        url: str, *, width: int = 1280, height: int = 800, scheme: str = "light", key: str | None = desk_site.KEY
    ) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, locale="en-GB")
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: errors.append(line.text) if _unexpected(line) else None)
        if key is not None:
            # An empty page has no storage, nor has a page in a frame that is kept apart.
            page.add_init_script(f"if (location.host && self === top) sessionStorage.setItem('slipcast.key', {key!r})")
        page.goto(url)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert errors == []


def _unexpected(line: Any) -> bool:
    # The browser notes every answer that is no success; what the page makes of it is what a test looks at.
    return line.type in ("error", "warning") and not line.text.startswith("Failed to load resource")
