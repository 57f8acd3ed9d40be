"""Makes the table of known names: `python3 tools/names/build.py`, or `just names`.

Reads the packages of `packages.toml` through `pip`, writes

- `data/names/known.fst`, the table that the program holds,
- `data/names/known.txt`, one line: its digest and what it was made from,
- `data/names/sources.json`, the wheels that were read, with their digests,
- `data/names/judged.tsv` and `data/names/reconstructors.tsv`, the two lists that people review.

`--locked` reads the releases of `sources.json` again instead of asking for newer ones. Nothing that is downloaded is
imported or run. What was read stays in `.cache/names/`.
"""

import argparse
import datetime
import hashlib
import json
import multiprocessing
import re
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fetch
import table
from reasons import REASONS

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "names"
DATA = ROOT / "data" / "names"
HERE = Path(__file__).parent
# What `read` found depends on these.
READER = hashlib.sha256(b"".join((HERE / f"{name}.py").read_bytes() for name in ("judge", "reasons", "table", "tree")))
READER = READER.hexdigest()[:12]


def plan(locked):
    """Package and version of every release to read, as one list for each package."""
    if locked:
        packages = {}
        for row in json.loads((DATA / "sources.json").read_text()):
            packages.setdefault(row["package"], []).append(row["version"])
        return packages
    rows = tomllib.loads((HERE / "packages.toml").read_text())
    with ThreadPoolExecutor(4) as pool:
        chosen = pool.map(lambda row: fetch.releases(*row, rows["cap"]), rows["packages"].items())
        return dict(zip(rows["packages"], chosen))


def collect(packages):
    """The records of all releases that have a wheel; sources are in the cache afterwards."""
    CACHE.mkdir(parents=True, exist_ok=True)
    releases = [(name, version) for name, versions in packages.items() for version in versions]
    with ThreadPoolExecutor(4) as pool:
        records = list(pool.map(lambda release: fetch.fetch(*release, CACHE), releases))
    for record in records:
        if not record["file"]:
            print(f"{record['package']} {record['version']} has no wheel", file=sys.stderr)
    return [record for record in records if record["file"]]


def read(record):
    """Names, bases and number of unreadable sources of one release; kept until these scripts change."""
    path = CACHE / f"{record['package']}-{record['version']}.zip"
    kept = path.with_name(f"{path.stem}.{READER}.names.json")
    if not kept.exists():
        part = kept.with_suffix(".part")
        part.write_text(json.dumps(table.release(path)))
        part.rename(kept)
    return json.loads(kept.read_text())


def package(key):
    """The package that a key is in."""
    return key.split(" ")[0].split(".")[0]


def reviewed(names):
    """Applies `reviewed.toml`: what people found when they read the lists."""
    rows = tomllib.loads((HERE / "reviewed.toml").read_text())
    for key, reason in rows["judged"].items():
        number = REASONS.index(reason) + 1
        names[key] = names[key] & 7 | number << table.CALLED_SHIFT | number << table.RESTORED_SHIFT
    for key in filter(re.compile(rows["native"]).match, names):
        if names[key] & table.COMPILED or package(key) in rows["native_packages"]:
            names[key] = table.merge(names[key], (REASONS.index("opens files") + 1) << table.CALLED_SHIFT)
    for key in filter(re.compile(rows["compared"]).match, names):
        names[key] = names[key] & ~(7 << table.RESTORED_SHIFT)
    for key in [key for key in names if key in rows["left_out"] or package(key) in rows["no_packages"]]:
        del names[key]


def write_lists(names):
    """The lists for people."""
    word = ["", *REASONS]
    judged = ["name\tcalling it\trestoring it"]
    functions = ["name\tcalling it"]
    for key in sorted(names):
        called, restored = table.reasons(names[key])
        if names[key] & table.FUNCTION:
            functions.append(f"{key}\t{word[called]}")
        elif called or restored:
            judged.append(f"{key}\t{word[called]}\t{word[restored]}")
    (DATA / "judged.tsv").write_text("\n".join(judged) + "\n")
    (DATA / "reconstructors.tsv").write_text("\n".join(functions) + "\n")


def write_table(names, records):
    """The table and the line about it."""
    covered = {package(key) for key in names}
    keys = {**names, **dict.fromkeys(covered, 0)}
    rows = sorted(keys.items(), key=lambda row: row[0].encode())
    listing = CACHE / "known.tsv"
    listing.write_text("".join(f"{key}\t{value}\n" for key, value in rows))
    target = DATA / "known.fst"
    command = ["cargo", "run", "--quiet", "--locked", "--example", "known-names", "--", str(listing), str(target)]
    if not target.exists():
        # The crate that the writer belongs to holds the table.
        target.write_bytes(b"")
    subprocess.run(command, cwd=ROOT, check=True)
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    packages = len({record["package"] for record in records})
    day = datetime.date.today().isoformat()
    line = f"sha256:{digest} {len(records)} releases of {packages} packages, {day}\n"
    (DATA / "known.txt").write_text(line)
    print(line, target.stat().st_size, "bytes,", len(keys), "names")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--locked", action="store_true", help="read the releases of sources.json")
    arguments = parser.parse_args()
    DATA.mkdir(parents=True, exist_ok=True)
    records = collect(plan(arguments.locked))
    names, bases = {}, {}
    # A process that has read a few releases is replaced: its memory does not shrink.
    with multiprocessing.Pool(maxtasksperchild=6) as pool:
        for record, (found, outer, skipped) in zip(records, pool.imap(read, records)):
            record |= {"names": len(found), "unreadable": skipped}
            for key, value in found.items():
                names[key] = table.merge(names.get(key, 0), value)
            for key, value in outer.items():
                bases.setdefault(key, set()).update(value)
    table.inherit(names, bases)
    reviewed(names)
    write_lists(names)
    text = ",\n".join(json.dumps(record, sort_keys=True) for record in records)
    (DATA / "sources.json").write_text(f"[\n{text}\n]\n")
    write_table(names, records)


if __name__ == "__main__":
    main()
