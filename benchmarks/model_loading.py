"""Time that a cold start waits for its model: from a layer, by plain HTTP, by boto3's import alone.

``.venv/bin/python benchmarks/model_loading.py`` starts each way as a new process, in turn; prints medians and ratios.
The HTTP server is on this machine and speaks no TLS, so the second figure is the least that a fetch from S3 could take.
"""

import http.server
import statistics
import subprocess
import sys
import tempfile
import threading
from functools import partial
from pathlib import Path

ROUNDS = 15
# The random forest of the June 2025 example has 370 KB.
SIZE = 370_000
BEGIN = "import time; t = time.perf_counter()\n"
END = "\nprint(time.perf_counter() - t)"
LAYER = "import hashlib\nhashlib.sha256(open({path!r}, 'rb').read()).hexdigest()"
HTTP = (
    "import hashlib, hmac, ssl, urllib.request\nssl.create_default_context()\n"
    "hashlib.sha256(urllib.request.urlopen({url!r}).read()).hexdigest()"
)
BOTO3 = "import boto3\nboto3.client('s3', region_name='us-east-1', aws_access_key_id='x', aws_secret_access_key='x')"


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A file server that does not log."""

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def seconds(code: str) -> float:
    """Return what a new interpreter measures for `code`."""
    answer = subprocess.run([sys.executable, "-c", BEGIN + code + END], capture_output=True, text=True, check=True)
    return float(answer.stdout)


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.json")
        path.write_bytes(b"1" * SIZE)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        ways = {
            "from a layer": LAYER.format(path=str(path)),
            "by HTTP, standard library": HTTP.format(url=f"http://127.0.0.1:{server.server_port}/model.json"),
            "boto3 client, nothing fetched": BOTO3,
        }
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, code in ways.items():
                times[name].append(seconds(code))
        server.shutdown()
    base = statistics.median(times["from a layer"])
    for name, found in times.items():
        median = statistics.median(found)
        print(f"{name:32} median {median * 1000:7.1f} ms   {median / base:6.1f} x")


if __name__ == "__main__":
    main()
