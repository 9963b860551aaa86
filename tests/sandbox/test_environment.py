"""The execution environment is as Lambda's, as far as a function can see: otherwise the other tests show nothing."""

import pytest

from lambda_sandbox.environment import FunctionError

LOOK = """
import os, shutil, sys
import boto3, botocore

def writable(folder):
    try:
        with open(f"{folder}/probe", "w") as file:
            file.write("x")
        return True
    except OSError:
        return False

def handler(event, context):
    folders = ["/", "/tmp", "/var/task", "/opt", "/opt/python", "/var/runtime", "/var/lang", "/usr", "/etc", "/dev"]
    return {
        "writable": [folder for folder in folders if writable(folder)],
        "there": [path for path in ("/dev/shm", "/home", "/root", "/sys", "/work") if os.path.exists(path)],
        "variables": {name: value for name, value in os.environ.items() if not name.startswith("AWS_LAMBDA_RUNTIME")},
        "cwd": os.getcwd(),
        "path": sys.path[:4],
        "packages": sorted({name.split(".")[0] for name in sys.modules} & {"pip", "pytest", "moto", "slipcast"}),
        "boto3": boto3.__version__,
        "tmp_mb": shutil.disk_usage("/tmp").total >> 20,
        "id": context.aws_request_id,
        "left_ms": context.get_remaining_time_in_millis(),
    }
"""


def test_an_environment_is_read_only_but_for_tmp_and_has_no_home(run):
    seen = run(LOOK, memory=512, timeout=9, storage=700, variables={"OURS": "1"}).invoke({})

    assert seen["writable"] == ["/tmp"]  # noqa: S108
    assert seen["there"] == []
    assert seen["tmp_mb"] == 700
    assert seen["cwd"] == "/var/task"
    assert seen["path"] == [
        *("/var/task", "/opt/python/lib/python3.13/site-packages", "/opt/python", "/var/runtime"),
    ]
    assert seen["packages"] == []
    assert seen["boto3"] == "1.38.36"
    assert 0 < seen["left_ms"] <= 9000
    assert len(seen["id"]) == 36


def test_an_environment_has_lambdas_variables_and_the_functions_and_none_of_this_shell(run, monkeypatch):
    monkeypatch.setenv("SLIPCAST_SECRET", "of this shell")
    variables = run(LOOK, memory=512, variables={"OURS": "1"}).invoke({})["variables"]

    assert variables.keys() & {"HOME", "SLIPCAST_SECRET", "USER", "VIRTUAL_ENV"} == set()
    assert variables["OURS"] == "1"
    assert variables["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "512"
    assert variables["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.13"
    assert variables["TZ"] == ":UTC"
    assert variables["AWS_SESSION_TOKEN"]


def test_what_a_function_tries_to_write_outside_tmp_is_seen(run):
    function = run(
        "import os, pathlib, shutil\n"
        "def handler(event, context):\n"
        "    pathlib.Path('/tmp/fine/er').mkdir(parents=True)\n"
        "    shutil.rmtree('/tmp/fine')\n"
        "    for change in (lambda: open('/opt/cache', 'w'), lambda: os.mkdir('/home'), lambda: open('kept', 'ab')):\n"
        "        try:\n"
        "            change()\n"
        "        except OSError:\n"
        "            pass\n"
    )
    function.invoke({})

    assert function.written == ["/home", "/opt/cache", "/var/task/kept"]


def test_a_function_that_needs_more_than_its_memory_fails(run):
    function = run("def handler(event, context):\n    return len(bytearray(event << 20))\n", memory=256)

    assert function.invoke(100) == 100 << 20
    assert 100 < function.peak_mb < 256
    with pytest.raises(FunctionError, match="MemoryError"):
        function.invoke(300)


def test_a_full_tmp_is_an_error(run):
    function = run(
        "def handler(event, context):\n    open('/tmp/large', 'wb').write(bytes(event << 20))\n", storage=16, memory=512
    )

    with pytest.raises(FunctionError, match="No space left on device"):
        function.invoke(64)


def test_the_memory_of_a_child_process_counts(run):
    function = run(
        "import subprocess, sys\n"
        "def handler(event, context):\n"
        "    program = 'b = bytearray(120 << 20); import time; time.sleep(0.3)'\n"
        "    subprocess.run([sys.executable, '-c', program], check=True)\n"
    )
    function.invoke({})

    assert function.peak_mb > 130


def test_a_function_that_takes_too_long_or_ends_is_an_error(run):
    with pytest.raises(FunctionError, match="did not answer in 1 s"):
        run("import time\ndef handler(event, context):\n    time.sleep(30)\n", timeout=1).invoke({})
    with pytest.raises(FunctionError, match="ended with 3"):
        run("import os\ndef handler(event, context):\n    os._exit(3)\n").invoke({})
    with pytest.raises(FunctionError, match="No module named 'pandas'"):
        run("import pandas\n").invoke({})
