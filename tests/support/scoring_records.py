"""A model of an example schedule, as the score function finds it behind the alias."""

from functools import cache

from slipcast.datasets import labels
from slipcast.features.point_in_time_table import history_table
from slipcast.features.table import feature_table
from slipcast.model.export.pipeline import export
from slipcast.training.candidates import load_candidates
from slipcast.training.pipeline import build_pipeline
from support.schedules import example


@cache
def model_of_the_example(threshold: float) -> bytes:
    """Return the artifact of a model that looks at what was known before each start."""
    table = example("nyc_sca_2022-12.csv").table
    labelled = labels.label(table, 30)
    rows = feature_table(labelled.join(history_table(table, labelled, 30)))
    candidate = next(item for item in load_candidates() if item.name == "decision_tree")
    model = build_pipeline(candidate, 1, max_depth=5).fit(rows, labelled["is_late"])
    metadata = {
        **{"model_id": "abc123", "dataset_id": "0123456789abcdef", "data_date": "2022-12-31"},
        **{"family": "decision_tree", "params": {"max_depth": 5}, "training_cut": "2021-07-01"},
        **{"training_rows": len(labelled), "tolerance_days": 30, "metrics": {}},
    }
    return export(model, family="decision_tree", threshold=threshold, metadata=metadata)
