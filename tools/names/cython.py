"""Sources of Cython as Python that `ast` takes: what a function calls stays, what only C needs goes.

The text is read line by line and function by function. A function that is still no Python after that is left out and
counted; it does not take its module with it.
"""

import ast
import keyword
import posixpath
import re
import warnings
from typing import NamedTuple

# Marks the functions that only C can call.
HIDDEN = "cdef"

TOKEN = re.compile(r"""
    (?P<text>(?:[uUbBrRcCfF]{0,2})
        (?:'''(?:\\.|[^\\])*?'''|\"\"\"(?:\\.|[^\\])*?\"\"\"|'(?:\\.|[^\\'\n])*'|"(?:\\.|[^\\"\n])*"))
  | (?P<comment>\#[^\n]*) | (?P<joined>\\\r?\n) | (?P<line>\r?\n) | (?P<space>[ \t\f]+)
  | (?P<number>(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)
        (?:[eE][+-]?\d+)?)[uUlLjJ]*)
  | (?P<name>[^\W\d]\w*)
  | (?P<operator>->|\*\*=|//=|>>=|<<=|\.\.\.|:=|[-+*/%&|^@=<>!]=|\*\*|//|<<|<>|>>|[^\w\s]) | (?P<other>.)
    """, re.VERBOSE | re.DOTALL)
OPEN, CLOSE = "([{", ")]}"
WORDS = {"and", "or", "not", "in", "is", "if", "else", "elif", "return", "yield", "lambda", "for", "while", "assert",
         "raise", "del", "print", "from", "import", "await", "as", "with", "except", "None", "True", "False", "async"}
# After the others an operand comes, so that `<` begins a cast and `&` takes an address.
VALUES = {"None", "True", "False"}
CONDITIONS = {"IF": "if", "ELIF": "elif", "ELSE": "else"}
# What `cdef` declares for C alone, with the block below it.
LAYOUTS = {"struct", "union", "enum", "cppclass", "extern", "packed"}
INCLUDE = re.compile(r"""^([ \t]*)include[ \t]+['"]([^'"\n]+)['"][ \t]*(?:\#.*)?$""", re.MULTILINE)


class Line(NamedTuple):
    """One logical line: how far it stands in, and its tokens."""
    indent: int
    tokens: list


class Source(NamedTuple):
    """What came out: the tree, modules and items that are only there for C, numbers of functions read and not read."""
    tree: ast.Module
    taken: ast.Module
    read: int
    unread: list


def included(text, folder, files, depth=0):
    """The text with the files that it includes, and the number of those that the release does not hold."""
    missing = 0

    def put(match):
        nonlocal missing
        body = files.get(posixpath.normpath(f"{folder}/{match[2]}"), files.get(match[2]))
        if body is None or depth > 4:
            missing += 1
            return ""
        inner, more = included(body, folder, files, depth + 1)
        missing += more
        return "\n".join(match[1] + line for line in inner.splitlines())

    return INCLUDE.sub(put, text), missing


def lines(text):
    """The logical lines of a source."""
    found, tokens, indent, deep, fresh = [], [], 0, 0, True
    for match in TOKEN.finditer(text):
        kind, part = match.lastgroup, match[0]
        if kind in ("comment", "joined"):
            continue
        if kind == "line" and not deep:
            if tokens:
                found.append(Line(indent, tokens))
            tokens, indent, fresh = [], 0, True
        elif kind in ("space", "line"):
            if fresh and kind == "space":
                indent = len(part.expandtabs())
        else:
            fresh = False
            deep += part in OPEN if len(part) == 1 else 0
            deep -= part in CLOSE if len(part) == 1 and deep else 0
            tokens.append(plain(kind, part))
    if tokens:
        found.append(Line(indent, tokens))
    return found


