"""Many archives, and archives of many members: time against their number, and peak memory.

Prints a table like that of docs/performance.md. The files are made in a temporary folder and removed. Standard library
only. Usage: python3 benches/archives.py [BINARY]
"""

import io
import pathlib
import random
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
BINARY = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent / "target/release/modelaudit"
ROUNDS = 3
DATE = (2020, 1, 1, 0, 0, 0)
# A dictionary of one string.
PICKLE = b"\x80\x02}X\x04\0\0\0noteX\x12\0\0\0modelaudit-fixtures."
NOISE = random.Random(7).randbytes(1 << 20)


def small_archives(folder, count):
    """A folder of archives, in turn zip, tar.gz and tar, each with a pickle and a text."""
    for n in range(count):
        path = folder / f"{n:05}"
        if n % 3 == 0:
            with zipfile.ZipFile(path.with_suffix(".zip"), "w", zipfile.ZIP_DEFLATED) as out:
                out.writestr(zipfile.ZipInfo("model.pkl", DATE), PICKLE)
                out.writestr(zipfile.ZipInfo("note.txt", DATE), f"note {n}\n" * 50)
            continue
        with tarfile.open(path.with_suffix(".tgz" if n % 3 == 1 else ".tar"), "w:gz" if n % 3 == 1 else "w") as out:
            for name, data in [("model.pkl", PICKLE), ("note.txt", b"note\n" * 50)]:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                out.addfile(info, io.BytesIO(data))


def members(path, count, size, method):
    """One zip of `count` members of `size` bytes."""
    with zipfile.ZipFile(path, "w") as out:
        for n in range(count):
            info = zipfile.ZipInfo(f"store/{n // 1000}/{n}", DATE)
            info.compress_type = method
            start = n * 37 % (len(NOISE) - size)
            out.writestr(info, NOISE[start:start + size])


def tar_members(path, count, size):
    with tarfile.open(path, "w") as out:
        for n in range(count):
            info = tarfile.TarInfo(f"store/{n // 1000}/{n}")
            info.size = size
            out.addfile(info, io.BytesIO(NOISE[:size]))


def run(target):
    """Best wall time in seconds and the largest peak memory in MiB."""
    command, best, peak = [str(BINARY), "scan", "--no-progress", "-q", str(target)], float("inf"), 0
    for round in range(ROUNDS + 1):
        start = time.perf_counter()
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # The first run is for the memory: looking at it takes time.
        while round == 0 and child.poll() is None:
            try:
                status = pathlib.Path(f"/proc/{child.pid}/status").read_text()
                if f"Name:\t{BINARY.name}" in status:
                    peak = max(peak, *(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM:")), 0)
            except OSError:
                pass
            time.sleep(0.002)
        if child.wait() not in (0, 1):
            sys.exit(f"{command} failed")
        if round:
            best = min(best, time.perf_counter() - start)
    return best, peak


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="modelaudit-bench-"))
    rows = []
    for count in (500, 1000, 2000):
        rows.append((f"folder of {count:,} small archives", count, lambda path, n=count: (path.mkdir(), small_archives(path, n))))
    for count in (25_000, 50_000, 100_000):
        rows.append((f"zip of {count:,} stored members", count, lambda path, n=count: members(path, n, 64, zipfile.ZIP_STORED)))
        rows.append((f"zip of {count:,} deflated members", count, lambda path, n=count: members(path, n, 64, zipfile.ZIP_DEFLATED)))
        rows.append((f"tar of {count:,} members", count, lambda path, n=count: tar_members(path, n, 64)))
    rows.append(("zip of 200 members that unpack to 3 MB each", 200, lambda path: members_of_zeros(path, 200, 3_000_000)))
    try:
        print("| target | seconds | µs each | peak MiB |\n|---|---:|---:|---:|")
        for name, count, make in rows:
            path = folder / "target"
            make(path)
            seconds, peak = run(path)
            print(f"| {name} | {seconds:.3f} | {seconds / count * 1e6:.1f} | {peak:.1f} |", flush=True)
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    finally:
        shutil.rmtree(folder)


def members_of_zeros(path, count, size):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for n in range(count):
            out.writestr(zipfile.ZipInfo(f"{n}", DATE), bytes(size), zipfile.ZIP_DEFLATED)


main()
