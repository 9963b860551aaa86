"""Build one Lambda layer: the locked packages or our own package, slimmed, the same bytes every time.

    python3 -m layers.build training DESTINATION [--arch arm64]

makes DESTINATION/python. ``sam build`` comes here through the Makefile of each layer; see layers/README.md.

    python3 -m layers.build --function predict DESTINATION

makes DESTINATION the code of a function with its bytecode.
This part must start on any Python 3.9 or later, without a package: it looks for 3.13 and runs itself again there,
because bytecode is only good for the interpreter version that made it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from layers.build import assemble, recipe, shell


def continue_on_the_right_python() -> None:
    """Replace this process by one on Python 3.13, which uv downloads if the machine has none."""
    wanted = "{}.{}".format(*recipe.PYTHON)
    if os.environ.get("SLIPCAST_BUILD_PYTHON"):
        raise recipe.BuildError(f"Python {wanted} is needed and {sys.executable} is not that")
    environment = os.environ | {"SLIPCAST_BUILD_PYTHON": wanted}
    # The module is found from here.
    os.chdir(recipe.ROOT)
    check = f"import sys; sys.exit(sys.version_info[:2] != {recipe.PYTHON})"
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    candidates = [recipe.ROOT / ".venv/bin/python", shutil.which(f"python{wanted}")]
    # pyenv's shim refuses a version that is installed but not selected.
    candidates += sorted(pyenv.glob(f"versions/{wanted}.*/bin/python{wanted}"))
    for candidate in candidates:
        if candidate and os.access(candidate, os.X_OK):
            found = subprocess.run([str(candidate), "-c", check], capture_output=True, check=False)  # noqa: S603
            if found.returncode == 0:
                os.execve(str(candidate), [str(candidate), "-m", "layers.build", *sys.argv[1:]], environment)  # noqa: S606
    find = [shell.find_uv(), "python", "find", wanted]
    if subprocess.run(find, capture_output=True, check=False).returncode:  # noqa: S603
        shell.say(f"Python {wanted} is not installed: uv downloads one")
        try:
            shell.run([shell.find_uv(), "python", "install", wanted])
        except recipe.BuildError as error:
            raise recipe.BuildError(f"Python {wanted} is needed; install it and build again ({error})") from error
    found = subprocess.run(find, capture_output=True, text=True, check=True)  # noqa: S603
    python = found.stdout.strip()
    os.execve(python, [python, "-m", "layers.build", *sys.argv[1:]], environment)  # noqa: S606


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python3 -m layers.build", description="Build one Lambda layer into DESTINATION/python"
    )
    parser.add_argument("name", metavar="layer", help=f"one of {', '.join(recipe.SPECIFICATIONS)}")
    parser.add_argument("destination", type=Path)
    parser.add_argument("--function", action="store_true", help="the name is a folder of functions/")
    parser.add_argument(
        "--arch", choices=list(recipe.ARCHITECTURES), default=os.environ.get("SLIPCAST_ARCH") or "x86_64"
    )
    arguments = parser.parse_args()
    arguments.destination = arguments.destination.resolve()
    if sys.version_info[:2] != recipe.PYTHON:
        continue_on_the_right_python()
    if arguments.function:
        assemble.copy_function(recipe.ROOT / "functions" / arguments.name, arguments.destination)
    else:
        assemble.place(assemble.built(arguments.name, arguments.arch), arguments.destination)


if __name__ == "__main__":
    try:
        main()
    except recipe.BuildError as error:
        sys.exit(f"layers: error: {error}")
