"""Build one Lambda layer: the locked packages or our own package, slimmed, the same bytes every time.

    python layers/build.py training DESTINATION [--arch arm64]

makes DESTINATION/python. ``sam build`` comes here through the Makefile of each layer; see README.md beside this file.

    python layers/build.py --function predict DESTINATION

makes DESTINATION the code of a function with its bytecode.
This part must start on any Python 3.9 or later, without a package: it looks for 3.13 and runs itself again there,
because bytecode is only good for the interpreter version that made it.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

LAYERS = Path(__file__).resolve().parent
ROOT = LAYERS.parent
PYTHON = (3, 13)
LIMIT = 250 * 2**20
ARCHITECTURES = {"x86_64": "x86_64", "arm64": "aarch64"}
# The oldest time that a zip file can hold: the same content makes the same archive.
EPOCH = 315_532_800
# Part of the recipe, whatever the machine: see compile_bytecode.
COMPILERS = 4


class BuildError(Exception):
    """The layer cannot be built; the message says why and what to do."""


@dataclass(frozen=True)
class Layer:
    """How one layer is made.

    ``without``: packages that the lock has below our requirements and that stay out, because the Lambda runtime or a
    layer beside this one holds them, or because nothing that we call imports them (test_layers.py proves that).
    ``optimize``: as for ``compileall -o``; None leaves the source where it is. Not 2: MLflow formats docstrings when
    it is imported and registers no dataset source without them. Not 1: a library's assertions are worth their 0.1 MB.
    """

    without: frozenset[str] = frozenset()
    optimize: int | None = 0


RUNTIME = {"boto3", "botocore", "s3transfer"}
IN_POWERTOOLS = {
    "annotated-types",
    "jmespath",
    "pydantic",
    "pydantic-core",
    "typing-extensions",
    "typing-inspection",
}
# What only MLflow's Databricks log-in and its own server import. Others look unused as well, but `import mlflow` needs
# them: fastapi and starlette for its gateway, databricks-sdk because it looks for databricks.agents.
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
    "slipcast": Layer(optimize=None),
    "aws": Layer(optimize=None),
    "powertools": Layer(),
    "preparation": Layer(without=frozenset(RUNTIME | IN_POWERTOOLS)),
    # The report has no contours.
    "reporting": Layer(without=frozenset({"contourpy"})),
    "edge": Layer(without=frozenset(IN_POWERTOOLS)),
    "training": Layer(without=frozenset(RUNTIME | IN_POWERTOOLS | NOT_CALLED)),
}

# --- What goes ---------------------------------------------------------------------------------------------------

DROPPED_SUFFIXES = frozenset(
    {".a", ".bat", ".c", ".cc", ".cpp", ".f", ".f90", ".h", ".hpp", ".in", ".la", ".map", ".md", ".o", ".pc"}
    | {".pxd", ".pxi", ".pyf", ".pyi", ".pyx", ".rst", ".sh", ".src", ".tp"}
)
DROPPED_NAMES = frozenset({"CMakeLists.txt", "Makefile", "meson.build", "py.typed", ".lock"})
DROPPED_FOLDERS = frozenset({"__pycache__", "test", "tests"})
DROPPED_PATHS = (
    # Parts of Powertools that no function of ours uses; the page that draws an OpenAPI document has 1.7 MB.
    "aws_lambda_powertools/event_handler/openapi/swagger_ui/swagger-ui-bundle.min.js",
    "aws_lambda_powertools/event_handler/openapi/swagger_ui/swagger-ui.min.css",
    *(f"aws_lambda_powertools/utilities/{name}" for name in ("auth_alpha", "circuit_breaker", "data_masking")),
    *(f"aws_lambda_powertools/utilities/{name}" for name in ("feature_flags", "kafka", "streaming")),
    "bin",
    "include",
    "share",
    "matplotlib/mpl-data/fonts/afm",
    "matplotlib/mpl-data/fonts/pdfcorefonts",
    "matplotlib/mpl-data/images",
    "matplotlib/mpl-data/sample_data",
    "matplotlib/mpl-data/stylelib",
    "mlflow/assistant/skills",
    "numpy/_core/include",
    "numpy/_core/lib",
    "onnx/reference",
    "onnxruntime/quantization",
    "onnxruntime/tools",
    "onnxruntime/transformers",
    "sklearn/datasets/data",
    "sklearn/datasets/descr",
    "sklearn/datasets/images",
)
# numpy.testing imports it, and scipy imports numpy.testing.
KEPT = frozenset({"numpy/_core/tests/_natype.py"})
# importlib.metadata reads versions and plug-ins from these; licences must travel with the code.
KEPT_METADATA = re.compile(r"(METADATA|entry_points\.txt|(licenses/.*)|((LICEN[CS]E|COPYING|NOTICE|AUTHORS).*))$")


def unwanted(path: str) -> bool:
    """Whether the file at ``path``, relative to the layer's python folder, stays out of the layer."""
    if path in KEPT:
        return False
    *folders, name = path.split("/")
    if folders and folders[0].endswith(".dist-info"):
        return not KEPT_METADATA.match("/".join([*folders[1:], name]))
    return (
        not DROPPED_FOLDERS.isdisjoint(folders)
        or name in DROPPED_NAMES
        or Path(name).suffix in DROPPED_SUFFIXES
        or path in DROPPED_PATHS
        or path.startswith(tuple(f"{dropped}/" for dropped in DROPPED_PATHS))
    )


