//! From names to objects: imports, attributes, items, and what a stream itself has put there.

use super::evidence::Misuse;
use super::invoke::Outcome;
use super::machine::{By, Machine};
use super::names::{LONGEST_NAME, MODULE, Spelling, spelling};
use super::opcode as op;
use super::role::{Role, canonical};
use super::value::{Kind, Value};

/// What a stream may put into imported objects and be followed: how many, how long a name, how deep.
const MOST_PLANTS: usize = 65_536;
const LONGEST_PLANT: usize = 512;
const DEEPEST_PLANT: usize = 16;
/// Entries of a state that are looked at.
pub(super) const MOST_STATE: usize = 4096;
/// Items given to a planted method that are looked at one by one.
const MOST_ADDED: usize = 64;

impl Machine<'_> {
    /// The object that an opcode imports.
    pub(super) fn find(&mut self, module: &[u8], name: &[u8], by: By) -> Value {
        self.check_spelling(module, by);
        self.check_spelling(name, by);
        let value = self.name(module, name, self.naming(by, by.mnemonic()));
        // The name is stated as written; what the stream has put in its place is what loading gets.
        self.planted_at(module, name, by).unwrap_or(value)
    }

    fn check_spelling(&mut self, name: &[u8], by: By) {
        let worst = std::str::from_utf8(name).map_or(Spelling::Invalid, spelling);
        let effect = match worst {
            Spelling::Plain => return,
            Spelling::Invalid => "invalid-name",
            Spelling::Confusable => "confusable-name",
        };
        self.odd(effect, by, |_| String::from_utf8_lossy(name.get(..200).unwrap_or(name)).into_owned());
    }

    /// What the stream has planted under the longest beginning of `module.path`, followed along the rest.
    fn planted_at(&mut self, module: &[u8], path: &[u8], by: By) -> Option<Value> {
        if self.planted.is_empty() {
            return None;
        }
        let dots = memchr::memchr_iter(b'.', path).take(DEEPEST_PLANT);
        let ends: Vec<usize> = dots.chain([path.len()]).collect();
        for end in ends.into_iter().rev() {
            let key = [module, b"\0", path.get(..end)?].concat();
            if let Some(&value) = self.planted.get(&key) {
                return match path.get(end..)?.strip_prefix(b".") {
                    Some(rest) => self.attribute_path(value, rest, by),
                    None => Some(value),
                };
            }
        }
        None
    }

    /// Remembers what the stream puts under `key`.
    fn keep_planted(&mut self, key: Vec<u8>, value: Value) {
        if self.planted.len() < MOST_PLANTS && key.len() <= LONGEST_PLANT {
            self.planted.insert(key, value);
        }
    }

    /// The text of a string that is used as a name.
    pub(super) fn name_text(&self, value: Value) -> Option<Vec<u8>> {
        self.content(value, LONGEST_NAME)
    }

    /// Module and path of an imported object.
    fn path_of(&self, id: u32) -> Option<(String, String)> {
        self.names.get(id).map(|name| (name.module.clone(), name.function.clone()))
    }

    /// The object to which the last part of a dotted name is bound: `a.b` for `a.b.__call__`.
    pub(super) fn owner(&mut self, id: u32, by: By) -> Value {
        let Some((module, path)) = self.path_of(id) else { return Value::Unknown };
        match path.rsplit_once('.') {
            Some((before, _)) => self.name(module.as_bytes(), before.as_bytes(), self.naming(by, "getattr")),
            None => {
                let module = self.name(module.as_bytes(), MODULE.as_bytes(), self.naming(by, "getattr"));
                if let Value::Global(id) = module
                    && let Some(name) = self.names.get_mut(id)
                {
                    name.walked = name.walked.saturating_add(1);
                }
                module
            }
        }
    }

    /// `getattr(object, name)`.
    pub(super) fn get_attribute(&mut self, object: Value, name: Value, by: By) -> Outcome {
        self.feed(name);
        self.note_computed(&[name], by);
        let Some(name) = self.name_text(name) else { return Outcome::unresolved() };
        match self.attribute(object, &name, by) {
            Some(value) => Outcome::resolved(Some(value)),
            None => match self.type_name(object) {
                // A method of a literal: named, and evaluated when it is called.
                Some(class) => {
                    let path = [class.as_bytes(), b".", &name].concat();
                    self.name(b"builtins", &path, self.naming(by, "getattr"));
                    Outcome::resolved(None)
                }
                None => Outcome::unresolved(),
            },
        }
    }

    pub(super) fn type_name(&self, value: Value) -> Option<&'static str> {
        Some(match value {
            Value::None => "NoneType",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Number(_) => "float",
            Value::Str(_) | Value::Bytes(_) | Value::Computed(_) => {
                if self.is_text(value)? {
                    "str"
                } else {
                    "bytes"
                }
            }
            Value::Node(_) => match self.cells.kind(value)? {
                Kind::Tuple => "tuple",
                Kind::List => "list",
                Kind::Dict => "dict",
                Kind::Set => "set",
                _ => return None,
            },
            _ => return None,
        })
    }

    /// A dotted path of attributes, as `attrgetter` and dotted names follow it.
    pub(super) fn attribute_path(&mut self, object: Value, path: &[u8], by: By) -> Option<Value> {
        path.split(|&byte| byte == b'.').try_fold(object, |object, name| self.attribute(object, name, by))
    }

    /// One attribute, if it is known what it is.
    pub(super) fn attribute(&mut self, object: Value, name: &[u8], by: By) -> Option<Value> {
        let naming = self.naming(by, "getattr");
        match object {
            Value::Global(id) => {
                let (module, path) = self.path_of(id)?;
                if name == b"__builtins__" || (name == b"__self__" && canonical(&module) == "builtins") {
                    return Some(self.name(b"builtins", MODULE.as_bytes(), naming));
                }
                if let Some(base) = self.names.get_mut(id) {
                    base.walked = base.walked.saturating_add(1);
                }
                let path = if path == MODULE { name.to_vec() } else { [path.as_bytes(), b".", name].concat() };
                let planted = self.planted_at(module.as_bytes(), &path, by);
                Some(planted.unwrap_or_else(|| self.name(module.as_bytes(), &path, naming)))
            }
            Value::Node(_) if matches!(self.cells.kind(object), Some(Kind::Call | Kind::Instance)) => {
                if let Some(value) = self.state_entry(object, name) {
                    return Some(value);
                }
                // Its methods may be called without it among the arguments.
                self.change(object);
                match self.cells.field(object, 1) {
                    Value::Global(id)
                        if self.names.get(id).is_some_and(|n| n.role == Role::Partial) && name == b"func" =>
                    {
                        self.cells.items(self.cells.field(object, 2))?.first().copied()
                    }
                    Value::Global(id)
                        if self.cells.kind(object) == Some(Kind::Call)
                            && self.names.get(id).is_some_and(|n| is_opaque(n.role)) =>
                    {
                        None
                    }
                    Value::Global(id) => {
                        let (module, path) = self.path_of(id)?;
                        let path = [path.as_bytes(), b".", name].concat();
                        Some(self.name(module.as_bytes(), &path, naming))
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// `object[key]`, if it is known what it is.
    pub(super) fn item_of(&mut self, object: Value, key: Value, by: By) -> Option<Value> {
        match object {
            Value::Global(id) => {
                let (module, path) = self.path_of(id)?;
                self.feed(key);
                // `List[int]`: a type like the one that is subscripted.
                if module == "typing"
                    && path.starts_with(|first: char| first.is_ascii_uppercase())
                    && !path.contains('.')
                {
                    return Some(object);
                }
                let key = self.name_text(key)?;
                self.namespace_item(&module, &path, &key, by)
            }
            Value::Node(_) => match self.cells.kind(object)? {
                Kind::Dict => {
                    let pairs = self.unchanged_items(object)?;
                    for pair in pairs.rchunks_exact(2) {
                        if let [known, value] = *pair
                            && self.is_same_key(known, key)?
                        {
                            return Some(value);
                        }
                    }
                    None
                }
                kind @ (Kind::Tuple | Kind::List) => {
                    let items = self.unchanged_items(object)?;
                    if kind == Kind::List && items.contains(&Value::Unknown) {
                        return None;
                    }
                    let index = match key {
                        Value::Int(index) => index,
                        Value::Bool(truth) => i32::from(truth),
                        _ => return None,
                    };
                    let index = usize::try_from(index)
                        .ok()
                        .or_else(|| items.len().checked_sub(usize::try_from(index.unsigned_abs()).ok()?))?;
                    items.get(index).copied()
                }
                Kind::Call => self.call_item(object, key, by),
                _ => None,
            },
            _ => self.string_item(object, key),
        }
    }

    /// An item of a namespace: of `sys.modules`, of a `__dict__`, of `__builtins__`.
    fn namespace_item(&mut self, module: &str, path: &str, key: &[u8], by: By) -> Option<Value> {
        let naming = self.naming(by, "getitem");
        let (before, last) = path.rsplit_once('.').unwrap_or((MODULE, path));
        if key == b"__builtins__" || (last == "modules" && key == b"builtins") {
            return Some(self.name(b"builtins", MODULE.as_bytes(), naming));
        }
        let owner = before.rsplit('.').next().unwrap_or(before);
        if last == "modules" && (owner == "sys" || (before == MODULE && canonical(module) == "sys")) {
            return Some(self.name(key, MODULE.as_bytes(), naming));
        }
        if last == "__builtins__" || (canonical(module) == "builtins" && path == MODULE) {
            return Some(self.name(b"builtins", key, naming));
        }
        let path = match (last, before) {
            ("__dict__", MODULE) => key.to_vec(),
            ("__dict__", before) => [before.as_bytes(), b".", key].concat(),
            _ => [path.as_bytes(), b".", key].concat(),
        };
        let planted = self.planted_at(module.as_bytes(), &path, by);
        Some(planted.unwrap_or_else(|| self.name(module.as_bytes(), &path, naming)))
    }

    /// An item of the result of a call: `globals()["__builtins__"]`, or a default that a factory makes.
    fn call_item(&mut self, object: Value, key: Value, by: By) -> Option<Value> {
        let Value::Global(id) = self.cells.field(object, 1) else { return None };
        let (module, path) = self.path_of(id)?;
        let role = self.names.get(id)?.role;
        if role == Role::Globals && self.name_text(key)? == b"__builtins__" {
            return Some(self.name(b"builtins", MODULE.as_bytes(), self.naming(by, "getitem")));
        }
        if module == "collections" && path == "defaultdict" {
            let factory = self.cells.items(self.cells.field(object, 2))?.first().copied()?;
            let none = self.cells.tuple(&[]);
            return Some(self.invoke(factory, none, Value::None, by, 8));
        }
        None
    }

    /// `__import__(name)` gives the root package unless names are asked for; `import_module(name)` the module.
    pub(super) fn import(&mut self, items: &[Value], how: &'static str, by: By) -> Option<Value> {
        let root = how == "__import__";
        let &name = items.first()?;
        self.feed(name);
        self.note_computed(&[name], by);
        let text = self.name_text(name)?;
        self.check_spelling(&text, by);
        let naming = self.naming(by, how);
        let asks_for_names = items.get(3).is_some_and(|&names| self.cells.len(names) > 0);
        let first = text.split(|&byte| byte == b'.').next().unwrap_or_default();
        if root && !asks_for_names && first.len() < text.len() {
            // Both are imported; the root is what the call returns.
            self.name(&text, MODULE.as_bytes(), naming);
            return Some(self.name(first, MODULE.as_bytes(), naming));
        }
        Some(self.name(&text, MODULE.as_bytes(), naming))
    }

    /// `resolve_name("os:system")`, `locate("os.system")`, `_import(module, path)`.
    pub(super) fn locate(&mut self, items: &[Value], by: By) -> Option<Value> {
        let &name = items.first()?;
        self.feed(name);
        self.note_computed(&[name], by);
        let text = self.name_text(name)?;
        let naming = self.naming(by, "resolve_name");
        if let Some(colon) = memchr::memchr(b':', &text) {
            let (module, path) = (text.get(..colon)?, text.get(colon.saturating_add(1)..)?);
            return Some(self.name(module, if path.is_empty() { MODULE.as_bytes() } else { path }, naming));
        }
        // Where the module ends is for the file system to say: without a dot it is a module, else the last part is
        // taken for the attribute.
        Some(match memchr::memrchr(b'.', &text) {
            Some(dot) => self.name(text.get(..dot)?, text.get(dot.saturating_add(1)..)?, naming),
            None => self.name(&text, MODULE.as_bytes(), naming),
        })
    }

    /// The type of that name in `types`, or the built-in one.
    pub(super) fn type_by_name(&mut self, name: Value, by: By) -> Option<Value> {
        let text = self.name_text(name)?;
        let naming = self.naming(by, "type-by-name");
        if text == b"PartialType" {
            return Some(self.name(b"functools", b"partial", naming));
        }
        let in_types = text.ends_with(b"Type") || matches!(text.as_slice(), b"SimpleNamespace" | b"GenericAlias");
        Some(self.name(if in_types { b"types" } else { b"builtins" }, &text, naming))
    }

    /// The class of that name in a module, which is imported.
    pub(super) fn class_by_name(&mut self, module: Value, name: Value, by: By) -> Option<Value> {
        self.note_computed(&[module, name], by);
        let (module, name) = (self.name_text(module)?, self.name_text(name)?);
        let naming = self.naming(by, "resolve_name");
        Some(self.name(&module, &name, naming))
    }

    /// `add_extension(module, name, code)`.
    pub(super) fn add_extension(&mut self, items: &[Value]) -> Outcome {
        let (module, name) = match items {
            [module, name, _] => (self.name_text(*module), self.name_text(*name)),
            _ => (None, None),
        };
        let code = match items.get(2) {
            Some(Value::Int(code)) => i64::from(*code),
            _ => 0,
        };
        match (module, name) {
            (Some(module), Some(name))
                if self.extensions.len() < MOST_PLANTS && module.len().max(name.len()) <= LONGEST_PLANT =>
            {
                self.extensions.insert(code, (module, name));
                Outcome::resolved(None)
            }
            _ => Outcome::unresolved(),
        }
    }

    /// `setattr(object, name, value)`.
    pub(super) fn set_attribute(&mut self, object: Value, name: Value, value: Value, by: By) -> Outcome {
        let Some(name) = self.name_text(name) else { return Outcome::unresolved() };
        match object {
            Value::Global(id) => {
                self.plant(id, &name, value);
                Outcome::resolved(None)
            }
            _ => {
                let special =
                    name.starts_with(b"__") && !matches!(name.as_slice(), b"__qualname__" | b"__doc__" | b"__module__");
                let own = !special && self.is_class_made_here(object);
                let (key, state) = (self.compute(true, name, None), self.cells.container(Kind::Dict));
                self.cells.extend(state, &[key.unwrap_or(Value::Unknown), value]);
                self.add_state(object, state, by);
                // The stream fits out a class of its own; a special method would be called by the interpreter.
                if own { Outcome { value: None, arguments: "own" } } else { Outcome::resolved(None) }
            }
        }
    }

    /// True for a class that the stream makes.
    fn is_class_made_here(&self, object: Value) -> bool {
        self.cells.kind(object) == Some(Kind::Call)
            && matches!(self.cells.field(object, 1), Value::Global(id) if self.names.get(id).is_some_and(|name| name.role == Role::ClassMaker))
    }

    /// `setitem(object, key, value)`.
    pub(super) fn set_item(&mut self, object: Value, key: Value, value: Value, by: By) -> Outcome {
        match (object, self.name_text(key)) {
            (Value::Global(id), Some(key)) => self.plant_item(id, &key, value),
            (Value::Global(_), None) => return Outcome::unresolved(),
            _ if self.cells.kind(object) == Some(Kind::Dict) => self.add_items(object, &[key, value]),
            _ if self.cells.kind(object) == Some(Kind::List) => self.blur(object, &[value]),
            _ => self.may_write(object, &[key, value], true, by),
        }
        Outcome::resolved(None)
    }

    /// Remembers an attribute that the stream writes to an imported object.
    fn plant(&mut self, id: u32, name: &[u8], value: Value) {
        let Some((module, path)) = self.path_of(id) else { return };
        let path = if path == MODULE { name.to_vec() } else { [path.as_bytes(), b".", name].concat() };
        self.keep_planted([module.as_bytes(), b"\0", &path].concat(), value);
    }

    /// Remembers an item that the stream writes to an imported namespace.
    fn plant_item(&mut self, id: u32, key: &[u8], value: Value) {
        let Some((module, path)) = self.path_of(id) else { return };
        let (before, last) = path.rsplit_once('.').unwrap_or(("", path.as_str()));
        let target = match last {
            "__dict__" if before.is_empty() => [module.as_bytes(), b"\0", key].concat(),
            "__dict__" => [module.as_bytes(), b"\0", before.as_bytes(), b".", key].concat(),
            "modules" => [key, b"\0", MODULE.as_bytes()].concat(),
            _ => [module.as_bytes(), b"\0", path.as_bytes(), b".", key].concat(),
        };
        self.keep_planted(target, value);
    }

    /// BUILD: restores `state` on `target`. Returns what replaces the target on the stack, if something does.
    pub(super) fn restore(&mut self, target: Value, state: Value, by: By) -> Option<Value> {
        if let Value::Global(id) = target {
            let pairs = self.state_pairs(state);
            self.odd("build-on-import", by, |machine| format!("{} <- {}", machine.show(target), machine.show(state)));
            self.note_use(id, "referenced", by, "", (target, Value::Unknown));
            self.note_planted(&pairs, target, by);
            for (key, value) in pairs {
                if let Some(key) = self.content(key, LONGEST_NAME) {
                    self.plant(id, &key, value);
                }
            }
            self.log_build(target, state);
            return None;
        }
        self.note_lost(state, by);
        if !matches!(self.cells.kind(target), Some(Kind::Call | Kind::Instance)) {
            let pairs = self.state_pairs(state);
            if self.cells.kind(target).is_none() && pairs.into_iter().any(|(key, value)| self.is_hook(key, value)) {
                self.pin(target);
            }
            self.note_lost(target, by);
            return None;
        }
        for hook in self.hooks(target, b"__setstate__", by) {
            let arguments = self.cells.tuple(&[state]);
            self.invoke(hook, arguments, Value::None, by, 0);
        }
        self.note_hooks(target, state, by);
        self.note_parsers(target, state, by);
        self.note_text(target, &[state], by);
        if let Some(Role::Unpickle | Role::UnpickleTorch | Role::UnpickleArgument(_)) = self.called_role(target) {
            self.odd("build-from-unsafe", by, |machine| machine.show(target));
        }
        for object in self.may_be(target, by) {
            self.hand_over_state(object, state, by);
            // Of an object that runs what its state says, whose state it is stays open.
            if !self.is_watched(object) {
                self.add_state(object, state, by);
            }
        }
        self.hand_over_state(target, state, by);
        self.add_state(target, state, by);
        if self.state_pairs(state).iter().any(|&(_, value)| self.is_callable(value)) && self.may_be_imported(target) {
            let pairs = self.state_pairs(state);
            self.note_planted(&pairs, target, by);
        }
        self.log_build(target, state);
        None
    }

    /// States that functions of an imported object are replaced.
    fn note_planted(&mut self, pairs: &[(Value, Value)], target: Value, by: By) {
        if let Some(&(key, value)) = pairs.iter().find(|(_, value)| self.is_callable(*value)) {
            self.odd("function-planted", by, |machine| {
                format!("{}.{} = {}", machine.show(target), machine.item_text(key), machine.show(value))
            });
        }
    }

    /// APPEND(S), SETITEM(S) and ADDITEMS on something that is no list, dict or set.
    pub(super) fn add_to_object(&mut self, target: Value, items: &[Value], by: By) {
        let pairs = matches!(by.code, op::SETITEM | op::SETITEMS);
        let stored = match if pairs { items.len().div_euclid(2) } else { items.len() } {
            1 => "1 item".to_owned(),
            many => format!("{many} items"),
        };
        if !pairs || !self.takes_items(target) {
            self.evidence.misuse(Misuse::ItemElsewhere);
        }
        match target {
            Value::Global(id) => {
                self.odd("item-write-on-import", by, |machine| format!("{}: {stored}", machine.show(target)));
                if pairs {
                    for pair in items.chunks_exact(2) {
                        if let [key, value] = *pair {
                            self.note_planted(&[(key, value)], target, by);
                            if let Some(key) = self.content(key, LONGEST_NAME) {
                                self.plant_item(id, &key, value);
                            }
                        }
                    }
                }
            }
            Value::Node(_) => {
                self.note_text(target, items, by);
                if self.is_tensor(target) {
                    self.odd("item-write-on-tensor", by, |machine| format!("{}: {stored}", machine.show(target)));
                }
                let hooks: &[&[u8]] = match by.code {
                    op::APPEND | op::APPENDS => &[b"extend", b"append"],
                    op::ADDITEMS => &[b"add"],
                    _ => &[b"__setitem__"],
                };
                self.note_lost(target, by);
                self.may_write(target, items, pairs, by);
                for name in hooks {
                    for hook in self.hooks(target, name, by) {
                        for &item in items.iter().take(MOST_ADDED) {
                            let arguments = self.cells.tuple(&[item]);
                            self.invoke(hook, arguments, Value::None, by, 0);
                        }
                        if items.len() > MOST_ADDED {
                            self.invoke(hook, Value::Unknown, Value::None, by, 0);
                        }
                    }
                }
            }
            Value::Bytes(_) => self.change(target),
            _ => {}
        }
    }

    /// True for what a loader of weights alone lets SETITEM write into, beside dictionaries.
    fn takes_items(&self, target: Value) -> bool {
        matches!(self.cells.field(target, 1), Value::Global(id) if self.names.get(id).is_some_and(|name| {
            name.module == "collections" && matches!(name.function.as_str(), "OrderedDict" | "Counter")
        }))
    }

    /// True for tensors and storages, into which no writer puts items: torch before 2.10 then writes out of bounds.
    fn is_tensor(&self, value: Value) -> bool {
        match self.cells.kind(value) {
            Some(Kind::Persistent) => true,
            Some(Kind::Call | Kind::Instance) => match self.cells.field(value, 1) {
                Value::Global(id) => self.names.get(id).is_some_and(|name| {
                    let torch = name.module == "torch" || name.module.starts_with("torch.");
                    let last = name.function.rsplit('.').next().unwrap_or_default();
                    torch && (last.starts_with("_rebuild") || last == "Tensor" || last.ends_with("Storage"))
                }),
                _ => false,
            },
            _ => false,
        }
    }
}

/// Roles whose result is not an instance of something that the name says.
fn is_opaque(role: Role) -> bool {
    matches!(
        role,
        Role::GetAttr
            | Role::GetItem
            | Role::BoundGetAttr
            | Role::BoundGetItem
            | Role::Vars
            | Role::Globals
            | Role::Import
            | Role::ImportModule
            | Role::Locate
            | Role::Forward { .. }
    )
}
