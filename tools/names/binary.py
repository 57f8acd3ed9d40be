"""Names in compiled extension modules.

An extension type carries its dotted name as a C string (`sklearn.tree._tree.Tree`), whatever the platform. Strings of
methods (`sklearn.tree._tree.Tree.__reduce__`) tell classes that are not spelled like one from functions.
"""

import re

HOOKS = ("__reduce__", "__reduce_cython__", "__setstate_cython__", "__cinit__", "__init__", "__dealloc__")
MAKER = "__pyx_unpickle_"


def symbols(module, data):
    """The dotted names below `module` that stand as strings in its extension, without the module, and the makers."""
    prefix = re.escape(module.encode())
    found = {match[1] for match in re.finditer(prefix + rb"\.([A-Za-z_][A-Za-z0-9_.]*)(?=\0)", data)}
    found |= {match[0] for match in re.finditer(rb"__pyx_unpickle_[A-Za-z0-9_]+(?=\0)", data)}
    return sorted(name.decode() for name in found)


def classes(names):
    """The classes among these symbols."""
    found = set()
    for name in names:
        head, _, rest = name.partition(".")
        if head.startswith(MAKER):
            found.add(head.removeprefix(MAKER))
        elif not rest and re.match(r"_?_?[A-Z]", head) or rest in HOOKS:
            found.add(head)
    return sorted(name for name in found if "__" not in name)
