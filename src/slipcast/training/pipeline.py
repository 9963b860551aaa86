"""Scikit-learn pipeline of a candidate: preparation of the features, then the estimator."""

from typing import Any

import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from slipcast.features.row import CATEGORICAL, NUMERIC
from slipcast.training.candidates import Candidate


def build_pipeline(
    candidate: Candidate, seed: int = 0, *, columns: pd.DataFrame | None = None, **params: Any
) -> Pipeline:
    """Return the unfitted pipeline of a candidate with `params` set on its estimator.

    `columns` is a table whose columns are the features, by default those of `features`.
    """
    prepare = build_preparation(columns, scale=candidate.scale)
    return Pipeline([("prepare", prepare), ("model", candidate.build(seed, **params))])


def build_preparation(columns: pd.DataFrame | None = None, *, scale: bool) -> ColumnTransformer:
    """Return the unfitted preparation of features.

    Missing numbers become the training median plus an indicator; categories seen fewer than ten times in training share
    one column, which is also used for unknown categories.
    """
    numeric, categorical = list(NUMERIC), list(CATEGORICAL)
    if columns is not None:
        numeric = list(columns.select_dtypes("number").columns)
        categorical = [name for name in columns if name not in numeric]
    steps: list[tuple[str, Any]] = [
        ("impute", SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True))
    ]
    if scale:
        steps.append(("scale", StandardScaler()))
    encoder = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=10, sparse_output=False)
    return ColumnTransformer(
        [("numeric", Pipeline(steps), numeric), ("categorical", encoder, categorical)],
        verbose_feature_names_out=True,
    )