def slim(folder: Path) -> None:
    """Remove from ``folder`` what no function needs at run time."""
    for path in files(folder):
        if unwanted(path.relative_to(folder).as_posix()):
            path.unlink()
    for path in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
        with contextlib.suppress(OSError):
            path.rmdir()


def stripper(machine: str) -> list[str] | None:
    """The command that strips ELF files of ``machine`` (x86_64 or aarch64), None where there is none."""
    native = platform.system() == "Linux" and platform.machine() == machine
    names = (["strip"] if native else []) + [f"{machine}-linux-gnu-strip", "llvm-strip"]
    return next(([tool, "--strip-unneeded"] for tool in map(shutil.which, names) if tool), None)


def strip(folder: Path, command: list[str]) -> None:
    """Strip the extension modules, but not the libraries under ``*.libs``: numpy does not survive that."""
    found = [
        str(path)
        for path in files(folder)
        if path.suffix == ".so" and not path.relative_to(folder).parts[0].endswith(".libs")
    ]
    if found:
        run([*command, *found])


def compile_bytecode(folder: Path, *arguments: str, opt: str = "/opt/python") -> None:
    """Compile all source below ``folder``; what does not compile (a template, say) stays source.

    ``opt`` is where Lambda unpacks the folder: tracebacks name it.

    Bytecode depends a little on what the same process compiled before: it shares constants with it. So the files are
    dealt to a fixed number of processes in a fixed order; compileall's own workers take whatever comes next.
    """
    command = [sys.executable, "-m", "compileall", "-q", "-q", "-f", "--invalidation-mode", "unchecked-hash"]
    command += ["-s", str(folder), "-p", opt, *arguments, "-i", "-"]
    # A fixed hash seed: the order of a set constant must not differ between two builds.
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    sources = [str(path) for path in files(folder) if path.suffix == ".py"]

    def compile_share(share: list[str]) -> None:
        subprocess.run(command, input="\n".join(share), text=True, env=environment, check=False)  # noqa: S603

    with ThreadPoolExecutor(COMPILERS) as pool:
        list(pool.map(compile_share, filter(None, (sources[first::COMPILERS] for first in range(COMPILERS)))))


def drop_source(folder: Path) -> None:
    """Remove each source file that has bytecode beside it."""
    for path in files(folder):
        if path.suffix == ".py" and path.with_suffix(".pyc").exists():
            path.unlink()


# --- What comes in -----------------------------------------------------------------------------------------------


