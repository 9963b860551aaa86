"""pip for a Python that has none, from an index on this machine."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from local import get_pip

WHEEL = b"the newest wheel"


def entry(version: str, **changes) -> dict:
    name = f"pip-{version}-py3-none-any.whl"
    return {"filename": name, "url": f"../../files/{name}", "hashes": {"sha256": "other"}} | changes


FILES = [
    entry("9.0.1"),
    entry("26.1", hashes={"sha256": hashlib.sha256(WHEEL).hexdigest()}),
    entry("26.2", yanked="broken"),
    entry("27.0b1"),
    entry("27.0", **{"requires-python": ">=3.99"}),
    {"filename": "pip-28.0.tar.gz", "url": "x", "hashes": {}},
]


@pytest.fixture
def index(monkeypatch):
    served = {
        "/simple/pip/": json.dumps({"files": FILES}).encode(),
        "/files/pip-26.1-py3-none-any.whl": WHEEL,
    }

    class Index(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path in served else 404)
            self.end_headers()
            self.wfile.write(served.get(self.path, b""))

        def log_message(self, *_):
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Index)
    threading.Thread(target=server.serve_forever, args=(0.02,)).start()
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple")
    yield served
    server.shutdown()
    server.server_close()


def test_the_newest_release_that_fits_is_written(index, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["get_pip.py", str(tmp_path / "pip.whl")])

    get_pip.main()

    assert (tmp_path / "pip.whl").read_bytes() == WHEEL


def test_a_wheel_that_is_not_what_the_index_names_is_refused(index, tmp_path, monkeypatch):
    index["/files/pip-26.1-py3-none-any.whl"] = b"something else"
    monkeypatch.setattr("sys.argv", ["get_pip.py", str(tmp_path / "pip.whl")])

    with pytest.raises(SystemExit, match="SHA-256"):
        get_pip.main()

    assert not (tmp_path / "pip.whl").exists()
