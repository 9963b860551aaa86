"""The emulator's process: ministack with the patches, on 127.0.0.1 and the port in GATEWAY_PORT."""

import sys

from local import patches


def main() -> None:
    """Apply the patches and serve until the process is told to end."""
    patches.apply()
    from ministack.app import main as serve

    sys.argv = ["ministack"]
    serve()


if __name__ == "__main__":
    main()
