"""SageMaker: the Transformer of `sagemaker-inference` serves model.tar.gz as AWS's containers do."""

import json
import os
import sys
import tarfile
import tempfile
from pathlib import Path

folder, work = Path(sys.argv[1]), Path(tempfile.mkdtemp())
with tarfile.open(folder / "model.tar.gz") as packed:
    packed.extractall(work, filter="data")
os.environ.update(
    SAGEMAKER_PROGRAM="inference.py", SAGEMAKER_SUBMIT_DIRECTORY=str(work / "code"), SAGEMAKER_BASE_DIR=str(work)
)
sys.path.insert(0, str(work / "code"))

from sagemaker_inference.default_handler_service import DefaultHandlerService  # noqa: E402
from sagemaker_inference.transformer import Transformer  # noqa: E402


class Context:
    """Model server's context of its requests: one object, which each request fills anew."""

    def __init__(self):
        self.system_properties = {"model_dir": str(work), "gpu_id": None}
        self.request_processor = [self]
        self.request("application/json")

    def request(self, kind):
        """Begin a request of a media type, which is that of the answer too."""
        self._headers, self.status, self.kind = {"Content-Type": kind, "Accept": kind}, 200, None
        return self

    def get_request_header(self, _, name):
        return self._headers.get(name)

    def get_request_properties(self):
        return self._headers

    def set_response_content_type(self, _, kind):
        self.kind = kind

    def set_response_status(self, code=200, phrase="", idx=0):
        self.status = code

    report_status = set_response_status


import inference  # noqa: E402


class Handler:
    """Default handlers of the toolkit, replaced by those of inference.py."""

    default_model_fn = staticmethod(inference.model_fn)
    default_input_fn = staticmethod(inference.input_fn)
    default_predict_fn = staticmethod(inference.predict_fn)
    default_output_fn = staticmethod(inference.output_fn)


service = DefaultHandlerService(transformer=Transformer(default_inference_handler=Handler()))
context = Context()
service.initialize(context)
golden = json.loads((folder / "image/golden.json").read_text())
lines = (folder / "sample.jsonl").read_bytes()
answer = service.handle([{"body": lines}], context.request("application/jsonlines"))
found = [json.loads(line)["probability"] for line in answer[0].splitlines()]
assert max(abs(a - b) for a, b in zip(found, golden["scores"], strict=True)) <= 1e-9
(refused,) = service.handle([{"body": b'{"instances": [{"start": 3}]}'}], context.request("application/json"))
assert context.status == 400, (context.status, refused)
# The host's own words and nothing else, such as the toolkit's traceback.
document = json.loads(refused)
assert [item["field"] for item in document["errors"]] == ["start[0]"], document
assert "Traceback" not in str(document) and str(work) not in str(document), document
print(f"{len(found)} golden answers by the toolkit's transformer")
