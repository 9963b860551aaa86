"""Input of a search's tasks: features, outcomes and folds in one file, quick to open and reproducible."""

import io
from dataclasses import dataclass

import numpy as np
import pandas as pd

from slipcast.training.search.folds import Fold


@dataclass(frozen=True)
class SearchData:
    """Rows of a search.

    Attributes
    ----------
    features
        DataFrame of shape (n_rows, n_features), text columns as object
    late
        outcomes of shape (n_rows,)
    fitted
        number of the first rows, which the search may use; the fitted models are tested on the others
    folds
        cut from the first `fitted` rows
    """

    features: pd.DataFrame
    late: np.ndarray
    fitted: int
    folds: list[Fold]


def pack(data: SearchData) -> bytes:
    """Return the rows as the bytes of a NumPy archive; equal rows give equal bytes."""
    numeric = data.features.select_dtypes("number")
    arrays: dict[str, np.ndarray] = {
        "columns": np.array(data.features.columns, dtype=str),
        "numeric": np.array(numeric.columns, dtype=str),
        "numbers": numeric.to_numpy("float64"),
        "late": data.late.astype("int8"),
        "fitted": np.array(data.fitted),
        "train": np.packbits(_membership(data, "train"), axis=1),
        "test": np.packbits(_membership(data, "test"), axis=1),
    }
    for name in data.features.columns.difference(numeric.columns):
        codes, values = pd.factorize(data.features[name], sort=True)
        arrays |= {f"codes/{name}": codes.astype("int32"), f"values/{name}": np.array(values, dtype=str)}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def unpack(raw: bytes) -> SearchData:
    """Return the data that `pack` packed."""
    with np.load(io.BytesIO(raw), allow_pickle=False) as arrays:
        numbers = dict(zip(arrays["numeric"].tolist(), arrays["numbers"].T, strict=True))
        columns = {
            name: pd.Series(
                numbers[name] if name in numbers else arrays[f"values/{name}"].astype(object)[arrays[f"codes/{name}"]],
                dtype="float64" if name in numbers else object,
            )
            for name in arrays["columns"].tolist()
        }
        fitted = int(arrays["fitted"])
        parts = [np.unpackbits(arrays[name], axis=1, count=fitted) for name in ("train", "test")]
        folds = [Fold(np.flatnonzero(train), np.flatnonzero(test)) for train, test in zip(*parts, strict=True)]
        return SearchData(pd.DataFrame(columns), arrays["late"].astype("int64"), fitted, folds)


def _membership(data: SearchData, part: str) -> np.ndarray:
    flags = np.zeros((len(data.folds), data.fitted), dtype=bool)
    for number, fold in enumerate(data.folds):
        flags[number, getattr(fold, part)] = True
    return flags
