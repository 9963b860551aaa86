"""Cases: what is dropped, made from a number or by Hypothesis."""

import random
import re
from dataclasses import dataclass

from hypothesis import strategies as st

from intake_fuzz.cells import CELLS
from intake_fuzz.containers import workbook, wrapped
from intake_fuzz.profiles import mutated_profile
from intake_fuzz.seeds import Seed, seeds
from intake_fuzz.text import BYTES, TEXTS, encoded, written
from intake_fuzz.words import NAMES
from intake_fuzz.xml import XMLS
from slipcast.ingest.mapping.profile import BUILT_IN

XER_ENCODINGS = ("cp1252", "cp1252", "cp1252", "utf-8", "utf-8", "utf-16", "cp1251", "gbk", "shift_jis", "cp1256")


@dataclass(frozen=True)
class Case:
    """What is dropped.

    Attributes
    ----------
    name, raw : of the file
    profile : YAML of the user's profile, None for the built-in ones
    max_bad_share : as `read_schedule` takes it
    steps : how it was made
    """

    name: str
    raw: bytes
    profile: str | None = None
    max_bad_share: float = 0.2
    steps: tuple[str, ...] = ()


def case(seed: int, index: int) -> Case:
    """Return the case with this number, the same everywhere."""
    return make_case(random.Random(f"{seed}/{index}"))


def cases() -> st.SearchStrategy[Case]:
    """Return a strategy of cases: Hypothesis chooses what a generator of random numbers would, and can shrink it."""
    return st.randoms(use_true_random=False).map(make_case)


def make_case(rng: random.Random) -> Case:
    """Return a mutated example."""
    # Broken archives all end alike.
    seed = rng.choices(seeds(), [_weight(seed) for seed in seeds()])[0]
    steps = [seed.name]
    name = seed.name if rng.random() < 0.7 else rng.choice(NAMES)
    raw = seed.raw
    if seed.rows:
        raw = _mutated_rows(seed, rng, steps)
    elif seed.name.endswith(".xer") and rng.random() < 0.7:
        raw = _mutated_tables(seed, rng, steps)
    elif seed.name.endswith(".xml") and rng.random() < 0.8:
        raw = _mutated_xml(seed, rng, steps)
    for _ in range(rng.choice((1, 1, 2)) if raw == seed.raw else rng.choice((0, 0, 0, 1))):
        step = rng.choice(list(BYTES))
        raw = BYTES[step](raw, rng)
        steps.append(step)
    if rng.random() < 0.08:
        raw, step = wrapped(raw, rng)
        steps.append(step)
        if rng.random() < 0.4:
            step = rng.choice(list(BYTES))
            raw = BYTES[step](raw, rng)
            steps.append(f"packed {step}")
    profile = seed.profile
    if rng.random() < 0.12:
        text = profile or (BUILT_IN / f"{_profile_name(seed)}.yaml").read_text(encoding="utf-8")
        profile = mutated_profile(text, rng)
        steps.append("profile")
    return Case(name, raw, profile, rng.choice((0.0, 0.2, 0.5, 1.0, 1.0)), tuple(steps))


def _weight(seed: Seed) -> int:
    return 4 if seed.rows or seed.name.endswith(".xml") else 2 if seed.name.endswith(".xer") else 1


def _profile_name(seed: Seed) -> str:
    if seed.name.startswith("msproject") and seed.name.endswith(".xml"):
        return "msproject_xml"
    for prefix in ("msproject", "paper", "canonical"):
        if seed.name.startswith(prefix):
            return prefix
    if seed.name.startswith("p6"):
        return "p6_xer" if seed.name.endswith((".xer", ".xml")) else "p6"
    if seed.name.startswith("schedule_management"):
        return "paper"
    return "nyc_sca" if "Project Phase Name" in seed.rows[0] else "canonical"


def _mutated_tables(seed: Seed, rng: random.Random, steps: list[str]) -> bytes:
    """Change cells of an XER file, whose lines are the header, names of tables, names of fields and rows."""
    # A byte that means nothing in the code page, as P6's files have, comes back as it was.
    rows = [line.split("\t") for line in re.split("\r?\n", seed.raw.decode("cp1252", "surrogateescape"))]
    for _ in range(rng.choice((1, 1, 2, 3))):
        step = rng.choice(list(CELLS))
        CELLS[step](rows, rng)
        steps.append(step)
    end = rng.choice(("\r\n", "\r\n", "\n"))
    text, codec = end.join("\t".join(row) for row in rows), rng.choice(XER_ENCODINGS)
    steps.append(codec)
    try:
        return text.encode(codec, "surrogateescape")
    except UnicodeEncodeError:
        return text.encode(codec, "replace")


def _mutated_xml(seed: Seed, rng: random.Random, steps: list[str]) -> bytes:
    text = seed.raw.decode()
    for _ in range(rng.choice((1, 1, 2, 3))):
        kinds = XMLS if rng.random() < 0.85 else TEXTS
        step = rng.choice(list(kinds))
        text = kinds[step](text, rng)
        steps.append(step)
    codec = rng.choice(("utf-8", "utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "cp1252"))
    return text.encode(codec, "replace")


def _mutated_rows(seed: Seed, rng: random.Random, steps: list[str]) -> bytes:
    rows = [list(row) for row in seed.rows]
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        step = rng.choice(list(CELLS))
        CELLS[step](rows, rng)
        steps.append(step)
    if rng.random() < 0.04:
        steps.append("xlsx")
        return workbook(rows, rng.choice(("Sheet1", "TASK", "=1+1", "<b>")))
    text = written(rows, rng)
    for _ in range(rng.choice((0, 0, 1, 2))):
        step = rng.choice(list(TEXTS))
        text = TEXTS[step](text, rng)
        steps.append(step)
    if rng.random() < 0.6:
        return text.encode("utf-8", "replace")
    raw, codec = encoded(text, rng)
    steps.append(codec)
    return raw
