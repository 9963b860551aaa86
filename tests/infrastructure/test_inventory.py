"""The bill of materials of a layer is of what is in it, and of nothing that the lock does not let in."""

import hashlib
import shutil
import sys
from pathlib import Path

import pytest

from layers.build import assemble, recipe, wheels

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "audit"))

import inventory as bills  # noqa: E402

LOCK = bills.read_lock()


@pytest.fixture(scope="module")
def reporting() -> Path:
    return assemble.built("reporting", "x86_64") / "python"


@pytest.mark.parametrize("layer", ["powertools", "preparation", "reporting", "training"])
def test_every_package_that_the_lock_lets_in_is_in_the_bill_with_its_wheel(layer):
    folder = assemble.built(layer, "x86_64") / "python"
    found = {package.name: package for package in bills.inventory(layer, folder, LOCK, "x86_64")}
    roots = wheels.required((ROOT / "layers" / layer / "requirements.txt").read_text())
    pins = wheels.pinned(LOCK, roots, recipe.SPECIFICATIONS[layer].without).splitlines()

    # Those with a marker are for other systems or interpreters.
    assert {line.split("==")[0] for line in pins if ";" not in line} == set(found)
    for line in pins:
        package = found.get(line.split("==")[0])
        assert package is None or f"--hash=sha256:{package.sha256}" in line


def test_shared_libraries_that_came_in_a_wheel_are_in_the_bill(reporting):
    found = [item for package in bills.inventory("reporting", reporting, LOCK, "x86_64") for item in package.libraries]

    assert any("openblas" in path for path, _ in found)
    for path, sha256 in found:
        assert hashlib.sha256((reporting / path).read_bytes()).hexdigest() == sha256


@pytest.mark.parametrize(("layer", "names"), [("slipcast", ["slipcast", "slipcast-host"]), ("aws", ["slipcast-aws"])])
def test_our_own_packages_are_in_the_bill(layer, names):
    folder = assemble.built(layer, "x86_64") / "python"
    packages = bills.inventory(layer, folder, LOCK, "x86_64")

    assert sorted(package.name for package in packages) == names
    for package in packages:
        assert package.sha256 == bills.content_digest(folder / package.name.replace("-", "_"))


@pytest.mark.parametrize("harm", ["another version", "a stranger"])
def test_what_the_lock_does_not_let_in_is_refused(reporting, tmp_path, harm):
    folder = tmp_path / "python"
    for path in reporting.glob("*.dist-info"):
        shutil.copytree(path, folder / path.name)
    name = "jinja2" if harm == "another version" else "stranger"
    added = folder / f"{name}-0.1.dist-info"
    added.mkdir(exist_ok=True)
    (added / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1\n")

    with pytest.raises(bills.InventoryError, match=rf"{name} 0\.1 is in it, uv\.lock lets in (3|none)"):
        bills.inventory("reporting", folder, LOCK, "x86_64")


def test_a_digest_is_of_names_and_bytes(tmp_path):
    (tmp_path / "a").write_text("1")
    first = bills.content_digest(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    second = bills.content_digest(tmp_path)
    (tmp_path / "b").write_text("2")

    assert len({first, second, bills.content_digest(tmp_path)}) == 3
