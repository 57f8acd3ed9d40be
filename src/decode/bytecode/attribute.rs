//! Attributes and items: from a name to the name behind it.

use super::references::{FREE_MODULES, Origin};
use super::value::{Atom, Use, Value, join};
use super::walk::{Slot, Walk};

/// Attributes that lead from any object to the interpreter's own.
const REFLECTION: &[&str] = &[
    "__subclasses__",
    "__globals__",
    "__builtins__",
    "func_globals",
    "f_globals",
    "f_builtins",
    "gi_frame",
    "tb_frame",
];
/// Those of them that are namespaces.
const NAMESPACES: &[&str] = &["__globals__", "__builtins__", "func_globals", "f_globals", "f_builtins"];

impl Walk<'_> {
    /// An attribute of a value.
    pub(super) fn attribute(&mut self, value: &Value, name: &str) -> Value {
        let mut found = Vec::new();
        for atom in value.atoms() {
            match atom {
                Atom::Name(id) | Atom::Made(id) => {
                    found.extend(self.references.attribute(*id, name, &self.within).map(Atom::Name));
                }
                Atom::Decoded => found.push(Atom::Decoded),
                Atom::Text(_) | Atom::Bytes(_) | Atom::Each(_) => {
                    found.push(Atom::TextMethod((atom.clone(), name.into()).into()));
                }
                Atom::List(list) => {
                    let method = match name {
                        "append" | "add" | "appendleft" => Use::Append,
                        "extend" | "update" | "insert" | "setdefault" | "__setitem__" => Use::Put,
                        _ => Use::Read,
                    };
                    found.push(Atom::ListMethod(*list, method));
                }
                _ => {}
            }
        }
        if !found.is_empty() {
            return Value::of(found);
        }
        match name {
            // As a function of the object: `getattr` with its first argument.
            "__getattribute__" | "__getattr__" => {
                let getter = self.references.intern(Origin::Builtin, "builtins", "getattr", &self.within);
                let parts = [Value::of(getter.map(Atom::Name).into_iter().collect()), value.clone()];
                Value::of(self.list(&parts).map(Atom::Partial).into_iter().collect())
            }
            name if REFLECTION.contains(&name) => {
                self.references.intern(Origin::Import, "object", name, &self.within);
                if NAMESPACES.contains(&name) { self.namespace() } else { Value::UNKNOWN }
            }
            _ => self.kept_in(&Slot::Attribute(name.to_owned())),
        }
    }

    /// The globals of some module.
    fn namespace(&mut self) -> Value {
        let id = self.references.intern(Origin::Builtin, "builtins", "globals", &self.within);
        if let Some(id) = id {
            self.references.walked(id);
        }
        Value::of(id.map(Atom::Made).into_iter().collect())
    }

    /// `object[key]` beyond what constants come to.
    pub(super) fn subscript(&mut self, object: &Value, key: &Value) -> Value {
        let mut found = Vec::new();
        let names: Vec<String> = key.texts().map(str::to_owned).collect();
        for name in &names {
            let value = self.item(object, name);
            join(&mut found, value.atoms());
        }
        if names.is_empty() {
            self.hand_on(object);
        }
        for atom in object.atoms() {
            match atom {
                Atom::List(list) => {
                    let any = self.list_item(*list, key);
                    self.pay(any.atoms().len());
                    join(&mut found, any.atoms());
                }
                Atom::Decoded => found.push(Atom::Decoded),
                _ => {}
            }
        }
        Value::of(found)
    }

    /// One item of a container, or a part of it.
    fn list_item(&mut self, list: u32, key: &Value) -> Value {
        let (items, whole) = self.lists.items(list);
        match key.atoms() {
            [Atom::Int(at)] if whole => {
                let at = if *at < 0 { at.saturating_add(i64::try_from(items.len()).unwrap_or(0)) } else { *at };
                if let Some(item) = usize::try_from(at).ok().and_then(|at| items.get(at)) {
                    return item.clone();
                }
                self.any(list)
            }
            [Atom::Slice(_)] => Value::one(Atom::List(list)),
            _ => self.any(list),
        }
    }

    /// `namespace["name"]`.
    pub(super) fn item(&mut self, namespace: &Value, key: &str) -> Value {
        let mut found = Vec::new();
        for atom in namespace.atoms() {
            let (Atom::Name(id) | Atom::Made(id)) = *atom else { continue };
            match self.entry(id, key) {
                Some(value) => drop(join(&mut found, value.atoms())),
                None => self.references.hand_on(id),
            }
        }
        Value::of(found)
    }

    /// The entry `key` of a namespace that has a name; None for anything else.
    pub(super) fn entry(&mut self, id: u32, key: &str) -> Option<Value> {
        let (module, path) = self.references.get(id);
        let (module, path) = (module.to_owned(), path.to_owned());
        let intern = |walk: &mut Self, module: &str, path: &str| {
            let id = walk.references.intern(Origin::Import, module, path, &walk.within);
            Some(Value::of(id.map(Atom::Name).into_iter().collect()))
        };
        match (module.as_str(), path.as_str()) {
            ("sys", "modules") => intern(self, key, ""),
            ("builtins", "" | "__dict__" | "globals" | "locals" | "vars") => {
                if matches!(key, "__builtins__" | "__builtin__") {
                    return intern(self, "builtins", "");
                }
                let own = self.kept_in(&Slot::Global(key.to_owned()));
                let outside = match key {
                    key if FREE_MODULES.contains(&key) => intern(self, key, "")?,
                    key => intern(self, "builtins", key)?,
                };
                Some(own.or(&outside))
            }
            (_, path) => {
                let owner = path.strip_suffix("__dict__").or_else(|| path.strip_suffix("__globals__"))?;
                intern(self, &module, &format!("{owner}{key}"))
            }
        }
    }
}
