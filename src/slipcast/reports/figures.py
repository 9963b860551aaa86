"""Matplotlib figures as SVG inside a page: the same bytes for the same record, readable by a screen reader."""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal
from xml.etree import ElementTree

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from slipcast.reports.formatting import clean

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

# Okabe and Ito (2008), Color Universal Design: distinguishable with any colour vision. Grey marks references.
BLUE, SKY, ORANGE, VERMILION, GREEN, GREY = "#0072b2", "#56b4e9", "#e69f00", "#d55e00", "#009e73", "#8a9099"
INK, MUTED, RULE = "#1b1f24", "#57606a", "#d5d9de"

# One width for all: at 4.6 in, 9 pt text is 12 px on a desk and 10 px on a phone.
WIDTH = 4.6
HALF = 3.4

STYLE: "dict[RcKeyType, Any]" = {
    "svg.fonttype": "none",
    "svg.hashsalt": "slipcast",
    # A dollar sign in the name of a phase is a dollar sign.
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}
NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))
_SVG = "{http://www.w3.org/2000/svg}"
_LINK = "{http://www.w3.org/1999/xlink}href"
_LONG = re.compile(r"(-?\d+\.\d{2})\d+")


class Chart:
    """Figure that is being drawn; `markup` holds the SVG after the ``with`` block of `chart`."""

    def __init__(self, figure: Figure) -> None:
        self.figure = figure
        self.markup = Markup()

    def axes(self, *, grid: Literal["x", "y", "both"] | None = None, **keywords: Any) -> Axes:
        """Return the axes of the figure, with grid lines across axis `grid` (``x``, ``y`` or ``both``)."""
        axes: Axes = self.figure.subplots(**keywords)
        if grid:
            axes.grid(axis=grid)
        return axes


@contextmanager
def chart(name: str, title: str, description: str, *, width: float = WIDTH, height: float = 3.2) -> Iterator[Chart]:
    """Draw a figure; its SVG is there when the block ends.

    Parameters
    ----------
    name
        unique in the page, an HTML id
    title, description
        text for a screen reader: name of the chart, and its content
    width, height
        inches
    """
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        # Names may be in any script. The font only measures them: the browser draws them with its own.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from")
        drawn = Chart(Figure(figsize=(width, height), layout="constrained"))
        yield drawn
        written = io.BytesIO()
        drawn.figure.savefig(written, format="svg", metadata=NO_METADATA)
    drawn.markup = _inline(written.getvalue(), name, title, description)


def _inline(raw: bytes, name: str, title: str, description: str) -> Markup:
    """Turn an SVG document into an inline element, with unique ids, short coordinates and a text description."""
    # The XML is matplotlib's own, which escapes names: it has no entity to expand.
    root = ElementTree.fromstring(raw)  # noqa: S314
    for child in [*root.findall(f"{_SVG}metadata"), *root.findall(f"{_SVG}defs")]:
        if child.tag.endswith("metadata") or child.find(f"{_SVG}style") is not None:
            root.remove(child)
    text = ElementTree.tostring(root, encoding="unicode")
    used = set(re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', text))
    wanted = {one or other for one, other in used}
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
        if (identity := element.attrib.pop("id", None)) in wanted:
            element.set("id", f"{name}-{identity}")
        if (link := element.attrib.pop(_LINK, None)) is not None:
            element.set("href", f"#{name}-{link.removeprefix('#')}")
        for key, value in element.attrib.items():
            if key in ("d", "transform", "x", "y", "width", "height", "points"):
                element.set(key, _LONG.sub(r"\1", value))
            elif "url(#" in value:
                element.set(key, value.replace("url(#", f"url(#{name}-"))
    words = [("title", title), ("desc", description)]
    for place, (tag, content) in enumerate(words):
        element = ElementTree.Element(tag, {"id": f"{name}-{tag}"})
        element.text = clean(content)
        root.insert(place, element)
    for key in ("version", "height"):
        root.attrib.pop(key, None)
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title {name}-desc")
    # Points become CSS pixels at the size of the page's own text.
    root.set("width", f"{round(float(root.attrib['width'].removesuffix('pt')) * 4 / 3)}")
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # noqa: S704
