"""Builds the wheel, for pip and all that call it (PEP 517): from a program that is there already, or by Maturin.

MODELAUDIT_PROGRAM names that program. It is packed as it is, in a second and without any other package, so that a machine
that has neither compiler nor network can install it. Without the variable, Maturin compiles the source.
"""

import base64
import hashlib
import os
import pathlib
import re
import sysconfig
import zipfile

MATURIN = "maturin>=1.9,<2"
ROOT = pathlib.Path(__file__).resolve().parents[2]


def program():
    name = os.environ.get("MODELAUDIT_PROGRAM")
    return pathlib.Path(name) if name else None


def maturin():
    import maturin

    return maturin


def get_requires_for_build_wheel(config_settings=None):
    return [] if program() else [MATURIN]


def get_requires_for_build_sdist(config_settings=None):
    return [MATURIN]


def build_sdist(sdist_directory, config_settings=None):
    return maturin().build_sdist(sdist_directory, config_settings)


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    if program():
        return pack(program(), pathlib.Path(wheel_directory))
    return maturin().build_wheel(wheel_directory, config_settings, metadata_directory)


def field(file, name):
    """A string of a TOML file, by the first line that sets it. The parser of the standard library is newer than some
    interpreters that install this."""
    found = re.search(rf'^{name} = "([^"]*)"$', (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
    return found.group(1)


def digest(content):
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def pack(source, folder):
    """A wheel of the program for the system that runs this. Equal programs give equal wheels."""
    name, version = field("pyproject.toml", "name"), field("Cargo.toml", "version")
    stem = f"{name.replace('-', '_')}-{version}"
    platform = re.sub("[-.]", "_", sysconfig.get_platform())
    info, scripts = f"{stem}.dist-info", f"{stem}.data/scripts"
    suffix = ".exe" if platform.startswith("win") else ""
    summary, minimum = field("pyproject.toml", "description"), field("pyproject.toml", "requires-python")
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: {summary}\nRequires-Python: {minimum}\n"
    wheel = f"Wheel-Version: 1.0\nGenerator: modelaudit\nRoot-Is-Purelib: false\nTag: py3-none-{platform}\n"
    files = [
        (f"{scripts}/modelaudit{suffix}", 0o755, source.read_bytes()),
        (f"{info}/licenses/LICENSE", 0o644, (ROOT / "LICENSE").read_bytes()),
        (f"{info}/licenses/NOTICE", 0o644, (ROOT / "NOTICE").read_bytes()),
        (f"{info}/METADATA", 0o644, metadata.encode()),
        (f"{info}/WHEEL", 0o644, wheel.encode()),
    ]
    record = "".join(f"{path},sha256={digest(content)},{len(content)}\n" for path, _, content in files)
    files.append((f"{info}/RECORD", 0o644, f"{record}{info}/RECORD,,\n".encode()))
    result = f"{stem}-py3-none-{platform}.whl"
    with zipfile.ZipFile(folder / result, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path, mode, content in files:
            member = zipfile.ZipInfo(path)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = (0o100000 | mode) << 16
            archive.writestr(member, content)
    return result
