"""sam packs the same files, faster and larger."""

import zipfile
from pathlib import Path

from samcli.lib.package import utils

from local import sam


def packed(name: str, folder: Path) -> list[tuple[str, int, bytes, int]]:
    with zipfile.ZipFile(utils.make_zip_with_lambda_permissions(name, str(folder))) as archive:
        entries = sorted(archive.infolist(), key=lambda entry: entry.filename)
        return [(entry.filename, entry.external_attr, archive.read(entry), entry.compress_size) for entry in entries]


def test_what_sam_uploads_has_the_same_content(tmp_path, monkeypatch):
    code = tmp_path / "code"
    (code / "package").mkdir(parents=True)
    (code / "package" / "module.py").write_text(Path(zipfile.__file__).read_text(encoding="utf-8"), encoding="utf-8")
    (code / "run").write_bytes(b"#!/bin/sh\n")
    (code / "run").chmod(0o755)
    usual = packed(str(tmp_path / "usual"), code)

    monkeypatch.setattr(utils, "zipfile", sam.STORING)
    stored = packed(str(tmp_path / "stored"), code)

    assert [entry[:3] for entry in stored] == [entry[:3] for entry in usual]
    assert usual[0][3] < len(usual[0][2]) / 2
    assert stored[0][3] == len(stored[0][2])
