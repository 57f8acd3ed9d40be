//! What a call that is not followed may do with what it is given: write into its containers, and give one of its
//! arguments back. What is written into the result is then written into that.
//!
//! This module finds what a call can reach, however deep; that it is changed from then on is for [`super::changes`].

use std::collections::HashSet;

use super::machine::{By, Machine};
use super::names::looks_like_class;
use super::role::{Role, canonical};
use super::value::{Far, Kind, Value};

/// Nodes that are looked at behind one call or object, where what was seen before is not remembered.
const MOST_WALKED: usize = 1024;
/// Nodes of one stream that are remembered as given to a call.
const MOST_GIVEN: usize = 1 << 19;
/// Values that a container may hold after a call.
const MOST_MIXED: usize = 64;
/// States of one object that a single look goes through.
const MOST_LOOKED_THROUGH: usize = 256;
/// Tuples within tuples of arguments. Deeper ones count as holding something.
const DEEPEST: u8 = 4;
/// The size that the head of a call has if a container of the file is among its arguments.
const SHARES: f32 = 2.0;
/// Packages whose functions may give back what they are given. Reconstructors of others are given a class, too, and
/// make an instance of it.
const GIVING: [&str; 14] = [
    "builtins",
    "collections",
    "concurrent",
    "copy",
    "dataclasses",
    "enum",
    "functools",
    "heapq",
    "itertools",
    "operator",
    "random",
    "statistics",
    "typing",
    "weakref",
];
/// Functions of other packages that do.
const GIVING_NAMES: [&str; 7] =
    ["asarray", "convert_to_tensor", "default_collate", "restore_type_tag", "scalar", "unfreeze", "wrap_or_unwrap"];
/// Objects of one stream that are remembered when their cells are not.
const MOST_PINNED: usize = 1 << 18;

/// What lies behind the arguments of a call or the parts of an object.
#[derive(Debug, Default)]
struct Reach {
    /// Lists, dicts and sets.
    containers: Vec<Value>,
    /// Instances and results of calls.
    objects: Vec<Value>,
    /// Iterators, and buffers of bytes.
    others: Vec<Value>,
    /// Imported objects, and what is prepared to be called.
    values: Vec<Value>,
    /// True if there is more than was looked at.
    cut: bool,
}

