"""Looks for names that the table calls harmless and that are not: `python3 tools/names/probe.py LISTING PACKAGE…`.

`LISTING` is what `cargo run --example known-names -- --list data/names/known.fst` prints; the packages are installed for
the Python that runs this. Each harmless class and function is called with texts that carry a mark, each class is restored
with a state of such texts, and audit hooks and `inotify` tell what reaches the system. Prints a line of JSON for each name
that opens, imports, executes or connects to something with the mark, or starts a program, and for each name that ends the
process. What is printed is to be read by eye: `ast.literal_eval` compiles what it is given, too.

This runs the code of the packages on arguments that they do not expect, in forked processes with a limit on the size of
files and a time for each call. It belongs on a machine that can be thrown away.
"""

import contextlib
import ctypes
import importlib
import inspect
import itertools
import json
import os
import resource
import select
import signal
import struct
import sys
import tempfile

import table

MARK = "xmarkx"
# Events that matter with the mark among what they are about, and those that always do.
MARKED = {"open", "os.listdir", "os.scandir", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.chmod", "os.link",
          "os.symlink", "os.truncate", "os.utime", "shutil.rmtree", "shutil.copyfile", "glob.glob", "import",
          "socket.getaddrinfo", "socket.connect", "sqlite3.connect", "ctypes.dlopen", "urllib.Request",
          "tempfile.mkdtemp", "pickle.find_class", "marshal.loads", "compile"}
ALWAYS = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "pty.spawn",
          "socket.bind", "webbrowser.open"}
# Of `inotify`: opened, created, written, deleted.
WATCHED = 0x20 | 0x100 | 0x2 | 0x200
# Names that one process looks at; seconds for one call, and without a sign of life.
BATCH, CALL, SILENCE = 200, 2, 90
MOST_PARAMETERS = 30
# What restoring may run, beside `__setstate__`.
USES = (hash, bool, lambda one: one == MARK, lambda one: one.append(MARK), lambda one: one.extend([MARK]),
        lambda one: one.add(MARK), lambda one: one.__setitem__(MARK, MARK))


class TooLong(BaseException):
    """A call took too long. No `Exception`, which the packages' own handlers would take."""


def marked(value):
    if isinstance(value, (str, bytes, bytearray)):
        return (MARK if isinstance(value, str) else MARK.encode()) in value
    return isinstance(value, (list, tuple)) and any(map(marked, value))


class Watch:
    """What happens while something is called, in a folder of its own with files that carry the mark."""

    def __init__(self, folder):
        self.folder, self.on, self.events = folder, False, []
        for suffix in ("", ".json", ".txt", ".py"):
            with open(f"{folder}/{MARK}{suffix}", "w") as file:
                file.write("1\n")
        self.path = f"{folder}/{MARK}"
        libc = ctypes.CDLL(None)
        self.queue = libc.inotify_init1(os.O_NONBLOCK)
        libc.inotify_add_watch(self.queue, folder.encode(), WATCHED)
        sys.addaudithook(self.hook)
        signal.signal(signal.SIGALRM, self.expire)

    @staticmethod
    def expire(*_):
        raise TooLong

    def hook(self, event, arguments):
        if self.on and (event in ALWAYS or event in MARKED and marked(arguments)):
            self.events.append(f"{event} {str(arguments)[:100]}")

    def drain(self):
        """The marked files that native code touched as well."""
        with contextlib.suppress(BlockingIOError):
            data = os.read(self.queue, 1 << 16)
            while data:
                _, mask, _, size = struct.unpack_from("iIII", data)
                name = data[16:16 + size].rstrip(b"\0").decode()
                if MARK in name:
                    self.events.append(f"file {mask:#x} {name}")
                data = data[16 + size:]

    def run(self, call, seconds=CALL):
        """The first events of a call, whatever comes of it."""
        self.drain()
        self.events.clear()
        with contextlib.suppress(BaseException):
            signal.setitimer(signal.ITIMER_REAL, seconds)
            self.on = True
            call()
        self.on = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        self.drain()
        return self.events[:3]

    def texts(self):
        """A path, a module, a name within one, an entry point, a pickle that names it."""
        return self.path, MARK, f"{MARK}.{MARK}", f"{MARK}:{MARK}", f"c{MARK}\n{MARK}\n.".encode()

    def arguments(self, target):
        """Positional arguments, then each parameter by its name with others that fit more."""
        yield (), {}
        for text in self.texts():
            yield from (((text,) * number, {}) for number in (1, 2, 3))
        yield ([self.path],), {}
        yield ({MARK: self.path},), {}
        names = parameters(target)
        needed = [name for name, default in names if default is inspect.Parameter.empty]
        for other, (name, _) in itertools.product((self.path, 1, None, [], {}), names[:MOST_PARAMETERS]):
            for text in (self.path, f"{MARK}.{MARK}"):
                yield (), {**dict.fromkeys(needed, other), name: text}

    def called(self, target):
        for positional, named in self.arguments(target):
            found = self.run(lambda: target(*positional, **named))
            if found:
                return {"called": [str((positional, named))[:150], *found]}
        return {}

    def restored(self, kind):
        for text in self.texts():
            found = self.run(lambda: kind.__new__(kind, text)) or self.run(lambda: self.restore(kind, text), 2 * CALL)
            if found:
                return {"restored": [str(text), *found]}
        return {}

    @staticmethod
    def restore(kind, text):
        try:
            one = kind.__new__(kind)
        except Exception:
            one = object.__new__(kind)
        names = {name for name, _ in parameters(kind)} | set(getattr(kind, "__annotations__", ()))
        state = dict.fromkeys(names | {"path", "filename", "module", "code", "_path", "state", "data", "model"}, text)
        restore = getattr(one, "__setstate__", None) or one.__dict__.update
        steps = [lambda value=value: restore(value) for value in (state, text, (text,), [text], (None, state))]
        steps += [lambda name=name: setattr(one, name, text) for name in state]
        steps += [lambda use=use: use(one) for use in USES]
        for step in steps:
            with contextlib.suppress(Exception):
                step()


