"""The local cloud: emulator, MLflow server and the deployed stack, as one thing that starts and ends."""

import fcntl
import json
import os
import shlex
import shutil
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from samtranslator.yaml_helper import yaml_parse

from local import processes
from local.emulator import composite
from local.processes import Child, LocalCloudError
from slipcast_cli import stack as stacks

ROOT = Path(__file__).resolve().parents[1]
STACK = "slipcast"
REGION = "us-east-1"
# Short intervals for a demonstration: the template's own defaults are for real schedules.
PARAMETERS = {
    "MonitorSchedule": "rate(1 minute)",
    "MonitorPeriodSeconds": "60",
    "DriftEvaluationPeriods": "2",
    "DriftDatapointsToAlarm": "1",
    "RetrainCooldownMinutes": "5",
    # Made after the deployment: local/emulator/composite.py.
    "CompositeAlarm": "false",
    "Streaming": "true",
    # A task computes all the time, and a warm environment has its rows and folds already: more at a time take longer.
    "SearchConcurrency": str(max(2, os.cpu_count() or 1)),
    "ShadowRequests": "20",
    "CanarySteps": "20,50",
    "CanaryMinRequests": "40",
    "CanaryMinMinutes": "0",
    "CanaryMaxMinutes": "0.1",
}
# A proxy of the machine is only for external addresses.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
}


