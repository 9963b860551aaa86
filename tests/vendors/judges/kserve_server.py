"""KServe: its own model server answers V1 and V2 with the bundle's modules, and refuses a wrong value."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
from kserve import (
    InferenceRESTClient,
    InferInput,
    InferOutput,
    InferRequest,
    InferResponse,
    Model,
    ModelServer,
    RESTConfig,
)
from kserve.errors import InvalidInput

folder = Path(sys.argv[1])
sys.path.insert(0, str(folder / "image"))

from slipcast_host.engine import load  # noqa: E402
from slipcast_host.problem import Refusal  # noqa: E402
from slipcast_host.protocols import rows  # noqa: E402


class Bundle(Model):
    """KServe's model with the release that the storage initialiser mounts."""

    def __init__(self):
        super().__init__("slipcast")
        self._engine, self.ready = load(folder / "model"), True

    def predict(self, payload, headers=None, response_headers=None):
        """Return an object for each activity by V1, a tensor of probabilities by V2."""
        try:
            if isinstance(payload, InferRequest):
                columns = {item.name: [*item.data] for item in payload.inputs}
                found = rows.answers_of_columns(self._engine, columns, "r")
                tensor = InferOutput("probability", [len(found)], "FP64", [item["probability"] for item in found])
                return InferResponse(payload.id, self.name, [tensor])
            return {"predictions": rows.answers(self._engine, rows.objects(payload["instances"], "instances"), "r")}
        except Refusal as refused:
            raise InvalidInput(refused.detail) from None


def ask(path, body=None):
    """Return status and body of an answer."""
    request = urllib.request.Request(url + path, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


async def both(golden):
    """Return the answers of KServe's client by V1 and by V2."""
    one = await InferenceRESTClient(RESTConfig(protocol="v1")).infer(
        url, {"instances": golden["activities"]}, model_name="slipcast"
    )
    texts = ("start", "data_date", "phase", "work_type", "location")
    plain = [{**item, **item["history"]} for item in golden["activities"]]
    inputs = []
    for name in sorted({name for row in plain for name, value in row.items() if isinstance(value, float)} | {*texts}):
        known = [row.get(name, "" if name in texts else float("nan")) for row in plain]
        tensor = InferInput(name, [len(plain)], "BYTES" if name in texts else "FP64")
        tensor.set_data_from_numpy(np.array(known, dtype=object if name in texts else np.float64), binary_data=False)
        inputs.append(tensor)
    two = await InferenceRESTClient(RESTConfig(protocol="v2")).infer(
        url, InferRequest("slipcast", inputs), model_name="slipcast"
    )
    return [item["probability"] for item in one["predictions"]], [*two.outputs[0].data]


if "--serve" in sys.argv:
    ModelServer(http_port=int(sys.argv[3]), enable_grpc=False, workers=1, enable_docs_url=False).start([Bundle()])
    raise SystemExit
with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
url = f"http://127.0.0.1:{port}"
log = (folder / "server.log").open("w")
command = [sys.executable, __file__, str(folder), "--serve", str(port)]
with subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env={**os.environ}) as server:
    try:
        deadline = time.monotonic() + 90
        while True:
            try:
                if ask("/v2/models/slipcast/ready")[0] == 200:
                    break
            except OSError:
                assert time.monotonic() < deadline and server.poll() is None, (folder / "server.log").read_text()
            time.sleep(0.1)
        golden = json.loads((folder / "image/golden.json").read_text())
        for found in asyncio.run(both(golden)):
            assert max(abs(a - b) for a, b in zip(found, golden["scores"], strict=True)) <= 1e-9
        status, raw = ask("/v1/models/slipcast:predict", b'{"instances": [{"start": 3}]}')
        assert status == 400 and "start[0]" in json.loads(raw)["error"], (status, raw)
        assert b"Traceback" not in raw, raw
    finally:
        server.terminate()
print(f"{len(golden['scores'])} golden answers by KServe's own server, V1 and V2")
