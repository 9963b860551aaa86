"""Azure ML: its inference server answers /score with the host's script."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

folder = Path(sys.argv[1])
with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
command = [Path(sys.executable).parent / "azmlinfsrv", "--entry_script", folder / "image/slipcast_host/azureml.py"]
command += ["--model_dir", folder / "model", "--port", str(port)]
log = (folder / "server.log").open("w")
process = subprocess.Popen(
    [*map(str, command)], stdout=log, stderr=subprocess.STDOUT, env={**os.environ, "AML_APP_INSIGHTS_ENABLED": "false"}
)


def ask(path, body=None):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


try:
    deadline = time.monotonic() + 90
    while True:
        try:
            if ask("/")[0] == 200:
                break
        except OSError:
            assert time.monotonic() < deadline and process.poll() is None, (folder / "server.log").read_text()[-3000:]
            time.sleep(0.2)
    golden = json.loads((folder / "image/golden.json").read_text())
    status, raw = ask("/score", json.dumps({"input_data": golden["activities"]}).encode())
    assert status == 200, raw
    found = [item["probability"] for item in json.loads(raw)]
    assert max(abs(a - b) for a, b in zip(found, golden["scores"], strict=True)) <= 1e-9
    status, raw = ask("/score", b'{"input_data": [{"start": 3}]}')
    assert status == 400, (status, raw)
    assert json.loads(raw)["error"]["details"][0]["target"] == "start[0]", raw
finally:
    process.terminate()
    process.wait(20)
print(f"{len(found)} golden answers by Azure ML's inference server, a wrong value is 400")