def plain(kind, part):
    """A literal as Python spells it."""
    if kind == "text":
        prefix = re.match(r"\w*", part)[0]
        return part.replace(prefix, re.sub("[cC]", "b", prefix), 1) if prefix else part
    if kind == "number":
        part = part if part[:2] in ("0x", "0X") and not re.search("[uUlL]$", part) else part.rstrip("uUlL")
        return f"0o{part[1:]}" if re.fullmatch("0[0-7]+", part) and part.strip("0") else part
    return part


def is_name(token):
    return bool(re.fullmatch(r"[^\W\d]\w*", token))


def closing(tokens, start):
    """The place behind the group that opens at `start`."""
    deep = 0
    for place in range(start, len(tokens)):
        deep += (tokens[place] in OPEN) - (tokens[place] in CLOSE)
        if not deep:
            return place + 1
    return len(tokens)


def split(tokens, mark):
    """The parts of a list between marks that stand in no group."""
    parts, deep = [[]], 0
    for token in tokens:
        deep += (token in OPEN) - (token in CLOSE)
        if token == mark and not deep:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def ends_operand(token):
    """True if a token ends an operand: a name, a literal, a group."""
    return token[-1].isalnum() or token[-1] in "_)]}'\"." and token != "."


def expression(tokens):
    """An expression or statement without casts, addresses and pointers."""
    out, place, groups = [], 0, []
    while place < len(tokens):
        token = tokens[place]
        before = out[-1] if out else None
        following = tokens[place + 1] if place + 1 < len(tokens) else ""
        operand = before is None or before in WORDS - VALUES or not ends_operand(before)
        if token == "<" and operand:
            place = cast(tokens, place)
            continue
        if token == "&" and operand or token == "?" or token == "new" and is_name(following) and following not in WORDS:
            place += 1
            continue
        if token == "sizeof" and following == "(":
            out += [token, "(", ")"]
            place = closing(tokens, place + 1)
            continue
        inner = following in (")", "]", "*") or following == "," and before not in ("(", ",")
        if token in ("*", "**", "&") and inner:
            # `vector[char*]`
            place += 1
            continue
        two = is_name(token) and before and is_name(before) and not {token, before} & WORDS
        if two and groups and groups[-1] == "[":
            # `vector[unsigned int]`
            out.pop()
        if token == "<>":
            token = "!="
        if before == "." and keyword.iskeyword(token) and token != "import":
            # A field of a structure.
            token += "_"
        if token in OPEN:
            groups.append(token)
        elif token in CLOSE and groups:
            groups.pop()
        out.append(token)
        place += 1
    return out


def cast(tokens, start):
    """The place behind a cast."""
    deep = 0
    for place in range(start, len(tokens)):
        deep += (tokens[place] in OPEN) - (tokens[place] in CLOSE)
        if tokens[place] == ">" and not deep:
            return place + 1
    return start + 1


def parameter(tokens):
    """A parameter without its type."""
    declared, *default = split(tokens, "=")
    declared = split(declared, ":")[0]
    if declared[:1] in (["*"], ["**"]):
        star, declared = declared[0], declared[1:]
        return [star, *declared[-1:]]
    if declared == ["/"]:
        return declared
    names = [token for token in declared if is_name(token) and token not in ("not", "or", "None")]
    pointers = (place for place in range(len(declared) - 2) if declared[place:place + 2] == ["(", "*"])
    pointer = next((declared[place + 2] for place in pointers), None)
    if declared and declared[-1] == "]" and len(names) > 1 and declared[-2] in ("[", *names, *":"):
        # `int values[3]`
        names = names[:1] if declared.index("[") == 1 else [declared[declared.index("[") - 1]]
    if not names:
        return []
    return [pointer or names[-1], *(["=", *expression(default[0])] if default else [])]


