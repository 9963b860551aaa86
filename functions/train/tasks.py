"""Tasks of a search: read from the round, run by the domain package, results written next to the round."""

from functools import lru_cache
from typing import Any

from slipcast.contracts import Reference
from slipcast.training.search import running
from slipcast.training.search.data import unpack
from slipcast.training.search.worker import Worker
from slipcast_aws import storage
from slipcast_aws.objects import Folder


def carry_out(ran: Reference, name: str) -> tuple[str, dict[str, Any]]:
    """Carry out task `name` of a round.

    Parameters
    ----------
    ran
        URI and digest of the round

    Returns
    -------
    tuple[str, dict[str, Any]]
        URI of the result, and the result as `running.run` returns it
    """
    document = _json(ran["uri"], ran["sha256"])
    plan = _json(document["plan"]["uri"], document["plan"]["sha256"])
    task = next(item for item in document["tasks"] if item["id"] == name)
    folder = Folder(ran["uri"].rsplit("/", 1)[0])
    result = running.run(
        task, plan, lambda track: _worker(track["data"]["uri"], track["data"]["sha256"], plan["seed"]), folder, name
    )
    uri = f"{folder.prefix}/{name}.json"
    storage.write_json(uri, result)
    return uri, result


# In a warm function, the next task of the same search reuses rows and prepared folds.
@lru_cache(maxsize=2)
def _worker(uri: str, sha256: str, seed: int) -> Worker:
    return Worker(unpack(storage.read_bytes(uri, sha256=sha256)), seed)


@lru_cache(maxsize=4)
def _json(uri: str, sha256: str) -> Any:
    return storage.read_json(uri, sha256=sha256)
