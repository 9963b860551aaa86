"""Compiled descent through trees: to the last bit what Python gives, and only where the library was built."""

import functools
import json
import random
import struct
from array import array

import numpy as np
import pytest

from layers.build import native as compile_native
from slipcast.forecast.evaluator import Forecaster
from slipcast.model import evaluators, native, scorer
from slipcast.model.artifact import decode, digest
from slipcast.model.export.pipeline import export
from support.forecast_models import forecast_json
from support.serving_cases import feature_frame, fitted, records

FAMILIES = ("decision_tree", "random_forest", "extra_trees", "gradient_boosting", "hist_gradient_boosting", "ada_boost")


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> str:
    target = tmp_path_factory.mktemp("native") / native.FILE
    compile_native.build(target, "x86_64")
    return str(target)


@pytest.fixture
def compiled(library, monkeypatch):
    """The functions that load the library, as if the layer had been built."""

    def use(yes: bool) -> None:
        monkeypatch.setattr(native, "PLACE", library if yes else "/nowhere")
        native.library.cache_clear()
        assert (native.library() is not None) is yes

    yield use
    native.library.cache_clear()


@functools.cache
def exported(family: str) -> bytes:
    return export(fitted(family)[0], family=family, threshold=0.4, metadata={"tolerance_days": 30})


def at_the_splits(model):
    """Rows whose values lie at thresholds, one unit in the last place beside them, missing, or beyond float32."""
    rng = random.Random(5)
    splits = [
        (column, number)
        for tree in model["trees"]
        for column, number in zip(tree["feature"], tree["number"], strict=True)
        if column >= 0
    ]
    width = max(column for column, _ in splits) + 1
    for _ in range(100):
        row = [rng.choice((0.0, 1.0, -1e39, 1e39, 1e-320, rng.gauss(0, 50))) for _ in range(width)]
        for column, number in rng.sample(splits, min(len(splits), width)):
            beside = np.nextafter(number, rng.choice((-np.inf, np.inf)))
            row[column] = float(rng.choice((number, beside, np.float32(number), float("nan"))))
        yield row


@pytest.mark.parametrize("family", FAMILIES)
def test_trees_give_the_same_to_the_last_bit(compiled, family):
    model = decode(exported(family), digest(exported(family)))["model"]
    rows = [*at_the_splits(model)]
    found = []
    for yes in (True, False):
        compiled(yes)
        found.append(evaluators.many_rows(model)(rows))

    assert found[0] == found[1]


def test_a_scorer_uses_it_and_gives_scikit_learns_probabilities(compiled):
    compiled(True)
    frame = feature_frame(200, seed=3)
    raw = exported("random_forest")
    found = scorer.load(raw, digest(raw)).score(records(frame))

    assert found == pytest.approx(fitted("random_forest")[0].predict_proba(frame)[:, 1], abs=1e-9)


def test_a_forecast_is_the_same(compiled):
    told = {}
    for yes in (True, False):
        compiled(yes)
        forecaster = Forecaster(json.loads(forecast_json()))
        rng = random.Random(7)
        features = [{name: rng.gauss(0, 40) for name in forecaster.columns} for _ in range(50)]
        found = [forecaster.forecast(row, "in_progress", 30.0, 0.4) for row in features]
        told[yes] = [(each.p_late(30.0), each.quantile(0.8)) for each in found]

    assert told[True] == told[False]
    assert len({*told[True]}) > 5


@pytest.mark.parametrize(
    "tree",
    [
        {"feature": [0, -1, -1], "number": [0.5, 1.0, 2.0], "right": [3, 0, 0]},
        {"feature": [0, -1, -1], "number": [0.5, 1.0, 2.0], "right": [-1, 0, 0]},
        {"feature": [0, -1, 0], "number": [0.5, 1.0, 2.0], "right": [2, 0, 1]},
        {"feature": [0, -1, -1], "number": [0.5, 1.0, 2.0], "right": [0, 0, 0]},
        {"feature": [], "number": [], "right": []},
        {"feature": [0, -1, -1], "number": [0.5, 1.0], "right": [2, 0, 0]},
    ],
)
def test_a_tree_that_names_a_node_it_does_not_have_is_refused(compiled, tree):
    compiled(True)
    with pytest.raises(ValueError, match="names a node"):
        native.Trees([tree], single_precision=True)


def test_a_row_without_a_column_that_trees_ask_for_is_refused(compiled):
    compiled(True)
    trees = native.Trees(
        [{"feature": [2, -1, -1], "number": [0.5, 1.0, 2.0], "right": [2, 0, 0]}], single_precision=True
    )

    assert trees.sums([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]) == array("d", [1.0, 2.0])
    assert trees.sums([]) == array("d")
    with pytest.raises(ValueError, match="split by 3 columns"):
        trees.sums([[0.0, 0.0]])


def test_a_file_that_is_no_library_is_not_used(tmp_path, monkeypatch):
    (tmp_path / native.FILE).write_bytes(b"no library")
    monkeypatch.setattr(native, "PLACE", str(tmp_path / native.FILE))
    native.library.cache_clear()

    assert native.library() is None
    native.library.cache_clear()


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_without_a_compiler_zig_compiles(machine, monkeypatch):
    monkeypatch.setattr(compile_native.shutil, "which", lambda _: None)

    *command, target = compile_native.compiler(machine)

    assert tuple(command[: len(compile_native.ZIG)]) == compile_native.ZIG
    assert command[-3:] == ["ziglang", "cc", "-target"]
    assert target == f"{machine}-linux-gnu.2.34"


# e_machine of the ELF format, as Lambda's two architectures have it.
MACHINES = {"x86_64": 62, "aarch64": 183}
DYNAMIC, NEEDED, UNDEFINED = 6, 1, 0


def sections(raw: bytes) -> dict[int, list[bytes]]:
    """Return the sections of a little-endian ELF file of 64 bits by their types."""
    begin, (size, count) = struct.unpack_from("<Q", raw, 40)[0], struct.unpack_from("<HH", raw, 58)
    found: dict[int, list[bytes]] = {}
    for place in range(begin, begin + size * count, size):
        _, kind, _, _, offset, length = struct.unpack_from("<IIQQQQ", raw, place)
        found.setdefault(kind, []).append(raw[offset : offset + length])
    return found


@pytest.mark.parametrize(
    ("machine", "by_zig"),
    [("x86_64", False), *(pytest.param(machine, True, marks=pytest.mark.slow) for machine in MACHINES)],
)
def test_the_library_asks_for_no_other(machine, by_zig, tmp_path, monkeypatch):
    """Neither a library nor a version of one, such as GLIBC_2.38, which Lambda has not."""
    if by_zig:
        monkeypatch.setattr(compile_native.shutil, "which", lambda _: None)
    target = tmp_path / native.FILE
    compile_native.build(target, machine)
    raw = target.read_bytes()
    found = sections(raw)
    dynamic = [entry for part in found[DYNAMIC] for entry in struct.iter_unpack("<qQ", part)]
    # Type 11: the symbols that the loader looks at; the first one is always empty.
    symbols = [entry for part in found[11] for entry in struct.iter_unpack("<IBBHQQ", part)][1:]

    assert raw[:6] == b"\x7fELF\x02\x01"
    assert struct.unpack_from("<H", raw, 18) == (MACHINES[machine],)
    assert NEEDED not in [tag for tag, _ in dynamic]
    assert len(symbols) >= 2
    assert UNDEFINED not in [section for _, _, _, section, _, _ in symbols]
    assert b"GLIBC" not in raw