def signature(tokens):
    """The line that begins a function, None if the tokens begin none: name and parameters of `def`, `cdef`, `cpdef`."""
    if tokens[-1] != ":":
        return None
    place, group = 0, None
    while place < len(tokens):
        if tokens[place] in OPEN:
            if tokens[place] == "(" and place and is_name(tokens[place - 1]):
                group = place
                break
            place = closing(tokens, place)
        else:
            place += 1
    if group is None:
        return None
    given = [parameter(part) for part in split(tokens[group + 1:closing(tokens, group) - 1], ",") if part]
    given = [part for part in given if part]
    if given and given[-1] == ["*"]:
        given.pop()
    inner = [token for number, part in enumerate(given) for token in ([","] if number else []) + part]
    return ["def", tokens[group - 1], "(", *inner, ")", ":"]


def variables(tokens):
    """What the declaration of C variables sets: its assignments."""
    out = []
    for part in split(tokens, ","):
        declared, *value = split(part, "=")
        names = [token for token in declared if is_name(token)]
        if value and names:
            given = expression([token for token in value[-1] if token != ";"])
            out += [*([";"] if out else []), names[-1], "=", *given]
    return out or ["pass"]


def declaration(tokens):
    """A line of `cdef`, `cpdef` or `ctypedef`: (its Python, whether the block below belongs to C alone)."""
    words = [token for token in tokens[1:] if token not in ("public", "readonly", "api", "inline", "export")]
    if tokens[0] == "ctypedef" or words[:1] and words[0] in LAYOUTS:
        return ["pass"], True
    if words == [":"] or words[-1:] == [":"] and words[0] in ("nogil", "gil", "with"):
        return ["if", "True", ":"], False
    if words[:1] == ["class"]:
        return klass(words), words[-1:] != [":"]
    found = signature(words) if words else None
    return (found, False) if found else (variables(words), False)


def klass(words):
    """The line of a class without its C names: `cdef class X [object Y, type Z]:`"""
    out, place = [], 0
    while place < len(words):
        if words[place] == "[" and out.count("(") == out.count(")"):
            place = closing(words, place)
        else:
            out.append(words[place])
            place += 1
    return out if out[-1] == ":" else ["pass"]


def statement(tokens):
    """(A line as Python, whether the block below it belongs to C alone)."""
    head = tokens[0]
    if head in CONDITIONS:
        tokens = [CONDITIONS[head], *tokens[1:]]
    elif head == "DEF":
        tokens = tokens[1:]
    if head in ("cdef", "cpdef", "ctypedef") and len(tokens) > 1:
        return declaration(tokens)
    if head in ("def", "async") and (found := signature(tokens)):
        return found, False
    if head == "for" and "from" in tokens and "in" not in tokens[:tokens.index("from")]:
        # `for i from 0 <= i < n:`
        place = tokens.index("from")
        return [*tokens[:place], "in", "(", "0", ",", ")", *tokens[len(tokens) - 1:]], False
    return earlier(expression(tokens)), False


def earlier(tokens):
    """A statement that Python 2 spelled without a group."""
    head, following = tokens[0], tokens[1] if len(tokens) > 1 else ""
    if head == "except" and following != "(" and "," in tokens:
        return [head, "(", *tokens[1:-1], ")", ":"]
    bare = head == "raise" and following != "(" and len(split(tokens, ",")) > 1
    if bare or head in ("print", "exec") and following not in ("", "(", "=", ".", ","):
        return [head, "(", *(token for token in tokens[1:] if token != ">>"), ")"]
    return tokens


def blocks(found):
    """The lines as Python, each with its tokens as they were; blocks for C are gone."""
    out, skipped, typed = [], None, None
    for line in found:
        if skipped is not None and line.indent > skipped:
            continue
        skipped = None
        if typed is not None and line.indent > typed:
            # Below `cdef:`
            whole = line.tokens[0] in ("cdef", "cpdef", "ctypedef")
            tokens, alone = statement(line.tokens) if whole else declaration(["cdef", *line.tokens])
        else:
            typed = None
            tokens, alone = statement(line.tokens)
            if tokens == ["if", "True", ":"] and line.tokens[0] == "cdef":
                typed = line.indent
        if alone:
            skipped = line.indent
        out.append((line, tokens))
    return out


