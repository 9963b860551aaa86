"""What must hold of the report's page: its own tags alone, all closed, and no text that a spreadsheet would run."""

from html.parser import HTMLParser

from intake_fuzz.outcomes import Violation, demand

# Said again, for the intake's own list is under test.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def is_formula(text: str) -> bool:
    """Return whether a spreadsheet would run a cell. It skips blanks before a formula."""
    return text.lstrip(" ").startswith(FORMULA)


class _Page(HTMLParser):
    """Tags that the report has, all closed, and the text between two of them."""

    TAGS = frozenset(
        [
            *("html", "head", "meta", "title", "style", "body", "header", "main", "footer", "nav", "section", "div"),
            *("h1", "h2", "h3", "p", "span", "small", "bdi", "code", "a", "br", "ol", "ul", "li", "dl", "dt", "dd"),
            *("table", "caption", "thead", "tbody", "tr", "th", "td", "svg", "g", "rect", "line", "text"),
        ]
    )
    ATTRIBUTES = frozenset(
        [
            *("lang", "charset", "http-equiv", "name", "content", "class", "id", "style", "href", "role", "tabindex"),
            *("aria-label", "aria-labelledby", "scope", "rowspan", "viewbox", "x", "y", "x1", "x2", "y1", "y2"),
            *("width", "height", "fill", "stroke", "stroke-width"),
        ]
    )
    VOID = frozenset(["meta", "br", "rect", "line"])

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = [""]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        demand(tag in self.TAGS, f"<{tag}> in the page")
        demand({name for name, _ in attrs} <= self.ATTRIBUTES, f"<{tag} {attrs}> in the page")
        demand(all((value or "").startswith("#") for name, value in attrs if name == "href"), f"{attrs} leads away")
        if tag not in self.VOID:
            self.open.append(tag)
        self.texts.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            demand(self.open and self.open.pop() == tag, f"</{tag}> closes nothing")
        self.texts.append("")

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.texts[-1] += data

    def handle_comment(self, data: str) -> None:
        raise Violation(f"a comment in the page: {data[:100]!r}")

    def handle_pi(self, data: str) -> None:
        raise Violation(f"an instruction in the page: {data[:100]!r}")

    def unknown_decl(self, data: str) -> None:
        raise Violation(f"a declaration in the page: {data[:100]!r}")


def check_page(page: str) -> None:
    """Raise Violation unless a page is the report and nothing that a file brought."""
    page.encode()
    parser = _Page()
    parser.feed(page)
    parser.close()
    demand(not parser.open, f"{parser.open} are not closed")
    for text in parser.texts:
        # Between two tags of the template stand line breaks, which no cell of a table begins with.
        text = text.strip("\n")
        demand(not text.strip() or not is_formula(text), f"a formula in the page: {text[:100]!r}")
