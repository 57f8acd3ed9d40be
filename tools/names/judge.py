"""What constructing or restoring an object does, followed through the sources of one release."""

from collections import deque

import tree
from reasons import EXECUTES, FILES, method, reason

# Calls that are followed from one root, and how deep.
DEPTH = 4
REACH = 400
# Run when a class is called; when an instance is made without its constructor and given its state.
CALLED = ("__new__", "__init__", "__post_init__", "__attrs_post_init__")
RESTORED = ("__new__", "__setstate__", "__setattr__", "__setitem__", "append", "extend", "__del__")


class Release:
    """All modules of one release."""

    def __init__(self, modules):
        self.modules = modules

    def resolve(self, module, name, local=None):
        """The place where `name`, as `module` sees it, is defined: (module, qualified name) or (None, dotted name)."""
        for _ in range(12):
            head, _, rest = name.partition(".")
            target = None
            if local and head in local:
                target = local[head]
            elif head in module.classes or head in module.functions:
                return module, name
            elif head in module.imports:
                target = module.imports[head]
            elif head in module.aliases and module.aliases[head].split(".")[0] != head:
                name = f"{module.aliases[head]}.{rest}" if rest else module.aliases[head]
                continue
            elif head in module.lazy:
                target = module.lazy[head]
            if target is None:
                found = self.star(module, head)
                if found is None:
                    return None, name
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
    """Reasons by root."""

    def __init__(self, release):
        self.release = release
        self.lines, self.known = {}, {}

    def line(self, kind):
        key = (kind.module.name, kind.name)
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

    def roots(self, kind, names):
        """The reason for the first of these methods that has one; outer bases count by their names."""
        found = 0
        for name in names:
            function = self.find(kind, name)
            if function is not None:
                found = max(found, self.walk(function, kind))
        return found

    def outer(self, kind):
        return self.line(kind)[1]

    def walk(self, function, kind=None):
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
            if depth < DEPTH:
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
        callee, every, some, first = call
        head, _, rest = callee.partition(".")
        if head == "?":
            return (0 if first else method(rest)), []
        if callee.startswith("super()."):
            if owner is None:
                return 0, []
            target = self.find(owner, rest, (function.module.name, function.owner))
            return 0, [(target, owner)] if target is not None else []
        if head in ("self", "cls") and owner is not None:
            target = self.find(owner, rest) if rest and "." not in rest else None
            if target is not None:
                return 0, [(target, owner)]
            return method(rest.rsplit(".", 1)[-1]), []
        home, name = self.release.resolve(function.module, callee, function.imports)
        if home is None:
            found = reason(name)
            if not found and "." in name and not first:
                found = method(name.rsplit(".", 1)[1])
            # What the sources say, the file cannot choose.
            return (0 if first and found else found), []
        if every and some:
            return 0, []
        found = reason(f"{home.name}.{name}")
        if found:
            return (0 if first else found), []
        return 0, self.inside(home, name, some)

    def inside(self, home, name, some):
        """The functions that run when `name` of a module of the release is called."""
        if name in home.functions:
            return [(home.functions[name], None)] if some else []
        if name in home.classes:
            kind = home.classes[name]
            roots = [self.find(kind, root) for root in CALLED]
            return [(root, kind) for root in roots if root is not None] if some else []
        outer, _, last = name.rpartition(".")
        if outer in home.classes:
            kind = home.classes[outer]
            target = self.find(kind, last)
            return [(target, kind)] if target is not None else []
        return []


# Bases outside the release whose constructor is not harmless.
BASES = {"logging.FileHandler": FILES, "io.FileIO": FILES}


def base_reason(name):
    """The reason that a class inherits with this base from outside."""
    found = BASES.get(name) or reason(name)
    return found if name.split(".")[-1][:1].isupper() else 0
