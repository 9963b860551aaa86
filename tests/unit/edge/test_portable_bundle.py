"""The portable bundle: what is in it, and that it answers with nothing but Python."""

import json
import os
import platform
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from layers.build import native as compile_native
from slipcast.edge import bundle, portable, single_file, trial
from slipcast.model import native, scorer
from slipcast.model.artifact import digest
from support import portable_bundle
from support.portable_bundle import ask, served

# Who nobody is, on Linux.
NOBODY = 65534


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return portable_bundle.unpack(tmp_path_factory.mktemp("bundle"))


def test_the_bundle_checks_itself(tmp_path):
    assert trial.check_host(tmp_path, portable_bundle.files()).startswith("40 known answers equal scikit-learn's to ")


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("model.json", lambda raw: raw + b" ", "SHA-256"),
        ("slipcast_host/engine.py", lambda raw: raw + b"\n", "SHA-256"),
        ("forecast.json", lambda raw: b"", "SHA-256"),
    ],
)
def test_a_changed_file_is_named(tmp_path, name, change, says):
    contents = portable_bundle.files()
    with pytest.raises(bundle.EdgeError, match=says) as refused:
        trial.check_host(tmp_path, contents | {name: change(contents[name])})
    assert name in str(refused.value)


@pytest.mark.parametrize(
    ("whose", "name", "change", "says"),
    [
        ("scores", "scikit-learn's", 1e-6, r"1\.00e-06, allowed are 1e-09"),
        ("answers", "the prediction function's", 1e-11, r"1\.00e-11, allowed are 1e-12"),
    ],
)
def test_a_changed_answer_is_found(tmp_path, whose, name, change, says):
    contents = dict(portable_bundle.files())
    golden = json.loads(contents["golden.json"])
    golden[whose][3] += change
    contents["golden.json"] = json.dumps(golden).encode()
    contents["SHA256SUMS"] = b""

    with pytest.raises(bundle.EdgeError, match=f"differ from {name} by {says}"):
        trial.check_host(tmp_path, contents)


def test_another_model_is_not_served(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "b")
    (tmp_path / "b/model.json").write_bytes(portable_bundle.artifact("logistic_regression"))
    command = [sys._base_executable, "-S", "-m", "slipcast_host", "--port", "0"]

    done = subprocess.run(command, cwd=tmp_path / "b", capture_output=True, text=True, check=False, timeout=180)

    assert done.returncode == 2
    assert "not the released" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_forecast_that_the_model_does_not_pin_is_not_packed():
    raw = portable_bundle.artifact(forecast=False)
    with pytest.raises(bundle.EdgeError, match="released with"):
        portable.files(raw, b"{}", scorer.load(raw, digest(raw)), portable_bundle.golden(), version="1", edge={})


def test_the_bill_of_materials_lists_every_other_file():
    contents = portable_bundle.files()
    document = json.loads(contents["sbom.cdx.json"])
    listed = {item["name"]: item["hashes"][0]["content"] for item in document["components"] if item["type"] == "file"}

    assert listed == {
        name: digest(raw) for name, raw in contents.items() if name not in ("sbom.cdx.json", "SHA256SUMS")
    }
    assert [item["type"] for item in document["components"]][:2] == ["machine-learning-model", "platform"]


def test_the_host_is_our_own_source_and_the_standard_library():
    contents = portable.sources()
    source = Path(single_file.__file__).parents[2]

    assert all((source / name).read_bytes() == raw for name, raw in contents.items())
    assert "slipcast_host/azureml.py" in contents
    assert sum(map(len, portable_bundle.files().values())) < 2**20


def test_compiled_trees_come_along_where_they_are_built_and_another_machine_does_without(tmp_path, monkeypatch):
    library = tmp_path / native.FILE
    compile_native.build(library, platform.machine())
    monkeypatch.setattr(native, "PLACE", str(library))
    contents = portable_bundle.files() | portable.sources() | {"SHA256SUMS": b""}
    say = "from slipcast.model import evaluators; print(evaluators.compiled() is not None)"

    for name, raw, loaded in (("here", library.read_bytes(), "True"), ("elsewhere", b"no library", "False")):
        files = contents | {"slipcast/model/_trees.so": raw}
        assert trial.check_host(tmp_path / name, files).startswith("40 known answers equal scikit-learn's to ")
        command = [sys._base_executable, "-E", "-s", "-S", "-c", say]
        done = subprocess.run(command, cwd=tmp_path / name, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == loaded, name


# --- The image's content ----------------------------------------------------------------------------------------------


def dockerfile():
    text = portable_bundle.files()["Dockerfile"].decode()
    joined = re.sub(r"\\\n\s*", " ", text)
    return [line.split(" ", 1) for line in joined.splitlines() if line and not line.startswith("#")]


def test_the_image_has_no_root_no_package_and_our_entry():
    lines = dockerfile()
    found = dict(lines)

    assert json.loads(found["ENTRYPOINT"]) == ["python", "-m", "slipcast_host"]
    assert int(found["USER"].split(":")[0]) > 0
    assert not re.search(r"\b(pip3? install|apk add|apt-get|curl|wget|gcc)\b", " ".join(text for _, text in lines))
    assert lines.index(["USER", found["USER"]]) > max(n for n, (name, _) in enumerate(lines) if name in ("RUN", "COPY"))


def test_the_images_files_serve_for_nobody_without_writing(folder):
    """As the image does: user nobody, nothing of the folder writable, the environment of the Dockerfile."""
    environment = dict(item.split("=") for name, text in dockerfile() if name == "ENV" for item in text.split())
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    for path in (folder, *before):
        path.chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH | (0o111 if path.is_dir() else 0))
    try:
        command = [sys._base_executable, "-m", "slipcast_host", "serve", "--host", "127.0.0.1", "--port", "0"]
        other = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 and reachable(folder) else {}
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment | {"PYTHONPATH": str(folder)},
            stderr=subprocess.PIPE,
            text=True,
            **other,
        )
        url = f"http://127.0.0.1:{process.stderr.readline().rsplit(' ', 1)[1].strip()}"
        try:
            golden = json.loads((folder / "golden.json").read_bytes())
            answer = ask(f"{url}/invocations", {"instances": golden["activities"]}).json()
        finally:
            process.terminate()
            assert process.wait(180) == 0
            process.stderr.close()
    finally:
        for path in (folder, *before):
            path.chmod(0o755 if path.is_dir() else 0o644)

    assert [item["probability"] for item in answer["predictions"]] == pytest.approx(golden["scores"], abs=1e-9)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def reachable(folder):
    """Return whether nobody may enter the folder and its interpreter: pytest's own folders are private."""
    places = [*folder.resolve().parents, *Path(sys._base_executable).resolve().parents]
    return all(place.stat().st_mode & stat.S_IXOTH for place in places)


def test_platforms_choose_port_and_paths(folder):
    with served(folder, AIP_HEALTH_ROUTE="/v1/endpoints/1", AIP_PREDICT_ROUTE="/v1/endpoints/1:predict") as url:
        assert ask(f"{url}/v1/endpoints/1").json() == {"status": "healthy"}
        found = ask(
            f"{url}/v1/endpoints/1:predict",
            {"instances": json.loads((folder / "golden.json").read_bytes())["activities"][:2]},
        )
        assert found.status == 200
        assert ask(f"{url}/predict", {"instances": []}).status == 404
        metrics = ask(f"{url}/metrics")
        assert 'slipcast_requests_total{protocol="vertex",status="200"} 2' in metrics.body.decode()
        assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")