def required(text: str) -> list[tuple[str, tuple[str, ...]]]:
    """Names and extras in a requirements file that has neither versions nor markers: those are in uv.lock."""
    found = []
    for line in text.splitlines():
        line = line.split("#")[0].strip()
        if not line:
            continue
        match = re.fullmatch(r"([A-Za-z0-9._-]+)(?:\[([^\]]*)\])?", line)
        if not match:
            raise BuildError(f"requirements.txt: {line!r}: write a name only, uv.lock says which version")
        name = re.sub(r"[-_.]+", "-", match[1]).lower()
        found.append((name, tuple(filter(None, re.split(r"[,\s]+", match[2] or "")))))
    return found


def pinned(lock: dict, roots: list[tuple[str, tuple[str, ...]]], without: frozenset[str]) -> str:
    """A requirements file with the version, markers and hashes of all that ``roots`` need according to uv.lock.

    What is reached only through a package in ``without`` is left out as well.
    """
    packages = {package["name"]: package for package in lock["package"]}
    # For each package the conditions under which it is wanted; an empty one means always.
    wanted: dict[str, set[frozenset[str]]] = {}
    pending = [(name, extras, frozenset()) for name, extras in roots]
    seen = set()
    while pending:
        name, extras, markers = pending.pop()
        if name in without or (name, extras, markers) in seen:
            continue
        seen.add((name, extras, markers))
        package = packages.get(name)
        if package is None:
            raise BuildError(f"{name} is not in uv.lock: add it to pyproject.toml and run `uv lock`")
        wanted.setdefault(name, set()).add(markers)
        edges = list(package.get("dependencies", []))
        for extra in extras:
            edges += package.get("optional-dependencies", {}).get(extra, [])
        for edge in edges:
            condition = markers | ({edge["marker"]} if "marker" in edge else frozenset())
            pending.append((edge["name"], tuple(edge.get("extra", ())), condition))
    return "".join(_pin(packages[name], conditions) for name, conditions in sorted(wanted.items()))


def _pin(package: dict, conditions: set[frozenset[str]]) -> str:
    line = f"{package['name']}=={package['version']}"
    if frozenset() not in conditions:
        anyof = [" and ".join(f"({marker})" for marker in sorted(markers)) for markers in conditions]
        line += " ; " + " or ".join(f"({each})" for each in sorted(anyof))
    archives = [*package.get("wheels", []), *filter(None, [package.get("sdist")])]
    return line + "".join(f" --hash={digest}" for digest in sorted(archive["hash"] for archive in archives)) + "\n"


def install(folder: Path, requirements: str, machine: str) -> None:
    """Install wheels for Amazon Linux 2023 on ``machine`` into ``folder``, each checked against its hash."""
    with tempfile.TemporaryDirectory() as scratch:
        listed = Path(scratch, "requirements.txt")
        listed.write_text(requirements, encoding="utf-8")
        command = [find_uv(), "pip", "install", "--quiet", "--python", sys.executable, "--target", str(folder)]
        command += ["--python-platform", f"{machine}-manylinux_2_28", "--python-version", "{}.{}".format(*PYTHON)]
        # Copies: stripping must not reach into uv's cache through a link.
        command += ["--only-binary", ":all:", "--no-deps", "--require-hashes", "--link-mode", "copy"]
        run([*command, "--requirements", str(listed)])


def copy_own(source: Path, folder: Path) -> None:
    """Copy the packages of one of our own layers, with unchecked bytecode beside the source."""
    for path in own_files(source):
        target = folder / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    compile_bytecode(folder)


def own_files(source: Path) -> list[Path]:
    """The files of the packages in the folder of one of our own layers."""
    return [
        path
        for path in files(source)
        if len(path.relative_to(source).parts) > 1
        and "__pycache__" not in path.parts
        and path.suffix != ".pyc"
        and not any(part.startswith(".") for part in path.relative_to(source).parts)
    ]


def copy_function(source: Path, destination: Path) -> None:
    """Copy the modules of a function's folder, with unchecked bytecode beside the source."""
    destination.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.glob("*.py")):
        shutil.copyfile(path, destination / path.name)
    compile_bytecode(destination, opt="/var/task")
    finish(destination)


# --- Cache -------------------------------------------------------------------------------------------------------


