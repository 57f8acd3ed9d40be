//! Values that change while a stream loads: containers and buffers that a function gets hold of, iterators that are
//! used up, strings that a call returns.
//!
//! Evaluation must not go by what such a value was before. What it is afterwards is not followed: no writer of pickles
//! computes names, so one that comes out of a changed value counts as unknown.
//!
//! Which values a call gets hold of is for [`super::alias`] to say; [`Machine::change`] is the one place where a value
//! becomes a changed one.

use std::collections::HashSet;

use super::machine::{By, Machine};
use super::names::{LONGEST_NAME, Name};
use super::opcode;
use super::role::Role;
use super::value::{Far, Kind, Value};

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
    changed: HashSet<u64>,
    /// Nodes that code which is not followed has got hold of, with all that is behind them.
    pub(super) given: HashSet<Far>,
    /// What may have used up any iterator, or written into what it goes over.
    count: i32,
    /// True once there is an iterator.
    iterators: bool,
}

impl Changes {
    pub(super) fn clear(&mut self) {
        self.changed.clear();
        self.given.clear();
        self.count = 0;
        self.iterators = false;
    }

    /// True if code that is not followed has got hold of `value`.
    pub(super) fn is_given(&self, value: Value) -> bool {
        matches!(value, Value::Node(node) if !self.given.is_empty() && self.given.contains(&node))
    }

    /// Something may have used up any iterator.
    pub(super) fn note_use(&mut self) {
        self.count = self.count.saturating_add(1);
    }
}

/// A number of its own for each node and each literal: places have 48 bits.
fn place(value: Value) -> Option<u64> {
    match value {
        Value::Node(far) => Some(far.get() << 1 | 1),
        Value::Bytes(far) => Some(far.get() << 1),
        _ => None,
    }
}

impl Machine<'_> {
    /// From now on `value` is no longer what the stream wrote. Who looks at the items of a container meets an unknown one.
    pub(super) fn change(&mut self, value: Value) {
        let kind = self.cells.kind(value);
        if !matches!(kind, Some(Kind::List | Kind::Dict | Kind::Set | Kind::Iterator)) && !self.can_change(value) {
            return;
        }
        self.changes.note_use();
        let place = place(value);
        let known = place.is_some_and(|place| self.changes.changed.contains(&place));
        let is_full = self.changes.changed.len() >= MOST_CHANGED;
        if let Some(place) = place.filter(|_| !is_full) {
            self.changes.changed.insert(place);
        }
        let is_marked = || known || is_full && self.cells.any(value, |item| item == Value::Unknown);
        match kind {
            Some(Kind::List | Kind::Set) if !is_marked() => self.cells.extend(value, &[Value::Unknown]),
            Some(Kind::Dict) if !is_marked() => self.cells.extend(value, &[Value::Unknown; 2]),
            _ => {}
        }
    }

    /// True for what is no container and is changed in place: buffers, and objects that run what their state says.
    pub(super) fn can_change(&self, value: Value) -> bool {
        match self.cells.kind(value) {
            Some(Kind::Call | Kind::Instance) => self.keeps_bytes(value) || self.is_watched(value),
            _ => self.is_bytearray(value),
        }
    }

    /// An opcode has written into a container, over which an iterator may go that was made before.
    pub(super) fn note_written(&mut self, container: Value, by_key: bool) {
        if self.changes.iterators {
            self.changes.note_use();
        }
        if by_key && self.cells.kind(container) == Some(Kind::List) {
            self.change(container);
        }
    }

    /// True if something may have changed `value` since the stream wrote it.
    pub(super) fn is_changed(&self, value: Value) -> bool {
        let changed = &self.changes.changed;
        !changed.is_empty()
            && place(value).is_some_and(|place| changed.len() >= MOST_CHANGED || changed.contains(&place))
    }

    /// A call of `name`, whose result is worked out, changes what is among `arguments` besides.
    pub(super) fn note_changes(&mut self, name: u32, arguments: Value) {
        let changing = |name: &Name| match name.role {
            Role::StringMethod => name.function.starts_with("bytearray."),
            _ => CHANGING.contains(&name.function.rsplit('.').next().unwrap_or_default()),
        };
        if !self.names.get(name).is_some_and(changing) {
            return;
        }
        for item in self.cells.items(arguments).unwrap_or_default() {
            self.change(item);
        }
    }

    /// True for the literal of a `bytearray`.
    fn is_bytearray(&self, value: Value) -> bool {
        matches!(value, Value::Bytes(far) if self.executed(opcode::BYTEARRAY8)
            && self.extent(far).is_some_and(|(code, _)| code == opcode::BYTEARRAY8))
    }

    /// An iterator over `items`.
    pub(super) fn iterator(&mut self, items: &[Value]) -> Value {
        let list = self.list(items);
        self.changes.iterators = true;
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
