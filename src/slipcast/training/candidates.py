"""Candidate families, declared in ``candidates.json``."""

import importlib
import inspect
import itertools
import json
import re
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from typing import Any

# A family without a declared cost is assumed to be slow, so that its tasks are small.
SLOW = {"seconds": 5.0, "growth": 1.2}

# Names are used in object keys.
NAME = re.compile("[a-z0-9_]{1,60}")


class CandidateError(ValueError):
    """``candidates.json`` is wrong; the message names the family and the remedy."""


@dataclass(frozen=True)
class Candidate:
    """Family of models with its parameter grid.

    Attributes
    ----------
    name
        key of the family
    estimator
        scikit-learn class, by its dotted name
    params
        parameters that are fixed
    grid
        values to try for each further parameter
    scale
        whether numeric features are standardised first
    calibrate
        for classes without ``predict_proba``: a sigmoid on cross-validated decisions (Platt 1999) gives their
        probabilities
    max_rows
        more training rows than this and the family is skipped; None for no limit
    serve
        whether the standard library can serve the family; the others are served by scikit-learn itself, whose layer a
        release adds, so that they start more slowly
    cost
        ``seconds`` of one fit on 10,000 rows of 25 features on one core, and the exponent by which it grows with the
        rows: a first guess, which the measured times of the first round replace
    """

    name: str
    estimator: str
    params: dict[str, Any] = field(default_factory=dict)
    grid: dict[str, list[Any]] = field(default_factory=dict)
    scale: bool = False
    calibrate: bool = False
    max_rows: int | None = None
    serve: bool = True
    cost: dict[str, float] = field(default_factory=lambda: dict(SLOW))

    def points(self) -> list[dict[str, Any]]:
        """Return the parameter points of the grid, in the order of ``sklearn.model_selection.ParameterGrid``."""
        names = sorted(self.grid)
        return [
            dict(zip(names, values, strict=True)) for values in itertools.product(*(self.grid[name] for name in names))
        ]

    def build(self, seed: int, **params: Any) -> Any:
        """Return an unfitted estimator; `seed` is used where the class has a ``random_state``.

        Raises
        ------
        CandidateError
            If scikit-learn has no such class, or the class no such parameter.
        """
        check(self)
        kind = _estimator_class(self)
        if "random_state" in inspect.signature(kind).parameters:
            params = {"random_state": seed, **params}
        estimator = kind(**{**self.params, **params})
        if self.calibrate:
            # Imported by name, like the families: planning needs this module and has no scikit-learn.
            wrap = _class("sklearn.calibration.CalibratedClassifierCV")
            return wrap(estimator, method="sigmoid", cv=3, ensemble=False)
        return estimator

    def seconds(self, rows: float) -> float:
        """Return the expected seconds of one fit on `rows` training rows."""
        value: float = self.cost["seconds"] * (max(rows, 1.0) / 10_000) ** self.cost["growth"]
        return value


def load_candidates(text: str | None = None) -> list[Candidate]:
    """Return the declared families; `text` replaces the packaged ``candidates.json``.

    Planning works without scikit-learn: `check` tests whether a class and its parameters exist.

    Raises
    ------
    CandidateError
        If the declaration is not a list of families, if a family is declared twice, has an unknown field, an empty grid
        or a class that is not scikit-learn's.
    """
    try:
        declared = json.loads(text if text is not None else files(__package__).joinpath("candidates.json").read_text())
    except ValueError as error:
        raise CandidateError(f"the declaration of the candidates is not JSON: {error}") from None
    if not isinstance(declared, list) or not all(isinstance(item, dict) for item in declared) or not declared:
        raise CandidateError("the declaration of the candidates is not a list of families, each in braces")
    candidates = [_candidate(item) for item in declared]
    names = [candidate.name for candidate in candidates]
    if twice := {name for name in names if names.count(name) > 1}:
        raise CandidateError(f"declared twice: {', '.join(sorted(twice))}; give each family a name of its own")
    return candidates


def dump_candidates(candidates: list[Candidate]) -> str:
    """Return the declaration that `load_candidates` reads."""
    return json.dumps([asdict(candidate) for candidate in candidates])


def check(candidate: Candidate) -> None:
    """Check that scikit-learn has the class and that the class has the parameters.

    Raises
    ------
    CandidateError
        If not; the message names the valid ones.
    """
    known = inspect.signature(_estimator_class(candidate)).parameters
    if unknown := {*candidate.params, *candidate.grid} - known.keys():
        raise CandidateError(
            f"{candidate.name}: {candidate.estimator} has no parameter {', '.join(sorted(unknown))}; "
            f"it has {', '.join(sorted(known))}"
        )


def _candidate(item: dict[str, Any]) -> Candidate:
    fields = set(Candidate.__dataclass_fields__)
    name = item.get("name", "a family without a name")
    if unknown := item.keys() - fields:
        raise CandidateError(
            f"{name}: unknown field {', '.join(sorted(unknown))}; there are {', '.join(sorted(fields))}"
        )
    if missing := {"name", "estimator"} - item.keys():
        raise CandidateError(f"{name}: {', '.join(sorted(missing))} is missing")
    candidate = Candidate(**item)
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise CandidateError(f"{name!r} is no name of a family: lower-case letters, digits and underscores make one")
    # A dotted name is imported, so only scikit-learn's are allowed.
    if str(candidate.estimator).split(".")[0] != "sklearn":
        raise CandidateError(f"{name}: {candidate.estimator} is not a class of scikit-learn")
    grid = candidate.grid
    if not isinstance(grid, dict) or not all(isinstance(values, list) and values for values in grid.values()):
        raise CandidateError(f"{name}: grid must give each parameter a list of values, at least one")
    cost = candidate.cost
    if not isinstance(cost, dict) or cost.keys() != SLOW.keys() or not all(_positive(value) for value in cost.values()):
        raise CandidateError(f"{name}: cost has the fields {', '.join(sorted(SLOW))}, each a number above 0")
    return candidate


def _positive(value: Any) -> bool:
    return isinstance(value, int | float) and value > 0


def _estimator_class(candidate: Candidate) -> type:
    try:
        return _class(candidate.estimator)
    except (ImportError, AttributeError):
        raise CandidateError(f"{candidate.name}: scikit-learn has no {candidate.estimator}") from None


def _class(dotted: str) -> type:
    module, _, name = dotted.rpartition(".")
    result: type = getattr(importlib.import_module(module), name)
    return result
