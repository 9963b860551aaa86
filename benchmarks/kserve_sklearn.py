"""KServe's model server with a scikit-learn pipeline; run by `benchmarks.portable_host` in KServe's own environment.

KServe's image ``sklearnserver`` is in no package index. Its model is these calls: the payload as KServe's helpers read
it, ``predict_proba``, the answer as they write it.
"""

import argparse
import sys
from typing import Any

import joblib
from kserve import Model, ModelServer, model_server
from kserve.utils.utils import get_predict_input, get_predict_response


class Pipeline(Model):
    """Model that is loaded from a joblib file."""

    def __init__(self, name: str, path: str) -> None:
        super().__init__(name)
        self._model, self.ready = joblib.load(path), True

    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        """Return both probabilities of each row."""
        return get_predict_response(payload, self._model.predict_proba(get_predict_input(payload)), self.name)


if __name__ == "__main__":
    path = sys.argv.pop(1)
    options = argparse.ArgumentParser(parents=[model_server.parser], conflict_handler="resolve").parse_args()
    server = ModelServer(
        http_port=options.http_port, enable_grpc=False, workers=1, access_log_format=None, enable_docs_url=False
    )
    server.start([Pipeline("model", path)])
