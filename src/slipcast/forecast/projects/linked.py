"""The network of a project from its stored part. Standard library only."""

from collections.abc import Mapping
from typing import Any

from slipcast.schedule.network import Network
from slipcast.schedule.review import dated
from slipcast.schedule.tables import network_of

_NEEDED = ("activities", "relations", "calendars")


def network_of_part(part: Mapping[str, Any]) -> Network | None:
    """Return the network of the part `sections.NETWORK`; None if it has none that dates can be computed from."""
    if not all(part.get(name) for name in _NEEDED):
        return None
    tables = {name: part.get(name, ()) for name in ("projects", *_NEEDED)}
    return network_of({**tables, "projects": dated(tables)})
