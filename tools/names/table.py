"""The names of one release, and all releases together."""

import functools
import gc
import json
import re
import sys
import zipfile

import binary
import cython
import judge as judging
import native
import tree
from reasons import ARGUMENTS, EVALUATED, EVALUATORS, EXECUTES

# Flags of a name; the reasons for calling and for restoring it stand above them, three bits each.
# `TEXT` says that the code which a class executes is text among its arguments, its items or its state; `VALUE`, that
# what evaluates text returns an instance as it is; `ADDRESS`, that a function connects to what an address names.
CLASS, FUNCTION, COMPILED, STORED, TEXT, VALUE, ADDRESS = 1, 2, 4, 1 << 9, 1 << 10, 1 << 11, 1 << 12
CALLED_SHIFT, RESTORED_SHIFT = 3, 6
# Packages whose objects keep functions and methods of the package as attributes: `thinc.layers.chain.forward`.
KEEPERS = {"gensim", "lifelines", "nltk", "scipy", "sklearn", "sktime", "spacy", "statsmodels", "thinc"}

# Tests, and folders beside the packages of a wheel. Names in tests are unknown to the program as well, however they are
# spelled (`LEFT_OUT` in `src/rules/known.rs`).
# Stand-ins for what needs a package that is missing are not what a file reaches where it is there.
SKIPPED = re.compile(r"(^|/)(tests?|testsuite|conftest\.py|setup\.py)(/|$)|^(benchmarks?|examples?|docs?)/"
                     r"|\.dist-info/|-|/dummy_\w+_objects?\.py$")
# Marks that a C++ compiler puts behind a class's name.
MANGLED = re.compile(r"P\d+_object|PKS\d|_lS0_")
CLASS_LIKE = re.compile(r"_?[A-Z][A-Za-z0-9_]*$")
REDUCERS = ("__reduce__", "__reduce_ex__")


def module_name(path):
    """`a/b/__init__.py` → (`a.b`, True)."""
    name = re.sub(r"\.pyi?$", "", path).replace("/", ".")
    if name.endswith(".__init__"):
        return name[: -len(".__init__")], True
    return name, False


def read(path, beside):
    """The modules of a reduced wheel, the names of its extension modules, and what of its sources was read.

    `beside` holds the Cython sources of the release, if its wheel leaves them out."""
    modules, counts = {}, {"unreadable": 0}
    with zipfile.ZipFile(path) as archive:
        compiled = json.loads(archive.read("extensions.json"))
        compiled = {name: binary.classes(symbols) for name, symbols in compiled.items()}
        # Sources before stubs of the same module.
        for member in sorted(archive.namelist(), key=lambda name: (name.endswith(".pyi"), name)):
            if not member.endswith((".py", ".pyi")) or SKIPPED.search(member):
                continue
            name, package = module_name(member)
            if name in modules or name.split(".")[0] in sys.stdlib_module_names:
                continue
            try:
                modules[name] = tree.Reader(name, package).read(archive.read(member))
                modules[name].stub = member.endswith(".pyi")
            except (SyntaxError, ValueError, RecursionError):
                # Sources of Python 2, templates.
                counts["unreadable"] += 1
        texts = cython_texts(archive)
    if beside is not None:
        with zipfile.ZipFile(beside) as archive:
            texts = cython_texts(archive) | texts
    opening = read_cython(texts, modules, compiled, counts)
    for name, classes in compiled.items():
        if SKIPPED.search(name.replace(".", "/") + ".so") or name.split(".")[0] in sys.stdlib_module_names:
            continue
        module = modules.setdefault(name, tree.Module(name, False))
        module.opening = opening.get(name, set())
        for kind in classes:
            if not MANGLED.search(kind):
                module.classes.setdefault(kind, tree.Class(kind, [], {}, module)).compiled = True
    return modules, set(compiled), counts


def cython_texts(archive):
    """The sources of Cython by their paths."""
    wanted = [member for member in archive.namelist() if member.endswith((".pyx", ".pxi"))]
    return {name: archive.read(name).decode(errors="replace") for name in wanted if not SKIPPED.search(name)}


