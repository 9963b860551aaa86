"""layers/build: what is chosen from the lock, what is thrown away, and that equal input makes equal layers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from layers.build import assemble, bytecode, recipe, shell, slim, wheels

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The build, with a checkout of its own that has one package of ours."""
    monkeypatch.setattr(recipe, "ROOT", tmp_path / "checkout")
    monkeypatch.setattr(recipe, "LAYERS", tmp_path / "checkout" / "layers")
    package = recipe.ROOT / "src" / "slipcast"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('"""Ours."""\n')
    (package / "data.json").write_text("{}\n")


def package(name: str, *dependencies: dict, **more: object) -> dict:
    wheels = [{"hash": f"sha256:{name}-wheel"}]
    return {"name": name, "version": "1.0", "dependencies": list(dependencies), "wheels": wheels} | more


def test_required_reads_names_and_extras(build) -> None:
    assert wheels.required("# all\nA_b[x, y]  # why\n\nc.d\n") == [("a-b", ("x", "y")), ("c-d", ())]


@pytest.mark.parametrize("line", ["a==1", "a>=1", "a ; python_version > '3'", "-r other.txt"])
def test_required_refuses_versions(build, line: str) -> None:
    with pytest.raises(recipe.BuildError, match=r"uv\.lock says which version"):
        wheels.required(line)


def test_pinned_follows_dependencies_and_extras_with_hashes(build) -> None:
    extra = {"x": [{"name": "only-with-x"}]}
    lock = {
        "package": [
            package("a", {"name": "b"}, **{"optional-dependencies": extra}, sdist={"hash": "sha256:a-archive"}),
            package("b", {"name": "a"}),
            package("only-with-x"),
            package("unrelated"),
        ]
    }
    lines = wheels.pinned(lock, [("a", ())], frozenset()).splitlines()
    assert lines == ["a==1.0 --hash=sha256:a-archive --hash=sha256:a-wheel", "b==1.0 --hash=sha256:b-wheel"]
    assert "only-with-x==1.0" in wheels.pinned(lock, [("a", ("x",))], frozenset())


def test_pinned_leaves_out_what_only_an_unwanted_package_needs(build) -> None:
    lock = {
        "package": [
            package("a", {"name": "b"}, {"name": "d"}),
            package("b", {"name": "c"}, {"name": "d"}),
            package("c"),
            package("d"),
        ]
    }
    names = [line.split("==")[0] for line in wheels.pinned(lock, [("a", ())], frozenset({"b"})).splitlines()]
    assert names == ["a", "d"]


def test_pinned_joins_markers_along_the_way(build) -> None:
    windows, old = "sys_platform == 'win32'", "python_version < '3'"
    lock = {
        "package": [
            package("a", {"name": "b", "marker": windows}, {"name": "d", "marker": old}, {"name": "e"}),
            package("b", {"name": "c", "marker": old}, {"name": "e"}),
            package("c"),
            package("d", {"name": "b"}),
            package("e"),
        ]
    }
    lines = dict(line.split("==1.0", 1) for line in wheels.pinned(lock, [("a", ())], frozenset()).splitlines())
    assert lines["b"].startswith(f" ; (({old})) or (({windows})) --hash")
    assert lines["c"].startswith(f" ; (({old})) or (({old}) and ({windows})) --hash")
    assert lines["e"].startswith(" --hash")


def test_pinned_names_a_package_that_is_not_locked(build) -> None:
    with pytest.raises(recipe.BuildError, match=r"missing is not in uv\.lock"):
        wheels.pinned({"package": []}, [("missing", ())], frozenset())


@pytest.mark.parametrize(
    ("path", "unwanted"),
    [
        ("pandas/tests/test_frame.py", True),
        ("numpy/_core/tests/_natype.py", False),
        ("numpy/_core/tests/test_dtype.py", True),
        ("numpy/testing/__init__.py", False),
        ("numpy/f2py/crackfortran.py", False),
        ("numpy/__init__.pyi", True),
        ("bin/mlflow", True),
        ("scipy/linalg/_flapack.so", False),
        ("scipy.libs/libscipy_openblas.so", False),
        ("scipy/special/cython_special.pxd", True),
        ("sklearn/datasets/data/iris.csv", True),
        ("matplotlib/mpl-data/sample_data/topobathy.npz", True),
        ("matplotlib/mpl-data/fonts/ttf/DejaVuSans.ttf", False),
        ("sklearn/utils/_repr_html/estimator.css", False),
        ("mlflow-3.dist-info/METADATA", False),
        ("mlflow-3.dist-info/entry_points.txt", False),
        ("mlflow-3.dist-info/licenses/LICENSE.txt", False),
        ("mlflow-3.dist-info/RECORD", True),
        ("mlflow-3.dist-info/top_level.txt", True),
    ],
)
def test_unwanted(build, path: str, unwanted: bool) -> None:
    assert slim.unwanted(path) is unwanted


def test_slim_removes_files_and_emptied_folders(build, tmp_path: Path) -> None:
    for name in ("a/__init__.py", "a/tests/test_a.py", "a/a.pyi"):
        (tmp_path / "python" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "python" / name).write_text("")
    slim.slim(tmp_path / "python")
    assert sorted(path.name for path in (tmp_path / "python").rglob("*")) == ["__init__.py", "a"]


