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
import shutil
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fetch
import sdist
import table
from reasons import REASONS

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "names"
DATA = ROOT / "data" / "names"
HERE = Path(__file__).parent
# Downloads at a time.
THREADS = 8
# What `read` found depends on these.
READER = [HERE / f"{name}.py" for name in ("binary", "cython", "judge", "native", "reasons", "table", "tree")]
READER = hashlib.sha256(b"".join(path.read_bytes() for path in READER)).hexdigest()[:12]


def plan(locked):
    """The releases to read as (package, version, locked record or None), in the order of the table's sources.

    A run that goes on after an interruption keeps to the plan that it began with.
    """
    if locked:
        rows = json.loads((DATA / "sources.json").read_text())
        return [(row["package"], row["version"], row) for row in rows]
    wanted = (HERE / "packages.toml").read_bytes()
    kept = CACHE / f"plan.{hashlib.sha256(wanted).hexdigest()[:12]}.json"
    if not kept.exists():
        rows = tomllib.loads(wanted.decode())
        with ThreadPoolExecutor(THREADS) as pool:
            chosen = pool.map(lambda row: fetch.releases(*row, rows["cap"]), rows["packages"].items())
            kept.write_text(json.dumps(dict(zip(rows["packages"], chosen))))
    packages = json.loads(kept.read_text())
    return [(name, version, None) for name, versions in packages.items() for version in versions]


def sources(releases, locked):
    """The source archives to read beside wheels that leave their Cython sources out: of the newest release."""
    if locked:
        return {(name, version): row["source"] for name, version, row in releases if "source" in row}
    newest = {name: version for name, version, _ in releases}
    rows = tomllib.loads((HERE / "packages.toml").read_text())["packages"]
    return {(name, version): None for name, version in newest.items() if rows[name].get("source")}


def collect(releases, beside):
    """The records of all releases that have a wheel, in order and as they come; sources are in the cache by then."""
    kept = {release[:2]: fetch.known(release, CACHE) for release in releases}
    missing = [release for release in releases if kept[release[:2]] is None]
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            coming = {}
            for python, batch in fetch.batches(missing):
                future = pool.submit(fetch.fetch, batch, python, CACHE)
                coming.update({release[:2]: future for release in batch})
            for name, version, _ in releases:
                record = kept[name, version] or coming[name, version].result()[name]
                if record["file"]:
                    if (name, version) in beside:
                        record |= {"source": sdist.cython((name, version, beside[name, version]), CACHE)}
                    yield record
                else:
                    print(f"{name} {version} has no wheel", file=sys.stderr)
        finally:
            pool.shutdown(cancel_futures=True)


def read(record):
    """A record with names, bases and counts of the sources of its release; kept until these scripts change."""
    path = CACHE / f"{record['package']}-{record['version']}.zip"
    source = record.get("source")
    of = f"{source['sha256'][:12]}.{READER}" if source else READER
    kept = path.with_name(f"{path.stem}.{of}.names.json")
    if not kept.exists():
        part = kept.with_suffix(".part")
        part.write_text(json.dumps(table.release(path, path.with_suffix(".cython.zip") if source else None)))
        part.rename(kept)
    return record, json.loads(kept.read_text())


def package(key):
    """The package that a key is in."""
    return key.split(" ")[0].split(".")[0]


def reviewed(names):
    """Applies `reviewed.toml`: what people found when they read the lists."""
    rows = tomllib.loads((HERE / "reviewed.toml").read_text())
    for key, reason in rows["judged"].items():
        number = REASONS.index(reason) + 1
        names[key] = names[key] & (table.CLASS | table.FUNCTION | table.COMPILED) | number << table.CALLED_SHIFT | number << table.RESTORED_SHIFT
    for key in rows["addresses"]:
        number = REASONS.index("connects") + 1
        names[key] = table.FUNCTION | table.ADDRESS | number << table.CALLED_SHIFT | number << table.RESTORED_SHIFT
    for key in rows["stored"]:
        names.setdefault(key, table.STORED)
    for part, shift in (("called", table.CALLED_SHIFT), ("restored", table.RESTORED_SHIFT)):
        for pattern, reason in rows[part].items():
            for key in filter(re.compile(pattern).fullmatch, names):
                names[key] = table.merge(names[key], (REASONS.index(reason) + 1) << shift)
    for key in filter(re.compile("|".join(rows["text"])).fullmatch, names):
        if names[key] & table.VALUE:
            names[key] = table.merge(names[key], table.EXECUTES << table.CALLED_SHIFT | table.EXECUTES << table.RESTORED_SHIFT | table.TEXT)
    for key in filter(re.compile(rows["native"]).match, names):
        if names[key] & table.COMPILED or package(key) in rows["native_packages"]:
            names[key] = table.merge(names[key], (REASONS.index("opens files") + 1) << table.CALLED_SHIFT)
    for key in filter(re.compile(rows["cleared"]).match, names):
        names[key] &= table.CLASS | table.FUNCTION | table.COMPILED
    for key in filter(re.compile(rows["compared"]).match, names):
        names[key] = names[key] & ~(7 << table.RESTORED_SHIFT)
    for key in [key for key in names if key in rows["left_out"] or package(key) in rows["no_packages"]]:
        del names[key]


def write_lists(names):
    """The lists for people."""
    def word(reason, value):
        text = value & table.TEXT and reason == len(REASONS)
        return ["", *REASONS][reason] + (" if it is given as text" if text else "")

    judged = ["name\tcalling it\trestoring it"]
    functions = ["name\tcalling it"]
    for key in sorted(names):
        called, restored = table.reasons(names[key])
        if names[key] & table.FUNCTION:
            functions.append(f"{key}\t{word(called, names[key])}")
        elif names[key] & table.CLASS and (called or restored):
            judged.append(f"{key}\t{word(called, names[key])}\t{word(restored, names[key])}")
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


def report(records):
    """Says what of the Cython sources was read, by package."""
    rows = {}
    for record in records:
        for key, number in record.get("cython", {}).items():
            row = rows.setdefault(record["package"], {})
            row[key] = row.get(key, 0) + number
    for name, row in sorted(rows.items()):
        print(f"{name}: {row['files']} Cython sources, {row['read']} functions read, {row['unread']} not,",
              f"{row['not included']} files not included")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--locked", action="store_true", help="read the releases of sources.json")
    arguments = parser.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    for stale in CACHE.glob("tmp*"):
        # A run that was interrupted left it.
        shutil.rmtree(stale)
    records, names, called, restored = [], {}, {}, {}
    # Wheels are read while the next are fetched. A process that has read a few releases is replaced: its memory does
    # not shrink.
    with multiprocessing.get_context("forkserver").Pool(maxtasksperchild=6) as pool:
        releases = plan(arguments.locked)
        for record, (found, bases, counts) in pool.imap(read, collect(releases, sources(releases, arguments.locked))):
            records.append(record | {"names": len(found)} | counts)
            for key, value in found.items():
                names[key] = table.merge(names.get(key, 0), value)
            for kept, outer in zip((called, restored), bases):
                for key, value in outer.items():
                    kept.setdefault(key, set()).update(value)
    table.inherit(names, called, table.CALLED_SHIFT)
    table.inherit(names, restored, table.RESTORED_SHIFT)
    table.settle(names)
    reviewed(names)
    write_lists(names)
    text = ",\n".join(json.dumps(record, sort_keys=True) for record in records)
    (DATA / "sources.json").write_text(f"[\n{text}\n]\n")
    report(records)
    write_table(names, records)
    for done in CACHE.glob("plan.*.json"):
        done.unlink()


if __name__ == "__main__":
    main()
