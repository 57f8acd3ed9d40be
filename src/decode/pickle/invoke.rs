//! Calls: by opcodes, by helpers that call their argument, and by objects that a stream has prepared.

use super::alias::is_prepared;
use super::evidence::{Content, Nested, Purpose};
use super::machine::{By, Machine};
use super::names::{Name, looks_like_class};
use super::role::{Pass, Role};
use super::value::{Kind, Value};

/// How deep helpers may wrap each other. Real ones: a partial of a partial.
const DEEPEST: u8 = 12;
/// Calls through helpers that are followed in one stream: a map over a map over a map multiplies.
const MOST_FORWARDED: u64 = 1 << 20;
/// Items of an iterable that a helper's function is applied to.
pub(super) const MOST_ITEMS: usize = 256;

/// What comes of a helper call.
pub(super) struct Outcome {
    /// The result; None if it stays the call itself.
    pub(super) value: Option<Value>,
    /// What the arguments make of it.
    pub(super) arguments: &'static str,
}

impl Outcome {
    pub(super) const fn resolved(value: Option<Value>) -> Self {
        Self { value, arguments: "resolved" }
    }

    pub(super) const fn unresolved() -> Self {
        Self { value: None, arguments: "unresolved" }
    }

    pub(super) const fn plain(value: Option<Value>) -> Self {
        Self { value, arguments: "" }
    }

    fn of(value: Option<Value>) -> Self {
        if value.is_some() { Self::resolved(value) } else { Self::unresolved() }
    }
}

