"""What the tasks of a search read is the same table, in the same bytes."""

import numpy as np
import pandas as pd

from slipcast.training.search.data import SearchData, pack, unpack
from slipcast.training.search.folds import Fold


def data(seed: int = 0) -> SearchData:
    rng = np.random.default_rng(seed)
    features = pd.DataFrame({"days": rng.normal(size=30), "float": rng.normal(size=30)})
    features.iloc[3, 0] = np.nan
    features["phase"] = rng.choice(["Design", "(missing)", "Bâtiment"], 30).astype(object)
    folds = [Fold(np.arange(0, 8), np.arange(8, 14)), Fold(np.arange(2, 14), np.arange(14, 21))]
    return SearchData(features, rng.integers(0, 2, 30), 21, folds)


def test_what_is_packed_comes_back():
    before = data()
    after = unpack(pack(before))

    pd.testing.assert_frame_equal(after.features, before.features, check_dtype=False)
    assert after.features["phase"].dtype == object
    assert after.late.tolist() == before.late.tolist()
    assert after.fitted == 21
    for one, two in zip(before.folds, after.folds, strict=True):
        assert (one.train.tolist(), one.test.tolist()) == (two.train.tolist(), two.test.tolist())


def test_the_same_rows_are_the_same_bytes():
    assert pack(data()) == pack(data())
    assert pack(data(1)) != pack(data())
