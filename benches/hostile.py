"""Small files that stand for very much: processor time and peak memory of a scan with the default limits.

Prints a table like that of docs/performance.md. The files are made in a temporary folder and removed. Standard library
only; the peak is read from /proc. Usage: python3 benches/hostile.py [BINARY]
"""

import gzip
import io
import json
import lzma
import os
import pathlib
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
import zlib

HERE = pathlib.Path(__file__).resolve().parent
BINARY = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent / "target/release/modelaudit"
DATE = (1980, 1, 1, 0, 0, 0)
MANY = 1_000_000


def local(name, data=b""):
    fixed = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 0, 0, 33, zlib.crc32(data), len(data), len(data), len(name), 0)
    return fixed + name + data


def central(name, at, data=b""):
    sizes = (zlib.crc32(data), len(data), len(data), len(name))
    return struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 33, *sizes, 0, 0, 0, 0, 0, at) + name


def ended(records, directory, count):
    count = min(count, 65_535)
    return records + directory + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, len(directory), len(records), 0)


def zipped(members):
    """A zip of stored members."""
    records, directory, at = [], [], 0
    for name, data in members:
        records.append(local(name, data))
        directory.append(central(name, at, data))
        at += len(records[-1])
    return ended(b"".join(records), b"".join(directory), len(records))


def deflated(members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name, DATE), data, zipfile.ZIP_DEFLATED, 9)
    return out.getvalue()


def packed(data, times=1):
    for _ in range(times):
        data = gzip.compress(data, 9, mtime=0)
    return data


def nested(inner, wide, levels):
    for _ in range(levels):
        inner = deflated([(f"{n}.zip", inner) for n in range(wide)])
    return inner


def zeros(gigabytes):
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", mtime=0) as archive:
        for _ in range(gigabytes * 64):
            archive.write(bytes(1 << 24))
    return out.getvalue()


def tar_of(headers):
    return b"".join(headers) + bytes(1024)


def tar_header(name, size=0, kind=b"0"):
    head = bytearray(512)
    for at, field in ((0, name), (100, b"0000644"), (124, b"%011o" % size), (136, b"0" * 11), (156, kind), (257, b"ustar  ")):
        head[at:at + len(field)] = field
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head)


def long_named(n):
    name = b"n" * 60_000 + b"%07d\0" % n
    return tar_header(b"././@LongLink", len(name), b"L") + name + bytes(-len(name) % 512) + tar_header(b"%07d" % n)


def cpio(n):
    name = b"%07d.bin\0" % n
    head = b"070701" + b"%08X" % n + b"000081A4" + b"0" * 16 + b"00000001" + b"0" * 8 + b"00000001" + b"0" * 32
    head += b"%08X" % len(name) + b"0" * 8 + name
    return head + bytes(-len(head) % 4) + b"x\0\0\0"


def ar(n):
    return b"%-16s0           0     0     100644  1         `\nx\n" % (b"%07d.o/" % n)


def image(documents):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in documents.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def manifests(count):
    listed = [{"digest": f"sha256:{n:x}"} for n in range(count)]
    index = json.dumps({"schemaVersion": 2, "manifests": listed}, separators=(",", ":")).encode()
    return image({"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": index})


def number(n):
    for more in range(8):
        if n < 1 << 7 * (more + 1):
            return bytes([0xff << (8 - more) & 0xff | n >> 8 * more]) + (n & (1 << 8 * more) - 1).to_bytes(more, "little")
    return b"\xff" + n.to_bytes(8, "little")


def sevenz(header):
    """A 7z archive whose header is packed."""
    raw = lzma.compress(header, lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 24}])
    coder = b"\x07\x0b\1\0\1\x21\x21\1\x18\x0c" + number(len(header)) + b"\0\0"
    outer = b"\x17\x06\0\1\x09" + number(len(raw)) + b"\0" + coder
    start = struct.pack("<QQI", len(raw), len(outer), zlib.crc32(outer))
    return b"7z\xbc\xaf\x27\x1c\0\x04" + struct.pack("<I", zlib.crc32(start)) + start + raw + outer