def ingredients(name: str, machine: str) -> tuple[str, str]:
    """The pinned requirements of a layer (empty for our own) and a digest of all that its content depends on."""
    specification = SPECIFICATIONS[name]
    source = LAYERS / name
    strip_with = stripper(machine)
    parts = [Path(__file__).read_text(encoding="utf-8"), machine, importlib.util.MAGIC_NUMBER.hex()]
    requirements = ""
    if (source / "requirements.txt").exists():
        import tomllib

        lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
        roots = required((source / "requirements.txt").read_text(encoding="utf-8"))
        requirements = pinned(lock, roots, specification.without)
        parts += [requirements, Path(strip_with[0]).name if strip_with else "unstripped"]
    else:
        for path in own_files(source):
            parts += [path.relative_to(source).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()]
    return requirements, hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def cache_folder() -> Path:
    """``.cache/layers`` in the checkout; the user's cache folder where the checkout is read-only."""
    for folder in (ROOT / ".cache", Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "slipcast")):
        try:
            (folder / "layers").mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder / "layers", os.W_OK):
            return folder / "layers"
    raise BuildError("no folder to build in: neither the checkout nor XDG_CACHE_HOME can be written to")


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file at ``path``: sam builds layers side by side, and so may two shells."""
    import fcntl

    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def built(name: str, architecture: str = "x86_64") -> Path:
    """The folder that holds the built layer's ``python`` folder; built now if it is not in the cache.

    Do not write into it: it is what later builds link to.
    """
    if name not in SPECIFICATIONS or architecture not in ARCHITECTURES:
        raise BuildError(f"no layer {name!r} for {architecture!r}: {[*SPECIFICATIONS]} for {[*ARCHITECTURES]}")
    machine = ARCHITECTURES[architecture]
    requirements, digest = ingredients(name, machine)
    cache = cache_folder()
    target = cache / f"{name}-{architecture}-{digest[:16]}"
    with exclusive(cache / f"{name}-{architecture}.lock"):
        if not target.exists():
            _build(name, machine, requirements, target)
        # Newest last; the layer that is in use counts as new.
        os.utime(target)
        old = sorted(cache.glob(f"{name}-{architecture}-*"), key=lambda path: path.stat().st_mtime)[:-2]
        for folder in old:
            shutil.rmtree(folder)
    return target


def _build(name: str, machine: str, requirements: str, target: Path) -> None:
    started = time.monotonic()
    specification = SPECIFICATIONS[name]
    work = Path(tempfile.mkdtemp(prefix=".building-", dir=target.parent))
    try:
        folder = work / "python"
        folder.mkdir()
        if requirements:
            install(folder, requirements, machine)
            slim(folder)
            strip_with = stripper(machine)
            if strip_with:
                strip(folder, strip_with)
            else:
                say(f"{name}: no strip for {machine} here: the layer is some MB larger than it need be")
            if specification.optimize is not None:
                compile_bytecode(folder, "-b", "-o", str(specification.optimize))
                drop_source(folder)
        else:
            copy_own(LAYERS / name, folder)
        finish(work)
        total = size(folder)
        if total > LIMIT:
            raise BuildError(f"{name}: {total / 2**20:.1f} MiB unzipped; Lambda takes 250 for function and layers")
        work.chmod(0o755)
        work.rename(target)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    say(f"{name} for {machine}: {total / 2**20:.1f} MiB in {time.monotonic() - started:.1f} s")


def finish(folder: Path) -> None:
    """Give each file the same time and mode in every build; read-only, because copies of the layer are hard links."""
    for path in files(folder):
        path.chmod(0o555 if path.stat().st_mode & stat.S_IXUSR else 0o444)
        os.utime(path, (EPOCH, EPOCH))


def place(layer: Path, destination: Path) -> None:
    """Make ``destination``/python the content of the built layer: hard links, copies on another file system."""
    shutil.rmtree(destination / "python", ignore_errors=True)
    destination.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copytree(layer / "python", destination / "python", copy_function=os.link)
    except (shutil.Error, OSError):
        shutil.rmtree(destination / "python", ignore_errors=True)
        shutil.copytree(layer / "python", destination / "python")


# --- Helpers -----------------------------------------------------------------------------------------------------


def files(folder: Path) -> list[Path]:
    """All files below ``folder``, sorted."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def size(folder: Path) -> int:
    """Bytes of all files below ``folder``: what Lambda counts against its limit."""
    return sum(path.stat().st_size for path in files(folder))


