"""Holds the dependencies against deny.toml without cargo-deny: licences, banned crates, sources, wildcards.

Usage: dependencies.py, in the root of the repository. Advisories need a database, and cargo-deny.
"""

import json
import re
import subprocess
import sys
import tomllib

REGISTRY = "registry+https://github.com/rust-lang/crates.io-index"


def allowed(expression, licences):
    """True if a choice of an SPDX expression is made of allowed licences alone. Cargo once wrote `/` for OR."""
    tokens = re.findall(r"[()]|[^\s()]+", expression.replace("/", " OR "))

    def either():
        result = both()
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            result = both() or result
        return result

    def both():
        result = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            result = one() and result
        return result

    def one():
        token = tokens.pop(0)
        if token == "(":
            result = either()
            tokens.pop(0)
            return result
        if tokens and tokens[0] == "WITH":
            tokens.pop(0)
            token = f"{token} WITH {tokens.pop(0)}"
        return token in licences

    return either() and not tokens


def main():
    with open("deny.toml", "rb") as file:
        rules = tomllib.load(file)
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--all-features"]
    metadata = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    licences, banned = set(rules["licenses"]["allow"]), {entry["name"] for entry in rules["bans"]["deny"]}
    wrong, versions = [], {}
    for package in metadata["packages"]:
        name = f"{package['name']} {package['version']}"
        versions.setdefault(package["name"], []).append(package["version"])
        if not allowed(package["license"] or "none", licences):
            wrong.append(f"{name}: licence {package['license']}")
        if package["name"] in banned:
            wrong.append(f"{name}: banned")
        if package["source"] not in (None, REGISTRY):
            wrong.append(f"{name}: comes from {package['source']}")
        if package["source"] is None:
            wrong += [f"{name}: any version of {one['name']}" for one in package["dependencies"] if one["req"] == "*"]
    for name, several in sorted(versions.items()):
        if len(several) > 1:
            print(f"{name}: {len(several)} versions: {', '.join(several)}")
    print("\n".join(wrong), file=sys.stderr, end="\n" if wrong else "")
    print(f"{len(metadata['packages'])} packages, {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
