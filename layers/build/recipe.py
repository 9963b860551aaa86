"""Recipe of each layer: where it comes from, which packages stay out, how it is compiled."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

LAYERS = Path(__file__).resolve().parents[1]
ROOT = LAYERS.parent
PYTHON = (3, 13)
LIMIT = 250 * 2**20
ARCHITECTURES = {"x86_64": "x86_64", "arm64": "aarch64"}
# Oldest time that a zip file can hold: the same content gives the same archive.
EPOCH = 315_532_800


class BuildError(Exception):
    """The layer cannot be built; the message says why and what to do."""


@dataclass(frozen=True)
class Layer:
    """Recipe of one layer.

    ``without``: packages that the lock has below our requirements and that stay out, because the Lambda runtime or
    another layer holds them, or because no code in use imports them (test_layers.py proves that). ``packages``: the
    project's packages, in src, that are the layer. ``compiled``: the file in them that is compiled from C.
    ``optimize``: as for ``compileall -o``; None leaves the source where it is. Not 2: MLflow formats docstrings when
    it is imported and registers no dataset source without them. Not 1: a library's assertions are worth their 0.1 MB.
    """

    without: frozenset[str] = frozenset()
    optimize: int | None = 0
    packages: tuple[str, ...] = ()
    compiled: str = ""


RUNTIME = {"boto3", "botocore", "s3transfer"}
IN_POWERTOOLS = {"jmespath", "typing-extensions"}
# Packages that only MLflow's Databricks log-in and its own server import. Others look unused as well, but `import
# mlflow` needs them: fastapi and starlette for its gateway, databricks-sdk because it looks for databricks.agents.
NOT_CALLED = {
    "cffi",
    "cryptography",
    "google-auth",
    "h11",
    "pyasn1",
    "pyasn1-modules",
    "pycparser",
    "uvicorn",
}
SPECIFICATIONS = {
    # Ours, and small: tracebacks in the logs keep their source lines.
    "slipcast": Layer(optimize=None, packages=("slipcast", "slipcast_host"), compiled="slipcast/model/_trees.so"),
    "aws": Layer(optimize=None, packages=("slipcast_aws",)),
    "powertools": Layer(),
    "preparation": Layer(without=frozenset(RUNTIME | IN_POWERTOOLS)),
    # The report has no contours.
    "reporting": Layer(without=frozenset({"contourpy"})),
    "edge": Layer(without=frozenset(IN_POWERTOOLS)),
    "serving": Layer(without=frozenset(RUNTIME | IN_POWERTOOLS | {"prettytable", "wcwidth"})),
    # skops draws its tables with prettytable; nobody asks for one.
    "training": Layer(without=frozenset(RUNTIME | IN_POWERTOOLS | NOT_CALLED | {"prettytable", "wcwidth"})),
}
