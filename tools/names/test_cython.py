"""What is read of Cython sources: `python3 -m unittest discover tools/names`."""

import ast
import unittest

import cython
import judge
import tree
from reasons import FILES, PROGRAMS

SOURCE = '''
# cython: language_level=3
cimport numpy as np
from libc.stdio cimport fopen, FILE
from .other cimport helper
import os

ctypedef np.float64_t DTYPE
DEF SIZE = 4
cdef extern from "native.h" nogil:
    ctypedef struct row:
        int as
    int native_open(const char* path)

cdef struct item:
    double value

cdef class Reader(Base) [object CReader, type CReaderType]:
    cdef readonly double[:, ::1] values
    cdef:
        FILE* handle
        dict cache

    def __cinit__(self, bytes source not None, int n=<int>SIZE, *, double *out=NULL, **rest):
        cdef char* name = source
        cdef vector[unsigned int] a, b
        with nogil:
            self.handle = fopen(name, <char*>"rb")

    cdef inline int step(self, double[:] x, int (*call)(double, void*)) except? -1 nogil:
        return (<item*>&x[0]).value + sizeof(double *)

    def __setstate__(self, state):
        for i from 0 <= i < 3:
            os.system(state[i])

    property size:
        def __get__(self):
            return self.n
        def __set__(self, value):
            helper(value)

    def broken(self):
        return 1 +* 2

cpdef set union(a, b):
    return a | b

IF SIZE:
    def chosen(): return 1
ELSE:
    def chosen(): return 2

def last(x):
    try:
        print x
    except ValueError, e:
        raise TypeError, "no"
'''


def module():
    source = cython.read(SOURCE)
    return source, tree.Reader("pack.reader", False).read_cython(source)


class Reading(unittest.TestCase):
    def test_functions_are_read_one_by_one(self):
        source, found = module()
        self.assertEqual(source.unread, ["Reader.broken"])
        self.assertEqual(list(found.classes), ["Reader"])
        self.assertEqual(found.classes["Reader"].bases, ["Base"])
        self.assertEqual(sorted(found.classes["Reader"].methods), ["__cinit__", "__setstate__", "size", "step"])
        self.assertEqual(list(found.classes["Reader"].setters), ["size"])
        self.assertEqual(sorted(found.functions), ["chosen", "last", "union"])

    def test_parameters_lose_their_types(self):
        methods = module()[1].classes["Reader"].methods
        self.assertEqual(tree.parameters(methods["step"]), ["self", "x", "call"])
        self.assertEqual(sorted(tree.parameters(methods["__cinit__"])), ["n", "out", "rest", "self", "source"])
        self.assertTrue(tree.hidden(methods["step"]))
        self.assertFalse(tree.hidden(methods["__cinit__"]))

    def test_what_c_takes_is_resolved_and_not_given_away(self):
        found = module()[1]
        self.assertEqual(found.taken["fopen"], ("libc.stdio", "fopen"))
        self.assertEqual(found.taken["helper"], ("pack.other", "helper"))
        self.assertEqual(list(found.imports), ["os"])

    def test_a_class_is_judged_by_what_makes_and_restores_it(self):
        found = module()[1]
        release = judge.Release({"pack.reader": found}, {"pack.reader"})
        judged = judge.Judge(release)
        self.assertEqual(judged.called(found.classes["Reader"]), FILES)
        self.assertEqual(judged.restored(found.classes["Reader"]), PROGRAMS)

    def test_included_text_stands_as_far_in_as_the_line(self):
        whole = 'class A:\n    include "a.pxi"\ninclude "b.pxi"\n'
        text, missing = cython.included(whole, "pack", {"pack/a.pxi": "x = 1"})
        self.assertEqual((text, missing), ("class A:\n    x = 1\n\n", 1))
        self.assertIsInstance(cython.read(text).tree, ast.Module)


if __name__ == "__main__":
    unittest.main()
