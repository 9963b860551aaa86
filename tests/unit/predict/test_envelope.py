"""Size of an answer as the runtime sends it."""

import importlib
import json
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[3] / "functions"
ASCII = "".join(map(chr, range(128)))


@pytest.fixture
def envelope(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    yield importlib.import_module("predict.transport.envelope")
    for name in [name for name in sys.modules if name == "predict" or name.startswith("predict.")]:
        del sys.modules[name]


@pytest.mark.parametrize("body", ["", ASCII, ASCII * 3 + '"\\\x7f', '{"id": "Größe"}', "\U0001f600", "a\tb\r\n"])
def test_an_answer_has_the_size_of_its_string_in_json(envelope, body):
    assert envelope.sent_bytes(body) == len(json.dumps(body))
