"""The emulator's process: ministack with the patches, on 127.0.0.1 and the port in GATEWAY_PORT.

Run as a file, not as a module: the checkout is put on this process's path only, and the functions that it starts as
subprocesses see nothing but their own code and layers.
"""

import sys
from pathlib import Path


def main() -> None:
    """Apply the patches and serve until the process is asked to end."""
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    from local.emulator import patches

    patches.apply()
    from ministack.app import main as serve

    sys.argv = ["ministack"]
    serve()


if __name__ == "__main__":
    main()
