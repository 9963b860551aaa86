"""The candidate families, as ``candidates.json`` declares them."""

import importlib
import inspect
import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any


class CandidateError(ValueError):
    """``candidates.json`` is wrong; the message names the family and the remedy."""


@dataclass(frozen=True)
class Candidate:
    """A family of models and the grid that is searched.

    Attributes
    ----------
    name : key of the family
    estimator : scikit-learn class, by its dotted name
    params : parameters that are fixed
    grid : values to try for each further parameter
    scale : whether numeric features are standardised first
    """

    name: str
    estimator: str
    params: dict[str, Any]
    grid: dict[str, list[Any]]
    scale: bool

    def build(self, seed: int, **params: Any) -> Any:
        """Return an unfitted estimator; `seed` is used where the class has a ``random_state``."""
        kind = _estimator_class(self)
        if "random_state" in inspect.signature(kind).parameters:
            params = {"random_state": seed, **params}
        return kind(**{**self.params, **params})


def load_candidates(text: str | None = None) -> list[Candidate]:
    """Return the declared families; `text` replaces the packaged ``candidates.json``.

    Raises
    ------
    CandidateError
        If a family is declared twice, is not scikit-learn's, or has a parameter that its class does not know.
    """
    declared = json.loads(text if text is not None else files(__package__).joinpath("candidates.json").read_text())
    candidates = [Candidate(**item) for item in declared]
    names = [candidate.name for candidate in candidates]
    if twice := {name for name in names if names.count(name) > 1}:
        raise CandidateError(f"declared twice: {', '.join(sorted(twice))}; give each family a name of its own")
    for candidate in candidates:
        known = inspect.signature(_estimator_class(candidate)).parameters
        if unknown := {*candidate.params, *candidate.grid} - known.keys():
            raise CandidateError(
                f"{candidate.name}: {candidate.estimator} has no parameter {', '.join(sorted(unknown))}; "
                f"it has {', '.join(sorted(known))}"
            )
    return candidates


def _estimator_class(candidate: Candidate) -> type:
    module, _, name = candidate.estimator.rpartition(".")
    # A dotted name is an import: only scikit-learn's are carried out.
    if module.split(".")[0] != "sklearn":
        raise CandidateError(f"{candidate.name}: {candidate.estimator} is not a class of scikit-learn")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        raise CandidateError(f"{candidate.name}: scikit-learn has no {candidate.estimator}") from None