class LocalCloud:
    """A local cloud whose state, logs and environment file are in `home`.

    Parameters
    ----------
    home
        folder for everything this cloud writes
    parameters
        overrides of the template's parameters
    say
        called with one line for each step
    template
        the SAM template to deploy
    """

    def __init__(
        self,
        home: Path,
        parameters: dict[str, str] | None = None,
        say: Callable[[str], None] = print,
        template: Path = ROOT / "template.yaml",
    ) -> None:
        self.home = home.resolve()
        self.parameters = {**PARAMETERS, **(parameters or {})}
        self.say = say
        self.template = template
        self.children: list[Child] = []
        self.env: dict[str, str] = {}
        self.seconds: dict[str, float] = {}

    # Starting and stopping

    def up(self) -> dict[str, str]:
        """Start everything, deploy the template and return the environment to work with it.

        Raises
        ------
        LocalCloudError
            If a step fails; nothing is left running then.
        """
        with _locked(self.home / "lock", f"another command is at work on the local cloud in {self.home}"):
            if self.running():
                self.say(f"The local cloud is up already; its environment is in {self.home / 'env'}")
                return self.env
            return self._up()

    def _up(self) -> dict[str, str]:
        # Remains of an earlier start that was killed.
        self._stop_all()
        try:
            with self._step("AWS emulator"):
                self.start_emulator()
            # MLflow has the longest start: it starts during the build.
            mlflow = self._start_mlflow()
            self._build_and_deploy()
            with self._step("MLflow server"):
                processes.wait_until(lambda: _answers(f"http://127.0.0.1:{mlflow.port}/health"), mlflow, seconds=600)
            for child in self.children:
                processes.ensure_alive(child)
            self._write_env()
        except BaseException:
            self._stop_all()
            raise
        return self.env

    def down(self) -> list[str]:
        """Stop every process of this cloud and return their names; a process that was not started is no error.

        Raises
        ------
        LocalCloudError
            If a port is still open afterwards, or another command is at work.
        """
        if not self.home.exists():
            return []
        with _locked(self.home / "lock", f"another command is at work on the local cloud in {self.home}"):
            return self._stop_all()

    def _stop_all(self) -> list[str]:
        self._load()
        stopped = []
        for child in reversed(self.children):
            if child.alive():
                stopped.append(child.name)
            processes.stop(child)
        deadline = time.monotonic() + 120
        while stopped and (busy := [c.port for c in self.children if c.port and processes.listening(c.port)]):
            if time.monotonic() > deadline:
                raise LocalCloudError(f"stopped {', '.join(stopped)}, but port {busy[0]} on 127.0.0.1 is still open")
            time.sleep(0.1)
        self.children, self.env = [], {}
        for name in ("run.json", "env"):
            (self.home / name).unlink(missing_ok=True)
        shutil.rmtree(self.home / "work", ignore_errors=True)
        return stopped

    def running(self) -> bool:
        """Return whether the servers of this cloud are alive; loads its environment if so."""
        self._load()
        servers = [child for child in self.children if child.port]
        return bool(self.env) and bool(servers) and all(child.alive() for child in servers)

    def __enter__(self) -> "LocalCloud":
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    def redeploy(self) -> None:
        """Build and deploy the template again to the running cloud.

        Raises
        ------
        LocalCloudError
            If the cloud is not up or the template is refused; the cloud stays up then.
        """
        if not self.running():
            raise LocalCloudError("the local cloud is not up: make up")
        self._build_and_deploy()
        self._write_env()

    def client(self, service: str) -> Any:
        """Return a boto3 client that talks to this cloud."""
        return boto3.client(
            service,
            endpoint_url=self.env.get("AWS_ENDPOINT_URL") or self._endpoint(),
            region_name=REGION,
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            config=Config(retries={"max_attempts": 2}, read_timeout=120, proxies={}),
        )

    # Steps

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        self.say(f"  {name} ...")
        yield
        self.seconds[name] = round(time.monotonic() - began, 1)
        self.say(f"  {name} done in {self.seconds[name]} s")

    def start_emulator(self) -> None:
        """Start the emulator alone, with nothing in it; `down` stops it. An emulator that does not answer is ended."""
        for name in ("logs", "work"):
            (self.home / name).mkdir(parents=True, exist_ok=True)
        port = processes.free_port(os.environ.get("SLIPCAST_PORT"))
        env = self._environment() | {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "MINISTACK_HOST": "127.0.0.1",
            # Every Lambda worker unpacks its layers: keep that where down() sweeps.
            "TMPDIR": str(self.home / "work"),
        }
        child = self._start("emulator", [sys.executable, str(ROOT / "local" / "emulator" / "process.py")], env, port)
        try:
            # Four seconds of processor time, which a busy machine stretches to a minute.
            processes.wait_until(lambda: _answers(f"{self._endpoint()}/_ministack/health"), child, seconds=600)
        except BaseException:
            self._stop_all()
            raise

    def stop_mlflow(self) -> None:
        """Stop the tracking server, as an outage would; `start_mlflow` starts it again with its data."""
        child = self._child("mlflow")
        processes.stop(child)
        self.children.remove(child)
        self._save()

    def start_mlflow(self) -> None:
        """Start the tracking server again where it was."""
        port = int(self.env["MLFLOW_TRACKING_URI"].rsplit(":", 1)[-1])
        child = self._mlflow(port)
        processes.wait_until(lambda: _answers(f"http://127.0.0.1:{port}/health"), child, seconds=600)

    def _child(self, name: str) -> Child:
        return next(child for child in self.children if child.name == name)

    def _start_mlflow(self) -> Child:
        self.client("s3").create_bucket(Bucket="mlflow-artifacts")
        return self._mlflow(processes.free_port(os.environ.get("SLIPCAST_MLFLOW_PORT")))

    def _mlflow(self, port: int) -> Child:
        database = self.home / "work" / "mlflow.db"
        command = [
            *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
            *("--backend-store-uri", f"sqlite:///{database}"),
            *("--serve-artifacts", "--artifacts-destination", "s3://mlflow-artifacts"),
            # Host names that a foreign web page could point at 127.0.0.1 are refused.
            *("--allowed-hosts", f"127.0.0.1:{port},localhost:{port}"),
        ]
        env = self._environment() | {
            "MLFLOW_S3_ENDPOINT_URL": self._endpoint(),
            # Nothing here queues jobs; each queue would be one more process.
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
        return self._start("mlflow", command, env, port)

    def _start(self, name: str, command: list[str], env: dict[str, str], port: int, cwd: Path | None = None) -> Child:
        log = self.home / "logs" / f"{name}.log"
        log.unlink(missing_ok=True)
        child = processes.start(name, command, env=env, port=port, log=log, cwd=cwd or self.home / "work")
        self.children.append(child)
        self._save()
        return child

    def _build_and_deploy(self) -> None:
        # sam deletes cache entries of other templates: each cloud has its own cache. The layers' builds share what they
        # download, one build at a time.
        folder = self.home / "sam"
        paths = ("--cache-dir", str(folder / "cache"), "--build-dir", str(folder / "build"))
        with _locked(ROOT / ".aws-sam" / "build.lock"), self._step("sam build"):
            self._sam("build", "--cached", "--parallel", "--template-file", str(self.template), *paths)
        with self._step("sam deploy"):
            self._deploy()
            self._composite_alarms()

    def _deploy(self) -> None:
        with suppress(self.client("s3").exceptions.BucketAlreadyOwnedByYou):
            self.client("s3").create_bucket(Bucket="sam-artifacts")
        overrides = {**self.parameters, "MlflowTrackingUri": f"http://127.0.0.1:{self._port('mlflow')}"}
        self._sam(
            "deploy",
            *("--template-file", str(self.home / "sam" / "build" / "template.yaml")),
            *("--stack-name", STACK, "--s3-bucket", "sam-artifacts", "--region", REGION, "--no-progressbar"),
            *("--no-confirm-changeset", "--no-fail-on-empty-changeset", "--on-failure", "DO_NOTHING"),
            *("--capabilities", "CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"),
            *("--parameter-overrides", *map(_override, overrides.items())),
        )

    def _composite_alarms(self) -> None:
        pages = self.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=STACK)
        made = [item for page in pages for item in page["StackResourceSummaries"]]
        physical = {item["LogicalResourceId"]: item["PhysicalResourceId"] for item in made}
        for request in composite.requests(yaml_parse(self.template.read_text()), physical, STACK):
            self.client("cloudwatch").put_composite_alarm(**request)

    def _sam(self, command: str, *options: str) -> None:
        # The project's samconfig.toml is for the real account.
        config = self.home / "work" / "samconfig.toml"
        config.write_text("version = 0.1\n")
        servers = tuple(self.children)
        arguments = [sys.executable, str(ROOT / "local" / "sam.py"), command, "--config-file", str(config), *options]
        # On record like the servers: `down` must find it if this process is killed.
        sam = self._start(f"sam-{command}", arguments, self._environment(), 0, cwd=ROOT)
        try:
            code = processes.finish(sam, needs=servers)
        finally:
            self.children.remove(sam)
            self._save()
        log = Path(sam.log)
        if code:
            where = self._first_failure() if command == "deploy" else ""
            raise LocalCloudError(f"sam {command} failed{where}; its log: {log}\n{processes.tail(log)}")

    def _first_failure(self) -> str:
        try:
            events = self.client("cloudformation").describe_stack_events(StackName=STACK)["StackEvents"]
        except Exception:
            return ""
        failed = [event for event in reversed(events) if event["ResourceStatus"].endswith("_FAILED")]
        if not failed:
            return ""
        return f" at {failed[0]['LogicalResourceId']}: {failed[0].get('ResourceStatusReason', '')}"

    # Environment for callers

    def _write_env(self) -> None:
        out = stacks.find(STACK, self).outputs
        key = self.client("apigateway").get_api_key(apiKey=out["ApiKeyId"], includeValue=True)["value"]
        self.env = {
            "AWS_ENDPOINT_URL": self._endpoint(),
            **CREDENTIALS,
            "SLIPCAST_STACK": STACK,
            "SLIPCAST_BUCKET": out["DataBucketName"],
            "SLIPCAST_API_URL": f"{self._endpoint()}/restapis/{out['ApiId']}/{out['ApiStage']}/_user_request_",
            "SLIPCAST_API_KEY": key,
            "SLIPCAST_STATE_MACHINE_ARN": out["StateMachineArn"],
            "SLIPCAST_TOPIC_ARN": out["TopicArn"],
            "SLIPCAST_CONTROL_TABLE": out["ControlTableName"],
            "SLIPCAST_DRIFT_ALARM": out["DriftAlarmName"],
            "SLIPCAST_TRIGGER_FUNCTION": out["TriggerFunctionName"],
            "SLIPCAST_PREDICT_FUNCTION": out["PredictFunctionName"],
            "SLIPCAST_UPDATES_QUEUE": out["UpdatesQueueUrl"],
            "SLIPCAST_RESULTS_QUEUE": out["ResultsQueueUrl"],
            "SLIPCAST_UPDATES_DEAD_LETTERS": out["UpdatesDeadLetterQueueUrl"],
            "SLIPCAST_DEAD_LETTERS": out["DeadLetterQueueUrl"],
            "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{self._port('mlflow')}",
        }
        (self.home / "env").write_text(env_file(self.env))
        self._save()

    def _environment(self) -> dict[str, str]:
        """Return the caller's environment without access to any real account."""
        # PYTHONPATH as well: a function must find only the packages of its layers.
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "MLFLOW_", "SAM_", "PYTHON"))}
        bypass = ",".join(
            filter(None, [os.environ.get("NO_PROXY") or os.environ.get("no_proxy"), "127.0.0.1,localhost"])
        )
        local = {
            **CREDENTIALS,
            # Functions get it as they get a role's on AWS: they read the feature store as they do there.
            "AWS_SESSION_TOKEN": "local",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "SAM_CLI_TELEMETRY": "0",
            # Seconds between two looks at the stack: the default is for a cloud that is far away.
            "SAM_CLI_POLL_DELAY": "0.5",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
            "NO_PROXY": bypass,
            "no_proxy": bypass,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        if any(child.name == "emulator" for child in self.children):
            local["AWS_ENDPOINT_URL"] = self._endpoint()
        return kept | local

    def _port(self, name: str) -> int:
        return next(child.port for child in self.children if child.name == name)

    def _endpoint(self) -> str:
        return f"http://127.0.0.1:{self._port('emulator')}"

    def _save(self) -> None:
        document = {"children": [child.as_dict() for child in self.children], "env": self.env}
        written = self.home / "run.json.new"
        written.write_text(json.dumps(document, indent=1))
        written.replace(self.home / "run.json")

    def _load(self) -> None:
        path = self.home / "run.json"
        if path.exists():
            document = json.loads(path.read_text())
            self.children = [Child(**item) for item in document["children"]]
            self.env = document["env"]


def env_file(env: dict[str, str]) -> str:
    """Return a shell file that exports `env` when it is sourced."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in env.items())


def _override(parameter: tuple[str, str]) -> str:
    """Return one of sam's --parameter-overrides; without quotes sam cuts a value at its first space."""
    key, value = parameter
    if '"' in value or "\\" in value:
        raise LocalCloudError(f"parameter {key}: quotes and backslashes do not reach sam unharmed")
    return f'ParameterKey={key},ParameterValue="{value}"'


@contextmanager
def _locked(path: Path, refusal: str | None = None) -> Iterator[None]:
    """Hold the lock file at `path`; while another process holds it, wait, or raise with the text of `refusal`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (fcntl.LOCK_NB if refusal else 0))
        except BlockingIOError as error:
            raise LocalCloudError(f"{refusal}: wait for it to end") from error
        yield


def _answers(url: str) -> bool:
    try:
        with DIRECT.open(url, timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False
