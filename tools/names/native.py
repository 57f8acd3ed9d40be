"""Native code as far as the Python around it tells: what is handed the name of a file opens that file."""

import re

from reasons import ARGUMENTS, CONNECTS, DESERIALISES, EXECUTES, FILES, IMPORTS, PROGRAMS

# Parameters and attributes that hold the name of a file: `model_file`, `fname`, `path_or_buf`, `cache_dir`.
PATH = re.compile(r"(?i)(^|_)(files?|paths?|uris?|dir|folder)(_|$)|(file|path|dir|folder|directory|f)_?names?$"
                  r"|(file|path)s?$|^(dir|directory|folder)$")
# Libraries that `ctypes` opened: `_LIB.XGBoosterLoadModel`.
LIBRARY = re.compile(r"(^|\.)_*(lib|dll|clib)\.(\w+)$", re.IGNORECASE)
# Functions of such libraries that open what they are given, and those that only look as if.
OPENS = re.compile(r"(?i)file|uri|(load|save|open|read)_?(model|matrix|data\w*|index)?$")
MEMORY = re.compile(r"(?i)buffer|string|memory|bytes|json|config")
# Constructors in the sources of Cython.
CYTHON = re.compile(r"^(?:cdef |cpdef )?class +(?P<name>\w+)|^ +def +__c?init__ *\((?P<parameters>[^)]*)\)",
                    re.MULTILINE)


def library(name):
    """The function of a `ctypes` library that a dotted name stands for, None for another name."""
    match = LIBRARY.search(name)
    return match[3] if match else None


def opens(function):
    """True if a function of a `ctypes` library says by its name that it opens files."""
    return bool(OPENS.search(function)) and not MEMORY.search(function)


# Functions of C by what they do, under the names that sources of Cython call them by.
FUNCTIONS = {
    FILES: "fopen fopen64 freopen tmpfile opendir mkfifo unlink rmdir mkdir ifstream ofstream fstream "
           "PyFile_FromString PyMapping_FromFile H5Fopen H5Fcreate",
    CONNECTS: "connect gethostbyname getaddrinfo",
    IMPORTS: "PyImport_Import PyImport_ImportModule PyImport_ImportModuleEx PyImport_ImportModuleLevel",
    DESERIALISES: "PyMarshal_ReadObjectFromString PyMarshal_ReadObjectFromFile",
    ARGUMENTS: "PyObject_Call PyObject_CallObject PyObject_CallFunction PyObject_CallMethod PyEval_CallObject",
    PROGRAMS: "system popen fork vfork execl execle execlp execv execve execvp posix_spawn posix_spawnp",
    EXECUTES: "dlopen LoadLibrary LoadLibraryA LoadLibraryW PyRun_String PyRun_SimpleString Py_CompileString "
              "PyEval_EvalCode",
}
REASON = {name: found for found, names in FUNCTIONS.items() for name in names.split()}


def function(name):
    """The reason for calling a function of C, 0 if none is known."""
    return REASON.get(name, 0)


def classes(text):
    """The classes of a Cython source."""
    return sorted({match["name"] for match in CYTHON.finditer(text) if match["name"]})


def constructors(text):
    """The classes of a Cython source that are constructed from the name of a file."""
    found, kind = set(), None
    for match in CYTHON.finditer(text):
        if match["name"]:
            kind = match["name"]
        elif kind and any(PATH.search(name) for name in re.findall(r"(\w+) *(?=[,=:]|$)", match["parameters"])):
            found.add(kind)
    return found
