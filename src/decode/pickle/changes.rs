//! Values that change while a stream loads: containers and buffers that a function gets hold of, iterators that are
//! used up, strings that a call returns.
//!
//! Evaluation must not go by what such a value was before. What it is afterwards is not followed: no writer of pickles
//! computes names, so one that comes out of a changed value counts as unknown.

use std::collections::HashSet;

use super::machine::{By, Machine};
use super::names::{LONGEST_NAME, Name, looks_like_class};
use super::opcode;
use super::role::Role;
use super::value::{Kind, Value};

/// Changed values that are told apart; beyond that all count as changed.
const MOST_CHANGED: usize = 1 << 18;

/// Functions with a role of their own that change their first argument nevertheless.
const CHANGING: &[&str] = &[
    "pop",
    "setdefault",
    "setitem",
    "__setitem__",
    "iadd",
    "__iadd__",
    "iconcat",
    "__iconcat__",
    "imul",
    "__imul__",
    "sort",
    "list.sort",
];

/// The values of a stream that changed.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Places of nodes, and of literals.
    changed: HashSet<(bool, u64)>,
    /// Calls that may have used up any iterator.
    count: i32,
}

impl Changes {
    pub(super) fn clear(&mut self) {
        self.changed.clear();
        self.count = 0;
    }
}

fn place(value: Value) -> Option<(bool, u64)> {
    match value {
        Value::Node(far) => Some((true, far.get())),
        Value::Bytes(far) => Some((false, far.get())),
        _ => None,
    }
}

impl Machine<'_> {
    /// From now on `value` is no longer what the stream wrote.
    pub(super) fn change(&mut self, value: Value) {
        if let Some(place) = place(value)
            && self.changes.changed.len() < MOST_CHANGED
        {
            self.changes.changed.insert(place);
        }
    }

    /// True if something may have changed `value` since the stream wrote it.
    pub(super) fn is_changed(&self, value: Value) -> bool {
        let changed = &self.changes.changed;
        !changed.is_empty()
            && place(value).is_some_and(|place| changed.len() >= MOST_CHANGED || changed.contains(&place))
    }

    /// A call of `name` has got hold of what is among `arguments`.
    pub(super) fn note_changes(&mut self, name: u32, arguments: Value) {
        let changing = |name: &Name| match name.role {
            Role::Plain => !looks_like_class(&name.function),
            Role::StringMethod => name.function.starts_with("bytearray."),
            _ => CHANGING.contains(&name.function.rsplit('.').next().unwrap_or_default()),
        };
        if !self.names.get(name).is_some_and(changing) {
            return;
        }
        for item in self.cells.items(arguments).unwrap_or_default() {
            let is_node = matches!(
                self.cells.kind(item),
                Some(Kind::List | Kind::Dict | Kind::Set | Kind::Iterator | Kind::Call | Kind::Instance)
            );
            if is_node || self.is_bytearray(item) {
                self.change(item);
                self.changes.count = self.changes.count.saturating_add(1);
            }
        }
    }

    /// True for the literal of a `bytearray`.
    fn is_bytearray(&self, value: Value) -> bool {
        matches!(value, Value::Bytes(far) if self.extent(far).is_some_and(|(code, _)| code == opcode::BYTEARRAY8))
    }

    /// An iterator over `items`.
    pub(super) fn iterator(&mut self, items: &[Value]) -> Value {
        let list = self.list(items);
        self.cells.node(&[Value::Head(Kind::Iterator, 1.0), list, Value::Int(self.changes.count)])
    }

    /// The items of a container that nothing has changed.
    pub(super) fn unchanged_items(&self, container: Value) -> Option<Vec<Value>> {
        if self.is_changed(container) { None } else { self.cells.items(container) }
    }

    /// What iterating over a container gives, if that is known. An iterator is used up by it.
    pub(super) fn iterate(&mut self, container: Value) -> Option<Vec<Value>> {
        let items = self.unchanged_items(container)?;
        match self.cells.kind(container)? {
            Kind::Tuple | Kind::List => Some(items),
            Kind::Set => (items.len() < 2).then_some(items),
            Kind::Dict => {
                let keys: Vec<Value> = items.into_iter().step_by(2).collect();
                let distinct: Option<HashSet<Vec<u8>>> =
                    keys.iter().map(|&key| self.whole(key).filter(|_| self.is_text(key) == Some(true))).collect();
                (distinct?.len() == keys.len()).then_some(keys)
            }
            Kind::Iterator => {
                let fresh = self.cells.field(container, 2) == Value::Int(self.changes.count);
                self.change(container);
                fresh.then_some(items)
            }
            _ => None,
        }
    }

    /// Would a dict take the one key for the other? None if that is not known.
    pub(super) fn is_same_key(&self, known: Value, key: Value) -> Option<bool> {
        match (self.is_text(known), self.is_text(key)) {
            (Some(one), Some(other)) => Some(one == other && self.whole(known)? == self.whole(key)?),
            _ => match (known, key) {
                (Value::None, Value::None) => Some(true),
                (Value::Int(one), Value::Int(other)) => Some(one == other),
                (Value::Bool(one), Value::Bool(other)) => Some(one == other),
                (Value::Global(one), Value::Global(other)) if one == other => Some(true),
                (
                    Value::Int(_) | Value::Bool(_) | Value::Number(_),
                    Value::Int(_) | Value::Bool(_) | Value::Number(_),
                ) => (known == key).then_some(true),
                _ if is_plain(known) && is_plain(key) => Some(false),
                _ => None,
            },
        }
    }

    /// What a call returns. A string of the stream is no longer a literal then.
    pub(super) fn returned(&mut self, value: Value) -> Value {
        match value {
            Value::Str(_) => match self.content(value, LONGEST_NAME) {
                Some(text) => self.compute(true, text, None).unwrap_or(Value::Unknown),
                None => Value::Unknown,
            },
            _ => value,
        }
    }

    /// Names that are computed are said to be, whatever they come to here.
    pub(super) fn note_computed(&mut self, names: &[Value], by: By) {
        if names.iter().any(|name| matches!(name, Value::Computed(_))) {
            self.odd("computed-name", by, |machine| {
                names.iter().map(|&name| machine.show(name)).collect::<Vec<_>>().join(", ")
            });
        }
    }
}

/// True for literals, which equal only their like.
fn is_plain(value: Value) -> bool {
    matches!(
        value,
        Value::None
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Number(_)
            | Value::Str(_)
            | Value::Bytes(_)
            | Value::Computed(_)
    )
}
