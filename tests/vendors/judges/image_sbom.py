"""CycloneDX: its library reads the bill of materials of an image; it lists each file of the base layer, by its digest.

.cache/vendors/checks/bin/python tests/vendors/judges/image_sbom.py image
"""

import hashlib
import json
import sys
import tarfile
from pathlib import Path

from cyclonedx.model.bom import Bom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

image = Path(sys.argv[1])
text = (image / "sbom.cdx.json").read_text()
assert (error := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)) is None, error
bill = Bom.from_json(json.loads(text))
blobs = image / "blobs/sha256"


def read(descriptor):
    """Return a JSON document of the layout."""
    return json.loads((blobs / descriptor["digest"].partition(":")[2]).read_text())


manifest = read(json.loads((image / "index.json").read_text())["manifests"][0])
with tarfile.open(blobs / manifest["layers"][0]["digest"].partition(":")[2]) as layer:
    # The second name of a file with two (a hard link) has the content of the first.
    inside = {
        item.name: hashlib.sha256(layer.extractfile(item).read()).hexdigest()
        for item in layer
        if item.isreg() or item.islnk()
    }
listed = {}
for package in bill.components:
    assert package.purl.type == "deb" and package.purl.namespace == "debian", package.purl
    assert (package.purl.name, package.purl.version) == (package.name, package.version), package.purl
    assert package.licenses, package.name
    assert package.components, f"{package.name} brings no file"
    for file in package.components:
        (digest,) = file.hashes
        listed[file.name] = digest.content
assert listed == inside, listed.items() ^ inside.items()
plain = [item.name for item in bill.components if all("as in" in found.name for found in item.licenses)]
print(
    f"{len(bill.components)} packages, {len(listed)} files; licences in free text: {', '.join(sorted(plain)) or 'none'}"
)
