"""Export of a pipeline's preparation: imputation, indicators, scaling, one-hot encoding."""

from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from slipcast.model.export.errors import ExportError
from slipcast.model.export.linear_models import floats


def describe(prepare: ColumnTransformer) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return ``features`` and ``preparation`` of the artifact for the fitted step ``prepare``."""
    fitted = [(name, step, list(columns)) for name, step, columns in prepare.transformers_ if name != "remainder"]
    if [name for name, _, _ in fitted] != ["numeric", "categorical"] or prepare.remainder != "drop":
        raise ExportError("the preparation must be exactly a numeric and a categorical block, all else dropped")
    if prepare.transformer_weights:
        raise ExportError("transformer weights cannot be exported")
    (_, numeric, numeric_names), (_, encoder, categorical_names) = fitted
    return (
        {"numeric": numeric_names, "categorical": categorical_names},
        {
            "numeric": _numeric(numeric, len(numeric_names)),
            "categorical": _categorical(encoder, len(categorical_names)),
        },
    )


def _numeric(block: Any, width: int) -> dict[str, Any]:
    spec: dict[str, Any] = {"medians": None, "indicators": [], "mean": None, "scale": None}
    # A fitted ColumnTransformer holds "passthrough" as an identity FunctionTransformer.
    if block == "passthrough" or (type(block).__name__ == "FunctionTransformer" and block.func is None):
        return spec
    steps = dict(block.steps) if isinstance(block, Pipeline) else {"impute": block}
    if list(steps) not in (["impute"], ["impute", "scale"]):
        raise ExportError(f"the numeric steps are {list(steps)}, not impute or impute and scale")
    imputer, scaler = steps["impute"], steps.get("scale")
    if not isinstance(imputer, SimpleImputer) or not np.isnan(imputer.missing_values):
        raise ExportError("numbers must be imputed by a SimpleImputer for NaN")
    medians = floats(imputer.statistics_)
    if imputer.keep_empty_features:
        medians = [0.0 if np.isnan(median) else median for median in medians]
    if len(medians) != width or not np.isfinite(medians).all():
        raise ExportError("a numeric feature had no value at all in training (set keep_empty_features=True)")
    spec["medians"] = medians
    if imputer.indicator_ is not None:
        spec["indicators"] = [int(index) for index in imputer.indicator_.features_]
    if scaler is not None:
        if not isinstance(scaler, StandardScaler) or not (scaler.with_mean and scaler.with_std):
            raise ExportError("numbers must be scaled by a StandardScaler with mean and standard deviation")
        spec["mean"], spec["scale"] = floats(scaler.mean_), floats(scaler.scale_)
    return spec


def _categorical(encoder: Any, width: int) -> list[dict[str, Any]]:
    if not isinstance(encoder, OneHotEncoder) or encoder.drop is not None:
        raise ExportError("categories must be encoded by a OneHotEncoder that drops no column")
    if encoder.handle_unknown not in ("infrequent_if_exist", "ignore"):
        raise ExportError(f"handle_unknown={encoder.handle_unknown!r} would refuse categories unseen in training")
    # A block without columns is never fitted.
    if not width:
        return []
    pool = encoder.handle_unknown == "infrequent_if_exist"
    # The property exists only if pooling is enabled.
    pooling = encoder.min_frequency is not None or encoder.max_categories is not None
    infrequent = encoder.infrequent_categories_ if pooling else [None] * width
    return [_block(list(seen), rare, pool) for seen, rare in zip(encoder.categories_, infrequent, strict=True)]


def _block(categories: list[Any], infrequent: Any, pool: bool) -> dict[str, Any]:
    if not all(isinstance(category, str) for category in categories):
        raise ExportError(f"categories must be text, found {categories[:5]}")
    rare = set() if infrequent is None else set(infrequent)
    frequent = [category for category in categories if category not in rare]
    columns: dict[str, int | None] = {str(category): offset for offset, category in enumerate(frequent)}
    last = len(frequent) if rare else None
    if not pool:
        columns |= {str(category): last for category in rare}
    return {"columns": columns, "other": last if pool else None, "width": len(frequent) + bool(rare)}
