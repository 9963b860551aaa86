"""Command that writes the forecast of a project into a file."""

from pathlib import Path

from slipcast.forecast.projects import identity, portfolio, sections
from slipcast.reports.export import FORMATS, NotTheFileError, exported
from slipcast_aws import projects, storage


def write(bucket: str, project_id: str, name: str, own: Path | None, out: Path | None) -> Path:
    """Write the forecast of a project into a file and return its path.

    Parameters
    ----------
    bucket
        the stack's data bucket
    project_id
        id of the project, as a list of projects gives it
    name
        one of `FORMATS`
    own
        the user's file, for a format that is written into it; the dropped one by default
    out
        file to write; named after source and data date by default

    Raises
    ------
    RuntimeError
        If there is no such project, or the file is not of the format or not of the project.
    """
    found = identity.parts(project_id)
    index = projects.index(bucket)
    if found is None or found[0] not in index:
        raise RuntimeError(f"there is no project {project_id}: slipcast export --list names them")
    summary = projects.summary(bucket, index[found[0]]["key"])
    head = summary["projects"].get(found[1])
    if head is None:
        raise RuntimeError(f"there is no project {project_id}: slipcast export --list names them")
    update = next(item for item in portfolio.updates_of(summary, found[1]) if item["data_date"] == head["data_date"])
    columns, forecast = (
        projects.part(bucket, update, found[1], section) for section in (sections.ROWS, sections.FORECAST)
    )
    raw = None
    if FORMATS[name].into:
        file = update.get("file") or {}
        if own is not None:
            raw = own.read_bytes()
        elif "uri" in file:
            raw = storage.read_bytes(file["uri"], version_id=file.get("version_id"))
    target = out or Path(f"{head['source']}_{head['data_date']}_forecast{FORMATS[name].suffix}")
    try:
        target.write_bytes(exported(name, columns, head, raw, forecast))
    except NotTheFileError as error:
        raise RuntimeError(str(error)) from error
    return target


def ids(bucket: str) -> list[str]:
    """Return the ids of all projects of a stack."""
    return sorted(
        head["project_id"]
        for entry in projects.index(bucket).values()
        for head in projects.summary(bucket, entry["key"])["projects"].values()
    )