def parameters(target):
    try:
        found = inspect.signature(target).parameters.values()
    except (TypeError, ValueError):
        return []
    return [(one.name, one.default) for one in found if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]


def harmless(listing, package, watch):
    """The objects that the names of a package stand for, once each: name, what the table says, object."""
    found, modules = {}, {}
    for line in listing:
        key, _, value = line.rstrip("\n").partition("\t")
        module, _, name = key.partition(" ")
        value = int(value)
        if module.split(".")[0] != package or not name or value & (table.STORED | table.TEXT):
            continue
        if module not in modules:
            watch.run(lambda: modules.setdefault(module, importlib.import_module(module)), SILENCE)
        with contextlib.suppress(AttributeError):
            target = modules.get(module)
            for part in name.split("."):
                target = getattr(target, part)
            if callable(target):
                found.setdefault(id(target), (key, value, target))
    return list(found.values())


def probe(watch, rows, out):
    """The work of one process: a line of JSON for each name that shows something, an empty one as a sign of life."""
    for at, (key, value, target) in rows:
        os.write(out, b"%d\n" % at)
        called, restored = table.reasons(value)
        found = {} if called else watch.called(target)
        if value & table.CLASS and not restored:
            found |= watch.restored(target)
        if found:
            os.write(out, json.dumps({"name": key, **found}).encode() + b"\n")


def batch(watch, rows):
    """Looks at names in a process of its own; gives the position of the one that ended it, or None."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        with contextlib.suppress(BaseException):
            probe(watch, rows, write)
            os.write(write, b"end\n")
        os._exit(0)
    os.close(write)
    last, rest = b"", b""
    while select.select([read], [], [], SILENCE)[0] and (data := os.read(read, 1 << 16)):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            if line.startswith(b"{"):
                print(line.decode(), flush=True)
            else:
                last = line
    os.close(read)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None if last == b"end" else int(last or rows[0][0])


def main():
    listing, *packages = sys.argv[1:]
    with open(listing) as file:
        lines = file.readlines()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        watch = Watch(folder)
        for package in packages:
            rows = list(enumerate(harmless(lines, package, watch)))
            print(f"{package}: {len(rows)} objects", file=sys.stderr)
            while rows:
                ended = batch(watch, rows[:BATCH])
                if ended is not None:
                    print(json.dumps({"name": rows[ended - rows[0][0]][1][0], "ends": "the process"}), flush=True)
                rows = rows[BATCH:] if ended is None else rows[ended - rows[0][0] + 1:]


if __name__ == "__main__":
    main()