impl Machine<'_> {
    /// The node of a call whose result is not known.
    pub(super) fn call_node(&mut self, callable: Value, arguments: Value, keywords: Value) -> Value {
        let shares = self.shares(arguments, DEEPEST) || self.shares(keywords, DEEPEST) || self.makes_buffer(callable);
        let size = if shares { SHARES } else { 1.0 };
        self.cells.node(&[Value::Head(Kind::Call, size), callable, arguments, keywords, Value::None])
    }

    /// True if something of the file that can change is `value`, in that tuple, or among the arguments of that call.
    fn shares(&self, value: Value, deepest: u8) -> bool {
        match self.cells.field(value, 0) {
            Value::Head(Kind::List | Kind::Dict | Kind::Set | Kind::Iterator, _) => true,
            Value::Head(Kind::Call, size) => size >= SHARES,
            Value::Head(Kind::Instance, _) => self.can_change(value),
            Value::Head(Kind::Tuple, size) if size <= 1.0 => false,
            Value::Head(Kind::Tuple, _) => {
                deepest == 0
                    || self
                        .cells
                        .items(value)
                        .is_none_or(|items| items.into_iter().any(|item| self.shares(item, deepest.saturating_sub(1))))
            }
            _ => matches!(value, Value::Bytes(_)) && self.can_change(value),
        }
    }

    /// A call of a function that is not followed: it may have written anything it was given into each container.
    pub(super) fn escape(&mut self, callable: Value, arguments: Value, keywords: Value) {
        if matches!(callable, Value::Global(id) if self.is_class(id))
            || !(self.shares(arguments, DEEPEST) || self.shares(keywords, DEEPEST))
        {
            return;
        }
        self.give(&[arguments, keywords]);
    }

    /// Code that is not followed gets hold of `values`, and so of all that is behind them, now and later. What it has
    /// hold of already is not walked again: each node costs one look, however many calls share it.
    fn give(&mut self, values: &[Value]) {
        let mut given = std::mem::take(&mut self.changes.given);
        let reach = self.reach(values, &mut given, MOST_GIVEN);
        self.changes.given = given;
        if reach.cut {
            self.evidence.dropped =
                Some(crate::bytes::Exceeded { what: "objects that calls may change", limit: MOST_GIVEN as u64 });
        }
        self.changes.note_use();
        for &container in &reach.containers {
            self.blur(container, &reach.values);
        }
        self.change_behind(&reach);
    }

    /// Adds items to a container. Who has got hold of it has got hold of them.
    pub(super) fn add_items(&mut self, container: Value, items: &[Value]) {
        self.cells.extend(container, items);
        if self.cells.kind(container) == Some(Kind::Dict) && self.plants_hook(items) {
            self.pin(container);
        }
        self.note_held(container, items);
    }

    /// The same for any part that an object gets.
    pub(super) fn note_held(&mut self, object: Value, parts: &[Value]) {
        if self.changes.is_given(object) {
            self.give(parts);
        }
    }

    /// What lies behind `roots`, as far as one look goes.
    fn look_behind(&self, roots: &[Value]) -> Reach {
        if self.cells.is_exhausted() {
            return Reach { cut: true, ..Reach::default() };
        }
        let mut seen = HashSet::new();
        let mut reach = self.reach(roots, &mut seen, MOST_WALKED);
        self.cells.charge(seen.len());
        reach.cut |= reach.objects.iter().any(|&object| self.states(object).nth(MOST_LOOKED_THROUGH).is_some());
        reach
    }

    /// States that an object is used which may be any of more than are looked at.
    fn note_many(&mut self, reach: &Reach, by: By) {
        if reach.cut {
            self.odd("forgotten-object", by, |_| "it may be any of more objects than are looked at".to_owned());
        }
    }

    /// What is no container is changed as well.
    fn change_behind(&mut self, reach: &Reach) {
        for &value in reach.objects.iter().chain(&reach.others) {
            self.change(value);
        }
    }

    /// Items written into an object: they may go to each container behind it.
    pub(super) fn may_write(&mut self, object: Value, items: &[Value], pairs: bool, by: By) {
        if pairs {
            self.keep_hook_items(object, items);
        }
        let shares = match self.cells.kind(object) {
            Some(Kind::Call) => self.shares(object, DEEPEST) || self.cells.field(object, 4) != Value::None,
            Some(Kind::Instance) => {
                self.cells.field(object, 4) != Value::None || self.shares(self.cells.field(object, 2), DEEPEST)
            }
            _ => false,
        };
        if !shares {
            return;
        }
        let reach = self.look_behind(&[object]);
        self.note_many(&reach, by);
        for &container in &reach.containers {
            // Each change leaves an unknown item. Which items they are is worth telling where it is one of a few.
            if pairs == (self.cells.kind(container) == Some(Kind::Dict)) && reach.containers.len() <= MOST_MIXED {
                self.add_items(container, items);
            }
            self.change(container);
        }
        self.note_held(object, items);
        self.change_behind(&reach);
    }

    /// The objects that the result of a call may be.
    pub(super) fn may_be(&mut self, result: Value, by: By) -> Vec<Value> {
        if self.cells.kind(result) != Some(Kind::Call) || self.makes_data(result) {
            return Vec::new();
        }
        let mut reach = self.look_behind(&[result]);
        reach.objects.retain(|&object| object != result);
        reach.cut |= reach.objects.len() > MOST_MIXED;
        if self.gives_back(result) {
            self.note_many(&reach, by);
        }
        reach.objects.truncate(MOST_MIXED);
        reach.objects
    }

    fn is_class(&self, id: u32) -> bool {
        self.names.get(id).is_none_or(|name| looks_like_class(&name.function))
    }

    /// True if the result of a call may be one of the objects that it is given.
    fn gives_back(&self, result: Value) -> bool {
        self.cells.kind(result) == Some(Kind::Call)
            && match self.cells.field(result, 1) {
                Value::Global(id) => self.names.get(id).is_some_and(|name| {
                    let module = canonical(&name.module);
                    let package = module.split('.').next().unwrap_or_default();
                    GIVING_NAMES.contains(&name.function.as_str())
                        || GIVING.contains(&package) && !looks_like_class(&name.function)
                }),
                _ => true,
            }
    }

    /// True if the result of a call may be an imported object that it is given.
    pub(super) fn may_be_imported(&self, result: Value) -> bool {
        if !self.gives_back(result) {
            return false;
        }
        let reach = self.look_behind(&[self.cells.field(result, 2)]);
        reach.cut || reach.values.iter().any(|value| matches!(value, Value::Global(_)))
    }

    /// A call has got hold of a container and of `values`: they may be among its items, which are no longer known.
    pub(super) fn blur(&mut self, container: Value, values: &[Value]) {
        let fresh = values.get(..values.len().min(MOST_MIXED)).unwrap_or(values);
        let is_dict = self.cells.kind(container) == Some(Kind::Dict);
        let items: Vec<Value> = match is_dict {
            true => fresh.iter().flat_map(|&value| [Value::Unknown, value]).collect(),
            false => fresh.to_vec(),
        };
        self.cells.extend(container, &items);
        self.change(container);
    }

    /// What lies behind `roots` and is not among `seen`, which holds at most so many nodes.
    fn reach(&self, roots: &[Value], seen: &mut HashSet<Far>, most: usize) -> Reach {
        // A single look does not pay for long chains of states.
        let most_states = if most > MOST_WALKED { usize::MAX } else { MOST_LOOKED_THROUGH };
        let (mut left, mut reach) = (roots.to_vec(), Reach::default());
        while let Some(value) = left.pop() {
            if let Value::Node(node) = value {
                if seen.contains(&node) {
                    continue;
                }
                if seen.len() >= most {
                    reach.cut = true;
                    break;
                }
                seen.insert(node);
            }
            match self.cells.kind(value) {
                Some(kind @ (Kind::List | Kind::Dict | Kind::Set | Kind::Tuple)) => {
                    if kind != Kind::Tuple {
                        reach.containers.push(value);
                    }
                    // Literals lead nowhere.
                    let leads = |item: &Value| matches!(item, Value::Node(_) | Value::Global(_) | Value::Bytes(_));
                    left.extend(self.cells.kept_items(value).into_iter().filter(leads));
                }
                Some(Kind::Iterator) => {
                    reach.others.push(value);
                    left.push(self.cells.field(value, 1));
                }
                Some(Kind::Call | Kind::Instance) => {
                    if self.called_role(value).is_some_and(is_prepared) {
                        reach.values.push(value);
                    } else {
                        reach.objects.push(value);
                    }
                    left.extend(self.states(value).take(most_states));
                    left.extend([self.cells.field(value, 2), self.cells.field(value, 3)]);
                }
                _ if matches!(value, Value::Global(_)) => reach.values.push(value),
                _ if matches!(value, Value::Bytes(_)) => reach.others.push(value),
                _ => {}
            }
        }
        reach
    }

    /// True for an object of a class that runs what its state says.
    pub(super) fn is_watched(&self, object: Value) -> bool {
        matches!(self.cells.field(object, 1), Value::Global(id) if self.names.get(id).is_some_and(|name| name.watched))
    }

    /// Remembers a node beyond its cells: what it is must not be forgotten by pushing enough values after it.
    pub(super) fn pin(&mut self, node: Value) {
        if let Value::Node(far) = node {
            if self.pinned.len() < MOST_PINNED {
                self.pinned.insert(far);
            } else {
                self.evidence.dropped =
                    Some(crate::bytes::Exceeded { what: "objects that hold functions", limit: MOST_PINNED as u64 });
            }
        }
    }

    /// True for a pinned node whose cells are forgotten.
    pub(super) fn is_lost(&self, value: Value) -> bool {
        matches!(value, Value::Node(far) if self.cells.kind(value).is_none() && self.pinned.contains(&far))
    }

    /// States that a pinned object is used whose cells are forgotten.
    pub(super) fn note_lost(&mut self, value: Value, by: By) {
        if self.is_lost(value) {
            self.odd("forgotten-object", by, |_| "its parts stand too far in front".to_owned());
        }
    }
}

/// True for helpers whose results only exist to be called.
pub(super) const fn is_prepared(role: Role) -> bool {
    matches!(
        role,
        Role::Partial | Role::MethodCaller | Role::AttrGetter | Role::ItemGetter | Role::GetAttr | Role::BoundGetAttr
    )
}
