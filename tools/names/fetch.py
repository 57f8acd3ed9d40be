"""Wheels of a package over a range of versions, reduced to the parts that name classes.

Everything comes through `pip`: `pip index versions` says which releases exist, `pip download` gets one wheel of each.
A wheel is never installed and nothing in it runs. What is kept, in `.cache/names/`, is a zip of its sources and of the
class names found in its extension modules; the wheel itself is deleted.
"""

import hashlib
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import binary

# Wheels for macOS are the smallest builds of the large frameworks: they carry no CUDA libraries.
PLATFORMS = ["macosx_14_0_arm64", "macosx_12_0_arm64", "macosx_11_0_arm64", "macosx_10_9_x86_64",
             "macosx_10_9_universal2", "macosx_10_6_intel", "macosx_10_15_x86_64", "macosx_10_13_x86_64"]
OTHERS = ["win_amd64", "manylinux2014_x86_64", "manylinux_2_28_x86_64", "manylinux1_x86_64", "manylinux_2_17_x86_64"]
PYTHONS = ["3.11", "3.8", "3.6", "3.13"]
SOURCES = (".py", ".pyi", ".pyx", ".pxd")
EXTENSIONS = (".so", ".pyd")
# Extension modules above this are frameworks' kernels; their classes are in stubs.
LARGEST_EXTENSION = 80_000_000


def pip(*args):
    command = [sys.executable, "-m", "pip", "--no-input", *args]
    return subprocess.run(command, capture_output=True, text=True, check=False)


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


def releases(package, row, cap):
    """The versions to read, oldest first."""
    answer = pip("index", "versions", package, "--ignore-requires-python")
    match = re.search(r"Available versions: (.*)", answer.stdout)
    known = match[1].split(", ") if match else []
    if "versions" in row:
        newest = series(known, {"from": row.get("from", "0")}, 2)[-1:]
        return row["versions"] + [version for version in newest if version not in row["versions"]]
    return series(known, row, cap)


def download(package, version, folder):
    """One wheel, or None if there is none."""
    for platforms in (PLATFORMS, OTHERS):
        for python in PYTHONS:
            flags = [flag for platform in platforms for flag in ("--platform", platform)]
            answer = pip("download", "--no-deps", "--only-binary", ":all:", "--ignore-requires-python", "--quiet",
                         "--dest", folder, "--python-version", python, *flags, f"{package}=={version}")
            wheels = list(Path(folder).glob("*.whl"))
            if answer.returncode == 0 and wheels:
                return wheels[0]
    return None


def reduce(wheel, target):
    """Keeps the sources of a wheel and the names in its extension modules."""
    names = {}
    with zipfile.ZipFile(wheel) as archive, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as kept:
        for member in archive.infolist():
            path = re.sub(r"^[^/]+\.data/(purelib|platlib)/", "", member.filename)
            if path.endswith(SOURCES) and member.file_size < 8_000_000:
                kept.writestr(path, archive.read(member))
            elif path.endswith(EXTENSIONS) and member.file_size < LARGEST_EXTENSION:
                module = path.replace("/", ".").split(".cpython-")[0].split(".cp3")[0].split(".cp2")[0]
                module = re.sub(r"(\.abi3)?\.(so|pyd)$", "", module)
                found = binary.classes(module, archive.read(member))
                if found:
                    names[module] = found
        kept.writestr("extensions.json", json.dumps(names, sort_keys=True))


def fetch(package, version, cache):
    """The record of one release; its sources are in the cache afterwards. None if it has no wheel."""
    target = cache / f"{package}-{version}.zip"
    record = cache / f"{package}-{version}.json"
    if record.exists():
        return json.loads(record.read_text())
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        wheel = download(package, version, folder)
        if wheel is None:
            entry = {"package": package, "version": version, "file": None}
        else:
            digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
            entry = {"package": package, "version": version, "file": wheel.name, "sha256": digest,
                     "bytes": wheel.stat().st_size}
            reduce(wheel, target)
    record.write_text(json.dumps(entry))
    return entry
