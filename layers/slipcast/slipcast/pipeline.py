"""The scikit-learn pipeline of a candidate: preparation of the features, then the estimator."""

from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from slipcast.candidates import Candidate
from slipcast.features import CATEGORICAL, NUMERIC


def build_pipeline(candidate: Candidate, seed: int = 0, **params: Any) -> Pipeline:
    """Return the unfitted pipeline of a candidate with `params` set on its estimator.

    Missing numbers become the training median plus an indicator; categories seen fewer than ten times in training share
    one column, which unknown categories use too.
    """
    numeric: list[tuple[str, Any]] = [
        ("impute", SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True))
    ]
    if candidate.scale:
        numeric.append(("scale", StandardScaler()))
    encoder = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=10, sparse_output=False)
    prepare = ColumnTransformer(
        [("numeric", Pipeline(numeric), list(NUMERIC)), ("categorical", encoder, list(CATEGORICAL))],
        verbose_feature_names_out=True,
    )
    return Pipeline([("prepare", prepare), ("model", candidate.build(seed, **params))])
