"""Pickles on which scanners differ most, read by this one, by its peers and by CPython's own unpickler in the same run.

Prints the second table of docs/performance.md: CPU seconds (user and system, of the process and its children), how many
times those of this tool, and peak memory. The files are made in a temporary folder and removed.

Usage: python3 benches/peers.py PYTHON [ROUNDS]
PYTHON is the interpreter of an environment with: picklescan modelscan fickling aisbom-cli numpy scikit-learn
"""

import os
import pathlib
import pickle
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time

BINARY = pathlib.Path(__file__).resolve().parent.parent / "target/release/modelaudit"
PYTHON = pathlib.Path(sys.argv[1]).absolute()
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 3
# A peer that needs more than this is stopped, and the figure is a lower bound.
PATIENCE = 120

PEERS = [
    ("picklescan", lambda path: ["picklescan", "--path", path]),
    ("modelscan", lambda path: ["modelscan", "scan", "--path", path]),
    ("fickling", lambda path: ["fickling", "--check-safety", "--print-results", path]),
    ("aisbom-cli", lambda path: ["aisbom", "scan", "--offline", "--no-hf-lookup", path]),
]

# CPython's unpickler, without the start of the interpreter and the imports of what the file names.
LOAD = """
import pickle, sys, time, pathlib
try:
    import sklearn.ensemble, numpy
except ImportError:
    pass
path = pathlib.Path(sys.argv[1])
files = sorted(path.iterdir()) if path.is_dir() else [path]
start = time.process_time()
for file in files:
    with open(file, "rb") as stream:
        while True:
            try:
                pickle.load(stream)
            except EOFError:
                break
print(time.process_time() - start)
"""

FOREST = """
import numpy, pickle, sys
from sklearn.ensemble import ExtraTreesClassifier
rng = numpy.random.default_rng(7)
samples = 160_000
model = ExtraTreesClassifier(18, max_features=1, random_state=7, n_jobs=1)
model.fit(rng.random((samples, 8), dtype=numpy.float32), rng.integers(0, 2, samples))
pickle.dump(model, open(sys.argv[1], "wb"), protocol=5)
"""

ARRAY = """
import numpy, pickle, sys
array = numpy.random.default_rng(7).random(2**27)
pickle.dump(array, open(sys.argv[1], "wb"), protocol=5)
"""


def objects(path):
    """Five million small objects in 9.35 million opcodes."""
    rng = random.Random(7)
    label = "label"
    path.write_bytes(pickle.dumps([(i & 255, rng.random(), label) for i in range(1_870_000)], protocol=4))


def padding(path):
    """Opcodes without effect in front of a list: what an attacker uses to tire a scanner out."""
    path.write_bytes(b"\x80\x04" + b"K\x010" * 600_000 + b"]K\x01a.")


def streams(path):
    path.write_bytes(b"N." * 60_000)


def small_files(path):
    path.mkdir()
    rng = random.Random(7)
    for number in range(2_000):
        record = {"id": number, "scores": [rng.random() for _ in range(200)], "labels": [f"class {i}" for i in range(40)]}
        (path / f"{number:04}.pkl").write_bytes(pickle.dumps(record, protocol=4))


def by_framework(script):
    return lambda path: subprocess.run([PYTHON, "-c", script, path], check=True)


FILES = [
    ("objects.pkl", "9.35 M opcodes, small objects", objects),
    ("forest.pkl", "random forest", by_framework(FOREST)),
    ("array.pkl", "one array", by_framework(ARRAY)),
    ("padding.pkl", "1.2 M opcodes of padding", padding),
    ("streams.pkl", "60,000 streams of two bytes", streams),
    ("small", "2,000 small files", small_files),
]


def cpu():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def peak_of(pid):
    """Peak memory so far in MiB. The kernel's figure for a waited child would include this program before exec."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return max((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM:")), default=0)


def run(command):
    """Least CPU seconds of some rounds, peak MiB, exit code (None: stopped), standard output."""
    best, peak, code, text = float("inf"), 0, 0, b""
    for _ in range(ROUNDS):
        before, start = cpu(), time.monotonic()
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=tempfile.gettempdir())
        # Written to a pipe that somebody reads: a long report would block the child else.
        os.set_blocking(child.stdout.fileno(), False)
        pieces = []
        while child.poll() is None:
            peak = max(peak, peak_of(child.pid))
            pieces.append(child.stdout.read() or b"")
            if time.monotonic() - start > PATIENCE:
                child.kill()
            time.sleep(0.002)
        pieces.append(child.stdout.read() or b"")
        child.wait()
        best, code, text = min(best, cpu() - before), child.returncode, b"".join(pieces)
        if code < 0:
            return best, peak, None, text
        if best > 5:
            break
    return best, peak, code, text


def row(cells):
    print("| " + " | ".join(cells) + " |", flush=True)


def cell(outcome, own):
    """CPU seconds, how many times those of this tool, peak memory, the seconds are a lower bound for one that was stopped."""
    seconds, peak, code, _ = outcome
    least = "over " if code is None else ""
    return f"{least}{seconds:.3f} s, {seconds / own:.1f}×, {peak:.0f} MiB"


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="modelaudit-peers-"))
    try:
        row(["file", "MB", "CPython `pickle.load`", "modelaudit", "`--skip-payload`", *(name for name, _ in PEERS)])
        row(["---"] + ["---:"] * (4 + len(PEERS)))
        for name, title, write in FILES:
            path = folder / name
            write(path)
            files = path.iterdir() if path.is_dir() else [path]
            size = sum(file.stat().st_size for file in files)
            load = float(run([str(PYTHON), "-c", LOAD, str(path)])[3])
            scan = [str(BINARY), "scan", "--jobs", "1", str(path)]
            own = run(scan)
            others = [run([*scan, "--skip-payload"])]
            for _, make in PEERS:
                program, *arguments = make(str(path))
                others.append(run([str(PYTHON.parent / program), *arguments]))
            cells = [cell(outcome, own[0]) for outcome in [own, *others]]
            row([title, f"{size / 1e6:.1f}", f"{load:.3f} s, {load / own[0]:.1f}×", *cells])
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    finally:
        shutil.rmtree(folder)


main()
