"""`slipcast port`: what it writes for each platform, without the vendors' code (tests/vendors has it)."""

import ast
import gzip
import io
import json
import math
import re
import runpy
import subprocess
import sys
import tarfile
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import boto3
import pytest
import yaml
from botocore.session import Session
from botocore.validate import ParamValidator
from click.testing import CliRunner

from slipcast.features import row as features
from slipcast_cli.main import cli
from slipcast_cli.port import baseline, bundle, command, write
from support import portable_bundle


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    return portable_bundle.unpack(tmp_path_factory.mktemp("bundle"), profile=True)


@pytest.fixture(scope="module")
def written(unpacked, tmp_path_factory):
    out = tmp_path_factory.mktemp("port")
    for stack in write.STACKS:
        command.run(stack, command.of_file(unpacked), out / stack)
    return out


@pytest.mark.parametrize("stack", write.STACKS)
def test_every_file_is_readable_by_its_kind_and_has_no_hole(written, stack):
    own = [
        path
        for path in (written / stack).rglob("*")
        if path.is_file() and not {"image", "slipcast", "slipcast_host"} & {*path.parts}
    ]
    assert len(own) >= 4
    for path in own:
        if path.suffix == ".gz":
            continue
        text = path.read_text()
        assert "<<" not in text, path
        assert "<%" not in text, path
        if path.suffix == ".py":
            ast.parse(text)
        elif path.suffix in (".yaml", ".yml"):
            assert all(isinstance(item, dict) for item in yaml.safe_load_all(text) if item is not None), path
        elif path.suffix == ".json":
            json.loads(text)


def test_the_model_archive_of_sagemaker_is_the_pinned_model_and_the_same_bytes_every_time(written, unpacked, tmp_path):
    raw = (written / "sagemaker/model.tar.gz").read_bytes()
    command.run("sagemaker", command.of_file(unpacked), tmp_path / "again")

    assert (tmp_path / "again/model.tar.gz").read_bytes() == raw
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(raw))) as packed:
        assert packed.extractfile("model.json").read() == (unpacked / "model.json").read_bytes()
        assert {"release.json", "forecast.json", "code/inference.py", "code/slipcast_host/engine.py"} <= {
            *packed.getnames()
        }


def test_requests_of_sagemaker_have_the_apis_shape(written):
    model = Session().get_service_model("sagemaker")
    operations = {name.lower(): name for name in model.operation_names}
    parameters = {**json.loads((written / "sagemaker/parameters.json").read_text()), "version": "7-abc"}
    for path in (written / "sagemaker/requests").glob("*.json"):
        name = operations[path.stem.replace("_serverless", "").replace("_", "")]
        request = json.loads(re.sub(r"\$\{(\w+)\}", lambda match: parameters[match[1]], path.read_text()))
        report = ParamValidator().validate(request, model.operation_model(name).input_shape)
        assert not report.has_errors(), f"{path.name}: {report.generate_report()}"


class Account:
    """SageMaker and S3 as far as deploy.py asks them: botocore checks each call, and this answers it."""

    def __init__(self):
        self.calls, self.made, self.files = [], set(), set()

    def client(self, service, **named):
        if service == "s3":
            return SimpleNamespace(upload_file=lambda path, bucket, key: self.files.add((Path(path).name, key)))
        keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
        found = boto3.session.Session().client(service, **keys, **named)
        found.meta.events.register("before-call.sagemaker", self.answer)
        return found

    def answer(self, model, params, **_):
        sent = json.loads(params["body"] or "{}")
        self.calls.append((model.name, sent))
        parsed = {"Endpoints": [{"EndpointName": name} for kind, name in self.made if kind == "EndpointName"]}
        name = next(((key, value) for key, value in sent.items() if key.endswith("Name")), None)
        if model.name.startswith("Create") and model.name != "CreateModelPackage":
            if name in self.made:
                error = {"Code": "ValidationException", "Message": f"Cannot create already existing {name[0]}"}
                return SimpleNamespace(status_code=400), {"Error": error}
            self.made.add(name)
        return SimpleNamespace(status_code=200), parsed