impl Machine<'_> {
    /// Calls `callable`, whatever it is, and returns the result.
    pub(super) fn invoke(&mut self, callable: Value, arguments: Value, keywords: Value, by: By, depth: u8) -> Value {
        self.calls = self.calls.saturating_add(1);
        if depth > 0 {
            self.forwarded = self.forwarded.saturating_add(1);
        }
        if depth > DEEPEST || self.forwarded > MOST_FORWARDED {
            return self.unresolved_call(callable, arguments, by);
        }
        let value = match callable {
            Value::Global(id) => self.invoke_name(id, arguments, keywords, by, depth),
            Value::Node(_) if self.cells.kind(callable) == Some(Kind::Call) => {
                self.invoke_result(callable, arguments, keywords, by, depth)
            }
            Value::Node(_) if self.calls_class(callable) => {
                let items = self.cells.items(arguments).unwrap_or_default();
                let (class, rest) =
                    items.split_first().map_or((Value::Unknown, &[][..]), |(&class, rest)| (class, rest));
                let rest = self.cells.tuple(rest);
                self.invoke(class, rest, keywords, by, depth.saturating_add(1))
            }
            _ => self.unresolved_call(callable, arguments, by),
        };
        self.log_call(value, callable, arguments);
        value
    }

    pub(super) fn instance_node(&mut self, class: Value, arguments: Value, keywords: Value) -> Value {
        let node = self.cells.node(&[Value::Head(Kind::Instance, 1.0), class, arguments, keywords, Value::None]);
        if matches!(class, Value::Global(id) if self.names.get(id).is_some_and(is_judged_by_state)) {
            self.pin(node);
        }
        node
    }

    fn unresolved_call(&mut self, callable: Value, arguments: Value, by: By) -> Value {
        self.odd("unresolved-callable", by, |machine| machine.describe_call(callable, arguments).0);
        self.call_node(callable, arguments, Value::None)
    }

    fn invoke_name(&mut self, id: u32, arguments: Value, keywords: Value, by: By, depth: u8) -> Value {
        let callable = Value::Global(id);
        let role = self.names.get(id).map_or(Role::Plain, |name| name.role);
        if matches!(role, Role::Plain | Role::UndefinedFunction | Role::ClassCaller) {
            let word = match (self.bearing(id, arguments, keywords), self.holds_objects(&[arguments, keywords])) {
                ("", true) if self.asks(id) && self.asks_anything(arguments) => "asked",
                ("", true) => "objects",
                (word, _) => word,
            };
            self.note_use(id, "called", by, word, (callable, arguments));
            self.feed_items(arguments);
            self.pass_on(arguments, by, depth);
            self.pass_on(keywords, by, depth);
            // It only reads its arguments.
            if role != Role::UndefinedFunction {
                self.escape(callable, arguments, keywords);
            }
            let node = self.call_node(callable, arguments, keywords);
            if self.names.get(id).is_some_and(is_judged_by_state) {
                self.pin(node);
            }
            return node;
        }
        let outcome = match self.cells.items(arguments) {
            Some(items) if self.cells.kind(arguments) == Some(Kind::Tuple) => {
                let outcome = self.evaluate(id, role, &items, keywords, by, depth);
                self.note_changes(id, arguments);
                outcome
            }
            _ => without_arguments(role),
        };
        let given = self.given(role, arguments);
        // Bytes that are known get their word from those who read them. A call with others is another use.
        let is_read =
            !given.is_empty() && matches!(role, Role::Unpickle | Role::UnpickleTorch | Role::UnpickleArgument(_));
        let word = match role {
            _ if is_read => "bytes",
            Role::NewObj if self.bearing_of_maker(id, arguments, keywords) == "inert" => "inert",
            _ => outcome.arguments,
        };
        let used = self.note_use(id, "called", by, word, (callable, arguments));
        let purpose = match role {
            Role::Unmarshal => Some(Purpose::Unmarshalled),
            Role::LoadText(loader) => Some(Purpose::Text(loader)),
            _ => used.map(|used| Purpose::Loaded(used, role == Role::UnpickleTorch)),
        };
        for content in given {
            if let Some(purpose) = purpose {
                self.evidence.nested(Nested { content, at: by.at, purpose });
            }
        }
        if let Role::UnpickleArgument(_) = role {
            self.pass_on(arguments, by, depth);
        }
        match outcome.value {
            Some(Value::Computed(computed)) if is_decoder(role) => self.note_decoded(computed, used, by),
            None => self.undecoded |= is_decoder(role),
            _ => {}
        }
        outcome.value.unwrap_or_else(|| {
            if role != Role::Container {
                self.escape(callable, arguments, keywords);
            }
            let node = self.call_node(callable, arguments, keywords);
            if is_prepared(role) || matches!(role, Role::ClassMaker | Role::FunctionMaker) {
                self.pin(node);
            }
            node
        })
    }

    /// What a call of a known helper comes to.
    fn evaluate(&mut self, id: u32, role: Role, items: &[Value], keywords: Value, by: By, depth: u8) -> Outcome {
        let lookup = self.evaluate_lookup(id, role, items, by);
        if let Some(outcome) = lookup.or_else(|| self.evaluate_text(id, role, items, keywords, by)) {
            return outcome;
        }
        match role {
            Role::BoundCall => {
                let base = self.owner(id, by);
                let arguments = self.cells.tuple(items);
                let value = self.invoke(base, arguments, keywords, by, depth.saturating_add(1));
                Outcome::resolved(Some(value))
            }
            Role::AttrGetter | Role::ItemGetter | Role::MethodCaller => {
                let known = items.iter().all(|&item| !matches!(item, Value::Unknown));
                if known && !items.is_empty() { Outcome::resolved(None) } else { Outcome::unresolved() }
            }
            Role::Partial => {
                let known = items.first().is_some_and(|&function| self.is_resolved(function));
                if known { Outcome::resolved(None) } else { Outcome::unresolved() }
            }
            Role::Forward { callee, pass: Pass::Later } if items.len() <= usize::from(callee) => {
                self.ask(items, keywords, by, depth)
            }
            Role::Forward { callee, pass } => self.forward(usize::from(callee), pass, items, by, depth),
            Role::Rebuild => self.rebuild(items, by, depth),
            Role::Keyed(place) => self.keyed(place, items, keywords, by, depth),
            Role::Instance | Role::NewObj | Role::NewObjEx => self.make_instance(role, items, by),
            Role::ClassMaker => self.make_named_class(id, items, keywords, by, depth),
            Role::Container => self.ask(items, keywords, by, depth),
            Role::Reader(place) => {
                let file = items.get(usize::from(place)).copied().unwrap_or(Value::None);
                let reads = file != Value::None || keywords != Value::None;
                Outcome { value: None, arguments: if reads { "read" } else { "" } }
            }
            Role::CodeMaker | Role::FunctionMaker | Role::LoadText(_) => {
                if role == Role::CodeMaker {
                    self.store_code(items, by);
                }
                for &item in items {
                    self.feed(item);
                }
                Outcome::plain(None)
            }
            Role::Unpickle | Role::UnpickleTorch | Role::UnpickleArgument(_) | Role::Unmarshal => {
                for &item in items {
                    self.feed(item);
                }
                Outcome { value: None, arguments: "opaque" }
            }
            Role::Open => Outcome { value: None, arguments: self.open_mode(items, keywords) },
            _ => Outcome::plain(None),
        }
    }

    /// The functions that make text or bytes; None for any other.
    fn evaluate_text(&mut self, id: u32, role: Role, items: &[Value], keywords: Value, by: By) -> Option<Outcome> {
        let item = |n: usize| items.get(n).copied().unwrap_or(Value::Unknown);
        // Arguments by name change what text functions do.
        let named = !matches!(keywords, Value::None) && self.cells.len(keywords) > 0;
        Some(match role {
            Role::Encode | Role::Decode | Role::Decoder if named => {
                Outcome { value: None, arguments: if role == Role::Encode { "" } else { "data" } }
            }
            Role::StringMethod | Role::Function => {
                let value = match role {
                    _ if named => None,
                    Role::StringMethod => self.string_method_of(id, items, by),
                    _ => self.function(id, items, by),
                };
                // The items of a container stay as they are; an object itself is asked for its items.
                let asks = |&item: &Value| {
                    !self.makes_data(item) && matches!(self.cells.kind(item), Some(Kind::Call | Kind::Instance))
                };
                let arguments = if value.is_none() && items.iter().any(asks) { "objects" } else { "" };
                Outcome { value, arguments }
            }
            Role::Encode => Outcome::plain(self.encode(item(0), item(1))),
            Role::Decode => Outcome { value: self.decode(item(0), item(1)), arguments: "data" },
            Role::Decoder => Outcome { value: self.decode_by_name(id, items), arguments: "data" },
            _ => return None,
        })
    }

    /// The functions that make an instance without its constructor.
    fn make_instance(&mut self, role: Role, items: &[Value], by: By) -> Outcome {
        let item = |n: usize| items.get(n).copied().unwrap_or(Value::Unknown);
        if role == Role::NewObjEx {
            return Outcome::resolved(Some(self.instantiate(item(0), item(1), item(2), by)));
        }
        let rest = self.cells.tuple(items.get(1..).unwrap_or_default());
        if role == Role::NewObj {
            return Outcome::resolved(Some(self.instantiate(item(0), rest, Value::None, by)));
        }
        if let Value::Global(class) = item(0) {
            self.note_use(class, "instantiated", by, "", (item(0), Value::Unknown));
        }
        // `_reconstructor` hands the state to `__init__` of the base, if there is one.
        if let (3, Value::Global(base)) = (items.len(), item(1))
            && self.names.get(base).is_some_and(|name| name.function != "object" && name.function != "tuple")
        {
            self.note_use(base, "called", by, "", (item(1), Value::Unknown));
        }
        Outcome::resolved(Some(self.instance_node(item(0), rest, Value::None)))
    }

    /// The helpers that read and write attributes, items and modules; None for any other.
    fn evaluate_lookup(&mut self, id: u32, role: Role, items: &[Value], by: By) -> Option<Outcome> {
        let item = |n: usize| items.get(n).copied().unwrap_or(Value::Unknown);
        Some(match role {
            Role::GetAttr => self.get_attribute(item(0), item(1), by),
            Role::BoundGetAttr => {
                let base = self.owner(id, by);
                self.get_attribute(base, item(items.len().saturating_sub(1)), by)
            }
            Role::SetAttr => self.set_attribute(item(0), item(1), item(2), by),
            Role::BoundSetAttr => {
                let base = self.owner(id, by);
                // Called through a class, the object comes first.
                if items.len() > 2 {
                    self.set_attribute(item(0), item(1), item(2), by)
                } else {
                    self.set_attribute(base, item(0), item(1), by)
                }
            }
            Role::GetItem => {
                let found = self.item_of(item(0), item(1), by);
                if self.names.get(id).is_some_and(|name| name.function.ends_with("setdefault")) && found.is_none() {
                    self.blur_with(item(0), items);
                }
                Outcome::of(found)
            }
            Role::BoundGetItem => {
                let base = self.owner(id, by);
                Outcome::of(self.item_of(base, item(0), by))
            }
            Role::SetItem => self.set_item(item(0), item(1), item(2), by),
            Role::Vars => Outcome::of(self.attribute(item(0), b"__dict__", by)),
            Role::Globals => Outcome::unresolved(),
            Role::Import => Outcome::of(self.import(items, "__import__", by)),
            Role::ImportModule => {
                // Helpers of code stored by value fetch what that code imports.
                let helper = |name: &Name| matches!(name.function.as_str(), "subimport" | "_import_module");
                let how = if self.names.get(id).is_some_and(helper) { "subimport" } else { "import_module" };
                Outcome::of(self.import(items, how, by))
            }
            Role::Locate => Outcome::of(self.locate(items, by)),
            Role::TypeByName => Outcome::of(self.type_by_name(item(0), by)),
            Role::ClassByName => Outcome::of(self.class_by_name(item(2), item(0), by)),
            Role::AddExtension => self.add_extension(items),
            _ => return None,
        })
    }

    /// Calls the result of a call.
    fn invoke_result(&mut self, callee: Value, arguments: Value, keywords: Value, by: By, depth: u8) -> Value {
        let Value::Global(id) = self.cells.field(callee, 1) else {
            // What a function of the file returns, a method bound to it for one: that its code runs is told.
            if self.runs_stored_code(callee) {
                return self.call_node(callee, arguments, keywords);
            }
            return self.unresolved_call(callee, arguments, by);
        };
        let role = self.names.get(id).map_or(Role::Plain, |name| name.role);
        let prepared = self.cells.field(callee, 2);
        let before = self.cells.items(prepared).unwrap_or_default();
        let items = self.cells.items(arguments);
        let first = items.as_ref().and_then(|items| items.first()).copied().unwrap_or(Value::Unknown);
        match role {
            Role::Partial => {
                let (function, bound, bound_keywords) = self.partial_parts(callee);
                let (Some(bound), Some(items)) = (bound, items) else {
                    return self.invoke(function, Value::Unknown, keywords, by, depth.saturating_add(1));
                };
                let all = self.cells.tuple(&[bound, items].concat());
                let keywords = if keywords == Value::None { bound_keywords } else { keywords };
                self.invoke(function, all, keywords, by, depth.saturating_add(1))
            }
            Role::AttrGetter | Role::ItemGetter => {
                let mut found = Vec::new();
                for key in before.iter().take(MOST_ITEMS) {
                    let value = match role {
                        Role::AttrGetter => self.name_text(*key).and_then(|path| self.attribute_path(first, &path, by)),
                        _ => self.item_of(first, *key, by),
                    };
                    found.push(value.unwrap_or(Value::Unknown));
                }
                match found.as_slice() {
                    [Value::Unknown] | [] => self.unresolved_call(callee, arguments, by),
                    [one] => *one,
                    many => self.cells.tuple(many),
                }
            }
            Role::MethodCaller => {
                let Some((&name, bound)) = before.split_first() else {
                    return self.unresolved_call(callee, arguments, by);
                };
                let all = self.cells.tuple(bound);
                match self.get_attribute(first, name, by).value {
                    Some(function) => self.invoke(function, all, keywords, by, depth.saturating_add(1)),
                    None => Some(bound)
                        .filter(|_| self.cells.len(self.cells.field(callee, 3)) == 0)
                        .and_then(|bound| self.invoke_method(first, name, bound, by))
                        .unwrap_or_else(|| self.unresolved_call(callee, arguments, by)),
                }
            }
            Role::GetAttr => {
                let (object, name) = (before.first().copied(), before.get(1).copied());
                object
                    .zip(name)
                    .and_then(|(object, name)| self.invoke_method(object, name, &items.unwrap_or_default(), by))
                    .unwrap_or_else(|| self.unresolved_call(callee, arguments, by))
            }
            // A function whose code stands in the stream.
            Role::FunctionMaker => {
                self.evidence.runs_code = true;
                self.call_node(callee, arguments, keywords)
            }
            // A class that the stream makes: calling it makes an instance.
            Role::ClassMaker => {
                self.use_bases(callee, "called", by);
                self.instance_node(callee, arguments, keywords)
            }
            _ => self.unresolved_call(callee, arguments, by),
        }
    }

    /// True for an object that makes one of the class that it is called with, and whose methods are those of its class.
    fn calls_class(&self, object: Value) -> bool {
        self.cells.kind(object) == Some(Kind::Instance)
            && self.cells.field(object, 4) == Value::None
            && matches!(self.cells.field(object, 1), Value::Global(id)
                if self.names.get(id).is_some_and(|name| name.role == Role::ClassCaller))
    }

    /// True for the result of a function whose code stands in the stream and has been read.
    fn runs_stored_code(&self, call: Value) -> bool {
        self.evidence.runs_code
            && self.evidence.codes.iter().any(|code| code.root.is_some())
            && self.called_role(self.cells.field(call, 1)) == Some(Role::FunctionMaker)
    }

    /// Calls a method of a literal or container that the machine can evaluate.
    fn invoke_method(&mut self, object: Value, name: Value, items: &[Value], by: By) -> Option<Value> {
        let name = self.name_text(name)?;
        match name.as_slice() {
            b"__getitem__" | b"get" if self.is_text(object).is_none() => {
                self.item_of(object, items.first().copied()?, by)
            }
            b"pop" | b"setdefault" if self.is_text(object).is_none() => {
                let found = self.item_of(object, items.first().copied()?, by);
                self.change(object);
                found
            }
            _ => self.string_method(object, &name, items, by),
        }
    }

    /// Function, arguments and keywords of a `partial`, as its state has them if BUILD set one.
    fn partial_parts(&self, partial: Value) -> (Value, Option<Vec<Value>>, Value) {
        let state = self.cells.field(self.cells.field(partial, 4), 1);
        if let Some([function, arguments, keywords, ..]) = self.cells.items(state).as_deref() {
            return (*function, self.cells.items(*arguments), *keywords);
        }
        let items = self.cells.items(self.cells.field(partial, 2));
        let keywords = self.cells.field(partial, 3);
        match items.as_deref() {
            Some([function, rest @ ..]) => (*function, Some(rest.to_vec()), keywords),
            _ => (Value::Unknown, None, keywords),
        }
    }

    /// True if the machine knows what would be called: a name, or a known helper around one.
    pub(super) fn is_resolved(&self, callable: Value) -> bool {
        match callable {
            Value::Global(_) => true,
            Value::Node(_) if self.cells.kind(callable) == Some(Kind::Call) => {
                matches!(self.cells.field(callable, 1), Value::Global(id) if self.names.get(id).is_some_and(|name| {
                    matches!(name.role, Role::Partial | Role::AttrGetter | Role::ItemGetter | Role::MethodCaller | Role::ClassMaker | Role::FunctionMaker)
                }))
            }
            _ => false,
        }
    }

    /// NEWOBJ and its relatives: `class.__new__(class, *arguments)`.
    pub(super) fn instantiate(&mut self, class: Value, arguments: Value, keywords: Value, by: By) -> Value {
        self.calls = self.calls.saturating_add(1);
        match class {
            Value::Global(id) => {
                let role = self.names.get(id).map_or(Role::Plain, |name| name.role);
                // Types that work as helpers do their work in `__new__`.
                let works = match role {
                    Role::Forward { callee, pass: Pass::Later } if self.cells.len(arguments) <= usize::from(callee) => {
                        true
                    }
                    Role::Partial | Role::AttrGetter | Role::ItemGetter | Role::MethodCaller | Role::Forward { .. } => {
                        return self.invoke(class, arguments, keywords, by, 0);
                    }
                    // So do containers and text: they ask what they are made of.
                    Role::Function | Role::Container if self.asks_anything(arguments) => {
                        return self.invoke(class, arguments, keywords, by, 0);
                    }
                    Role::ClassMaker
                    | Role::Container
                    | Role::Reader(_)
                    | Role::CodeMaker
                    | Role::FunctionMaker
                    | Role::Function
                    | Role::Buffer
                    | Role::Open
                    | Role::ClassCaller
                    | Role::Plain => true,
                    Role::Unpickle => looks_like_class(self.names.get(id).map_or("", |name| name.function.as_str())),
                    _ => false,
                };
                if !works {
                    self.odd("newobj-on-function", by, |machine| machine.describe_call(class, arguments).0);
                }
                let word = self.bearing(id, arguments, keywords);
                self.note_use(id, "instantiated", by, word, (class, arguments));
                self.feed_items(arguments);
            }
            // A class that the stream makes is judged by what made it; what else a call returns is not known.
            Value::Node(_) if self.makes_class(class) => self.use_bases(class, "instantiated", by),
            Value::Node(_) if self.instantiate_undefined(class, arguments, keywords, by).is_some() => {}
            Value::Node(_) if self.cells.kind(class) == Some(Kind::Call) => {
                return self.unresolved_call(class, arguments, by);
            }
            Value::Unknown => return self.unresolved_call(class, arguments, by),
            _ => {
                self.odd("newobj-on-function", by, |machine| machine.describe_call(class, arguments).0);
            }
        }
        let value = self.instance_node(class, arguments, keywords);
        self.log_call(value, class, arguments);
        value
    }

    /// INST and OBJ: a call, except that a class without arguments is only made by `__new__`.
    pub(super) fn make(&mut self, class: Value, items: &[Value], by: By) -> Value {
        let arguments = self.cells.tuple(items);
        if let (Value::Global(id), true) = (class, items.is_empty()) {
            let name = self.names.get(id);
            if name.is_some_and(|name| name.role == Role::Plain && looks_like_class(&name.function)) {
                return self.instantiate(class, arguments, Value::None, by);
            }
        }
        self.invoke(class, arguments, Value::None, by, 0)
    }

    /// Remembers which decoder a value comes from, and looks at what it decoded to.
    fn note_decoded(&mut self, computed: u32, used: Option<u32>, by: By) {
        let Some(entry) = usize::try_from(computed).ok().and_then(|id| self.computed.get_mut(id)) else { return };
        entry.decoder = used;
        if let [0x80, 2..=5, ..] = entry.bytes.as_slice() {
            let content = Content::Owned(entry.bytes.clone());
            self.evidence.nested(Nested { content, at: by.at, purpose: Purpose::Data });
            self.feed(Value::Computed(computed));
        }
    }

    /// Something decoded is used as more than data: say so at its decoder.
    pub(super) fn feed(&mut self, value: Value) {
        let decoder = match value {
            Value::Computed(id) => {
                usize::try_from(id).ok().and_then(|id| self.computed.get(id)).and_then(|c| c.decoder)
            }
            // What could not be decoded here stayed the call of its decoder.
            Value::Node(_) if self.cells.kind(value) == Some(Kind::Call) => match self.cells.field(value, 1) {
                Value::Global(id) if self.names.get(id).is_some_and(|name| is_decoder(name.role)) => {
                    self.names.use_with(id, "data")
                }
                _ => None,
            },
            _ => None,
        };
        if let Some(used) = decoder.and_then(|id| self.names.use_mut(id)) {
            used.arguments = "code";
        }
    }

    fn feed_items(&mut self, arguments: Value) {
        if self.computed.is_empty() && !self.undecoded {
            return;
        }
        self.cells.items(arguments).unwrap_or_default().into_iter().for_each(|item| self.feed(item));
    }
}

/// True for classes whose objects run what their state says.
const fn is_judged_by_state(name: &Name) -> bool {
    name.watched || name.given.is_some()
}

const fn is_decoder(role: Role) -> bool {
    matches!(role, Role::Decoder | Role::Decode)
}

/// What a call of a known helper comes to whose arguments are not known.
fn without_arguments(role: Role) -> Outcome {
    let arguments = match role {
        Role::Plain
        | Role::Container
        | Role::CodeMaker
        | Role::FunctionMaker
        | Role::Function
        | Role::StringMethod
        | Role::Encode
        | Role::Buffer => "",
        Role::Decode | Role::Decoder => "data",
        Role::Unpickle | Role::UnpickleTorch | Role::UnpickleArgument(_) | Role::Unmarshal => "opaque",
        Role::Open => "unknown",
        _ => "unresolved",
    };
    Outcome { value: None, arguments }
}
