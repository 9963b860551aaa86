"""The catalogue of the web application's texts."""

import json
import re
from pathlib import Path
from typing import get_args

import yaml

from notify.message import HEADLINES
from slipcast.features import row as features
from slipcast.forecast.projects import documents, openapi
from slipcast.model.explain import phrases
from slipcast.monitoring import record
from slipcast.release import approval

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "src" / "slipcast_desk" / "web"
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


def texts(group: str) -> dict[str, str]:
    """Return the English texts of a group by the code of the API."""
    prefix = f"{group}."
    return {key.removeprefix(prefix): text[0] for key, text in CATALOGUE["strings"].items() if key.startswith(prefix)}


def test_the_features_have_the_words_of_the_reasons():
    assert texts("feature").items() >= phrases._PLAIN.items()
    assert texts("feature").keys() >= {*features.NUMERIC, *features.CATEGORICAL}


def test_each_code_of_the_api_that_a_page_shows_has_its_text():
    states = yaml.safe_load((ROOT / "statemachine" / "pipeline.asl.yaml").read_text(encoding="utf-8"))["States"]
    monitoring = (ROOT / "functions" / "projects" / "monitoring.py").read_text(encoding="utf-8")
    findings = {*re.findall(r'"([a-z_]+)", \{', monitoring.partition("def _findings")[2].partition("def _held")[0])}
    families = json.loads((ROOT / "src" / "slipcast" / "training" / "candidates.json").read_text(encoding="utf-8"))
    codes = {
        "state": {name for name, state in states.items() if state["Type"] in ("Task", "Map", "Parallel")},
        "family": {item["name"] for item in families},
        "measure": {*approval.MEASURES},
        "outcome": {*HEADLINES},
        "conclusion": {*get_args(record.Conclusion)},
        "drift": {*get_args(record.DriftState)},
        "basis": {documents.FINISHED, documents.INDEPENDENT},
        "stage": {*openapi.STAGES},
        "finding": findings | {"drifted_confirmed", "drifted_once", "worse_brier", "worse_auc", "optimistic"},
    }

    assert len(findings) > 7
    assert {name: found - texts(name).keys() for name, found in codes.items() if found - texts(name).keys()} == {}


def test_no_text_stands_in_the_sources():
    """What a person reads comes from the catalogue: no words between tags."""
    words = re.findall(r">\s*([A-Za-z][a-z]+(?: [a-z]+)+)\s*<", SOURCES)

    assert words == []
