"""Choice of the AWS that a command talks to: the account of the shell, or else the local cloud of the checkout."""

import os
import shlex
import sys
from pathlib import Path

# Any of these variables means that the shell already points at an AWS account.
CHOSEN: tuple[str, ...] = ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE")
# Set in CloudShell, CodeBuild and on containers with a role.
CHOSEN += ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI")


def checkout() -> Path | None:
    """Return the root of the checkout that this package is installed from; None if it is installed from a wheel."""
    root = Path(__file__).resolve().parents[2]
    return root if (root / "template.yaml").is_file() and (root / "local").is_dir() else None


def use_local_cloud(home: Path | None = None) -> bool:
    """Use the environment of the running local cloud, unless the shell already points at an AWS account.

    Parameters
    ----------
    home
        Folder of the local cloud; ``.local`` in the checkout if None.

    Returns
    -------
    bool
        whether the local cloud is used
    """
    if any(os.environ.get(name) for name in CHOSEN):
        return False
    root = checkout()
    folder = home or (root / ".local" if root else None)
    if folder is None or not (folder / "env").is_file():
        return False
    os.environ.update(read_env((folder / "env").read_text(encoding="utf-8")))
    print(f"using the local cloud of {folder}", file=sys.stderr)
    return True


def read_env(text: str) -> dict[str, str]:
    """Return the variables of a shell file of ``export NAME=value`` lines.

    Examples
    --------
    >>> read_env("export A=1\\nexport B='two words'\\n")
    {'A': '1', 'B': 'two words'}
    """
    found = {}
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        if len(words) == 2 and words[0] == "export" and "=" in words[1]:
            name, _, value = words[1].partition("=")
            found[name] = value
    return found


def import_local() -> None:
    """Make the package ``local`` importable, which is part of the checkout and not of the installed package.

    Raises
    ------
    RuntimeError
        If there is no checkout.
    """
    root = checkout()
    if root is None:
        raise RuntimeError(
            "the local cloud needs a checkout of the repository: git clone it and run .venv/bin/slipcast there"
        )
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
