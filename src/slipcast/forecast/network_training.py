"""Training of the part ``network`` of a forecast model: completions and activities of projects with a network."""

from typing import Any

import pandas as pd

from slipcast.forecast import completion, relative

# Fewer trees than a benchmark takes: the part is read with the model.
TREES = 20
# With more rows than this, rows are drawn.
MAX_ROWS = 8_000


def fit(projects: pd.DataFrame, activities: pd.DataFrame, seed: int) -> dict[str, Any]:
    """Fit both models and return them as JSON values for `network_model.NetworkModel`.

    Parameters
    ----------
    projects, activities
        rows of `network_table.tables` before the cut

    Raises
    ------
    ValueError
        If no finish is known.
    """
    rows = activities.sample(min(len(activities), MAX_ROWS), random_state=seed).sort_index()
    return {
        "projects": int(projects["project_id"].nunique()),
        "completion": completion.fit(projects, seed).document(),
        "activities": relative.fit(rows, seed, trees=TREES).document(),
    }
