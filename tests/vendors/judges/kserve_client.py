"""KServe: its client and Triton's read the host; its API types take the manifests."""

import asyncio
import json
import sys
from pathlib import Path

import numpy as np
import tritonclient.http as triton
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

folder, url = Path(sys.argv[1]), sys.argv[2]
golden = json.loads((folder / "image/golden.json").read_text())
plain = [
    {name: value for name, value in item.items() if name != "history"} | item["history"]
    for item in golden["activities"]
]
texts = {"activity_id", "project_id", "phase", "work_type", "location", "start", "data_date"}
names = sorted({name for row in plain for name in row})
with triton.InferenceServerClient(url.removeprefix("http://")) as client:
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("slipcast")
    known = {item["name"]: item["datatype"] for item in client.get_model_metadata("slipcast")["inputs"]}
    tensors = []
    for name in names:
        kind = known[name]
        values = [row.get(name, "" if name in texts else float("nan")) for row in plain]
        array = np.array(values, dtype=object if kind == "BYTES" else np.float64)
        tensors.append(triton.InferInput(name, array.shape, kind).set_data_from_numpy(array, binary_data=False))
    found = client.infer("slipcast", tensors).as_numpy("probability").tolist()
assert max(abs(a - b) for a, b in zip(found, golden["scores"], strict=True)) <= 1e-9


async def ask():
    one = InferenceRESTClient(RESTConfig(protocol="v1"))
    first = await one.infer(url, {"instances": golden["activities"]}, model_name="slipcast")
    two = InferenceRESTClient(RESTConfig(protocol="v2"))
    assert await two.is_server_ready(url) and await two.is_model_ready(url, "slipcast")
    inputs = []
    for name in ("start", "data_date", "baseline_duration_days"):
        kind = "BYTES" if name in texts else "FP64"
        tensor = InferInput(name, [len(plain)], kind)
        tensor.set_data_from_numpy(
            np.array([row[name] for row in plain], dtype=object if kind == "BYTES" else np.float64), binary_data=False
        )
        inputs.append(tensor)
    second = await two.infer(url, InferRequest("slipcast", inputs), model_name="slipcast")
    return first, second


first, second = asyncio.run(ask())
found = [item["probability"] for item in first["predictions"]]
assert max(abs(a - b) for a, b in zip(found, golden["scores"], strict=True)) <= 1e-9
assert len(second.outputs[0].data) == len(plain)


print(f"{len(found)} golden answers by V1, V2 and Triton's client")
