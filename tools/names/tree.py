"""Python sources as tables of names: what a module defines, imports and calls. Sources are parsed, never imported."""

import ast
import warnings
from dataclasses import dataclass, field
from typing import NamedTuple

import cython
import native
import reasons

# Calls that make a class out of their arguments.
FACTORIES = {"namedtuple", "Enum", "IntEnum", "IntFlag", "Flag", "StrEnum", "NamedTuple", "TypedDict", "make_dataclass",
             "type", "new_class", "make_class", "recordclass", "create_model"}
# Functions that call their first argument.
APPLIES = {"map", "filter", "imap", "starmap", "reduce", "apply_along_axis"}
NAMED_BY = {"NewType", "TypeVar", "ParamSpec"}


class Call(NamedTuple):
    """A call: text of the callee; whether all its arguments are fixed, whether it has any, whether the first is fixed;
    whether one that is not is named like a file."""
    callee: str
    every: bool
    some: bool
    first: bool
    path: bool


@dataclass
class Function:
    """A function or method: its parameters and locals, and what it calls."""
    name: str
    tree: ast.AST
    module: "Module"
    owner: str = ""
    calls: list = None
    imports: dict = field(default_factory=dict)


@dataclass
class Class:
    """A class by its qualified name."""
    name: str
    bases: list
    methods: dict
    module: "Module"
    compiled: bool = False
    setters: dict = field(default_factory=dict)
    # Attributes that are functions from elsewhere: `_sympify = staticmethod(sympify)`.
    given: dict = field(default_factory=dict)
    # What the module defined under the same name before.
    other: "Class | None" = None

    def definitions(self):
        kind = self
        while kind is not None:
            yield kind
            kind = kind.other


@dataclass
class Module:
    """One module of a release."""
    name: str
    package: bool
    classes: dict = field(default_factory=dict)
    functions: dict = field(default_factory=dict)
    imports: dict = field(default_factory=dict)
    stars: list = field(default_factory=list)
    aliases: dict = field(default_factory=dict)
    registered: list = field(default_factory=list)
    lazy: dict = field(default_factory=dict)
    exported: set = field(default_factory=set)
    # Classes of a Cython source whose constructors get the name of a file.
    opening: set = field(default_factory=set)
    stub: bool = False
    # True for a Cython source, and what it takes from others for C alone.
    cython: bool = False
    taken: dict = field(default_factory=dict)

    def holds(self, name):
        """True if the module has a function of this name, or has the name from elsewhere."""
        return name in self.functions or name in self.imports or name in self.aliases or name in self.taken

    def is_facade(self):
        """True if a module stands for what it imports: a package, or one that defines no class of its own."""
        return self.package or not self.classes


def dotted(node):
    """`a.b.c` as text, None for anything else."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        return ".".join([node.id, *reversed(parts)])
    return None


def absolute(module, package, node):
    """The module that an `ImportFrom` names."""
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    drop = node.level - (1 if package else 0)
    if drop:
        parts = parts[:-drop]
    return ".".join(parts + ([node.module] if node.module else []))


def import_names(node, module, package):
    """Local name to (module, name or None) of one import statement; stars are left out."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            if alias.asname:
                yield alias.asname, (alias.name, None)
            else:
                yield alias.name.split(".")[0], (alias.name.split(".")[0], None)
    else:
        source = absolute(module, package, node)
        for alias in node.names:
            if alias.name != "*":
                yield alias.asname or alias.name, (source, alias.name)


def hidden(function):
    """True for a function of Cython that only C can call."""
    return any(isinstance(mark, ast.Name) and mark.id == cython.HIDDEN for mark in function.tree.decorator_list)


