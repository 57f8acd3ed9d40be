//! Arguments that decide: what runs text, or connects, does so only if it is given a text, or an address.
//!
//! The classes of `SymPy` evaluate any text among what they are made of, and take numbers and each other as they are.

use super::lookup::MOST_STATE;
use super::machine::{By, Machine};
use super::role::Role;
use super::value::{Kind, Value};
use crate::names::{Given, known};

/// Values that are looked at for one use.
const MOST_VALUES: usize = 4096;
/// Longest text that is looked at.
const LONGEST_TEXT: usize = 4096;
/// How an address begins that names a place in the machine itself.
const LOCAL: &[u8] = b"file:///";
/// What a class that `SymPy` makes for an undefined function is derived from.
const UNDEFINED: (&[u8], &[u8]) = (b"sympy.core.function", b"AppliedUndef");

impl Machine<'_> {
    /// `inert` for a name that acts on some arguments only, if it is given none of them.
    pub(super) fn bearing(&self, id: u32, arguments: Value, keywords: Value) -> &'static str {
        let inert = match self.names.get(id).and_then(|name| name.given) {
            Some(Given::Text) => self.is_textless(id, &[arguments, keywords], false),
            Some(Given::Address) => {
                let items = self.cells.items(arguments).unwrap_or_default();
                matches!(*items.as_slice(), [address] if self.content(address, LOCAL.len()).as_deref() == Some(LOCAL))
                    && self.cells.items(keywords).is_none_or(|keywords| keywords.is_empty())
            }
            None => false,
        };
        if inert { "inert" } else { "" }
    }

    /// The same for `Class.__new__(Class, arguments…)`.
    pub(super) fn bearing_of_maker(&mut self, id: u32, arguments: Value, keywords: Value) -> &'static str {
        if self.names.get(id).is_none_or(|name| name.given.is_none()) {
            return "";
        }
        let items = self.cells.items(arguments).unwrap_or_default();
        let rest = self.cells.tuple(items.get(1..).unwrap_or_default());
        self.bearing(id, rest, keywords)
    }

    /// States text that reaches an object that runs it, in its state or among its items.
    pub(super) fn note_text(&mut self, object: Value, values: &[Value], by: By) {
        if !matches!(self.cells.kind(object), Some(Kind::Call | Kind::Instance)) {
            return;
        }
        let Some(class) = self.class_of(object) else { return };
        let runs = self.names.get(class).is_some_and(|name| name.given == Some(Given::Text));
        if runs && !self.is_textless(class, values, true) {
            let state = values.first().copied().unwrap_or(Value::Unknown);
            self.note_use(class, "instantiated", by, "", (Value::Global(class), state));
        }
    }

    /// The name of the class of an object, or of what its class is derived from.
    fn class_of(&mut self, object: Value) -> Option<u32> {
        match self.cells.field(object, 1) {
            Value::Global(id) => Some(id),
            class if self.called_role(class) == Some(Role::UndefinedFunction) => {
                let naming = self.naming(By { code: super::opcode::BUILD, at: self.reader.offset() }, "type");
                match self.name(UNDEFINED.0, UNDEFINED.1, naming) {
                    Value::Global(id) => Some(id),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Makes an instance of a class that `SymPy` makes for an undefined function; None if it may be any other.
    pub(super) fn instantiate_undefined(
        &mut self,
        class: Value,
        arguments: Value,
        keywords: Value,
        by: By,
    ) -> Option<()> {
        if !self.is_undefined(class) {
            return None;
        }
        let naming = self.naming(by, "type");
        let Value::Global(base) = self.name(UNDEFINED.0, UNDEFINED.1, naming) else { return None };
        let word = self.bearing(base, arguments, keywords);
        self.note_use(base, "instantiated", by, word, (class, arguments));
        Some(())
    }

    /// True for the class of an undefined function whose attributes are no more than assumptions.
    fn is_undefined(&self, class: Value) -> bool {
        if self.called_role(class) != Some(Role::UndefinedFunction) || self.cells.field(class, 4) != Value::None {
            return false;
        }
        let items = self.cells.items(self.cells.field(class, 2)).unwrap_or_default();
        let [Value::Str(_), assumptions] = *items.as_slice() else { return false };
        let pairs = self.cells.items(assumptions).filter(|_| self.cells.kind(assumptions) == Some(Kind::Dict));
        pairs.is_some_and(|pairs| {
            pairs.len() <= MOST_STATE
                && pairs.chunks(2).all(|pair| matches!(*pair, [Value::Str(_), Value::None | Value::Bool(_)]))
        })
    }

    /// True if nothing among the values is text that could be more than a name or a number when it is run: numbers,
    /// containers, and instances that a class such as `class` takes as they are. Those are judged where they are made.
    /// With `deep`, other objects of its package count for what they hold.
    fn is_textless(&self, class: u32, values: &[Value], deep: bool) -> bool {
        let package = self.names.get(class).and_then(|name| name.module.split('.').next()).unwrap_or_default();
        let mut left = values.to_vec();
        for _ in 0..MOST_VALUES {
            let Some(value) = left.pop() else { return true };
            match value {
                Value::None | Value::Bool(_) | Value::Int(_) | Value::Number(_) => {}
                Value::Str(_) | Value::Bytes(_) | Value::Computed(_) if self.is_word(value) => {}
                Value::Node(_) => match self.cells.kind(value) {
                    Some(Kind::Tuple | Kind::List | Kind::Dict | Kind::Set) => {
                        let Some(items) = self.cells.items(value).filter(|items| items.len() <= MOST_VALUES) else {
                            return false;
                        };
                        left.extend(items);
                    }
                    Some(Kind::Call | Kind::Instance) if self.is_value(value) => left.extend(self.states(value)),
                    Some(Kind::Call | Kind::Instance) if deep && self.is_class_of(value, package) => {
                        left.extend([self.cells.field(value, 2), self.cells.field(value, 3)]);
                        left.extend(self.states(value));
                    }
                    _ => return false,
                },
                _ => return false,
            }
        }
        false
    }

    /// True for text that is a name or a number if it is run.
    fn is_word(&self, text: Value) -> bool {
        self.content(text, LONGEST_TEXT.saturating_add(1)).is_some_and(|text| {
            text.len() <= LONGEST_TEXT && text.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        })
    }

    /// True for an object that what evaluates text returns as it is.
    fn is_value(&self, object: Value) -> bool {
        match self.cells.field(object, 1) {
            Value::Global(id) => self.names.get(id).is_some_and(|name| name.value),
            class => self.is_undefined(class) || self.is_undefined(object),
        }
    }

    fn is_class_of(&self, object: Value, package: &str) -> bool {
        let Value::Global(id) = self.cells.field(object, 1) else { return false };
        self.names.get(id).is_some_and(|name| {
            name.module.split('.').next() == Some(package)
                && known(&name.module, &name.function).is_some_and(|known| known.class)
        })
    }
}