def say(message: str) -> None:
    """Tell the user; on standard error, because sam shows that as it comes."""
    print(f"layers: {message}", file=sys.stderr, flush=True)


def run(command: list[str]) -> None:
    """Run a command; its output is in the error that is raised when it fails."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise BuildError(f"{Path(command[0]).name} failed:\n{(done.stderr or done.stdout).strip()[-4000:]}")


def find_uv() -> str:
    """uv: of the shell, of the checkout, else installed from PyPI into the cache."""
    tools = cache_folder() / "uv"
    candidates = [os.environ.get("UV"), shutil.which("uv"), ROOT / ".venv/bin/uv", ROOT / ".local/tools/bin/uv"]
    candidates += [Path.home() / ".local/bin/uv", tools / "bin/uv"]
    for candidate in candidates:
        if candidate and os.access(candidate, os.X_OK):
            return str(candidate)
    with exclusive(cache_folder() / "uv.lock"):
        if not (tools / "bin/uv").exists():
            say("installing uv from PyPI into the cache")
            try:
                run([sys.executable, "-m", "venv", "--clear", str(tools)])
                run([str(tools / "bin/python"), "-m", "pip", "install", "--quiet", "uv"])
            except BuildError as error:
                raise BuildError(f"uv is needed: https://docs.astral.sh/uv/ ({error})") from error
    return str(tools / "bin/uv")


def continue_on_the_right_python() -> None:
    """Replace this process by one on Python 3.13, which uv downloads if the machine has none."""
    wanted = "{}.{}".format(*PYTHON)
    if os.environ.get("SLIPCAST_BUILD_PYTHON"):
        raise BuildError(f"Python {wanted} is needed and {sys.executable} is not that")
    environment = os.environ | {"SLIPCAST_BUILD_PYTHON": wanted}
    check = f"import sys; sys.exit(sys.version_info[:2] != {PYTHON})"
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    candidates = [ROOT / ".venv/bin/python", shutil.which(f"python{wanted}")]
    # pyenv's shim refuses a version that is installed but not selected.
    candidates += sorted(pyenv.glob(f"versions/{wanted}.*/bin/python{wanted}"))
    for candidate in candidates:
        if candidate and os.access(candidate, os.X_OK):
            found = subprocess.run([str(candidate), "-c", check], capture_output=True, check=False)  # noqa: S603
            if found.returncode == 0:
                os.execve(str(candidate), [str(candidate), *sys.argv], environment)  # noqa: S606
    find = [find_uv(), "python", "find", wanted]
    if subprocess.run(find, capture_output=True, check=False).returncode:  # noqa: S603
        say(f"Python {wanted} is not installed: uv downloads one")
        try:
            run([find_uv(), "python", "install", wanted])
        except BuildError as error:
            raise BuildError(f"Python {wanted} is needed; install it and build again ({error})") from error
    found = subprocess.run(find, capture_output=True, text=True, check=True)  # noqa: S603
    python = found.stdout.strip()
    os.execve(python, [python, *sys.argv], environment)  # noqa: S606


def main() -> None:
    parser = argparse.ArgumentParser(description="Build one Lambda layer into DESTINATION/python")
    parser.add_argument("name", metavar="layer", help=f"one of {', '.join(SPECIFICATIONS)}")
    parser.add_argument("destination", type=Path)
    parser.add_argument("--function", action="store_true", help="the name is a folder of functions/")
    parser.add_argument("--arch", choices=list(ARCHITECTURES), default=os.environ.get("SLIPCAST_ARCH") or "x86_64")
    arguments = parser.parse_args()
    if sys.version_info[:2] != PYTHON:
        continue_on_the_right_python()
    if arguments.function:
        copy_function(ROOT / "functions" / arguments.name, arguments.destination)
    else:
        place(built(arguments.name, arguments.arch), arguments.destination)


if __name__ == "__main__":
    try:
        main()
    except BuildError as error:
        sys.exit(f"layers: error: {error}")
