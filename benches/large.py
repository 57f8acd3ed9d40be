"""Whole runs on two-gigabyte models beside `cat` and `openssl dgst -sha256`, on the same files in the same run.

Prints the table of docs/performance.md. The files are made in a temporary folder and removed. Standard library only.
Usage: python3 benches/large.py [GIGABYTES] [ROUNDS]
"""

import json
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zipfile

BINARY = pathlib.Path(__file__).resolve().parent.parent / "target/release/modelaudit"
SIZE = int(float(sys.argv[1]) * 2**30) if len(sys.argv) > 1 else 2 * 2**30
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 3
BLOCK = random.Random(7).randbytes(8 << 20)


def blocks(size):
    while size > 0:
        yield BLOCK[: min(size, len(BLOCK))]
        size -= len(BLOCK)


def safetensors(path):
    count = 64
    each = SIZE // count
    header = {f"layer.{i}.weight": {"dtype": "U8", "shape": [each], "data_offsets": [i * each, (i + 1) * each]} for i in range(count)}
    text = json.dumps(header).encode()
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for block in blocks(each * count):
            out.write(block)


def torch(path):
    """A checkpoint as torch.save writes it: a dictionary of one-dimensional byte tensors."""
    count = 16
    each = SIZE // count

    def text(s):
        return b"X" + struct.pack("<I", len(s)) + s.encode()

    def number(n):
        return b"\x8a\x08" + struct.pack("<q", n)

    body = b"\x80\x02}("
    for i in range(count):
        storage = b"(" + text("storage") + b"ctorch\nByteStorage\n" + text(str(i)) + text("cpu") + number(each) + b"tQ"
        call = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\0(" + number(each) + b"t(K\x01t\x89ccollections\nOrderedDict\n)RtR"
        body += text(f"layer.{i}.weight") + call
    body += b"u."
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as out:
        out.writestr("archive/data.pkl", body)
        out.writestr("archive/version", "3\n")
        for i in range(count):
            with out.open(zipfile.ZipInfo(f"archive/data/{i}"), "w", force_zip64=True) as member:
                for block in blocks(each):
                    member.write(block)


def run(command):
    """Best wall time of some rounds in seconds, and peak memory in MiB, of a command that is expected to exit 0."""
    best, peak = float("inf"), 0
    for _ in range(ROUNDS):
        start = time.perf_counter()
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if child.wait():
            sys.exit(f"{command} failed")
        best = min(best, time.perf_counter() - start)
    # A run of its own: looking at its memory takes time. The kernel's own figure for a child would include this program.
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while child.poll() is None:
        try:
            status = pathlib.Path(f"/proc/{child.pid}/status").read_text()
            name = next(line.split()[1] for line in status.splitlines() if line.startswith("Name:"))
            if name == pathlib.Path(command[0]).name:
                peak = max(peak, *(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM:")), 0)
        except (OSError, StopIteration):
            pass
    return best, peak


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="modelaudit-bench-"))
    try:
        print(f"| file | run | seconds | GB/s | to `cat` | to `openssl` | peak MiB |\n|---|---|---:|---:|---:|---:|---:|")
        for name, write in [("model.safetensors", safetensors), ("model.pt", torch)]:
            path = folder / name
            write(path)
            size = path.stat().st_size
            run(["cat", str(path)])
            cat, _ = run(["cat", str(path)])
            openssl, _ = run(["openssl", "dgst", "-sha256", str(path)])
            rows = [
                ("`cat`", cat, 0),
                ("`openssl dgst -sha256`", openssl, 0),
                ("digest and executables", *run([str(BINARY), "scan", "--jobs", "1", str(path)])),
                ("structure only", *run([str(BINARY), "scan", "--jobs", "1", "--skip-payload", str(path)])),
            ]
            for label, seconds, peak in rows:
                memory = f"{peak:.1f}" if peak else ""
                print(f"| {name} | {label} | {seconds:.4f} | {size / seconds / 1e9:.2f} | {seconds / cat:.2f} | {seconds / openssl:.2f} | {memory} |")
            path.unlink()
        tiny = folder / "tiny.pkl"
        tiny.write_bytes(b"\x80\x04]\x94(" + b"K\x01" * 500 + b"e.")
        global ROUNDS
        ROUNDS = 50
        seconds, peak = run([str(BINARY), "scan", str(tiny)])
        print(f"| tiny.pkl (1 KB) | cold start | {seconds:.4f} | | | | {peak:.1f} |")
    finally:
        shutil.rmtree(folder)


main()
