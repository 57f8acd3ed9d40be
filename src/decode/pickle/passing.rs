//! Callables as arguments: what a function that nothing is known of may do with them.

use super::machine::{By, Machine};
use super::role::{Pass, Role};
use super::value::{Kind, Value};

/// Arguments of a call, and items of each, that are looked at for something to call.
const MOST_PASSED: usize = 1024;
/// Arguments, and items in them, among which objects are looked for.
const MOST_LOOKED_AT: usize = 1024;

impl Machine<'_> {
    /// A function that nothing is known of may call what it is given: what has been prepared to be called counts as
    /// called, be it handed over itself, in a container, or as an attribute of an object.
    pub(super) fn pass_on(&mut self, arguments: Value, by: By, depth: u8) {
        for item in self.cells.items(arguments).unwrap_or_default().into_iter().take(MOST_PASSED) {
            self.pass(item, by, depth);
            for inner in self.held(item).into_iter().take(MOST_PASSED) {
                self.pass(inner, by, depth);
            }
        }
    }

    /// The items of a container; of an object its attributes, whichever BUILD set them.
    fn held(&self, value: Value) -> Vec<Value> {
        if !matches!(self.cells.kind(value), Some(Kind::Instance | Kind::Call)) {
            return self.cells.items(value).unwrap_or_default();
        }
        let parts = |state: Value| match self.state_pairs(state) {
            pairs if pairs.is_empty() => self.cells.items(state).unwrap_or_default(),
            pairs => pairs.into_iter().map(|(_, value)| value).collect(),
        };
        self.states(value).flat_map(parts).take(MOST_PASSED).collect()
    }

    /// True if something among the values is more than data: imported, made by a call, or no longer known. Python code
    /// that is given it runs its methods, or gives it back.
    pub(super) fn holds_objects(&self, values: &[Value]) -> bool {
        let mut left = values.to_vec();
        for _ in 0..MOST_LOOKED_AT {
            match left.pop() {
                None => return false,
                Some(Value::Global(_) | Value::Unknown) => return true,
                Some(value) => match self.cells.kind(value) {
                    Some(Kind::Call) if self.makes_data(value) => {}
                    Some(Kind::Call | Kind::Instance | Kind::Persistent) => return true,
                    Some(_) => {
                        left.extend(self.cells.items(value).unwrap_or_default().into_iter().take(MOST_LOOKED_AT));
                    }
                    None if matches!(value, Value::Node(_)) => return true,
                    None => {}
                },
            }
        }
        true
    }

    /// True for calls that were not worked out here and whose results are text or bytes.
    pub(super) fn makes_data(&self, value: Value) -> bool {
        matches!(self.called_role(value), Some(Role::Encode | Role::Decode | Role::Decoder | Role::StringMethod))
    }

    fn pass(&mut self, value: Value, by: By, depth: u8) {
        match value {
            Value::Global(id) => drop(self.note_use(id, "passed", by, "", (value, Value::Unknown))),
            _ if self.is_prepared(value) => {
                self.invoke(value, Value::Unknown, Value::None, by, depth.saturating_add(1));
            }
            _ => {}
        }
    }

    /// True for objects that only exist to be called. A function that the stream makes is not one of them: models keep
    /// functions, and a constructor that is given one stores it.
    fn is_prepared(&self, value: Value) -> bool {
        self.called_role(value).is_some_and(|role| match role {
            Role::Partial | Role::MethodCaller | Role::AttrGetter | Role::GetAttr | Role::BoundGetAttr => true,
            // What comes out of a container may be any of its items.
            Role::Function | Role::Forward { pass: Pass::Opaque, .. } => {
                let arguments = self.cells.items(self.cells.field(value, 2)).unwrap_or_default();
                arguments.iter().any(|&argument| self.cells.any(argument, |item| self.is_callable(item)))
            }
            _ => false,
        })
    }

    /// True for a class that the stream makes.
    pub(super) fn makes_class(&self, value: Value) -> bool {
        self.called_role(value).is_some_and(|role| matches!(role, Role::ClassMaker | Role::TypeByName))
    }

    /// What made the result of a call, if a name did.
    pub(super) fn called_role(&self, value: Value) -> Option<Role> {
        match self.cells.field(value, 1) {
            Value::Global(id) if self.cells.kind(value) == Some(Kind::Call) => self.names.get(id).map(|name| name.role),
            _ => None,
        }
    }
}
