"""Wheels of a package over a range of versions, reduced to the parts that name classes.

They come through `pip`: `pip index versions` says which releases exist, `pip download` gets one wheel of each. A release
without wheels is read from its source archive (`sdist.py`). A wheel is never installed and nothing in it runs. What is
kept, in `.cache/names/`, is a zip of its sources and of the symbols found in its extension modules; the wheel itself is
deleted. A run that was interrupted goes on where it stopped: a release counts as read once its record stands beside the
zip.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import binary
import sdist

# Best first. Wheels for macOS are the smallest builds of the large frameworks: they carry no CUDA libraries.
PLATFORMS = ["macosx_14_0_arm64", "macosx_12_0_arm64", "macosx_11_0_arm64", "macosx_10_9_x86_64",
             "macosx_10_9_universal2", "macosx_10_6_intel", "macosx_10_15_x86_64", "macosx_10_13_x86_64", "win_amd64",
             "manylinux2014_x86_64", "manylinux_2_28_x86_64", "manylinux1_x86_64", "manylinux_2_17_x86_64"]
PYTHONS = ["3.11", "3.8", "3.6", "3.13", "3.5"]
EXTENSIONS = (".so", ".pyd")
# Extension modules above this are frameworks' kernels; their classes are in stubs.
LARGEST_EXTENSION = 80_000_000
# What pip says if an index answered and has no such wheel; anything else is a failure to be tried again.
ABSENT = "No matching distribution found"
TRIES = 4
# Releases that one call gets: starting pip takes longer than most downloads.
BATCH = 8


class Failure(Exception):
    """pip failed for another reason than that there is nothing to get."""


def pip(*args):
    """Runs pip against the index alone: wheels that this machine keeps for itself would not be the locked ones."""
    command = [sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check", *args]
    environment = {key: value for key, value in os.environ.items() if key != "PIP_FIND_LINKS"}
    for turn in range(TRIES):
        answer = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if answer.returncode == 0 or ABSENT in answer.stderr:
            return answer
        time.sleep(2 ** turn)
    raise Failure(f"pip {' '.join(args)}\n{answer.stderr}")


def parsed(version):
    """The numbers of a final release, None for any other."""
    match = re.fullmatch(r"(\d+(?:\.\d+)*)(\.post\d+)?", version)
    if not match:
        return None
    return tuple(int(part) for part in match[1].split("."))


def series(versions, row, cap):
    """The last release of each series, thinned to `cap`."""
    first = parsed(row["from"]) if "from" in row else ()
    width = 1 if row.get("by") == "major" else 2
    last = {}
    for version in versions:
        numbers = parsed(version)
        if numbers and numbers >= first:
            key = numbers[:width]
            if key not in last or numbers > parsed(last[key]):
                last[key] = version
    chosen = [last[key] for key in sorted(last)]
    cap = row.get("cap", cap)
    if len(chosen) <= cap or cap < 2:
        return chosen[-cap:]
    step = (len(chosen) - 1) / (cap - 1)
    return [chosen[round(place * step)] for place in range(cap)]


def versions(answer):
    """What `pip index versions` lists, newest first."""
    match = re.search(r"Available versions: (.*)", answer.stdout)
    return match[1].split(", ") if match else []


def releases(package, row, cap):
    """The versions to read, oldest first."""
    answer = pip("index", "versions", package, "--ignore-requires-python")
    known = versions(answer)
    if "versions" in row:
        newest = series(known, {"from": row.get("from", "0")}, 2)[-1:]
        return row["versions"] + [version for version in newest if version not in row["versions"]]
    return series(known, row, cap)


def targets(platforms):
    return [flag for platform in platforms for flag in ("--platform", platform)]


def python_of(file):
    """The Python that a wheel is for, None for a source archive."""
    if not file.endswith(".whl"):
        return None
    tag = file.removesuffix(".whl").split("-")[-3].split(".")[-1]
    digits = re.match(r"[a-z]+(\d)(\d*)", tag)
    # `py3` is for every Python 3.
    return f"{digits[1]}.{digits[2] or PYTHONS[0].partition('.')[2]}"


def batches(releases):
    """Releases that one call of pip can get: each of another package; locked ones of one Python."""
    batches = []
    for release in releases:
        python = python_of(release[2]["file"]) if release[2] else None
        for other, batch in batches:
            if other == python and len(batch) < BATCH and release[0] not in batch:
                break
        else:
            batch = {}
            batches.append((python, batch))
        batch[release[0]] = release
    return [(python, list(batch.values())) for python, batch in batches]


def attempt(releases, python, folder):
    """Gets the wheels of a batch, or says which package has none for this Python. pip compares digests of locked ones."""
    lines = []
    for package, version, locked in releases:
        lines.append(f"{package}=={version}" + (f" --hash=sha256:{locked['sha256']}" if locked else ""))
    demand = Path(folder) / "requirements.txt"
    demand.write_text("\n".join(lines))
    answer = pip("download", "--no-deps", "--only-binary", ":all:", "--ignore-requires-python", "--quiet",
                 "--no-cache-dir", "--dest", folder, "--python-version", python, *targets(PLATFORMS),
                 "--requirement", str(demand))
    absent = re.search(ABSENT + r" for (\S+)==", answer.stderr) if answer.returncode else None
    return sdist.normal(absent[1]) if absent else None


def download(releases, python, folder):
    """The wheels of a batch by normalised package name, for one Python or for the first that has one."""
    for python in [python] if python else PYTHONS:
        waiting, refused = releases, []
        while waiting and (absent := attempt(waiting, python, folder)):
            refused += [release for release in waiting if sdist.normal(release[0]) == absent]
            waiting = [release for release in waiting if sdist.normal(release[0]) != absent]
        releases = refused
        if not releases:
            break
    return {sdist.normal(wheel.name.split("-")[0]): wheel for wheel in Path(folder).glob("*.whl")}


def archives(releases, python, folder):
    """The wheels of a batch, and source archives where there are no wheels."""
    wheels = [release for release in releases if is_wheel(release)]
    found = download(wheels, python, folder) if wheels else {}
    for release in releases:
        package, version, locked = release
        if sdist.normal(package) not in found and not (locked and is_wheel(release)):
            archive = sdist.fetch(package, version, folder, locked)
            found |= {sdist.normal(package): archive} if archive else {}
    return found


def reduce(wheel, target):
    """Keeps the sources of a wheel and the symbols of its extension modules."""
    symbols = {}
    with zipfile.ZipFile(wheel) as archive, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as kept:
        for member in archive.infolist():
            path = re.sub(r"^[^/]+\.data/(purelib|platlib)/", "", member.filename)
            if path.endswith(sdist.SOURCES) and member.file_size < 8_000_000:
                kept.writestr(path, archive.read(member))
            elif path.endswith(EXTENSIONS) and member.file_size < LARGEST_EXTENSION:
                module = path.replace("/", ".").split(".cpython-")[0].split(".cp3")[0].split(".cp2")[0]
                module = re.sub(r"(\.abi3)?\.(so|pyd)$", "", module)
                symbols[module] = binary.symbols(module, archive.read(member))
        kept.writestr("extensions.json", json.dumps(symbols, sort_keys=True))


def is_wheel(release):
    """True if a release may have a wheel: it is not known to have none."""
    return release[2] is None or release[2]["file"].endswith(".whl")


def known(release, cache):
    """The record of a release that is in the cache already."""
    package, version, locked = release
    record = cache / f"{package}-{version}.json"
    if not record.exists():
        return None
    entry = json.loads(record.read_text())
    return entry if locked is None or entry.get("sha256") == locked["sha256"] else None


def fetch(releases, python, cache):
    """The records of a batch, by package; the sources are in the cache afterwards."""
    entries = {}
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        found = archives(releases, python, Path(folder))
        for package, version, locked in releases:
            wheel = found.get(sdist.normal(package))
            if wheel is None and locked:
                raise Failure(f"{locked['file']} cannot be had again")
            entry = {"package": package, "version": version, "file": None}
            if wheel is not None:
                with wheel.open("rb") as data:
                    digest = hashlib.file_digest(data, "sha256").hexdigest()
                entry |= {"file": wheel.name, "sha256": digest, "bytes": wheel.stat().st_size}
                target = cache / f"{package}-{version}.zip"
                if wheel.suffix == ".whl":
                    reduce(wheel, target)
                else:
                    sdist.reduce(wheel, target)
                wheel.unlink()
            part = Path(folder) / "record"
            part.write_text(json.dumps(entry))
            part.rename(cache / f"{package}-{version}.json")
            entries[package] = entry
    return entries
