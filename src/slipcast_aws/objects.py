"""Objects below a prefix of a bucket, as the domain's searches read and write them."""

from slipcast.contracts import Reference
from slipcast_aws import storage


class Folder:
    """Folder of a bucket, named by its ``s3://bucket/prefix``."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def put(self, name: str, raw: bytes) -> Reference:
        """Store `raw` at ``<prefix>/<name>``."""
        uri = f"{self.prefix}/{name}"
        return {"uri": uri, "sha256": storage.write_bytes(uri, raw)}

    def get(self, uri: str, sha256: str | None = None) -> bytes:
        """Return an object's bytes, which may be in any folder.

        Raises
        ------
        slipcast_aws.storage.DigestMismatchError
            If they do not have the digest `sha256`.
        """
        return storage.read_bytes(uri, sha256=sha256)
