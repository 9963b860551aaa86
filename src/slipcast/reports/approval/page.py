"""Rendering of the page from the template."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from markupsafe import Markup

from slipcast.reports.environment import environment

PAGE = "approval"


@cache
def style() -> str:
    """Return the style sheet of the page: that of all pages, and the form's. A policy may name it by its digest."""
    shelf = environment(PAGE)
    return "".join(shelf.get_template(name).render() for name in ("style.css", "approval.css"))


def render(
    title: str,
    paragraphs: Sequence[str],
    rows: Sequence[tuple[str, str]] = (),
    form: Mapping[str, Any] | None = None,
    link: str = "",
) -> str:
    """Return a page: no other file, no network and no script is needed to read it.

    Parameters
    ----------
    title
        heading
    paragraphs
        text below it
    rows
        facts, as pairs of name and text
    form
        of a request that can be decided: ``figures`` (rows with ``measure``, ``challenger``, ``champion``), ``report``
        (relative address of the report, or None), ``key`` and ``limits`` (characters by field)
    link
        address to continue at
    """
    return (
        environment(PAGE)
        .get_template("approval.html.j2")
        .render(title=title, paragraphs=paragraphs, rows=rows, form=form, link=link, style=Markup(style()))  # noqa: S704
    )
