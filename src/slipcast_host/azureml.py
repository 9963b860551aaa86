"""Scoring script of Azure Machine Learning's inference server: ``azmlinfsrv --entry_script slipcast_host/azureml.py``.

The server gives ``run`` the body as text and sends what it returns.
"""

import os
import sys
import uuid
from pathlib import Path
from typing import Any

# The script is loaded by its path.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from slipcast_host.__main__ import folder
from slipcast_host.engine import Engine, load
from slipcast_host.problem import Refusal
from slipcast_host.protocols import azure, rows

_loaded: list[Engine] = []


def init() -> None:
    """Load the release from ``AZUREML_MODEL_DIR``.

    Raises
    ------
    BundleError
        If there is none: the deployment then fails instead of answering.
    """
    _loaded[:] = [load(folder(dict(os.environ)), os.environ.get("MODEL_SHA256") or None)]


def run(raw_data: str) -> Any:
    """Return a list with an answer for each row, or the refusal of the request with its status."""
    request_id = uuid.uuid4().hex
    try:
        return rows.answers(_loaded[0], azure.read(rows.parse(raw_data)), request_id)
    except Refusal as refused:
        return _response(azure.error(refused, request_id), refused.status)


def _response(document: dict[str, Any], status: int) -> Any:
    try:
        from azureml_inference_server_http.api.aml_response import AMLResponse
    except ImportError:
        return document
    return AMLResponse(document, status, json_str=True)
