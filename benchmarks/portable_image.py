"""Image of a portable bundle without Docker: an OCI layout of Debian's packages, its size, the host run inside it.

    python -m benchmarks.portable_image slipcast-portable-3-46563b0165b1 --out image

Needs Debian's ``apt-get`` and ``dpkg-deb``, a network, and root for ``chroot``. The image has Python, its libraries and
the bundle: no shell, no package manager. ``skopeo copy oci:image docker://…`` sends it to a registry.
"""

import argparse
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
import urllib.request
from pathlib import Path

from local.processes import free_port

SUITE = "trixie"
PACKAGES = ("python3.13-minimal", "libpython3.13-minimal", "libpython3.13-stdlib", "libc6", "libexpat1", "zlib1g")
PACKAGES += ("libssl3t64", "libffi8", "libbz2-1.0", "liblzma5", "libgcc-s1", "libzstd1")
# Documentation and conversions between character sets; Python brings its own codecs.
LEFT_OUT = ("usr/share", "usr/lib/x86_64-linux-gnu/gconv", "usr/lib/x86_64-linux-gnu/perl5", "etc/init.d", "usr/sbin")
ENVIRONMENT = ["PATH=/usr/bin", "PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1", "PYTHONPATH=/opt/slipcast"]
ENTRY = ["/usr/bin/python3.13", "-m", "slipcast_host"]
NOBODY = "65534:65534"


def base(root: Path, work: Path, mirror: str) -> None:
    """Fill a folder with Python and its libraries."""
    debs, lists = work / "debs", work / "lists"
    for folder in (debs, lists / "partial", work / "cache/archives/partial"):
        folder.mkdir(parents=True)
    keys = "/usr/share/keyrings/debian-archive-keyring.gpg"
    (work / "sources.list").write_text(f"deb [signed-by={keys}] {mirror} {SUITE} main\n")
    options = {"Dir::Etc::sourcelist": work / "sources.list", "Dir::Etc::sourceparts": "/dev/null"}
    options |= {"Dir::State::lists": lists, "Dir::Cache": work / "cache", "APT::Sandbox::User": "root"}
    apt = ["apt-get", "-qq", *(part for name, value in options.items() for part in ("-o", f"{name}={value}"))]
    subprocess.run([*apt, "update"], check=True)
    subprocess.run([*apt, "download", *PACKAGES], check=True, cwd=debs)
    # Debian's folders of the root are links.
    for name in ("lib", "lib64", "bin"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for package in sorted(debs.glob("*.deb")):
        packed = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], check=True, capture_output=True)
        subprocess.run(["tar", "-x", "--keep-directory-symlink", "-C", root], input=packed.stdout, check=True)
    for name in LEFT_OUT:
        shutil.rmtree(root / name, ignore_errors=True)
    for name in ("tmp", "proc", "dev", "opt"):
        (root / name).mkdir(exist_ok=True)


def layer(folder: Path, prefix: str, blobs: Path) -> dict[str, str | int]:
    """Write a folder as a layer, everything owned by root and dated 0; return its descriptor and its plain digest."""
    plain = blobs / "layer.tar"
    with tarfile.open(plain, "w", format=tarfile.PAX_FORMAT) as packed:
        for path in sorted(folder.rglob("*")):
            item = packed.gettarinfo(path, arcname=f"{prefix}{path.relative_to(folder)}")
            item.uid = item.gid = item.mtime = 0
            item.uname = item.gname = ""
            with path.open("rb") if item.isreg() else Path(os.devnull).open("rb") as content:
                packed.addfile(item, content)
    raw = plain.read_bytes()
    plain.unlink()
    return {
        **blob(gzip.compress(raw, 9, mtime=0), "application/vnd.oci.image.layer.v1.tar+gzip", blobs),
        "diff": f"sha256:{hashlib.sha256(raw).hexdigest()}",
    }


def blob(raw: bytes, kind: str, blobs: Path) -> dict[str, str | int]:
    """Store a blob and return its descriptor."""
    digest = hashlib.sha256(raw).hexdigest()
    (blobs / digest).write_bytes(raw)
    return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(raw)}


def image(root: Path, bundle: Path, out: Path) -> list[dict[str, str | int]]:
    """Write the OCI layout; return its layers. https://github.com/opencontainers/image-spec/blob/main/image-layout.md"""
    blobs = out / "blobs/sha256"
    blobs.mkdir(parents=True)
    layers = [layer(root, "", blobs), layer(bundle, "opt/slipcast/", blobs)]
    run = {"User": NOBODY, "Env": ENVIRONMENT, "Entrypoint": ENTRY, "WorkingDir": "/opt/slipcast"}
    config = {
        **{"architecture": "amd64", "os": "linux", "config": run | {"ExposedPorts": {"8080/tcp": {}}}},
        "rootfs": {"type": "layers", "diff_ids": [item.pop("diff") for item in layers]},
    }
    described = blob(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json", blobs)
    kind = "application/vnd.oci.image.manifest.v1+json"
    manifest = {"schemaVersion": 2, "mediaType": kind, "config": described, "layers": layers}
    stored = blob(json.dumps(manifest).encode(), kind, blobs)
    named = stored | {"annotations": {"org.opencontainers.image.ref.name": "latest"}}
    (out / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}))
    (out / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return layers


def run(root: Path) -> str:
    """Run the host as nobody with the folder as its root, on which nothing can be written; return its answers."""
    inside = ["chroot", f"--userspec={NOBODY}", root, *ENTRY]
    names = dict(item.split("=", 1) for item in ENVIRONMENT)
    # chroot itself is not in the image.
    names["PATH"] += ":/usr/sbin"
    checked = subprocess.run([*inside, "--check"], env=names, check=True, capture_output=True, text=True).stdout
    port = free_port()
    with subprocess.Popen([*inside, "--host", "127.0.0.1", "--port", str(port)], env=names) as server:
        try:
            end = time.monotonic() + 60
            while True:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/health/ready", timeout=10) as answer:
                        return f"{checked.strip()}\n/v2/health/ready: {answer.status} {answer.read().decode()}"
                except OSError:
                    if time.monotonic() > end:
                        raise
                    time.sleep(0.05)
        finally:
            server.terminate()


def main() -> None:
    """Make the image, print what it holds, and run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path, help="folder of the unpacked bundle")
    parser.add_argument("--out", type=Path, required=True, help="folder of the image, which must not exist")
    parser.add_argument("--mirror", default="http://deb.debian.org/debian")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work, root = Path(folder), Path(folder) / "root"
        work.chmod(0o755)
        base(root, work / "base", options.mirror)
        layers = image(root, options.bundle, options.out)
        for name, item in zip(("Python and libraries", "bundle"), layers, strict=True):
            print(f"{name}: {int(item['size']) / 1e6:.1f} MB compressed")
        found = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
        print(f"{len(found)} files of Debian, {sum(path.stat().st_size for path in found) / 1e6:.1f} MB unpacked")
        print("programs:", ", ".join(sorted(path.name for path in (root / "usr/bin").iterdir())))
        shutil.copytree(options.bundle, root / "opt/slipcast")
        print(run(root))


if __name__ == "__main__":
    main()
