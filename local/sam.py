"""sam without compression: what goes to the same machine need not be small.

sam compresses each layer at zlib's default level: half of a deployment to the local cloud. Run as a file by
`local.cloud`, with sam's own arguments.
"""

import sys
import zipfile
from types import SimpleNamespace
from typing import Any


class StoringZipFile(zipfile.ZipFile):
    """Zip file whose entries are stored as they are."""

    def writestr(self, zinfo_or_arcname: Any, data: Any, compress_type: Any = None, compresslevel: Any = None) -> None:
        """Add an entry."""
        super().writestr(zinfo_or_arcname, data, zipfile.ZIP_STORED)


# The module as sam's packaging finds it.
STORING = SimpleNamespace(**vars(zipfile) | {"ZipFile": StoringZipFile})


def main() -> None:
    """Run sam with the arguments of this process."""
    from samcli.cli.main import cli
    from samcli.lib.package import utils

    utils.zipfile = STORING
    cli(prog_name="sam")


if __name__ == "__main__":
    # The checkout is no place to import from: sam builds functions in processes of this one.
    sys.path.pop(0)
    main()
