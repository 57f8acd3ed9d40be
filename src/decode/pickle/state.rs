//! The states that BUILD gives an object, and what a state says: its keys and values, be it a dictionary, an object that
//! is a mapping, or two of them.

use super::machine::{By, Machine};
use super::names::LONGEST_NAME;
use super::value::{Kind, Value};

/// States of one object that are looked at. Genuine files set one.
const MOST_STATES: usize = 1024;
/// The same as the head of a state counts them.
const MOST_STATES_SET: f32 = 1024.0;
/// Objects and their arguments of which a mapping is made.
const MOST_PARTS: usize = 256;

impl Machine<'_> {
    /// Adds a state to those of an object.
    pub(super) fn add_state(&mut self, object: Value, state: Value, by: By) {
        if matches!(self.cells.kind(object), Some(Kind::Call | Kind::Instance)) {
            let before = self.cells.field(object, 4);
            let number = match self.cells.field(before, 0) {
                Value::Head(Kind::State, number) => number + 1.0,
                _ => 1.0,
            };
            if number >= MOST_STATES_SET {
                self.odd("forgotten-object", by, |_| "it has more states than are looked at".to_owned());
            }
            let link = self.cells.node(&[Value::Head(Kind::State, number), state, before]);
            self.cells.set(object, 4, link);
            self.note_held(object, &[state]);
        }
    }

    /// The states that BUILD gave an object, the last one first.
    pub(super) fn states(&self, object: Value) -> impl Iterator<Item = Value> {
        let next = |link: &Value| (self.cells.kind(*link) == Some(Kind::State)).then(|| self.cells.field(*link, 2));
        let links = std::iter::successors(Some(self.cells.field(object, 4)), next);
        let states = links.take_while(|link| self.cells.kind(*link) == Some(Kind::State));
        states.map(|link| self.cells.field(link, 1)).take(MOST_STATES)
    }

    /// The entry `name` in the states that BUILD gave an object: the last one counts, unless a function may have
    /// written over it.
    pub(super) fn state_entry(&self, object: Value, name: &[u8]) -> Option<Value> {
        let mut pairs = self.states(object).flat_map(|state| self.state_pairs(state).into_iter().rev());
        let found =
            pairs.find(|(key, _)| *key == Value::Unknown || self.content(*key, LONGEST_NAME).as_deref() == Some(name));
        found.map(|(key, value)| if key == Value::Unknown { Value::Unknown } else { value })
    }

    /// Keys and values of a state: a mapping, or a tuple of them (instance attributes, then slots).
    pub(super) fn state_pairs(&self, state: Value) -> Vec<(Value, Value)> {
        let mappings = match self.cells.kind(state) {
            Some(Kind::Dict | Kind::Call | Kind::Instance) => vec![state],
            Some(Kind::Tuple) if self.cells.len(state) == 2 => self.cells.items(state).unwrap_or_default(),
            _ => Vec::new(),
        };
        mappings.into_iter().flat_map(|mapping| self.mapping_pairs(mapping)).collect()
    }

    /// Keys and values of a dictionary; of an object those methods that may be items of it: what was written into it, and
    /// what it is made of, dictionaries or pairs.
    pub(super) fn mapping_pairs(&self, mapping: Value) -> Vec<(Value, Value)> {
        let paired = |items: &[Value]| -> Vec<(Value, Value)> {
            items.chunks_exact(2).filter_map(|pair| Some((*pair.first()?, *pair.last()?))).collect()
        };
        if self.cells.kind(mapping) == Some(Kind::Dict) {
            return paired(&self.cells.kept_items(mapping));
        }
        let (mut left, mut pairs) = (vec![mapping], Vec::new());
        for _ in 0..MOST_PARTS {
            let Some(part) = left.pop() else {
                pairs.retain(|&(key, value)| self.is_hook(key, value));
                return pairs;
            };
            match (part, self.cells.kind(part)) {
                (_, Some(Kind::Dict)) => pairs.extend(paired(&self.cells.kept_items(part))),
                (Value::Node(node), Some(Kind::Call | Kind::Instance)) => {
                    pairs.extend(paired(self.hook_items.get(&node).map_or(&[], Vec::as_slice)));
                    left.extend(self.cells.items(self.cells.field(part, 2)).unwrap_or_default());
                    left.push(self.cells.field(part, 3));
                }
                _ => pairs.extend(self.cells.kept_items(part).into_iter().filter_map(|item| {
                    match *self.cells.items(item)?.as_slice() {
                        [key, value] => Some((key, value)),
                        _ => None,
                    }
                })),
            }
        }
        // What it is made of goes on: any method may be among it.
        vec![(Value::Unknown, mapping)]
    }
}
