//! Special methods that a stream plants: attributes through which Python calls what the file wants.

use super::machine::{By, Machine};
use super::value::{Kind, Value};

/// Attributes through which Python itself calls an object or decides what it is.
const HOOKS: &[&[u8]] = &[
    b"__setstate__",
    b"__reduce__",
    b"__reduce_ex__",
    b"__class__",
    b"__del__",
    b"__call__",
    b"__getattr__",
    b"__getattribute__",
    b"__setattr__",
    b"__new__",
    b"__init__",
    b"__iter__",
    b"__getitem__",
    b"__setitem__",
    b"__hash__",
    b"__eq__",
    b"__ne__",
    b"__lt__",
    b"__le__",
    b"__gt__",
    b"__ge__",
    b"__next__",
    b"__len__",
    b"__bool__",
    b"__str__",
    b"__repr__",
    b"__format__",
    b"__bytes__",
    b"__index__",
    b"__int__",
    b"__float__",
    b"__contains__",
    b"__array__",
    b"__array_function__",
    b"__array_ufunc__",
    b"__torch_function__",
    b"__getstate__",
    b"__enter__",
    b"__exit__",
    b"__get__",
    b"__set__",
    b"__fspath__",
    b"__init_subclass__",
    b"__set_name__",
    b"__class_getitem__",
    b"__instancecheck__",
    b"__missing__",
];

impl Machine<'_> {
    /// Entries of a state through which Python would call what the stream puts there.
    pub(super) fn note_hooks(&mut self, state: Value, by: By) {
        let is_dict = self.cells.kind(state) == Some(Kind::Dict);
        if is_dict && !self.cells.any(state, |value| self.is_callable(value)) {
            return;
        }
        for (key, value) in self.state_pairs(state) {
            if self.is_callable(value) {
                let Some(name) = self.content(key, 64) else { continue };
                if HOOKS.contains(&name.as_slice()) {
                    self.odd("build-dunder", by, |machine| {
                        format!("{} = {}", String::from_utf8_lossy(&name), machine.show(value))
                    });
                }
            }
        }
    }

    /// A planted method that an opcode would call.
    pub(super) fn hook(&self, object: Value, name: &[u8]) -> Option<Value> {
        if self.cells.field(object, 4) == Value::None {
            return None;
        }
        self.state_entry(object, name).filter(|&value| self.is_callable(value))
    }

    /// True for imported objects and results of calls, which may be functions.
    pub(super) fn is_callable(&self, value: Value) -> bool {
        matches!(value, Value::Global(_)) || self.cells.kind(value) == Some(Kind::Call)
    }
}
