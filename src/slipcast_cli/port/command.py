"""``slipcast port STACK``: choice of the release, and what is said at the end."""

from pathlib import Path

from slipcast_cli.port import bundle, write
from slipcast_cli.port.bundle import Bundle, PortError


def of_file(path: Path) -> Bundle:
    """Return the bundle in a zip file or an unpacked folder."""
    return bundle.of_folder(path) if path.is_dir() else bundle.of_zip(path.read_bytes())


def of_deployed(stack: str, version: str | None) -> Bundle:
    """Return the bundle of a release of a deployed stack, the live one where none is named.

    Raises
    ------
    PortError
        If there is none.
    """
    from slipcast_aws.release import traffic
    from slipcast_cli.stack import find

    found = find(stack)
    chosen = version or traffic.current(found.output("PredictFunctionName")).version
    return bundle.of_stack(found.output("DataBucketName"), chosen)


def run(stack: str, found: Bundle, out: Path) -> str:
    """Write the files of a stack and return what was done in words."""
    if found.release.get("format") != "slipcast-portable":
        raise PortError("the bundle has another format than this command reads; update one of the two")
    paths = write.write(stack, found, out)
    own = [path for path in paths if path.relative_to(out).parts[0] != write.IMAGE]
    lines = [f"{out}: {len(paths)} files for {stack}, version {found.release['version']}, {found.release['model_id']}"]
    return "\n".join([*lines, *(f"  {path.relative_to(out)}" for path in own)])
