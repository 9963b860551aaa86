"""sam with fast compression: what goes to the same machine need not be small.

sam compresses each layer at zlib's default level: half of a deployment to the local cloud. Run as a file by
`local.cloud`, with sam's own arguments.
"""

import sys
import zipfile
from types import SimpleNamespace
from typing import Any


class FastZipFile(zipfile.ZipFile):
    """Zip file whose entries are compressed at zlib's fastest level."""

    def writestr(self, zinfo_or_arcname: Any, data: Any, compress_type: Any = None, compresslevel: Any = None) -> None:
        """Add an entry."""
        super().writestr(zinfo_or_arcname, data, compress_type, 1 if compresslevel is None else compresslevel)


# The module as sam's packaging finds it.
FAST = SimpleNamespace(**vars(zipfile) | {"ZipFile": FastZipFile})


def main() -> None:
    """Run sam with the arguments of this process."""
    from samcli.cli.main import cli
    from samcli.lib.package import utils

    utils.zipfile = FAST
    cli(prog_name="sam")


if __name__ == "__main__":
    # The checkout is no place to import from: sam builds functions in processes of this one.
    sys.path.pop(0)
    main()
