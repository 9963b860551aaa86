"""CycloneDX: its library validates the bill of materials by the schema of 1.6, strictly."""

import json
import sys
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

text = (Path(sys.argv[1]) / "sbom.cdx.json").read_text()
validator = JsonStrictValidator(SchemaVersion.V1_6)
assert (error := validator.validate_str(text)) is None, error
broken = json.loads(text)
broken["components"][0]["type"] = "toy"
assert validator.validate_str(json.dumps(broken)) is not None, "a wrong type was not refused"
print(f"{len(json.loads(text)['components'])} components")