def tree_of(text):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text)


def spelled(rows, indent):
    """Rows as text; the first stands at the margin."""
    return "\n".join(" " * (line.indent - indent) + " ".join(tokens) for line, tokens in rows)


class Reader:
    """Reads one source."""

    def __init__(self):
        self.read, self.unread = 0, []

    def body(self, rows, kind=""):
        """The statements of a module or of the class `kind`, those that are Python."""
        found, place, marks = [], 0, []
        while place < len(rows):
            line, tokens = rows[place]
            end = place + 1
            parts = ("else", "elif", "except", "finally") if tokens[0] in ("if", "try") else ()
            while end < len(rows) and (rows[end][0].indent > line.indent
                                       or rows[end][0].indent == line.indent and rows[end][1][0] in parts):
                end += 1
            chunk = rows[place:end]
            place = end
            if tokens[0] == "@":
                marks.append(chunk[0])
                continue
            if line.tokens[0] == "property" and len(line.tokens) == 3 and tokens[-1] == ":":
                found += self.property(line.tokens[1], chunk[1:], kind)
            elif tokens[0] == "class":
                found += self.klass(chunk, marks, kind)
            elif tokens[0] in ("def", "async"):
                found += self.function(chunk, marks, kind)
            elif tokens != ["pass"]:
                found += self.others(chunk, kind)
            marks = []
        return found

    def klass(self, chunk, marks, kind):
        line, tokens = chunk[0]
        try:
            head = tree_of(spelled([(line, [*tokens, "pass"])], line.indent)).body[0]
        except (SyntaxError, ValueError):
            self.unread.append(" ".join(tokens[:2]))
            return []
        head.body = self.body(chunk[1:], f"{kind}.{head.name}" if kind else head.name) or head.body
        return [head]

    def function(self, chunk, marks, kind):
        line, tokens = chunk[0]
        try:
            found = tree_of(spelled([*((mark, text) for mark, text in marks), *chunk], line.indent)).body[0]
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            name = tokens[tokens.index("def") + 1] if "def" in tokens else "?"
            self.unread.append(f"{kind}.{name}" if kind else name)
            return []
        self.read += 1
        if line.tokens[0] == "cdef":
            found.decorator_list.append(ast.Name(HIDDEN, ast.Load()))
        return [found]

    def property(self, name, rows, kind):
        """`property x:` with `__get__` and `__set__` below it."""
        found = []
        for part in self.body(rows, kind):
            if isinstance(part, ast.FunctionDef):
                mark = f"{name}.setter" if part.name == "__set__" else "property"
                part.decorator_list.append(ast.parse(mark, mode="eval").body)
                part.name = name
                found.append(part)
        return found

    def others(self, chunk, kind):
        """A statement that is no function; its block line by line if it is not Python as a whole."""
        line, tokens = chunk[0]
        try:
            return tree_of(spelled(chunk, line.indent)).body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            if tokens[-1] != ":":
                self.unread.append(" ".join(tokens))
            return self.body(chunk[1:], kind) if tokens[-1] == ":" else []


def read(text):
    """A source of Cython as a tree of Python."""
    rows, taken = [], []
    for line, tokens in blocks(lines(text)):
        if "cimport" in line.tokens[:1] or line.tokens[:1] == ["from"] and "cimport" in line.tokens:
            # For C alone: names of it do not come out of the module.
            words = ["import" if token == "cimport" else token for token in line.tokens]
            taken.append((Line(0, words), words))
            tokens = ["pass"]
        rows.append((line, tokens))
    reader = Reader()
    body = reader.body(rows)
    names = [statement for row in taken for statement in reader.others([row], "")]
    return Source(ast.Module(body, []), ast.Module(names, []), reader.read, reader.unread)
