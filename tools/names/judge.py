"""What constructing or restoring an object does, followed through the sources of one release."""

import builtins
from collections import deque

import native
import tree
from reasons import CLOSED, CONNECTS, EXECUTES, FILES, LATER, PROGRAMS, loader, method, reason

# Calls that are followed from one root, and how deep.
DEPTH = 4
REACH = 400
# How deep calls are followed from a method that merely uses the object: further down, too much is only possible.
DEPTH_USED = 2
# Run when a class is called.
CALLED = ("__new__", "__init__", "__post_init__", "__attrs_post_init__")
# The same of classes of Cython, where those of every base run, however the instance is made.
MADE = ("__cinit__", "__dealloc__")
# Run by the opcodes that make an instance without its constructor, give it its state and items, use it as a key and let
# it go. `BUILD` looks `__setstate__` up, so a class may answer for the missing one.
RESTORED = ("__new__", "__setstate__", "__setattr__", "__setitem__", "append", "extend", "add", "__hash__", "__eq__",
            "__getattr__", "__getattribute__", "__del__")
# Run when something else in the file uses the instance: `__bool__` of a state in the reader that is written in Python,
# the others by functions that the file calls with it. Not those that take a second object, which come down to what that
# one is, and not `__call__`: to call an object is a finding by itself.
USED = ("__bool__", "__len__", "__iter__", "__next__", "__getitem__", "__str__", "__repr__", "__format__", "__bytes__",
        "__fspath__", "__index__", "__int__", "__float__", "__complex__", "__enter__", "__exit__", "__reversed__",
        "__length_hint__", "__array__", "keys", "items")


class Release:
    """All modules of one release; `extensions` are the dotted names of those in native code."""

    def __init__(self, modules, extensions):
        self.modules, self.extensions = modules, extensions

    def resolve(self, module, name, local=None):
        """The place where `name`, as `module` sees it, is defined: (module, qualified name) or (None, dotted name)."""
        first = module
        for _ in range(12):
            head, _, rest = name.partition(".")
            target = None
            if local and head in local:
                target = local[head]
            elif head in module.classes or head in module.functions:
                return module, name
            elif head in module.imports or head in module.taken:
                target = module.imports.get(head) or module.taken[head]
            elif head in module.aliases and module.aliases[head].split(".")[0] != head:
                name = f"{module.aliases[head]}.{rest}" if rest else module.aliases[head]
                continue
            elif head in module.lazy:
                target = module.lazy[head]
            if target is None:
                found = self.star(module, head)
                if found is None:
                    return None, name if module is first or hasattr(builtins, head) else f"{module.name}.{name}"
                module = found
                continue
            local = None
            source, item = target
            path = [part for part in (item, rest) if part]
            name = f"{source}.{'.'.join(path)}" if path else source
            # The longest prefix that is a module of the release.
            parts = name.split(".")
            for size in range(len(parts) - 1, 0, -1):
                known = self.modules.get(".".join(parts[:size]))
                if known is not None:
                    module, name = known, ".".join(parts[size:])
                    break
            else:
                return None, name
        return None, name

    def star(self, module, name, seen=None):
        """The module of a star import that defines `name`."""
        seen = seen if seen is not None else set()
        for source in module.stars:
            known = self.modules.get(source)
            if known is None or source in seen or len(seen) > 50:
                continue
            seen.add(source)
            if name in known.classes or name in known.functions or name in known.imports or name in known.aliases:
                return known
            if self.star(known, name, seen):
                return known
        return None

    def is_extension(self, name):
        """True if a dotted name leads into an extension module of the release."""
        parts = name.split(".")
        return any(".".join(parts[:size]) in self.extensions for size in range(1, len(parts)))

    def bases(self, kind):
        """The direct bases: classes of the release, or dotted names."""
        for base in kind.bases:
            home, name = self.resolve(kind.module, base)
            yield (home.classes[name] if home is not None and name in home.classes else name)

    def line(self, kind):
        """The class and its bases within the release, then the outer ones as names."""
        order, outer, queue = [], [], [kind]
        while queue and len(order) < 60:
            item = queue.pop(0)
            if isinstance(item, str):
                outer.append(item)
            elif item not in order:
                order.append(item)
                queue.extend(self.bases(item))
        return order, outer


