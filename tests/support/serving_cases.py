"""Feature tables and fitted pipelines for the tests of serving and monitoring."""

from functools import cache

import numpy as np
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    AdaBoostClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from slipcast.features.row import CATEGORICAL, NUMERIC

ESTIMATORS = {
    "logistic_regression": lambda seed: LogisticRegression(max_iter=2000),
    "decision_tree": lambda seed: DecisionTreeClassifier(max_depth=6, random_state=seed),
    "random_forest": lambda seed: RandomForestClassifier(25, max_depth=8, random_state=seed),
    "hist_gradient_boosting": lambda seed: HistGradientBoostingClassifier(max_iter=30, random_state=seed),
    "extra_trees": lambda seed: ExtraTreesClassifier(25, max_depth=8, random_state=seed),
    "gradient_boosting": lambda seed: GradientBoostingClassifier(n_estimators=30, subsample=0.7, random_state=seed),
    "ada_boost": lambda seed: AdaBoostClassifier(
        DecisionTreeClassifier(max_depth=2), n_estimators=20, random_state=seed
    ),
    "linear_svc": lambda seed: CalibratedClassifierCV(
        LinearSVC(C=0.01, dual=False, random_state=seed), method="sigmoid", cv=3, ensemble=False
    ),
    "naive_bayes": lambda seed: GaussianNB(var_smoothing=0.01),
    # Without patience for its weights, which may be any.
    "mlp": lambda seed: MLPClassifier((8, 4), tol=1.0, random_state=seed),
    "prior": lambda seed: DummyClassifier(strategy="prior"),
}
SCALED = ("logistic_regression", "linear_svc", "naive_bayes", "mlp")


def feature_frame(rows: int, seed: int, *, missing: float = 0.1, step: float = 0.25) -> pd.DataFrame:
    """Return features on a coarse grid (so that values repeat), some missing, with frequent and rare categories."""
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.integers(-2, 6, len(NUMERIC))
    numbers = np.round(rng.normal(size=(rows, len(NUMERIC))) / step) * step * scale
    numbers[rng.random(numbers.shape) < missing] = np.nan
    frame = pd.DataFrame(numbers, columns=list(NUMERIC))
    for name in CATEGORICAL:
        code = np.minimum(rng.geometric(0.35, rows), 12)
        frame[name] = [f"{name} {value}" if value % 5 else "(missing)" for value in code]
    return frame


def late(frame: pd.DataFrame, seed: int) -> np.ndarray:
    """Return labels that depend on the features, with noise."""
    rng = np.random.default_rng(seed + 1)
    number = frame[NUMERIC[0]].rank(pct=True).fillna(0.4).to_numpy()
    category = frame[CATEGORICAL[0]].str.endswith("1").to_numpy()
    noisy = number + 0.4 * category + rng.normal(0, 0.3, len(frame))
    return (noisy > np.median(noisy)).astype(int)


def pipeline(family: str, seed: int = 0, estimator=None, numeric=None) -> Pipeline:
    """Return the unfitted pipeline of a candidate family, prepared as slipcast.training.pipeline does."""
    steps = [("impute", SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True))]
    if family in SCALED:
        steps.append(("scale", StandardScaler()))
    encoder = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=10, sparse_output=False)
    model = ESTIMATORS[family](seed) if estimator is None else estimator
    blocks = [
        ("numeric", numeric or Pipeline(steps), list(NUMERIC)),
        ("categorical", encoder, list(CATEGORICAL)),
    ]
    return Pipeline([("prepare", ColumnTransformer(blocks)), ("model", model)])


@cache
def fitted(family: str, seed: int = 0, rows: int = 400) -> tuple[Pipeline, pd.DataFrame, np.ndarray]:
    """Return a fitted pipeline with the features and labels it was fitted to."""
    frame = feature_frame(rows, seed)
    labels = late(frame, seed)
    return pipeline(family, seed).fit(frame, labels), frame, labels


def records(frame: pd.DataFrame) -> list[dict]:
    """Return the rows as the scorer takes them: missing numbers are None."""
    return [
        {name: None if value != value else value for name, value in row.items()} for row in frame.to_dict("records")
    ]
