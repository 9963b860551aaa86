"""A reader of HTML pages for tests: structure, tables, ids and every address that a browser might fetch."""

import re
from html.parser import HTMLParser

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
ADDRESSES = {"src", "href", "xlink:href", "action", "data", "poster", "srcset", "background", "formaction"}


class Page(HTMLParser):
    """What stands in a page.

    Attributes
    ----------
    problems : tags that are not closed, or closed where they are not open
    elements : (tag, attributes) in the order of the page
    tables : by caption the rows below the head, each a list of the texts of its cells
    outside : texts of tables that stand in no box of their own
    text : the text outside style sheets, white space made one
    """

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.problems: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.outside = 0
        self._open: list[tuple[str, dict[str, str]]] = []
        self._said: list[str] = []
        self._styles: list[str] = []
        self._caption, self._rows = "", []
        self.feed(text)
        self.close()
        self.problems += [f"<{tag}> is not closed" for tag, _ in self._open]
        self.text = " ".join("".join(self._said).split())

    def handle_starttag(self, tag, attrs):
        attributes = {name: value or "" for name, value in attrs}
        self.elements.append((tag, attributes))
        if tag in VOID:
            return
        if tag == "table":
            self._caption, self._rows = "", []
            boxed = any("scroll" in found.get("class", "").split() for _, found in self._open)
            self.outside += not boxed
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            self._rows[-1].append("")
        self._open.append((tag, attributes))

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag):
        if not self._open or self._open[-1][0] != tag:
            self.problems.append(f"</{tag}> at line {self.getpos()[0]} closes what is not open")
            return
        self._open.pop()
        if tag == "table":
            self.tables[" ".join(self._caption.split())] = [
                [" ".join(c.split()) for c in row] for row in self._rows[1:]
            ]
        elif tag in ("small", "p", "dd", "dt", "li", "h2", "h3", "td", "th"):
            self._said.append(" ")

    def handle_data(self, data):
        tags = [tag for tag, _ in self._open]
        if "style" in tags:
            self._styles.append(data)
            return
        self._said.append(data)
        if "caption" in tags:
            self._caption += data
        elif tags and ("td" in tags or "th" in tags) and "table" in tags:
            self._rows[-1][-1] += f" {data}" if tags[-1] == "small" else data

    @property
    def ids(self) -> list[str]:
        """Every id, in the order of the page."""
        return [attributes["id"] for _, attributes in self.elements if "id" in attributes]

    @property
    def addresses(self) -> list[str]:
        """Whatever a browser might fetch or lead to."""
        found = [value for _, attributes in self.elements for name, value in attributes.items() if name in ADDRESSES]
        texts = [*self._styles, *(value for _, attributes in self.elements for value in attributes.values())]
        return found + [
            each
            for text in texts
            for each in re.findall(r"url\(\s*['\"]?([^)'\"]*)|@import\s+(\S+)", text)
            for each in each
            if each
        ]