class Judge:
    """Reasons by root. Calls of the functions in `blind` count for nothing."""

    def __init__(self, release, blind=frozenset()):
        self.release, self.blind = release, blind
        self.lines, self.known = {}, {}

    def line(self, kind):
        # Two classes may have one name.
        key = id(kind)
        if key not in self.lines:
            self.lines[key] = self.release.line(kind)
        return self.lines[key]

    def find(self, kind, name, after=None):
        """The method that `self.name` means; `after` leaves out the class of a `super()` call and those before it."""
        order, _ = self.line(kind)
        if after is not None:
            names = [(item.module.name, item.name) for item in order]
            if after in names:
                order = order[names.index(after) + 1:]
        return next((item.methods[name] for item in order if name in item.methods), None)

    def roots(self, kind, names, depth=DEPTH):
        """The worst reason of these methods; outer bases count by their names."""
        functions = (self.find(kind, name) for name in names)
        return max((self.walk(function, kind, depth) for function in functions if function is not None), default=0)

    def made(self, kind):
        """The functions that run for the class and each of its bases when there is or was an instance."""
        order, _ = self.line(kind)
        return [item.methods[name] for item in order for name in MADE if name in item.methods]

    def kept(self, kind):
        """The worst reason of these."""
        return max((self.walk(function, kind) for function in self.made(kind)), default=0)

    def restored(self, kind):
        """The reason for restoring an instance. Setters and what merely uses it run in no file that the package wrote:
        they count if they hand the machine over."""
        unusual = max(self.set(kind), self.roots(kind, USED, DEPTH_USED))
        return max(self.roots(kind, RESTORED), self.kept(kind), unusual if unusual >= PROGRAMS else 0)

    def set(self, kind):
        """The reason for setting attributes: `BUILD` sets those of a second state one by one, so properties run."""
        order, _ = self.line(kind)
        setters = {}
        for item in order:
            for name, function in item.setters.items():
                setters.setdefault(name, function)
        return max((self.walk(function, kind) for function in setters.values()), default=0)

    def called(self, kind):
        """The reason for calling a class."""
        return max(self.roots(kind, CALLED), self.kept(kind), FILES if self.constructed_from_path(kind) else 0)

    def constructed_from_path(self, kind):
        """True for a class of native code whose constructor gets the name of a file."""
        order, _ = self.line(kind)
        if any(item.name in item.module.opening for item in order):
            return True
        roots = (self.find(kind, name) for name in CALLED) if kind.module.stub else ()
        return any(native.PATH.search(name) for root in roots if root for name in tree.parameters(root))

    def outer(self, kind):
        return self.line(kind)[1]

    def walk(self, function, kind=None, limit=DEPTH):
        """The worst reason that a call of `function` reaches."""
        worst, seen, queue = 0, set(), deque([(function, kind, 0)])
        while queue and len(seen) < REACH:
            item, owner, depth = queue.popleft()
            key = (id(item), id(owner))
            if key in seen:
                continue
            seen.add(key)
            found, following = self.steps(item, owner)
            worst = max(worst, found)
            if depth < limit:
                queue.extend((target, kind, depth + 1) for target, kind in following)
            if worst == EXECUTES:
                break
        return worst

    def steps(self, function, owner):
        """The worst that the calls of a function do by themselves, and the functions that they lead to."""
        key = (id(function), id(owner))
        if key not in self.known:
            taken = [self.step(function, owner, call) for call in tree.calls(function)]
            worst = max((found for found, _ in taken), default=0)
            # One place is enough: a function that is called twice does the same twice.
            following = {(id(target), id(kind)): (target, kind) for _, many in taken for target, kind in many}
            self.known[key] = worst, list(following.values())
        return self.known[key]

    def step(self, function, owner, call):
        """What one call does by itself, and the functions that it leads to."""
        callee, every, some, first, path = call
        head, _, rest = callee.partition(".")
        if head == "?":
            return (0 if first else max(method(rest), self.foreign(function, rest, path))), []
        if head.startswith("@"):
            target = self.find(owner, head[1:]) if owner is not None else None
            return 0, [(target, owner)] if target is not None and tree.is_property(target) else []
        if callee.startswith("super()."):
            if owner is None:
                return 0, []
            target = self.find(owner, rest, (function.module.name, function.owner))
            return 0, [(target, owner)] if target is not None else []
        if head in ("self", "cls") and owner is not None:
            target = self.find(owner, rest) if rest and "." not in rest else None
            if target is not None:
                return 0, [(target, owner)]
            given = self.given(owner, rest)
            if given is not None:
                return self.reach(*given, some, first)
            native_method = path and rest and "." not in rest and self.is_native(owner)
            last = rest.rsplit(".", 1)[-1]
            found = max(loader(rest), method(last), self.foreign(function, last, path))
            return max(found, FILES if native_method else 0), []
        home, name = self.release.resolve(function.module, callee, function.imports)
        if home is None and name in self.blind:
            return 0, []
        if home is None:
            found = reason(name)
            if not found and "." in name and not first:
                found = method(name.rsplit(".", 1)[1]) or self.native(name, path)
            if not found and function.module.cython and (head in function.module.taken or "." not in name):
                last = name.rsplit(".", 1)[-1]
                found = native.function(last) or self.foreign(function, last, path)
            # What the sources say, the file cannot choose.
            said = every if name in LATER else first
            return (0 if said else found), []
        if every and some:
            return 0, []
        if path and home.name in self.release.extensions and not self.is_read(home, name):
            return FILES, []
        return self.reach(home, name, some, first)

    def reach(self, home, name, some, first):
        """What a call of the function or class `name` of `home` does by itself, and the functions that it leads to."""
        full = f"{home.name}.{name}" if home is not None else name
        found = reason(full)
        if found or home is None or full in CLOSED or full in self.blind:
            return (0 if first else found), []
        return 0, self.inside(home, name, some)

    def given(self, owner, attribute):
        """The function from elsewhere that an attribute of the class is."""
        order, _ = self.line(owner)
        for kind in order:
            if attribute in kind.given:
                home, name = self.release.resolve(kind.module, kind.given[attribute])
                return home, name
        return None

    @staticmethod
    def foreign(function, name, path):
        """The reason for a function of C that Cython hands the name of a file, if it says that it opens one."""
        return FILES if path and function.module.cython and native.opens(name) else 0

    @staticmethod
    def is_read(home, name):
        """True if a name of an extension module is known by its source and not only by its symbol."""
        kind = home.classes.get(name)
        return home.cython and name not in home.opening and (name in home.functions or bool(kind and kind.methods))

    def native(self, name, path):
        """The reason for a call of native code that is not part of the release's sources."""
        function = native.library(name)
        if function and (path or native.opens(function)):
            return FILES
        return FILES if path and self.release.is_extension(name) else 0

    def is_native(self, kind):
        """True if methods of a class may be those of an extension module."""
        order, outer = self.line(kind)
        names = [*(f"{item.module.name}.{item.name}" for item in order), *outer]
        return any(self.release.is_extension(name) for name in names)

    def inside(self, home, name, some):
        """The functions that run when `name` of a module of the release is called."""
        if name in home.functions:
            return [(home.functions[name], None)] if some else []
        if name in home.classes:
            kind = home.classes[name]
            roots = [*(self.find(kind, root) for root in CALLED), *self.made(kind)]
            return [(root, kind) for root in roots if root is not None] if some else []
        outer, _, last = name.rpartition(".")
        if outer in home.classes:
            kind = home.classes[outer]
            target = self.find(kind, last)
            return [(target, kind)] if target is not None else []
        return []


# Bases outside the release whose constructor is not harmless.
BASES = {
    "logging.FileHandler": FILES, "io.FileIO": FILES,
    # It loads the library that it is called with.
    "threadpoolctl.LibController": EXECUTES,
    # A time zone may be the path of a file.
    "matplotlib.dates.AutoDateFormatter": FILES, "matplotlib.dates.AutoDateLocator": FILES,
    "matplotlib.dates.DateLocator": FILES,
    "pycocotools.coco.COCO": FILES, "keras_preprocessing.image.DirectoryIterator": FILES, "bpemb.BPEmb": CONNECTS,
}


def base_reason(name):
    """The reason that a class inherits with this base from outside."""
    found = BASES.get(name) or reason(name)
    return found if name.split(".")[-1][:1].isupper() else 0