def members(body):
    """The functions among the statements of a class."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node
        elif isinstance(node, (ast.If, ast.Try)):
            yield from members([*node.body, *node.orelse])


def setters(body, methods):
    """The functions that run when a property of the class is set, by its name."""
    found = {}
    for node in members(body):
        if any(isinstance(mark, ast.Attribute) and mark.attr == "setter" for mark in node.decorator_list):
            found[node.name] = node
    for node in body:
        value = node.value if isinstance(node, ast.Assign) else None
        if isinstance(value, ast.Call) and dotted(value.func) == "property" and isinstance(node.targets[0], ast.Name):
            given = [*value.args[1:2], *(word.value for word in value.keywords if word.arg == "fset")]
            name = dotted(given[0]) if given else None
            if name in methods:
                found[node.targets[0].id] = methods[name].tree
    return found


def given(body):
    """Attributes of a class that name a function from elsewhere, and which."""
    for node in body:
        value = node.value if isinstance(node, ast.Assign) else None
        if isinstance(value, ast.Call) and dotted(value.func) in ("staticmethod", "classmethod") and value.args:
            value = value.args[0]
        name = dotted(value) if isinstance(value, (ast.Name, ast.Attribute)) else None
        if name:
            yield from ((target.id, name) for target in node.targets if isinstance(target, ast.Name))


class Reader:
    """Reads one module."""

    def __init__(self, name, package):
        self.module = Module(name, package)

    def read(self, text):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
        self.block(tree.body, "")
        return self.module

    def read_cython(self, source):
        """The same of a Cython source, as `cython.read` gives it."""
        taken = Reader(self.module.name, self.module.package)
        taken.block(source.taken.body, "")
        self.block(source.tree.body, "")
        self.module.cython, self.module.taken = True, taken.module.imports
        return self.module

    def block(self, body, outer):
        """Statements that run when the module is imported; `outer` is the qualified name of the class around them."""
        for node in body:
            self.statement(node, outer)

    def statement(self, node, outer):
        if isinstance(node, ast.ClassDef):
            self.define(node, outer)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if not outer:
                self.module.functions[node.name] = Function(node.name, node, self.module)
        elif isinstance(node, (ast.Import, ast.ImportFrom)) and not outer:
            self.module.imports.update(import_names(node, self.module.name, self.module.package))
            if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
                self.module.stars.append(absolute(self.module.name, self.module.package, node))
        elif isinstance(node, ast.Assign):
            self.assign(node, outer)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            callee = dotted(node.value.func) or ""
            if callee.split(".")[-1] in ("pickle", "add_safe_globals") or callee.endswith("dispatch_table"):
                self.module.registered.append(node.value)
        else:
            for part in ("body", "orelse", "finalbody"):
                self.block(getattr(node, part, []) if not isinstance(node, ast.Expr) else [], outer)
            for handler in getattr(node, "handlers", []):
                self.block(handler.body, outer)

    def define(self, node, outer):
        name = f"{outer}.{node.name}" if outer else node.name
        bases = [dotted(base.value if isinstance(base, ast.Subscript) else base) for base in node.bases]
        bases = [base for base in bases if base]
        methods = {part.name: Function(part.name, part, self.module, name) for part in members(node.body)}
        kind = Class(name, bases, methods, self.module, other=self.module.classes.get(name))
        self.module.classes[name] = kind
        for key, part in setters(node.body, methods).items():
            kind.setters[key] = Function(part.name, part, self.module, name)
        kind.given.update(given(node.body))
        self.block(node.body, name)

    def assign(self, node, outer):
        names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        if not names:
            return
        value = node.value
        if names[0] == "__all__" and isinstance(value, (ast.List, ast.Tuple)):
            self.module.exported |= {item.value for item in value.elts if isinstance(item, ast.Constant)}
        if names[0] == "_import_structure" and isinstance(value, ast.Dict):
            self.lazy(value)
        if isinstance(value, ast.Call):
            callee = (dotted(value.func) or "").split(".")[-1]
            if callee in FACTORIES and len(value.args) > 1 or callee in ("namedtuple", "NamedTuple"):
                given = value.args[0].value if value.args and isinstance(value.args[0], ast.Constant) else None
                for name in {*names, given if isinstance(given, str) and given.isidentifier() else names[0]}:
                    name = f"{outer}.{name}" if outer else name
                    self.module.classes.setdefault(name, Class(name, [], {}, self.module))
        elif not outer and dotted(value):
            for name in names:
                self.module.aliases[name] = dotted(value)

    def lazy(self, table):
        """`_import_structure`: names that a package fetches from its submodules when asked."""
        for key, value in zip(table.keys, table.values):
            if isinstance(key, ast.Constant) and isinstance(key.value, str) and isinstance(value, ast.List):
                for item in value.elts:
                    if isinstance(item, ast.Constant) and isinstance(item.value, str):
                        self.module.lazy[item.value] = (f"{self.module.name}.{key.value}", item.value)


def walk(tree):
    """The nodes of a tree, each before its children; `ast.walk` takes twice as long."""
    nodes = [tree]
    for node in nodes:
        for name in node._fields:
            part = getattr(node, name, None)
            if isinstance(part, ast.AST):
                nodes.append(part)
            elif isinstance(part, list):
                nodes.extend(item for item in part if isinstance(item, ast.AST))
    return nodes


def calls(function):
    """What a function calls."""
    if function.calls is not None:
        return function.calls
    nodes = walk(function.tree)
    local = {arg.arg for arg in nodes if isinstance(arg, ast.arg)}
    local |= {name.id for name in nodes if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)}
    for part in nodes:
        if isinstance(part, (ast.Import, ast.ImportFrom)):
            function.imports.update(import_names(part, function.module.name, function.module.package))

    def fixed(node):
        return not any(isinstance(part, ast.Name) and part.id in local for part in walk(node))

    made = {"self", "cls", *makes(nodes)}
    found = [Call(f"@{name}", False, True, False, False) for name in reads(nodes, made)]
    for part in nodes:
        if not isinstance(part, ast.Call):
            continue
        arguments = [*part.args, *[keyword.value for keyword in part.keywords]]
        first = not arguments or fixed(arguments[0])
        every = all(fixed(argument) for argument in arguments)
        callee = dotted(part.func)
        if callee is None and isinstance(part.func, ast.Attribute):
            inner = part.func.value
            if isinstance(inner, ast.Call) and dotted(inner.func) == "super":
                callee = f"super().{part.func.attr}"
            elif isinstance(inner, ast.Call) and dotted(inner.func) == "type":
                callee = f"self.{part.func.attr}"
            else:
                callee = f"?.{part.func.attr}"
                every = first = every and fixed(inner)
        elif callee and "." in callee and callee.split(".")[0] in made:
            callee = f"self.{callee.partition('.')[2]}"
        elif callee and callee.split(".")[0] in local and callee.split(".")[0] not in made:
            # A module of this kind keeps its name when it is a parameter or imported by turns: `pickle_module.load`.
            kept = callee if reasons.loader(callee) else None
            callee = kept or (f"?.{callee.rsplit('.', 1)[1]}" if "." in callee else "?")
            every = first = False
        if callee and any(is_guard(word) for word in part.keywords):
            # It opens its argument and does no more.
            callee = "open"
        if callee:
            found.append(Call(callee, every, bool(arguments), first, not every and names_path(part)))
        if callee and callee.split(".")[-1] in APPLIES and part.args:
            # The function that is applied is called with the items of the others.
            applied = dotted(part.args[0])
            if applied and applied.split(".")[0] not in local - {"self", "cls"}:
                rest = all(fixed(argument) for argument in part.args[1:])
                found.append(Call(applied, rest, len(part.args) > 1, rest, False))
    function.calls = found
    return found


def makes(nodes):
    """The variables that hold what `__new__` made: `one = object.__new__(cls)`."""
    for part in nodes:
        value = part.value if isinstance(part, ast.Assign) else None
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr == "__new__":
            yield from (target.id for target in part.targets if isinstance(target, ast.Name))


def reads(nodes, objects):
    """The attributes of an object that are read: a property runs."""
    return sorted({part.attr for part in nodes if isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Load)
                   and isinstance(part.value, ast.Name) and part.value.id in objects})


def is_property(function):
    """True for a method that runs when the attribute is read."""
    names = (dotted(mark) for mark in function.tree.decorator_list)
    return any(name and name.endswith("property") for name in names)


def is_guard(word):
    """True for the keyword that makes a loader read nothing but numbers."""
    guards = {"weights_only": True, "allow_pickle": False}
    return word.arg in guards and isinstance(word.value, ast.Constant) and word.value.value is guards[word.arg]


def names_path(call):
    """True if an argument of a call is named like a file."""
    given = [*call.args, *call.keywords]
    names = [part.arg for part in call.keywords]
    for part in (part for argument in given for part in walk(argument)):
        names.append(part.id if isinstance(part, ast.Name) else part.attr if isinstance(part, ast.Attribute) else None)
    return any(name and native.PATH.search(name) for name in names)


def parameters(function):
    """The names of a function's parameters."""
    return [part.arg for part in walk(function.tree.args) if isinstance(part, ast.arg)]


def calls_parameter(function):
    """True if a function outside a class calls what it is given, so that its caller chooses."""
    tree = function.tree
    given = {arg.arg for arg in walk(tree.args) if isinstance(arg, ast.arg)}
    called = (part.func for part in walk(tree) if isinstance(part, ast.Call))
    return any(isinstance(callee, ast.Name) and callee.id in given for callee in called)


def returned(function):
    """The first elements of the tuples that a `__reduce__` returns."""
    values = {}
    for part in walk(function.tree):
        if isinstance(part, ast.Assign) and len(part.targets) == 1 and isinstance(part.targets[0], ast.Name):
            values[part.targets[0].id] = part.value
    for part in walk(function.tree):
        value = part.value if isinstance(part, ast.Return) else None
        if isinstance(value, ast.Name):
            value = values.get(value.id)
        if isinstance(value, ast.Tuple) and len(value.elts) >= 2:
            head = value.elts[0]
            heads = [head.body, head.orelse] if isinstance(head, ast.IfExp) else [head]
            for head in heads:
                text = dotted(head)
                if text in values and dotted(values[text]):
                    text = dotted(values[text])
                if text:
                    yield text