def read_cython(texts, modules, compiled, counts):
    """Puts the Cython sources of extension modules in the place of what their stubs say, and counts their functions.

    By module, the classes that are constructed from the name of a file."""
    opening = {}
    for member in sorted(member for member in texts if member.endswith(".pyx")):
        name, _ = module_name(member.removesuffix("x"))
        if name not in compiled or name.split(".")[0] in sys.stdlib_module_names:
            continue
        text, missing = cython.included(texts[member], member.rpartition("/")[0], texts)
        opening[name] = native.constructors(text)
        stub = modules.get(name)
        if stub is not None and not stub.stub:
            continue
        source = cython.read(text)
        module = modules[name] = tree.Reader(name, False).read_cython(source)
        if stub is not None:
            # Those of its classes and functions that could not be read.
            module.classes = stub.classes | module.classes
            module.functions = stub.functions | module.functions
            module.exported |= stub.exported
        row = counts.setdefault("cython", {"files": 0, "read": 0, "unread": 0, "not included": 0})
        for key, number in zip(row, (1, source.read, len(source.unread), missing)):
            row[key] += number
    return opening


class Names:
    """Collects the names of one release."""

    def __init__(self, modules, compiled):
        self.modules, self.compiled = modules, compiled
        self.release = judging.Release(modules, compiled)
        self.judge = judging.Judge(self.release)
        self.blind = judging.Judge(self.release, EVALUATORS)
        self.found, self.values = {}, {}
        # Bases outside the release, of classes that are called and of those that are restored.
        self.bases, self.restored = {}, {}

    def collect(self):
        # Classes that a module takes from an extension module are the extension's, however it makes them.
        for module in self.modules.values():
            taken = [name.rpartition(".") for name in module.aliases.values()]
            taken = [(self.release.resolve(module, source)[1], item) for source, _, item in taken if source]
            for source, item in [*module.imports.values(), *taken]:
                if item and source in self.compiled and CLASS_LIKE.match(item):
                    home = self.modules.get(source)
                    if home is not None and item.upper() != item and not (home.cython and home.holds(item)):
                        home.classes.setdefault(item, tree.Class(item, [], {}, home))
        for module in self.modules.values():
            for kind in module.classes.values():
                self.add(module.name, kind.name, self.value(kind))
                self.reducers(kind)
            self.exports(module)
            self.registered(module)
            if module.name.split(".")[0] in KEEPERS:
                self.kept(module)
        return self.found, self.bases, self.restored

    def add(self, module, name, value):
        key = f"{module} {name}"
        self.found[key] = merge(self.found.get(key, 0), value)

    def value(self, kind):
        key = (kind.module.name, kind.name)
        if key not in self.values:
            # Of two classes that a module defines by turns the worse.
            self.values[key] = functools.reduce(merge, map(self.worth, kind.definitions()))
        return self.values[key]

    def worth(self, kind):
        key = f"{kind.module.name} {kind.name}"
        called, restored = self.judge.called(kind), self.judge.restored(kind)
        text = EXECUTES in (called, restored) and not self.blind.called(kind) and not self.blind.restored(kind)
        outer = self.judge.outer(kind)
        inherited = outer if self.inherits(kind, "__init__") else []
        based = max(map(judging.base_reason, inherited), default=0)
        called = max(called, based)
        if inherited:
            self.bases[key] = inherited
        if outer and self.inherits(kind, "__setstate__"):
            self.restored[key] = outer
        flags = CLASS | (COMPILED if kind.compiled else 0)
        if any((item.module.name, item.name) == EVALUATED for item in self.judge.line(kind)[0]):
            flags |= VALUE
        # All that the class does is to evaluate text among what it is given.
        if text and not based:
            flags |= TEXT
        return flags | called << CALLED_SHIFT | restored << RESTORED_SHIFT

    def inherits(self, kind, method):
        """True if a method of a base from outside runs: the class has none of its own, or it calls that of its base."""
        own = self.judge.find(kind, method)
        return own is None or any(method in call.callee for call in tree.calls(own))

    def kept(self, module):
        """Functions and methods that an object may hold. They are no more than that: a call of one is not known."""
        for function in module.functions.values():
            if not function.name.startswith("__") and not tree.hidden(function):
                self.stored(module.name, function.name, function, None)
        for kind in module.classes.values():
            for name, method in kind.methods.items():
                if not name.startswith("__") and not tree.hidden(method):
                    self.stored(module.name, f"{kind.name}.{name}", method, kind)

    def stored(self, module, name, function, kind):
        why = ARGUMENTS if tree.calls_parameter(function) else self.judge.walk(function, kind)
        self.add(module, name, STORED | why << CALLED_SHIFT)

    def exports(self, module):
        """Names that a module takes from others of the release."""
        names = {*module.aliases, *module.lazy}
        names |= {name for name in module.imports if module.is_facade() or name in module.exported}
        names |= {name for source in module.stars for name in self.public(source, set())}
        for name in names:
            # A class of the same name stands in for what cannot be imported.
            home, target = self.release.resolve(module, name, module.imports)
            if home is not None and target in home.classes:
                self.add(module.name, name, self.value(home.classes[target]))
                for outer in (self.bases, self.restored):
                    if f"{home.name} {target}" in outer:
                        outer[f"{module.name} {name}"] = outer[f"{home.name} {target}"]

    def public(self, source, seen):
        module = self.modules.get(source)
        if module is None or source in seen:
            return
        seen.add(source)
        for name in (*module.classes, *module.imports, *module.aliases):
            if not name.startswith("_") and "." not in name:
                yield name
        for inner in module.stars:
            yield from self.public(inner, seen)

    def reducers(self, kind):
        for name in REDUCERS:
            function = kind.methods.get(name)
            if function is not None:
                for text in tree.returned(function):
                    self.reconstructor(kind.module, text, kind)

    def registered(self, module):
        """What `copyreg.pickle` and its like register."""
        for call in module.registered:
            for argument in call.args[1:2]:
                home, name = self.release.resolve(module, tree.dotted(argument) or "?")
                if home is not None and name in home.functions:
                    for text in tree.returned(home.functions[name]):
                        self.reconstructor(home, text, None)

    def reconstructor(self, module, text, kind):
        head, _, rest = text.partition(".")
        if head in ("self", "cls") and kind is not None:
            if not rest or "." in rest or rest.startswith("__") or rest not in kind.methods:
                return
            self.function(kind.module.name, f"{kind.name}.{rest}", kind.methods[rest], kind)
            return
        home, name = self.release.resolve(module, text)
        if home is None:
            return
        if name in home.functions:
            self.function(home.name, name, home.functions[name], None)
        outer, _, last = name.rpartition(".")
        if outer in home.classes and last in home.classes[outer].methods and not last.startswith("__"):
            self.function(home.name, name, home.classes[outer].methods[last], home.classes[outer])

    def function(self, module, name, function, kind):
        why = self.judge.walk(function, kind)
        if kind is None and tree.calls_parameter(function):
            why = max(why, ARGUMENTS)
        flags = FUNCTION | (TEXT if why == EXECUTES and not self.blind.walk(function, kind) else 0)
        self.add(module, name, flags | why << CALLED_SHIFT | why << RESTORED_SHIFT)