def test_the_deployment_to_sagemaker_can_be_repeated(written, monkeypatch):
    account = Account()
    names = runpy.run_path(str(written / "sagemaker/deploy.py"), run_name="deploy")
    monkeypatch.setattr("boto3.client", account.client)
    clock = iter(range(10))
    monkeypatch.setattr("time.time", lambda: next(clock))
    for command_name in ("package", "endpoint", "serverless", "batch", "monitor") * 2:
        names["main"](command_name)

    made = [name for name, _ in account.calls]
    assert (made.count("CreateEndpoint"), made.count("UpdateEndpoint")) == (2, 2)
    assert made.count("CreateMonitoringSchedule") == 2
    configs = {
        sent["EndpointName"]: sent["EndpointConfigName"] for name, sent in account.calls if "EndpointName" in sent
    }
    assert configs.keys() == {"slipcast-endpoint", "slipcast-serverless"}
    assert {("EndpointConfigName", name) for name in configs.values()} <= account.made
    # A serverless endpoint takes no model that is isolated from the network.
    models = {sent["ModelName"]: sent for name, sent in account.calls if name == "CreateModel"}
    served = {
        sent["EndpointConfigName"]: models[sent["ProductionVariants"][0]["ModelName"]]
        for name, sent in account.calls
        if name == "CreateEndpointConfig"
    }
    assert "EnableNetworkIsolation" not in served[configs["slipcast-serverless"]]
    assert served[configs["slipcast-endpoint"]]["EnableNetworkIsolation"] is True
    # Every file that a request names is uploaded.
    keys = {key for _, key in account.files}
    named = re.findall(r"s3://[^/\"]+/(slipcast/[^\"]+\.\w+)", json.dumps([sent for _, sent in account.calls]))
    assert {*named} <= keys
    assert len(keys) == 5


def test_katib_tries_every_point_of_the_declared_grids(written):
    experiments = [item for item in yaml.safe_load_all((written / "kserve/katib.yaml").read_text()) if item]
    names = {item["metadata"]["name"] for item in experiments}

    assert "slipcast-random-forest" in names
    for item in experiments:
        spec = item["spec"]
        lists = [parameter["feasibleSpace"]["list"] for parameter in spec["parameters"]]
        points = 1
        for values in lists:
            points *= len(values)
        assert spec["maxTrialCount"] == points
        container = spec["trialTemplate"]["trialSpec"]["spec"]["template"]["spec"]["containers"][0]
        text = container["env"][0]["value"]
        for parameter, values in zip(spec["parameters"], lists, strict=True):
            text = text.replace(f"${{trialParameters.{parameter['name']}}}", values[0])
        (family,) = json.loads(text)
        assert f"slipcast-{family['name'].replace('_', '-')}" == item["metadata"]["name"]


@pytest.mark.parametrize("stack", ["sagemaker", "azureml", "kserve", "vertex"])
def test_each_deployment_pins_the_digest(written, stack):
    texts = [
        path.read_text() for path in (written / stack).glob("*.*") if path.suffix in (".yml", ".yaml", ".py", ".json")
    ]
    texts += [path.read_text() for path in (written / stack).glob("requests/*.json")]
    digest = json.loads((written / stack / "image/release.json").read_text())["model_sha256"]

    assert any("MODEL_SHA256" in text and digest in text for text in texts)


PROFILE = {
    "n": 10,
    "features": {
        "budget": {
            **{"kind": "numeric", "edges": [2.0, 5.0], "counts": [3, 4, 2, 1]},
            **{"min": 0.0, "max": 9.0, "mean": 4.0, "sd": 2.0},
        },
        "phase": {
            **{"kind": "categorical", "categories": ["Design", "Scope"], "counts": [5, 3, 2]},
            "seen": ["Design", "Scope", "CM"],
        },
    },
}


def test_the_monitors_baseline_says_what_the_profile_says():
    numeric, text = baseline.statistics(PROFILE)["features"]
    rules = {item["name"]: item for item in baseline.constraints(PROFILE)["features"]}

    assert numeric["numerical_statistics"]["common"] == {"num_present": 9, "num_missing": 1}
    buckets = numeric["numerical_statistics"]["distribution"]["kll"]["buckets"]
    assert [(item["lower_bound"], item["upper_bound"], item["count"]) for item in buckets] == [
        *((0.0, 2.0, 3), (2.0, 5.0, 4), (5.0, 9.0, 2))
    ]
    assert text["string_statistics"]["common"] == {"num_present": 10, "num_missing": 0}
    assert rules["budget"]["completeness"] == 0.9
    assert rules["budget"]["num_constraints"] == {"is_non_negative": True}
    assert rules["phase"]["string_constraints"] == {"domains": ["Design", "Scope", "CM"]}


def test_the_reference_rows_of_a_monitor_are_distributed_as_the_training_data(unpacked):
    profile = json.loads((unpacked / "profile.json").read_text())
    rows = baseline.reference(profile, 500)

    for name, item in profile["features"].items():
        values = [row[name] for row in rows]
        if item["kind"] == "numeric":
            ends = [-math.inf, *item["edges"], math.inf]
            found = [sum(a <= value < b for value in values if value is not None) for a, b in pairwise(ends)]
        else:
            found = [values.count(category) for category in item["categories"]]
        found.append(values.count(None) + values.count(baseline.RARE))
        assert found == pytest.approx([count / profile["n"] * 500 for count in item["counts"]], abs=1.5), name


