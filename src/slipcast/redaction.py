"""Redaction of the prediction log: columns that are left out, identifiers that are replaced by a hash.

Standard library only: the prediction function redacts in each request, before anything is written.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slipcast.features.row import CATEGORICAL, NUMERIC

IDENTIFIERS = ("activity_id", "project_id")
# Columns of a schedule that are not features themselves, and the features that reveal them.
GIVEN_AWAY_BY = {"budget": ("log_budget",)}
NAMES = (*IDENTIFIERS, *GIVEN_AWAY_BY, *NUMERIC, *CATEGORICAL)
HASH_DIGITS = 32


@dataclass(frozen=True)
class Redaction:
    """Columns that are kept out of the log.

    Attributes
    ----------
    columns
        names in `NAMES`; an identifier among them is replaced by a keyed hash, every other column is left out
    salt
        key of the hash; another key gives other hashes, so it must stay the same to join rows
    """

    columns: frozenset[str] = frozenset()
    salt: str = ""

    def identity[Identifier: (str, str | None)](self, name: str, value: Identifier) -> Identifier:
        """Return an identifier as it may be logged: itself, or 128 bits of HMAC-SHA-256 where `name` is redacted.

        Somebody who knows the salt can confirm a guessed identifier: this is pseudonymisation, not anonymity.
        """
        if value is None or name not in self.columns:
            return value
        return hmac.new(self.salt.encode(), f"{name}\0{value}".encode(), hashlib.sha256).hexdigest()[:HASH_DIGITS]

    def features(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the features that may be logged."""
        left_out = self.left_out()
        return {name: value for name, value in row.items() if name not in left_out} if left_out else dict(row)

    def left_out(self) -> list[str]:
        """Return the features that are not logged, sorted: a reader must not take them for missing values."""
        found = {feature for name in self.columns for feature in GIVEN_AWAY_BY.get(name, (name,))}
        return sorted(found - set(IDENTIFIERS))

    def head(self) -> dict[str, Any]:
        """Return the shared fields of a request's rows: ``redacted``, the features that are left out, if any."""
        left_out = self.left_out()
        return {"redacted": left_out} if left_out else {}

    def entry(self, activity_id: str, project_id: str | None, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``activity_id``, ``project_id`` and ``features`` of a prediction as they may be logged."""
        return {
            "activity_id": self.identity("activity_id", activity_id),
            "project_id": self.identity("project_id", project_id),
            "features": self.features(row),
        }


def from_text(names: str, salt: str) -> Redaction:
    """Return the redaction for a comma-separated list of names.

    Raises
    ------
    ValueError
        If a name is none of `NAMES`: a column that is misspelt would be logged.

    Examples
    --------
    >>> from_text("budget", "salt").left_out()
    ['log_budget']
    """
    columns = frozenset(name.strip() for name in names.split(",") if name.strip())
    if unknown := sorted(columns - set(NAMES)):
        raise ValueError(f"RedactColumns: no column {', '.join(unknown)} is logged; there are {', '.join(NAMES)}")
    return Redaction(columns, salt)
