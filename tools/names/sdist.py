"""Source archives, for releases without wheels.

`pip` runs the build script of a source archive even to read its version, so these come without it: the index says where
the archive is and what its digest is. It is read member by member, and nothing in it runs.
"""

import hashlib
import html
import json
import os
import re
import ssl
import tarfile
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path

import native

INDEX = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple").rstrip("/")
SOURCES = (".py", ".pyi", ".pyx", ".pxd")
CYTHON = (".pyx", ".pxi")
# Archives above this hold other languages' code.
LARGEST = 100_000_000
LARGEST_MEMBER = 8_000_000
TRIES = 4
# Folders around packages, and folders beside them that are no packages.
AROUND = re.compile(r"^(src|lib|python|python-package|py)/")
# The sources of a package that is a part of a larger project.
DEEP = re.compile(r"^.*/python-package/")
BESIDE = re.compile(r"(tests?|docs?|examples?|benchmarks?|scripts?|tools?|build|bin|csrc|op_builder|setup\w*|conftest)$")


def get(address):
    """The bytes at an address, None if there are none or too many."""
    for turn in range(TRIES):
        try:
            with urllib.request.urlopen(address, timeout=180, context=ssl.create_default_context()) as answer:
                data = answer.read(LARGEST + 1)
                return data if len(data) <= LARGEST else None
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
        except OSError:
            pass
        time.sleep(2 ** turn)
    raise OSError(f"{address} cannot be had")


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def find(package, version):
    """Address, name and SHA-256 of the source archive of a release, None if the index has none."""
    page = f"{INDEX}/{normal(package)}/"
    for link in re.findall(r'href="([^"]+)"', (get(page) or b"").decode(errors="replace")):
        address, _, digest = urllib.parse.urljoin(page, html.unescape(link)).partition("#sha256=")
        file = urllib.parse.unquote(address.rsplit("/", 1)[1])
        stem = re.sub(r"\.(tar\.gz|zip)$", "", file)
        if stem != file and re.fullmatch(r"[\w.+-]+", file) and normal(stem) == normal(f"{package}-{version}"):
            return address, file, digest
    return None


def fetch(package, version, folder, locked):
    """The source archive of a release in `folder`, None if it has none or one that is too large."""
    found = find(package, version)
    data = get(found[0]) if found else None
    if data is None:
        return None
    if hashlib.sha256(data).hexdigest() != (locked or {}).get("sha256", found[2]):
        raise OSError(f"{found[1]} has another digest")
    path = folder / found[1]
    path.write_bytes(data)
    return path


def cython(release, cache):
    """The record of the source archive of a release whose wheel leaves the Cython sources out, which are kept."""
    package, version, locked = release
    target = cache / f"{package}-{version}.cython.zip"
    record = target.with_suffix(".json")
    if record.exists():
        entry = json.loads(record.read_text())
        if locked is None or entry["sha256"] == locked["sha256"]:
            return entry
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        path = fetch(package, version, Path(folder), locked)
        if path is None:
            raise OSError(f"{package} {version} has no source archive")
        data = path.read_bytes()
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            for name, text in sorted(members(path, CYTHON)):
                archive.writestr(AROUND.sub("", DEEP.sub("", name)), text)
    entry = {"file": path.name, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    record.write_text(json.dumps(entry))
    return entry


def members(path, endings=(*SOURCES, "top_level.txt")):
    """Path below the archive's own folder and bytes of each source and list of packages."""
    def wanted(name, size):
        return size < LARGEST_MEMBER and name.endswith(endings)

    if path.name.endswith(".zip"):
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if wanted(member.filename, member.file_size):
                    yield member.filename.partition("/")[2], archive.read(member)
        return
    with tarfile.open(path, "r:gz") as archive:
        for member in archive:
            if member.isfile() and wanted(member.name, member.size):
                yield member.name.removeprefix("./").partition("/")[2], archive.extractfile(member).read()


def packages(names):
    """The packages at the top of an archive that does not list them."""
    return {name.removesuffix("/__init__.py") for name in names if re.fullmatch(r"\w+/__init__\.py", name)}


def reduce(path, target):
    """Keeps the sources of the packages of a source archive, as a wheel would have them."""
    kept, tops = {}, set()
    for name, data in members(path):
        name = AROUND.sub("", name)
        if name.endswith(SOURCES):
            kept[name] = data
        elif ".egg-info/" in name:
            tops |= set(data.decode(errors="replace").split())
    tops = {top for top in tops or packages(kept) if not BESIDE.match(top)}
    symbols = {}
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, data in sorted(kept.items()):
            if re.split(r"[/.]", name)[0] in tops:
                archive.writestr(name, data)
                if name.endswith(".pyx"):
                    symbols[name.removesuffix(".pyx").replace("/", ".")] = native.classes(data.decode(errors="replace"))
        archive.writestr("extensions.json", json.dumps(symbols, sort_keys=True))
