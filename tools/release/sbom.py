"""Prints the bill of materials of the program: every crate that is compiled in for a target, from Cargo's own resolution.

Usage: python3 tools/release/sbom.py TARGET. Equal lock files give equal bytes.
"""

import json
import subprocess
import sys
import uuid

NORMAL = None  # what `cargo metadata` calls a dependency that is neither for building nor for tests


def reached(metadata):
    """The packages that the program is made of: from the root through normal dependencies."""
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    found, left = set(), [metadata["resolve"]["root"]]
    while left:
        package = left.pop()
        if package in found:
            continue
        found.add(package)
        for dependency in nodes[package]["deps"]:
            if any(kind["kind"] is NORMAL for kind in dependency["dep_kinds"]):
                left.append(dependency["pkg"])
    return found, nodes


def component(package):
    entry = {
        "type": "library",
        "bom-ref": reference(package),
        "name": package["name"],
        "version": package["version"],
        "purl": reference(package),
    }
    if package["license"]:
        # Cargo once separated alternatives by a slash.
        entry["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    return entry


def reference(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def main(target):
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target]
    metadata = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    root = metadata["resolve"]["root"]
    found, nodes = reached(metadata)
    program = component(packages[root]) | {"type": "application"}
    parts = sorted((component(packages[package]) for package in found - {root}), key=lambda part: part["bom-ref"])
    links = [
        {
            "ref": reference(packages[package]),
            "dependsOn": sorted({reference(packages[d["pkg"]]) for d in nodes[package]["deps"] if d["pkg"] in found}),
        }
        for package in found
    ]
    bom = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": program},
        "components": parts,
        "dependencies": sorted(links, key=lambda link: link["ref"]),
    }
    digest = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(bom, sort_keys=True) + target)
    print(json.dumps({"serialNumber": f"urn:uuid:{digest}"} | bom, indent=2))


if __name__ == "__main__":
    main(sys.argv[1])