@pytest.mark.parametrize("stack", ["sagemaker", "azureml"])
def test_a_captured_request_has_the_features_that_the_model_got(written, stack):
    names = runpy.run_path(str(written / stack / "monitor/captured.py"), run_name="captured")
    golden = json.loads(portable_bundle.files()["golden.json"])["activities"]
    derived = [
        {"start": "2022-03-01", "baseline_finish": "2022-09-30", "budget": 12.5},
        {"start": "2022-03-01", "baseline_start": "2022-02-01", "baseline_duration_days": 2.5},
        {"start": "2022-03-01T00:00:00", "baseline_finish": "2021-12-31"},
    ]
    sent = golden + derived[:2]
    wanted = [features.feature_row(item) for item in sent]

    assert {*names["FEATURES"]} == wanted[0].keys()
    for form in ("instances", "input_data"):
        assert names["rows"](json.dumps({form: sent})) == wanted
    assert names["rows"](json.dumps(derived[0])) == wanted[-2:-1]
    # What is no request, or what the host refused.
    for body in (
        "",
        "start,budget\n2022-03-01,3",
        "[3]",
        '{"instances": 3}',
        '{"start": 3}',
        '{"budget": -5}',
        "1e999",
    ):
        assert names["rows"](body) == [], body
    assert len(names["rows"](json.dumps(derived[2]))) == 1
    if stack == "sagemaker":
        record = SimpleNamespace(endpoint_input=SimpleNamespace(data=json.dumps({"instances": sent})))
        assert names["preprocess_handler"](record) == wanted


def test_without_a_profile_of_the_training_data_there_is_no_monitor(tmp_path):
    found = command.of_file(portable_bundle.unpack(tmp_path / "bundle"))
    for stack, wanted in {"sagemaker": 3, "azureml": 7}.items():
        command.run(stack, found, tmp_path / stack)
        texts = {path: path.read_text() for path in (tmp_path / stack).glob("*.*") if path.suffix != ".gz"}
        assert not [*(tmp_path / stack).rglob("captured.py"), *(tmp_path / stack).rglob("*monitor*")]
        assert not [
            path
            for path, text in texts.items()
            if "monitor" in text.replace("monitor_image_uri", "").replace("sagemaker-model-monitor", "")
        ]
        assert len(texts) > wanted


def test_azures_batch_driver_gives_the_golden_answers(written, tmp_path):
    folder = written / "azureml"
    golden = json.loads(portable_bundle.files()["golden.json"])
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(item) + "\n" for item in golden["activities"]))
    script = "import batch_driver, json, sys; batch_driver.init(); print(json.dumps(batch_driver.run(sys.argv[1:])))"
    done = subprocess.run(
        [sys.executable, "-S", "-c", script, str(tmp_path / "a.jsonl")],
        cwd=folder / "batch",
        env={"AZUREML_MODEL_DIR": str(folder), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )

    lines = [json.loads(line) for line in json.loads(done.stdout)]
    assert [line["probability"] for line in lines] == pytest.approx(golden["scores"], abs=1e-9)
    assert {line["file"] for line in lines} == {"a.jsonl"}


def test_a_zip_and_its_folder_are_the_same_bundle(unpacked):
    from slipcast.edge import bundle as archives

    packed = archives.archive(portable_bundle.files(profile=True), "slipcast-portable-7-abc123")

    assert bundle.of_zip(packed) == bundle.of_folder(unpacked)


def test_a_changed_bundle_and_a_used_folder_are_refused_in_words(unpacked, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").write_text("")
    (tmp_path / "other").mkdir()
    run = CliRunner().invoke
    used = run(cli, ["port", "kserve", "--out", str(tmp_path / "out"), "--bundle", str(unpacked)])
    none = run(cli, ["port", "kserve", "--out", str(tmp_path / "new"), "--bundle", str(tmp_path / "other")])
    contents = dict(portable_bundle.files()) | {"model.json": b"{}"}

    assert (used.exit_code, none.exit_code) == (1, 1)
    assert "is not empty" in used.output
    assert "no portable bundle" in none.output
    assert not (tmp_path / "new").exists()
    with pytest.raises(bundle.PortError, match=r"model\.json is not the published file"):
        bundle._checked(contents)


def test_the_command_lists_what_it_wrote(unpacked, tmp_path):
    done = CliRunner().invoke(cli, ["port", "airflow", "--out", str(tmp_path / "a"), "--bundle", str(unpacked)])

    assert done.exit_code == 0, done.output
    assert "dags/slipcast_steps.py" in done.output
