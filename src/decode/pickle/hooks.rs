//! Special methods that a stream plants: attributes through which Python calls what the file wants.

use super::machine::{By, Machine};
use super::value::{Kind, Value};
use crate::bytes::Exceeded;

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

/// Methods that an opcode calls besides.
const CALLED_BY_OPCODES: [&[u8]; 3] = [b"add", b"append", b"extend"];
/// Longest name of a method that is compared.
const LONGEST_HOOK: usize = 64;
/// Objects into which methods are written as items.
const MOST_HOOKED: usize = 4096;
/// Methods planted under one name that are followed.
const MOST_HOOKS: usize = 16;

impl Machine<'_> {
    /// Entries of a state through which Python would call what the stream puts there.
    pub(super) fn note_hooks(&mut self, target: Value, state: Value, by: By) {
        let is_dict = self.cells.kind(state) == Some(Kind::Dict);
        if is_dict && !self.cells.any(state, |value| self.is_callable(value)) {
            return;
        }
        for (key, value) in self.state_pairs(state) {
            if self.is_callable(value) {
                self.pin(target);
                let Some(name) = self.content(key, 64) else { continue };
                if HOOKS.contains(&name.as_slice()) {
                    self.odd("build-dunder", by, |machine| {
                        format!("{} = {}", String::from_utf8_lossy(&name), machine.show(value))
                    });
                }
            }
        }
    }

    /// The planted methods that an opcode may call: which of several it is, or under which name one stands that a
    /// function wrote, is not worked out.
    pub(super) fn hooks(&mut self, object: Value, name: &[u8], by: By) -> Vec<Value> {
        if self.cells.field(object, 4) == Value::None {
            return Vec::new();
        }
        self.cells.charge(self.states(object).count());
        if self.cells.is_exhausted() {
            return Vec::new();
        }
        let named = |key: Value| key == Value::Unknown || self.content(key, LONGEST_HOOK).as_deref() == Some(name);
        let pairs = self.states(object).flat_map(|state| self.state_pairs(state));
        let found = pairs.filter(|&(key, value)| self.is_callable(value) && named(key));
        let mut found: Vec<Value> = found.map(|(_, value)| value).take(MOST_HOOKS.saturating_add(1)).collect();
        if found.len() > MOST_HOOKS {
            self.odd("forgotten-object", by, |_| "it has more methods of one name than are looked at".to_owned());
            found.truncate(MOST_HOOKS);
        }
        found
    }

    /// Remembers methods that are written into an object which may be a mapping.
    pub(super) fn keep_hook_items(&mut self, object: Value, pairs: &[Value]) {
        if !self.plants_hook(pairs) {
            return;
        }
        self.pin(object);
        let kept = self.hook_items.len() < MOST_HOOKED;
        if let (Value::Node(node), true) = (object, kept) {
            let held = self.hook_items.entry(node).or_default();
            held.extend(pairs.iter().take(MOST_HOOKED));
        } else {
            self.evidence.dropped = Some(Exceeded { what: "objects that hold functions", limit: MOST_HOOKED as u64 });
        }
    }

    /// True for keys and values among which is a method that Python or an opcode calls. A dictionary that gets them must
    /// not be forgotten: it may become the state of an object.
    pub(super) fn plants_hook(&self, pairs: &[Value]) -> bool {
        pairs.chunks_exact(2).any(|pair| matches!(*pair, [key, value] if self.is_hook(key, value)))
    }

    /// True for an entry of a state that is such a method.
    pub(super) fn is_hook(&self, key: Value, value: Value) -> bool {
        self.is_callable(value)
            && self
                .content(key, LONGEST_HOOK)
                .is_some_and(|name| HOOKS.contains(&name.as_slice()) || CALLED_BY_OPCODES.contains(&name.as_slice()))
    }

    /// True for imported objects and results of calls, which may be functions.
    pub(super) fn is_callable(&self, value: Value) -> bool {
        matches!(value, Value::Global(_)) || self.cells.kind(value) == Some(Kind::Call) || self.is_lost(value)
    }
}
