"""Links to documents of the bucket: each that is handed out is in the audit trail, with who asked for it."""

from collections.abc import Iterable
from datetime import UTC, datetime

from projects.settings import Settings
from projects.web import Request
from slipcast_aws import links, storage
from slipcast_aws.control import audit

# Seconds for which a link holds.
SECONDS = 900


class Offer:
    """Links of one answer.

    Parameters
    ----------
    request
        the request that is answered
    what
        kind of the entry of the audit trail
    """

    def __init__(self, request: Request, what: str = "download") -> None:
        self._request, self._what = request, what
        self._uris: list[str] = []

    def link(self, uri: str | None, *, allowed: bool = True) -> str | None:
        """Return a link to an object; None if there is no such object, or the caller may not see it."""
        if uri is None or not allowed or not storage.exists(uri):
            return None
        return self.sign(uri)

    def sign(self, uri: str) -> str:
        """Return a link to an object that is there."""
        self._uris.append(uri)
        return links.signed(uri, SECONDS)

    def record(self, outcome: str = "offered", *, identity: str = "", now: datetime | None = None) -> None:
        """Enter the links into the audit trail, if there are any.

        Parameters
        ----------
        outcome
            what the entry says of them
        identity, now
            of the entry, which replaces one with the same; those of the request unless given
        """
        if not self._uris:
            return
        entry = {"what": self._what, "outcome": outcome, "identity": self._request.user}
        audit.audit(
            Settings.from_environment().control_table,
            identity=identity or self._request.request_id,
            record=entry | {"detail": _listed(self._uris)},
            now=now or datetime.now(UTC),
        )


def _listed(uris: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(uris))
