"""The confusion matrix at the cost threshold."""

from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.patches import Rectangle

from slipcast.reports.figures import INK, chart
from slipcast.reports.formatting import number

# Names of the cells, by outcome and prediction.
CELLS = (("left alone", "false alarms"), ("missed delays", "delays found"))


def confusion(record: dict[str, Any]) -> Markup:
    """Return the heat map: rows are outcomes, columns predictions, colours shares of the row."""
    counts = record["threshold"]["confusion"]
    said = "; ".join(
        f"{name}: {count}"
        for names, row in zip(CELLS, counts, strict=True)
        for name, count in zip(names, row, strict=True)
    )
    # Light blue to dark blue: lightness alone shows the order, so it works in grey and with any colour vision.
    colors = mpl.colormaps["Blues"]
    with chart("confusion", "Confusion matrix at the cost threshold", said, width=3.9, height=2.6) as drawn:
        axes = drawn.axes()
        for y, (names, row) in enumerate(zip(CELLS, counts, strict=True)):
            for x, (name, count) in enumerate(zip(names, row, strict=True)):
                share = count / sum(row) if sum(row) else 0.0
                fill = colors(0.06 + 0.86 * share)
                axes.add_patch(Rectangle((x, y), 1, 1, facecolor=fill, edgecolor="white", lw=2))
                color = "white" if _luminance(fill) < 0.18 else INK
                axes.text(x + 0.5, y + 0.38, number(count), ha="center", va="center", fontsize=15, color=color)
                words = f"{name}\n{share:.0%} of the row"
                axes.text(x + 0.5, y + 0.72, words, ha="center", va="center", fontsize=8.5, color=color)
        axes.set(xlim=(0, 2), ylim=(2, 0))
        axes.set_xticks([0.5, 1.5], ["no warning", "warned"])
        axes.set_yticks([0.5, 1.5], ["was timely", "was late"])
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
    return drawn.markup


def _luminance(color: tuple[float, ...]) -> float:
    """Return the relative luminance (WCAG 2.2); below .18 white text has the higher contrast."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in color[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