def reasons(value):
    """The reasons of a value: for calling, for restoring."""
    return value >> CALLED_SHIFT & 7, value >> RESTORED_SHIFT & 7


def merge(left, right):
    """Of two releases the worse."""
    # What a class is derived from stays: bases that the tree does not show in one release are found in another.
    flags = (left | right) & (CLASS | FUNCTION | COMPILED | STORED | VALUE)
    executing = [value for value in (left, right) if EXECUTES in reasons(value)]
    flags |= TEXT if executing and all(value & TEXT for value in executing) else 0
    called, restored = (max(pair) for pair in zip(reasons(left), reasons(right)))
    return flags | called << CALLED_SHIFT | restored << RESTORED_SHIFT


def release(path, beside=None):
    """Names, outer bases for calling and for restoring, and what was read of one reduced wheel."""
    # Trees are many and live until the end: looking for garbage among them is what takes the time.
    gc.disable()
    modules, compiled, counts = read(path, beside)
    found, *bases = Names(modules, compiled).collect()
    del modules
    gc.enable()
    gc.collect()
    return found, bases, counts


def inherit(names, bases, shift):
    """Carries the reasons at `shift` from one package's classes to another's that derive from them."""
    for _ in range(6):
        changed = False
        for key, outer in bases.items():
            for base in outer:
                module, _, name = base.rpartition(".")
                value = names.get(f"{module} {name}", 0)
                merged = merge(names[key], value & (7 << shift | TEXT | VALUE))
                changed |= merged != names[key]
                names[key] = merged
        if not changed:
            return


def settle(names):
    """Drops the functions that may not be stored: what one of them reaches is not harmless in every release."""
    for key, value in list(names.items()):
        if value & STORED:
            if value & (CLASS | FUNCTION):
                names[key] = value & ~STORED
            elif reasons(value)[0]:
                del names[key]