def test_strip_leaves_bundled_libraries_alone(build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("numpy/core.so", "numpy.libs/libopenblas.so", "numpy/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    commands: list[list[str]] = []
    monkeypatch.setattr(shell, "run", commands.append)
    slim.strip(tmp_path, ["strip", "--strip-unneeded"])
    assert commands == [["strip", "--strip-unneeded", str(tmp_path / "numpy/core.so")]]


def test_bytecode_takes_the_place_of_source_that_compiles(build, tmp_path: Path) -> None:
    folder = tmp_path / "python"
    folder.mkdir()
    (folder / "good.py").write_text('"""Doc."""\nassert __doc__\nVALUE = 3\n')
    (folder / "template.py").write_text("def {{ name }}():\n")
    bytecode.compile_bytecode(folder, "-b", "-o", "0")
    bytecode.drop_source(folder)
    assert sorted(path.name for path in shell.files(folder)) == ["good.pyc", "template.py"]
    script = f"import sys; sys.path.append({str(folder)!r}); import good; print(good.VALUE, good.__doc__)"
    shown = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["3", "Doc."]


def snapshot(folder: Path) -> dict[str, tuple[bytes, float, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime, path.stat().st_mode)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_same_input_makes_the_same_bytes(build, capsys: pytest.CaptureFixture[str]) -> None:
    first = assemble.built("slipcast")
    content = snapshot(first)
    assert "python/slipcast/data.json" in content
    assert "python/Makefile" not in content
    assert {time for _, time, _ in content.values()} == {recipe.EPOCH}
    assert assemble.built("slipcast") == first
    assert capsys.readouterr().err.count("slipcast for x86_64") == 1, "the second time it comes from the cache"
    assemble.shutil.rmtree(first)
    assert snapshot(assemble.built("slipcast")) == content


def test_changed_source_makes_another_layer_and_old_ones_go(build) -> None:
    source = recipe.ROOT / "src" / "slipcast" / "__init__.py"
    made = []
    for number in range(3):
        source.write_text(f"VERSION = {number}\n")
        made.append(assemble.built("slipcast"))
        os.utime(made[-1], (number, number))
    assert len(set(made)) == 3
    assert [folder.exists() for folder in made] == [False, True, True]


def test_place_links_to_the_cache_and_replaces_what_was_there(build, tmp_path: Path) -> None:
    layer = assemble.built("slipcast")
    (tmp_path / "out" / "python").mkdir(parents=True)
    (tmp_path / "out" / "python" / "stale.py").write_text("")
    assemble.place(layer, tmp_path / "out")
    assert snapshot(tmp_path / "out" / "python") == snapshot(layer / "python")
    assert (tmp_path / "out/python/slipcast/data.json").samefile(layer / "python/slipcast/data.json")


def test_place_copies_where_links_are_impossible(build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = assemble.built("slipcast")

    def refuse(*_: object, **__: object) -> None:
        raise OSError("another file system")

    monkeypatch.setattr(assemble.os, "link", refuse)
    assemble.place(layer, tmp_path / "out")
    assert snapshot(tmp_path / "out" / "python") == snapshot(layer / "python")


def test_too_large_a_layer_is_refused_and_leaves_nothing(build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe, "LIMIT", 10)
    with pytest.raises(recipe.BuildError, match="Lambda takes 250"):
        assemble.built("slipcast")
    assert [path.name for path in shell.cache_folder().iterdir()] == ["slipcast-x86_64.lock"]


def test_a_failing_command_is_reported_with_its_output(build) -> None:
    recipe.ROOT.mkdir(exist_ok=True)
    with pytest.raises(recipe.BuildError, match="no such wheel"):
        shell.run([sys.executable, "-c", "import sys; sys.exit('no such wheel')"])


def test_unknown_layer_or_architecture(build) -> None:
    with pytest.raises(recipe.BuildError, match="no layer 'other'"):
        assemble.built("other")
    with pytest.raises(recipe.BuildError, match="no layer 'slipcast' for 'mips'"):
        assemble.built("slipcast", "mips")


def test_every_exclusion_is_a_locked_package(build) -> None:
    import tomllib

    locked = {package["name"] for package in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}
    for name, specification in recipe.SPECIFICATIONS.items():
        assert specification.without <= locked, f"{name}: no longer needed"


def test_a_function_is_copied_with_bytecode_that_is_not_checked(build, tmp_path: Path) -> None:
    source = tmp_path / "functions" / "answer"
    source.mkdir(parents=True)
    (source / "app.py").write_text("VALUE = 1\n")
    (source / "Makefile").write_text("build-AnswerFunction:\n")
    assemble.copy_function(source, tmp_path / "built")

    assert sorted(path.name for path in shell.files(tmp_path / "built")) == ["app.cpython-313.pyc", "app.py"]
    header = (tmp_path / "built/answer/__pycache__/app.cpython-313.pyc").read_bytes()[4:8]
    # PEP 552: a hash that is not checked against the source.
    assert int.from_bytes(header, "little") == 0b01
    assert b"/var/task/answer/app.py" in (tmp_path / "built/answer/__pycache__/app.cpython-313.pyc").read_bytes()
