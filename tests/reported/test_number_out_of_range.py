"""Number out of range: a value that one door takes is an error behind it."""

# autogluon/autogluon#4347: "Input contains infinity or a value too large for dtype('float32')" at prediction
# alteryx/evalml#2996: large values are an error with tree models

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier

from slipcast.model import sklearn_estimators

ESTIMATORS = (
    ExtraTreeClassifier(max_depth=4, random_state=0),
    BaggingClassifier(DecisionTreeClassifier(max_depth=3), n_estimators=3, random_state=0),
    CalibratedClassifierCV(RandomForestClassifier(n_estimators=3, max_depth=3, random_state=0), cv=2),
    KNeighborsClassifier(3),
    GaussianNB(),
)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("value", [3.4e38, 3.5e38, 1e39, 1e308, -1e39, -1.7e308])
def test_a_number_beyond_float32_is_answered_like_the_largest(estimator, value):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(80, 3))
    estimator.fit(rows, (rows[:, 0] + rng.normal(size=80) > 0).astype(int))
    probabilities = sklearn_estimators.load(sklearn_estimators.describe(estimator))

    with np.errstate(all="ignore"):
        found = probabilities([[value, 0.0, 0.0], [0.1, 0.2, 0.3]])
        limit = probabilities([[np.copysign(sklearn_estimators.LARGEST, value), 0.0, 0.0]])

    assert found[1] == estimator.predict_proba([[0.1, 0.2, 0.3]])[0, 1]
    assert np.isnan(found[0]) == np.isnan(limit[0])
    if abs(value) > sklearn_estimators.LARGEST:
        assert found[0] == limit[0] or np.isnan(found[0])
