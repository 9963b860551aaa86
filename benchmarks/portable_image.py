"""Image of a portable bundle without Docker: an OCI layout of Debian's packages, its size, the host run inside it.

    python -m benchmarks.portable_image slipcast-portable-3-46563b0165b1 --out image

Next to the layout lies ``sbom.cdx.json``: Debian's packages with their licences, and their files with digests.

Needs Debian's ``apt-get`` and ``dpkg-deb``, a network, and root for ``chroot``. The image has Python, its libraries and
the bundle: no shell, no package manager. ``skopeo copy oci:image docker://…`` sends it to a registry.
"""

import argparse
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple

from local.processes import free_port

SUITE = "trixie"
PACKAGES = ("python3.13-minimal", "libpython3.13-minimal", "libpython3.13-stdlib", "libc6", "libexpat1", "zlib1g")
PACKAGES += ("libssl3t64", "libffi8", "libbz2-1.0", "liblzma5", "libgcc-s1", "gcc-14-base", "libzstd1")
# Documentation but for the licences, and conversions between character sets; Python brings its own codecs.
LEFT_OUT = (
    "usr/share/lintian",
    "usr/share/man",
    "usr/share/locale",
    "usr/lib/x86_64-linux-gnu/gconv",
    "usr/lib/x86_64-linux-gnu/perl5",
    "etc/init.d",
    "usr/sbin",
)
ENVIRONMENT = ["PATH=/usr/bin", "PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1", "PYTHONPATH=/opt/slipcast"]
ENTRY = ["/usr/bin/python3.13", "-m", "slipcast_host"]
NOBODY = "65534:65534"
COPYRIGHT = "copyright"
SBOM = "sbom.cdx.json"


class Package(NamedTuple):
    """A package of Debian: what its control file says, and the paths that it brought."""

    name: str
    version: str
    architecture: str
    source: str
    paths: frozenset[str]


def base(root: Path, work: Path, mirror: str) -> list[Package]:
    """Fill a folder with Python and its libraries, and return their packages."""
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
    found = []
    for package in sorted(debs.glob("*.deb")):
        packed = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], check=True, capture_output=True)
        subprocess.run(["tar", "-x", "--keep-directory-symlink", "-C", root], input=packed.stdout, check=True)
        found.append(described(package, packed.stdout, root))
    for name in LEFT_OUT:
        shutil.rmtree(root / name, ignore_errors=True)
    for path in (root / "usr/share/doc").rglob("*"):
        if path.is_file() and path.name != COPYRIGHT:
            path.unlink()
    for name in ("tmp", "proc", "dev", "opt"):
        (root / name).mkdir(exist_ok=True)
    return found


def described(package: Path, packed: bytes, root: Path) -> Package:
    """Return what a package says of itself; its paths as they are below `root`, whose folders may be links."""
    fields = subprocess.run(["dpkg-deb", "--field", package], check=True, capture_output=True, text=True).stdout
    control = dict(re.findall(r"^(\S+): (.*)$", fields, flags=re.MULTILINE))
    with tarfile.open(fileobj=io.BytesIO(packed)) as contents:
        names = [item.name for item in contents if item.isreg() or item.issym() or item.islnk()]
    paths = {((root / name).parent.resolve() / Path(name).name).relative_to(root.resolve()) for name in names}
    name = control["Package"]
    source = control.get("Source", name).partition(" ")[0]
    return Package(name, control["Version"], control["Architecture"], source, frozenset(map(str, paths)))


def sbom(root: Path, packages: list[Package]) -> dict[str, Any]:
    """Return the bill of materials of the base layer as CycloneDX 1.6: each package with licences and files.

    https://cyclonedx.org/docs/1.6/json/ and, for the names of packages, https://github.com/package-url/purl-spec.
    """
    there = {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }
    components = []
    for package in sorted(packages):
        purl = f"pkg:deb/debian/{package.name}@{package.version.replace(':', '%3A').replace('+', '%2B')}"
        purl += f"?arch={package.architecture}&distro={SUITE}"
        files = [
            {"type": "file", "name": name, "hashes": [{"alg": "SHA-256", "content": there.pop(name)}]}
            for name in sorted(package.paths & there.keys())
        ]
        components.append(
            {
                **{"type": "library", "bom-ref": purl, "name": package.name, "version": package.version, "purl": purl},
                "licenses": [{"license": {"name": name}} for name in licences(root, package)],
                "properties": [{"name": "slipcast:debian:source", "value": package.source}],
                "components": files,
            }
        )
    if there:
        raise RuntimeError(f"files of no package: {', '.join(there)}")
    image = {"type": "container", "bom-ref": "image", "name": "slipcast-host-base", "version": SUITE}
    return {
        **{"$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json", "bomFormat": "CycloneDX"},
        **{"specVersion": "1.6", "version": 1, "metadata": {"component": image}, "components": components},
        "dependencies": [{"ref": "image", "dependsOn": [item["bom-ref"] for item in components]}],
    }


def licences(root: Path, package: Package) -> list[str]:
    """Return the licences that a package's copyright file names, in Debian's short names where it is machine-readable.

    https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
    """
    path = root / "usr/share/doc" / package.name / COPYRIGHT
    text = path.read_text(encoding="utf-8")
    named = {line.strip() for line in re.findall(r"^License:(.*)$", text, flags=re.MULTILINE)} - {""}
    if text.startswith("Format:") and named:
        return sorted(named)
    # Free text names many; whoever has to know reads it, and it is in the image.
    return [f"as in {path.relative_to(root)}"]


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
        packages = base(root, work / "base", options.mirror)
        layers = image(root, options.bundle, options.out)
        for name, item in zip(("Python and libraries", "bundle"), layers, strict=True):
            print(f"{name}: {int(item['size']) / 1e6:.1f} MB compressed")
        bill = sbom(root, packages)
        (options.out / SBOM).write_text(json.dumps(bill, indent=1) + "\n")
        print(f"{SBOM}: {len(packages)} packages:", ", ".join(f"{item.name} {item.version}" for item in packages))
        found = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
        print(f"{len(found)} files of Debian, {sum(path.stat().st_size for path in found) / 1e6:.1f} MB unpacked")
        print("programs:", ", ".join(sorted(path.name for path in (root / "usr/bin").iterdir())))
        shutil.copytree(options.bundle, root / "opt/slipcast")
        print(run(root))


if __name__ == "__main__":
    main()