def empty_files(count):
    names = "".join(f"{n:07}\0" for n in range(count)).encode("utf-16le")
    marks = b"\xff" * ((count + 7) // 8)
    listing = b"\x0e" + number(len(marks)) + marks + b"\x11" + number(len(names) + 1) + b"\0" + names
    return sevenz(b"\1\5" + number(count) + listing + b"\0\0")


def folders(count, coders):
    bonds = b"".join(number(n) + number(n + 1) for n in range(coders - 1))
    folder = number(coders) + b"\1\0" * coders + bonds
    streams = b"\6\0" + number(count) + b"\x09" + b"\1" * count + b"\0"
    streams += b"\7\x0b" + number(count) + b"\0" + folder * count + b"\x0c" + b"\1" * count * coders + b"\0\0"
    names = b"\x11" + number(2 * count + 1) + b"\0" + bytes(2 * count)
    return sevenz(b"\1\4" + streams + b"\5" + number(count) + names + b"\0\0")


def cases():
    one, full = (b"a.pkl", b"x"), 199_000
    yield "gzip of gzip: zip of a million equal entries", "gz", lambda: packed(
        ended(local(b"a.pkl"), central(b"a.pkl", 0) * MANY, MANY), 2)
    yield "gzip of zip of five zips of 199,000 members", "gz", lambda: packed(
        deflated([(f"{n}.zip", zipped([one] * full)) for n in range(5)]))
    yield "zip of 199,000 contents under one name", "zip", lambda: zipped([(b"a.pkl", b"%06d" % n) for n in range(full)])
    yield "zip of 199,000 empty members", "zip", lambda: zipped([(b"%07d.bin" % n, b"") for n in range(full)])
    yield "gzip of zip: 199,000 names of 606 bytes", "gz", lambda: packed(
        zipped([(b"n" * 600 + b"%06d" % n, b"") for n in range(full)]))
    yield "gzip of zip: 2,000 names of 60,006 bytes", "gz", lambda: packed(
        zipped([(b"n" * 60_000 + b"%06d" % n, b"") for n in range(2000)]))
    yield "ten levels of zips, 16 wide", "zip", lambda: nested(deflated([("0.pkl", b"\x80\4N.")]), 16, 10)
    yield "gzip of 10 GiB of zeros", "gz", lambda: zeros(10)
    yield "gzip of tar of a million empty members", "gz", lambda: packed(
        tar_of(tar_header(b"%07d.bin" % n) for n in range(MANY)))
    yield "gzip of tar: 8,000 names of 60,007 bytes", "gz", lambda: packed(tar_of(long_named(n) for n in range(8000)))
    yield "gzip of cpio of a million members", "gz", lambda: packed(b"".join(cpio(n) for n in range(MANY)))
    yield "gzip of ar of a million members", "gz", lambda: packed(b"!<arch>\n" + b"".join(ar(n) for n in range(MANY)))
    yield "OCI index of 600,000 manifests", "tar", lambda: manifests(600_000)
    yield "OCI index of 120,000 manifests", "tar", lambda: manifests(120_000)
    yield "7z header of 990,000 files", "7z", lambda: empty_files(990_000)
    yield "7z header of 131,000 folders", "7z", lambda: folders(131_000, 1)
    yield "7z header of 8,000 folders of 32 coders", "7z", lambda: folders(8000, 32)


def run(path):
    """Processor seconds, peak memory in MiB, status and reason."""
    report = path.with_suffix(".json")
    command = [str(BINARY), "scan", "--no-config", "--no-progress", "-q", "-f", "json", "-o", str(report), str(path)]
    before, peak = os.times(), 0.0
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while child.poll() is None:
        try:
            status = pathlib.Path(f"/proc/{child.pid}/status").read_text()
            if f"Name:\t{BINARY.name[:15]}\n" in status:
                lines = (line.split() for line in status.splitlines())
                peak = max([peak, *(int(words[1]) / 1024 for words in lines if words[0] == "VmHWM:")])
        except OSError:
            pass
        time.sleep(0.002)
    after = os.times()
    coverage = json.loads(report.read_text())["coverage"][0]
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return spent, peak, coverage["status"]


def main():
    print("| file | bytes | processor seconds | peak MiB | read |\n|---|---:|---:|---:|---|")
    with tempfile.TemporaryDirectory(prefix="modelaudit-bench-") as folder:
        for name, extension, make in cases():
            path = pathlib.Path(folder) / f"target.{extension}"
            path.write_bytes(make())
            seconds, peak, status = run(path)
            print(f"| {name} | {path.stat().st_size:,} | {seconds:.1f} | {peak:.0f} | {status} |", flush=True)
            path.unlink()


main()
