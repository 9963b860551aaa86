"""The predict function over many requests, some of them wrong: no answer is a fault of ours, and nothing is kept."""

import gc
import importlib
import json
import os
import sys
import tracemalloc
from collections import Counter
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from support.malformed_requests import malformed
from support.predict_api import ACTIVITY, environment, proxy_event

REQUESTS, WRONG_EVERY = 2_000, 100
# 32 bytes a request: whatever is kept of each is more.
MOST_BYTES = 64 * 1024


@pytest.fixture
def handler(load_app, tmp_path, monkeypatch):
    """The entry of the predict function, with the application behind it."""
    app = load_app("predict.app", **environment(tmp_path))
    monkeypatch.setitem(sys.modules, "predict.app", app)
    return importlib.import_module("predict.app").handler


def test_of_many_requests_with_wrong_ones_among_them_none_is_a_fault_of_ours_and_memory_stays(handler, lambda_context):
    wrong = malformed(ACTIVITY)
    assert len(wrong) <= REQUESTS // WRONG_EVERY, "each wrong one comes"

    def ask(number: int) -> tuple[str, dict]:
        if number % WRONG_EVERY == WRONG_EVERY - 1:
            chosen = wrong[number // WRONG_EVERY % len(wrong)]
            event = proxy_event("POST", "/predictions", headers=chosen["headers"], body=chosen["body"])
            return chosen["name"], handler(event, lambda_context)
        body = json.dumps(ACTIVITY | {"activity_id": f"A{number}", "budget": number})
        event = proxy_event("POST", "/predictions", headers={"Content-Type": "application/json"}, body=body)
        return "", handler(event, lambda_context)

    seen = Counter()

    def run(numbers: range) -> None:
        for number in numbers:
            name, answer = ask(number)
            seen[answer["statusCode"]] += 1
            if not name:
                assert answer["statusCode"] == 200
                continue
            assert 400 <= answer["statusCode"] < 500, (name, answer)
            assert answer["multiValueHeaders"]["Content-Type"] == ["application/problem+json"]
            problem = json.loads(answer["body"])
            assert (problem["status"], problem["type"]) == (answer["statusCode"], "about:blank")

    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        # Each kind once: imports and caches that are there to stay.
        run(range(WRONG_EVERY - 1, WRONG_EVERY * len(wrong), WRONG_EVERY))
        tracemalloc.start()
        try:
            run(range(200))
            gc.collect()
            before = tracemalloc.get_traced_memory()[0]
            run(range(200, 200 + REQUESTS))
            gc.collect()
            after = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()

    assert seen[200] == (200 + REQUESTS) * (WRONG_EVERY - 1) // WRONG_EVERY
    assert not [status for status in seen if status >= 500]
    assert after - before < MOST_BYTES
