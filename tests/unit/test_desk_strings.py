"""The catalogue of the web application's texts."""

import json
import re
from pathlib import Path

WEB = Path(__file__).resolve().parents[2] / "src" / "slipcast_desk" / "web"
CATALOGUE = json.loads((WEB / "strings.json").read_text(encoding="utf-8"))
SOURCES = "".join(path.read_text(encoding="utf-8") for path in sorted(WEB.rglob("*.ts*")))


def test_each_text_is_there_in_each_language_with_the_same_values():
    for key, texts in CATALOGUE["strings"].items():
        assert len(texts) == len(CATALOGUE["languages"]), key
        assert all(texts), key
        assert len({frozenset(re.findall(r"\{\w+\}", text)) for text in texts}) == 1, key


def test_each_text_is_used_and_each_that_is_used_is_there():
    used = set(re.findall(r'"([a-z][a-z0-9_-]*(?:\.[a-z0-9_-]+)*)"', SOURCES))
    # Keys that are put together, such as `stage.${value}`, and groups of words of the API.
    groups = set(re.findall(r"`([a-z]+)\.\$\{", SOURCES)) | set(re.findall(r'word\("([a-z]+)"', SOURCES))

    unused = {key for key in CATALOGUE["strings"] if key not in used and key.split(".")[0] not in groups}
    missing = set(re.findall(r'\bt\("([^"]+)"', SOURCES)) - CATALOGUE["strings"].keys()

    assert (unused, missing) == (set(), set())


def test_no_text_stands_in_the_sources():
    """What a person reads comes from the catalogue: no words between tags."""
    words = re.findall(r">\s*([A-Za-z][a-z]+(?: [a-z]+)+)\s*<", SOURCES)

    assert words == []
