"""A search of some families, for tests to which it matters that a model is trained and not which."""

from local.watch import Stack
from slipcast.training.candidates import dump_candidates, load_candidates

KEY = "config/candidates.json"


def search_only(stack: Stack, *names: str) -> None:
    """Let later executions of a stack search these families only, as an owner does who puts such a file there."""
    chosen = [candidate for candidate in load_candidates() if candidate.name in names]
    stack.s3.put_object(Bucket=stack.bucket, Key=KEY, Body=dump_candidates(chosen).encode())


def search_all_families(stack: Stack) -> None:
    """Let later executions search what Slipcast comes with."""
    stack.s3.delete_object(Bucket=stack.bucket, Key=KEY)
