"""Build of the web application: sources in, static files out, once for each content.

    python3 -m slipcast_desk.build DESTINATION

Standard library only, on any Python from 3.9 on: ``sam build`` runs it with the machine's own. The packages of
``package-lock.json`` are installed into ``.cache/desk``; no script of theirs is run. A machine without Node.js gets the
one that PyPI carries, from the lock of ``audit``.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CACHE = ROOT / ".cache" / "desk"
# Files have one time in every build: the same sources give the same bytes.
EPOCH = 315532800
KEPT = 3


def build(destination: Path) -> Path:
    """Write the static files into `destination` and return it.

    Raises
    ------
    SystemExit
        If a tool fails; the message has its output.
    """
    made = built()
    shutil.rmtree(destination, ignore_errors=True)
    destination.mkdir(parents=True)
    for path in sorted(made.iterdir()):
        target = destination / path.name
        shutil.copyfile(path, target)
        target.chmod(0o444)
        os.utime(target, (EPOCH, EPOCH))
    return destination


def built() -> Path:
    """Return the folder of the built files; they are built now if their sources changed."""
    CACHE.mkdir(parents=True, exist_ok=True)
    target = CACHE / f"dist-{digest()[:16]}"
    with exclusive(CACHE / "lock"):
        if not target.exists():
            work = CACHE / "building"
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
            bundle(packages(), work)
            work.rename(target)
        os.utime(target)
        for old in sorted(CACHE.glob("dist-*"), key=lambda path: path.stat().st_mtime)[:-KEPT]:
            shutil.rmtree(old)
    return target


def digest() -> str:
    """Return the digest of everything that the build depends on."""
    found = hashlib.sha256()
    names = [HERE / "build.py", HERE / "package-lock.json", *sorted((HERE / "web").rglob("*"))]
    for path in names:
        if path.is_file():
            found.update(f"{path.relative_to(HERE).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return found.hexdigest()


def packages() -> Path:
    """Return the folder ``node_modules`` of the lock; installed if the lock changed."""
    lock = (HERE / "package-lock.json").read_bytes() + (HERE / "package.json").read_bytes()
    stamp, wanted = CACHE / "installed", hashlib.sha256(lock).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        print("Setting up the tools of src/slipcast_desk/package.json", file=sys.stderr)
        CACHE.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(HERE / name, CACHE / name)
        run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=CACHE)
        stamp.write_text(wanted)
    return CACHE / "node_modules"


def bundle(modules: Path, folder: Path) -> None:
    """Bundle the sources into `folder`; the page names script and style by their content."""
    made = folder / "meta.json"
    run(
        [
            *("node", str(modules / "esbuild" / "bin" / "esbuild"), str(HERE / "web" / "app.tsx")),
            *("--bundle", "--minify", "--format=esm", "--target=es2022", f"--outdir={folder}"),
            *("--entry-names=[name]-[hash]", f"--metafile={made}", "--log-level=warning", "--legal-comments=eof"),
            *("--jsx=automatic", "--jsx-import-source=preact"),
        ],
        NODE_PATH=str(modules),
    )
    outputs = {Path(name).name for name in json.loads(made.read_text())["outputs"]}
    made.unlink()
    page = (HERE / "web" / "index.html").read_text(encoding="utf-8")
    for kind in ("js", "css"):
        (name,) = (name for name in outputs if name.endswith(f".{kind}"))
        page = page.replace(f"app.{kind}", name)
    (folder / "index.html").write_text(page, encoding="utf-8")
    shutil.copyfile(HERE / "web" / "icon.svg", folder / "icon.svg")


def run(command: list[str], cwd: Path = ROOT, **environment: str) -> None:
    """Run a tool of Node.js; end with its output if it fails."""
    paths = [os.environ.get("PATH", ""), str(ROOT / ".cache" / "audit" / "node" / "bin")]
    env = {**os.environ, **environment, "PATH": os.pathsep.join(paths)}
    if shutil.which(command[0], path=env["PATH"]) is None:
        subprocess.run(["make", "--silent", ".cache/audit/node/made"], cwd=ROOT, check=True)  # noqa: S607
    program = shutil.which(command[0], path=env["PATH"])
    if program is None:
        sys.exit(f"error: {command[0]} is missing: install Node.js 20 or later, or run make .cache/audit/node/made")
    done = subprocess.run([program, *command[1:]], cwd=cwd, env=env, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        sys.exit(f"error: {Path(command[0]).name} failed:\n{(done.stderr or done.stdout).strip()[-4000:]}")


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file at `path`: tests and ``sam build`` may want the files at the same time."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python3 -m slipcast_desk.build DESTINATION")
    build(Path(sys.argv[1]))
