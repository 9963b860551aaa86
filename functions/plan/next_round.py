"""Rounds of a search as objects: the tasks, their results, and the record at the end."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

from slipcast.contracts import Planned, Reference, Round, SearchPlan, StoredRound
from slipcast.training.search import rounds
from slipcast_aws import storage

READERS = 16


def publish(plan: Reference, document: Round, inline_tasks: int) -> Planned:
    """Write a round next to its plan and return how the state machine runs it."""
    folder = plan["uri"].rsplit("/", 1)[0]
    uri = f"{folder}/r{document['round']}/round.json"
    sha256 = storage.write_json(uri, document | {"plan": plan})
    tasks = [task["id"] for task in document["tasks"]]
    mode: Literal["inline", "distributed"] = "inline" if len(tasks) <= inline_tasks else "distributed"
    return {"next": mode, "tasks": tasks, "round": {"uri": uri, "sha256": sha256}}


def go_on(ran: Reference, inline_tasks: int) -> Planned:
    """Return the round after the one that `ran`, or the end of the search.

    Parameters
    ----------
    ran
        URI and digest of a round whose tasks have ended
    """
    document: StoredRound = storage.read_json(ran["uri"], sha256=ran["sha256"])
    plan: SearchPlan = storage.read_json(document["plan"]["uri"], sha256=document["plan"]["sha256"])
    results = _results(ran["uri"], document)
    if document["kind"] == "search":
        return publish(document["plan"], rounds.next_round(plan, document, results), inline_tasks)
    found = rounds.conclude(plan, document, results)
    largest = max(len(document["tasks"]), *(item["tasks"] for item in document["history"]))
    mode = "inline" if largest <= inline_tasks else "distributed"
    uri = f"{document['plan']['uri'].rsplit('/', 1)[0]}/search.json"
    sha256 = storage.write_json(uri, {**found, "mode": mode})
    return {"next": "evaluate", "tasks": [], "round": ran, "search": {"uri": uri, "sha256": sha256}}


def _results(round_uri: str, document: StoredRound) -> dict[str, dict[str, Any]]:
    folder = round_uri.rsplit("/", 1)[0]
    # Only read results that exist: a task that died left none.
    there = set(storage.list_uris(f"{folder}/t"))
    wanted = {task["id"]: f"{folder}/{task['id']}.json" for task in document["tasks"]}
    wanted = {name: uri for name, uri in wanted.items() if uri in there}
    with ThreadPoolExecutor(READERS) as pool:
        return dict(zip(wanted, pool.map(storage.read_json, wanted.values()), strict=True))
