"""No name of one partition of AWS in the code: China and GovCloud have ARNs and hosts of their own."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
FIXED = re.compile(r"arn:aws:|amazonaws\.com|\baws\.amazon\.com/console|console\.aws")
# What may name a partition, and why.
ALLOWED = {
    "src/slipcast_aws/serving/dynamodb_http.py": (
        'endpoint = endpoint or f"https://dynamodb.{region}.amazonaws.com"',
        "regions of the partition aws alone come so far, others are left to the SDK (test_direct_reads.py)",
    ),
}
SUFFIXES = {".py", ".j2", ".sh", ".yaml", ".yml", ".json", ".toml", ".txt", ".html", ""}


def found() -> list[tuple[str, str]]:
    """Return file and line of every name of a partition in what runs."""
    lines = []
    for folder in ("functions", "src/slipcast", "src/slipcast_aws", "layers", "local"):
        for path in sorted((ROOT / folder).rglob("*")):
            if not path.is_file() or path.suffix not in SUFFIXES or "__pycache__" in path.parts:
                continue
            for line in path.read_text(encoding="utf-8").splitlines():
                if FIXED.search(line):
                    lines.append((str(path.relative_to(ROOT)), line.strip()))
    return lines


def test_code_names_no_partition():
    assert [item for item in found() if ALLOWED.get(item[0], ("",))[0] != item[1]] == []


def test_what_is_allowed_is_still_there():
    assert {path for path, _ in found()} == set(ALLOWED)
