"""A bill of materials of every layer, in CycloneDX 1.6, from what is in the built layer.

    python audit/sbom.py DESTINATION [--arch arm64]

writes DESTINATION/<layer>.cdx.json. The same layer makes the same bytes.
"""

from __future__ import annotations

import argparse
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.spdx import is_expression, is_supported_id
from cyclonedx.validation.json import JsonStrictValidator
from inventory import InventoryError, Package, content_digest, inventory, read_lock
from packageurl import PackageURL

from layers.build import assemble, recipe

NAMESPACE = uuid.UUID("6c0f9f5e-2a55-5d5a-9f44-6f1d3b3f7a10")


def bill(layer: str, packages: list[Package], digest: str, architecture: str) -> Bom:
    """Return the bill of materials of a layer whose content has the SHA-256 `digest`."""
    bom = Bom(serial_number=uuid.uuid5(NAMESPACE, f"{layer}/{architecture}/{digest}"))
    bom.metadata.timestamp = datetime.fromtimestamp(recipe.EPOCH, UTC)
    root = Component(
        name=f"slipcast-layer-{layer}",
        type=ComponentType.LIBRARY,
        bom_ref=f"layer-{layer}",
        version=digest[:16],
        properties=[
            Property(name="slipcast:content-sha256", value=digest),
            Property(name="slipcast:architecture", value=architecture),
        ],
    )
    bom.metadata.component = root
    parts = [component for package in packages for component in _components(package)]
    for part in parts:
        bom.components.add(part)
    bom.register_dependency(root, parts)
    return bom


def _components(package: Package) -> Iterator[Component]:
    sha256 = HashType(alg=HashAlgorithm.SHA_256, content=package.sha256)
    url = PackageURL("pypi", name=package.name, version=package.version)
    references, hashes = [], [sha256]
    if package.url:
        # Of the wheel, not of the files: in the layer they are stripped and compiled.
        references, hashes = [_reference(package, sha256)], []
    yield Component(
        name=package.name,
        version=package.version,
        type=ComponentType.LIBRARY,
        bom_ref=str(url),
        purl=url if package.url else None,
        licenses=_licenses(package.license),
        hashes=hashes,
        external_references=references,
    )
    for path, digest in package.libraries:
        yield Component(
            name=path,
            type=ComponentType.FILE,
            bom_ref=f"{url}#{path}",
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
            properties=[Property(name="slipcast:part-of", value=str(url))],
        )


def _reference(package: Package, sha256: HashType) -> ExternalReference:
    return ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=XsUri(package.url), hashes=[sha256])


def _licenses(text: str) -> list[DisjunctiveLicense | LicenseExpression]:
    if not text:
        return []
    if is_supported_id(text):
        return [DisjunctiveLicense(id=text)]
    return [LicenseExpression(text)] if is_expression(text) else [DisjunctiveLicense(name=text)]


def main() -> int:
    """Write and validate the bill of each layer."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("destination", type=Path)
    parser.add_argument("--arch", default="x86_64")
    options = parser.parse_args()
    options.destination.mkdir(parents=True, exist_ok=True)
    lock = read_lock()
    for layer in recipe.SPECIFICATIONS:
        folder = assemble.built(layer, options.arch) / "python"
        packages = inventory(layer, folder, lock, options.arch)
        text = JsonV1Dot6(bill(layer, packages, content_digest(folder), options.arch)).output_as_string(indent=1)
        if problem := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
            print(f"error: {layer}: not CycloneDX 1.6: {problem}", file=sys.stderr)
            return 1
        target = options.destination / f"{layer}.cdx.json"
        target.write_text(text + "\n", encoding="utf-8")
        libraries = sum(len(package.libraries) for package in packages)
        print(f"{target}: {len(packages)} packages, {libraries} shared libraries of theirs")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (InventoryError, recipe.BuildError) as error:
        sys.exit(f"error: {error}")
