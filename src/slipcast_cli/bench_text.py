"""Tables of scores as Markdown and JSON, the same columns for every benchmark."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

# Heading → score, decimals.
COLUMNS = {
    "AUC": ("auc", 3),
    "AUC within": ("auc_within", 3),
    "Brier": ("brier", 3),
    "CRPS": ("crps", 1),
    "pinball": ("pinball", 2),
    "P50": ("pinball_50", 1),
    "P80": ("pinball_80", 1),
    "P90": ("pinball_90", 1),
    "≤ P80": ("held_80", 3),
    "80 %": ("cover_80", 3),
    "90 %": ("cover_90", 3),
}


def markdown(title: str, scores: pd.DataFrame, columns: Mapping[str, tuple[str, int]]) -> list[str]:
    """Return a table with the columns that it has values for."""
    shown = {
        heading: (key, digits)
        for heading, (key, digits) in columns.items()
        if key in scores and scores[key].notna().any()
    }
    lines = [
        f"**{title[0].upper()}{title[1:]}**",
        "",
        "| | " + " | ".join(shown) + " |",
        "|---" + "|--:" * len(shown) + "|",
    ]
    for row in scores.to_dict("records"):
        cells = ["" if row[key] != row[key] else f"{row[key]:.{digits}f}" for key, digits in shown.values()]
        lines.append(f"| {row['method']} | " + " | ".join(cells) + " |")
    return [*lines, ""]


def plain(scores: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table as JSON values; undefined scores are None."""
    return [{key: None if value != value else value for key, value in row.items()} for row in scores.to_dict("records")]
