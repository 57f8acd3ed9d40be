//! Callables as arguments: what a function that nothing is known of may do with them.

use std::collections::HashSet;

use super::alias::is_prepared;
use super::machine::{By, Machine};
use super::role::{Pass, Role, canonical};
use super::value::{Kind, Value};

/// Arguments of a call, and items of each, that are looked at for something to call.
const MOST_PASSED: usize = 4096;
/// Arguments, and items in them, among which objects are looked for.
const MOST_LOOKED_AT: usize = 1024;
/// Classes of the stream that are looked at among the bases of one.
const MOST_BASES: usize = 256;
/// Packages whose objects have no code of their own that the file could choose by asking them.
const DATA_PACKAGES: [&str; 10] = [
    "array",
    "builtins",
    "collections",
    "copyreg",
    "datetime",
    "decimal",
    "fractions",
    "inspect",
    "itertools",
    "numpy",
];

/// Packages whose functions and classes take data, of which an object is asked for its items, length or text.
const ASKING: [&str; 29] = [
    "addict",
    "array",
    "calendar",
    "collections",
    "decimal",
    "easydict",
    "email",
    "enum",
    "fractions",
    "frozendict",
    "graphlib",
    "http",
    "inspect",
    "io",
    "ipaddress",
    "json",
    "mailbox",
    "munch",
    "numpy",
    "optparse",
    "pathlib",
    "queue",
    "random",
    "string",
    "traceback",
    "unittest",
    "uuid",
    "weakref",
    "xml",
];

impl Machine<'_> {
    /// A function that nothing is known of may call what it is given: what has been prepared to be called counts as
    /// called, be it handed over itself, in a container, or as an attribute of an object.
    pub(super) fn pass_on(&mut self, arguments: Value, by: By, depth: u8) {
        for item in self.cells.kept_items(arguments).into_iter().take(MOST_PASSED) {
            self.pass(item, by, depth);
            for inner in self.held(item) {
                self.pass(inner, by, depth);
            }
        }
    }

    /// The items of a container; of an object its attributes, whichever BUILD set them.
    fn held(&self, value: Value) -> Vec<Value> {
        if !matches!(self.cells.kind(value), Some(Kind::Instance | Kind::Call)) {
            return self.cells.kept_items(value);
        }
        let parts = |state: Value| match self.state_pairs(state) {
            pairs if pairs.is_empty() => self.cells.kept_items(state),
            pairs => pairs.into_iter().map(|(_, value)| value).collect(),
        };
        self.states(value).flat_map(parts).filter(|&part| self.is_callable(part)).take(MOST_PASSED).collect()
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
                    // Of a container with more items than are kept, nothing can be said.
                    Some(_) => match self.cells.items(value) {
                        Some(items) if items.len() <= MOST_LOOKED_AT => left.extend(items),
                        Some(items) => return items.iter().any(|&item| self.is_more_than_data(item)),
                        None => return true,
                    },
                    None if matches!(value, Value::Node(_)) => return true,
                    None => {}
                },
            }
        }
        true
    }

    fn is_more_than_data(&self, value: Value) -> bool {
        matches!(value, Value::Global(_) | Value::Unknown | Value::Node(_)) && !self.makes_data(value)
    }

    /// True for an object that a function which takes data asks for its items, its length or its text, in the object's
    /// own code: not for numbers, arrays and containers, which Python and `NumPy` write themselves.
    pub(super) fn is_asked(&self, value: Value) -> bool {
        if self.called_role(value).is_some_and(is_prepared) {
            return false;
        }
        let made_by = match self.cells.kind(value) {
            Some(Kind::Call | Kind::Instance) if !self.makes_data(value) => self.cells.field(value, 1),
            _ => return self.is_lost(value),
        };
        let Value::Global(id) = made_by else { return !self.makes_class(made_by) || self.is_lost(made_by) };
        self.names.get(id).is_none_or(|name| {
            let module = canonical(&name.module);
            let package = module.split('.').next().unwrap_or_default();
            !DATA_PACKAGES.contains(&package)
        })
    }

    /// True for functions and classes that take data.
    pub(super) fn asks(&self, id: u32) -> bool {
        self.names.get(id).is_some_and(|name| {
            let module = canonical(&name.module);
            let package = module.split('.').next().unwrap_or_default();
            ASKING.contains(&package) || (name.module.as_str(), name.function.as_str()) == ("torch", "Size")
        })
    }

    /// The same of any argument.
    pub(super) fn asks_anything(&self, arguments: Value) -> bool {
        self.cells.items(arguments).unwrap_or_default().into_iter().any(|item| self.is_asked(item))
    }

    /// A function may have written what it was given into a container.
    pub(super) fn blur_with(&mut self, container: Value, items: &[Value]) {
        if matches!(self.cells.kind(container), Some(Kind::List | Kind::Dict | Kind::Set)) {
            self.blur(container, items.get(1..).unwrap_or_default());
        }
    }

    /// A class that the stream makes is used as its bases are, and as theirs if the stream makes them too.
    pub(super) fn use_bases(&mut self, class: Value, usage: &'static str, by: By) {
        let (mut left, mut seen) = (vec![class], HashSet::new());
        while let Some(Value::Node(class)) = left.pop() {
            if seen.len() >= MOST_BASES {
                self.odd("forgotten-object", by, |_| "its class has more bases than are looked at".to_owned());
                return;
            }
            if !seen.insert(class) {
                continue;
            }
            let arguments = self.cells.items(self.cells.field(Value::Node(class), 2)).unwrap_or_default();
            let tuples = arguments.into_iter().filter(|&item| self.cells.kind(item) == Some(Kind::Tuple));
            let bases: Vec<Value> = tuples.flat_map(|tuple| self.cells.kept_items(tuple)).collect();
            self.cells.charge(bases.len());
            if self.cells.is_exhausted() {
                return;
            }
            for base in bases {
                match base {
                    Value::Global(id) => {
                        self.note_use(id, usage, by, "", (base, Value::Unknown));
                    }
                    _ if self.makes_class(base) => left.push(base),
                    _ => self.note_lost(base, by),
                }
            }
        }
    }

    /// True for calls that were not worked out here and whose results are text or bytes.
    pub(super) fn makes_data(&self, value: Value) -> bool {
        matches!(self.called_role(value), Some(Role::Encode | Role::Decode | Role::Decoder | Role::StringMethod))
    }

    fn pass(&mut self, value: Value, by: By, depth: u8) {
        self.note_lost(value, by);
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
