"""Class names in compiled extension modules.

An extension type carries its dotted name as a C string (`sklearn.tree._tree.Tree`), whatever the platform. Strings of
methods (`sklearn.tree._tree.Tree.__reduce__`) tell classes that are not spelled like one from functions.
"""

import re

HOOKS = ("__reduce__", "__reduce_cython__", "__setstate_cython__", "__cinit__", "__init__", "__dealloc__")


def classes(module, data):
    """The classes that `data`, the extension `module`, defines."""
    prefix = re.escape(module.encode())
    found = set()
    for match in re.finditer(prefix + rb"\.([A-Za-z_][A-Za-z0-9_]*)(\.[A-Za-z0-9_.]+)?(?=\0)", data):
        name = match[1].decode()
        if not match[2] and re.match(r"_?_?[A-Z]", name):
            found.add(name)
        elif match[2] and match[2][1:].decode() in HOOKS:
            found.add(name)
    for match in re.finditer(rb"__pyx_unpickle_([A-Za-z0-9_]+)(?=\0)", data):
        found.add(match[1].decode())
    return sorted(name for name in found if "__" not in name)
