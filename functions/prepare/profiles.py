"""Steps ``suggest`` and ``save_profile``: a mapping profile for a table that none reads, for the web application."""

from pathlib import PurePosixPath
from typing import Any

from prepare.settings import Settings
from slipcast.ingest.files.formats import Limits
from slipcast.ingest.mapping.profile import built_in, load_profile
from slipcast.ingest.refusal import ScheduleRefused
from slipcast.ingest.suggest import suggest as drafted
from slipcast_aws import scratch, storage

# A person waits: a larger file is drafted by the command line.
MOST_BYTES = 20_000_000


def suggest(event: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """Return the draft of a profile for the object at ``event["key"]``, or ``refused`` with the reason."""
    name = PurePosixPath(event["key"]).name
    try:
        with scratch.folder() as folder:
            path, work = folder / "dropped", folder / "work"
            work.mkdir()
            storage.download(f"s3://{settings.data_bucket}/{event['key']}", path, max_bytes=MOST_BYTES)
            limits = Limits(max_bytes=MOST_BYTES)
            found = drafted(path, name, workdir=work, profile=event["profile"], limits=limits)
    except ScheduleRefused as refusal:
        return {"refused": str(refusal)}
    except storage.ObjectTooLargeError as error:
        return {"refused": f"{name} has {error.size / 1e6:,.0f} MB: slipcast profile suggest drafts it on your machine"}
    return {
        "text": found.text,
        "guesses": [guess._asdict() for guess in found.guesses],
        **{key: list(getattr(found, key)) for key in ("not_used", "notes", "preview")},
        "counts": found.counts,
    }


def save(event: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """Store ``event["text"]`` as ``profiles/<name>.yaml`` if it is a profile of that name and there is none yet."""
    name = event["profile"]
    file = f"profiles/{name}.yaml"
    try:
        profile = load_profile(event["text"], file)
    except ScheduleRefused as refusal:
        return {"refused": str(refusal)}
    if profile.name != name:
        return {"refused": f"{file}: the profile calls itself {profile.name}. Write name: {name}"}
    if any(item.name == name for item in built_in()) or storage.exists(f"s3://{settings.data_bucket}/{file}"):
        return {"refused": f"there is a profile {name} already: take another name", "taken": True}
    storage.write_bytes(f"s3://{settings.data_bucket}/{file}", event["text"].encode(), "application/yaml")
    return {"profile": name}
