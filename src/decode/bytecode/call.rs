//! Calls: what is called with what, and what comes back.

use super::fold;
use super::kind::{Kind, kind};
use super::references::{Origin, UNKNOWN};
use super::table::{Op, Version};
use super::value::{Atom, Use, Value, join};
use super::walk::{Slot, Walk};

/// Longest description of a call.
const LONGEST_CALL: usize = 160;
/// Calls within calls: compositions of compositions.
const DEEPEST: u8 = 4;
/// `co_flags`: the parameters end with one for all further arguments.
const VARIABLE_ARGUMENTS: u32 = 4;

/// What a call is given.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    pub(super) positional: Vec<Value>,
    pub(super) named: Vec<(String, Value)>,
}

impl Arguments {
    fn of(positional: Vec<Value>) -> Self {
        Self { positional, named: Vec::new() }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Value> {
        self.positional.iter().chain(self.named.iter().map(|(_, value)| value))
    }

    /// An argument by its place or its name.
    pub(super) fn get(&self, place: usize, name: &str) -> Option<&Value> {
        let named = || self.named.iter().find(|(other, _)| other == name).map(|(_, value)| value);
        self.positional.get(place).or_else(named)
    }
}

impl Walk<'_> {
    /// The callee and arguments of a call, taken off the stack.
    pub(super) fn calls(&mut self, op: Op, count: usize) {
        let (plain, pairs) = (count & 0xff, (count >> 8 & 0xff).saturating_mul(2));
        let takes = match op {
            Op::CallFunction if self.version < Version::V36 => plain.saturating_add(pairs),
            Op::CallFunctionKw if self.version < Version::V36 => plain.saturating_add(pairs).saturating_add(1),
            Op::CallStar(extra) => plain.saturating_add(pairs).saturating_add(usize::from(extra)),
            Op::CallFunctionKw | Op::CallKw => count.saturating_add(1),
            Op::CallEx => match self.version {
                Version::V314 => 2,
                _ => 1_usize.saturating_add(count & 1),
            },
            Op::Exec => 3,
            _ => count,
        };
        let lost = self.stack.len() < takes;
        let from = self.stack.len().saturating_sub(takes);
        let taken = self.stack.split_off(from);
        let mut arguments = self.arguments(op, plain, taken);
        let callee = match op {
            Op::Exec => {
                let id = self.references.intern(Origin::Builtin, "builtins", "exec", &self.within);
                Value::of(id.map(Atom::Name).into_iter().collect())
            }
            _ if lost => Value::UNKNOWN,
            Op::Call | Op::CallKw | Op::CallMethod | Op::CallEx
                if op == Op::CallMethod || self.version >= Version::V311 =>
            {
                let (second, first) = (self.pop(), self.pop());
                // One of the two is the mark for "no object", or the second is the first argument.
                if second.is_null() {
                    first
                } else if first.is_null() || first.atoms().is_empty() {
                    second
                } else {
                    arguments.positional.insert(0, second);
                    first
                }
            }
            _ => self.pop(),
        };
        let value = self.call(&callee, &arguments, 0);
        if op != Op::Exec {
            self.push(value);
        }
    }

    /// Sorts what was taken off the stack into arguments by place and by name.
    fn arguments(&mut self, op: Op, plain: usize, mut taken: Vec<Value>) -> Arguments {
        let old = self.version < Version::V36;
        let mut names = std::mem::take(&mut self.keywords);
        match op {
            Op::CallFunctionKw | Op::CallKw if !old => {
                let last = taken.pop().unwrap_or_default();
                names = self.parts(&last).unwrap_or_default().iter().map(named).collect();
            }
            Op::CallEx => {
                let mut positional = Vec::new();
                for container in &taken {
                    self.spread(container, &mut positional);
                }
                return Arguments::of(positional);
            }
            Op::CallFunction | Op::CallFunctionKw | Op::CallStar(_) if old => {
                let mut rest = taken.split_off(plain.min(taken.len())).into_iter();
                let mut arguments = Arguments::of(taken);
                let pairs = rest.len() / 2;
                for _ in 0..pairs {
                    let (Some(name), Some(value)) = (rest.next(), rest.next()) else { break };
                    arguments.named.push((name.text().unwrap_or_default().to_owned(), value));
                }
                for container in rest {
                    self.spread(&container, &mut arguments.positional);
                }
                return arguments;
            }
            _ => {}
        }
        let by_name = taken.split_off(taken.len().saturating_sub(names.len()));
        Arguments { positional: taken, named: names.into_iter().zip(by_name).collect() }
    }

    /// The items of a container as arguments of their own.
    fn spread(&mut self, container: &Value, arguments: &mut Vec<Value>) {
        let first = arguments.len();
        for atom in container.atoms() {
            let Atom::List(list) = *atom else { continue };
            let items = self.lists.items(list).0.to_vec();
            self.pay(items.len());
            for (place, item) in items.into_iter().enumerate() {
                match arguments.get_mut(first.saturating_add(place)) {
                    Some(known) => *known = known.or(&item),
                    None => arguments.push(item),
                }
            }
        }
        self.hand_on(container);
    }

    /// Calls whatever `callee` may be.
    fn call(&mut self, callee: &Value, arguments: &Arguments, depth: u8) -> Value {
        let mut results = Vec::new();
        let mut quiet = false;
        for atom in callee.atoms() {
            let value = match atom {
                Atom::Name(id) => {
                    let (module, path) = self.references.get(*id);
                    let (module, path) = (module.to_owned(), path.to_owned());
                    let kind = kind(&module, &path);
                    let told = kind.told(arguments);
                    let call = || describe(&module, &path, arguments);
                    let given = self.references.wants_calls(*id).then(|| self.call_digest(arguments));
                    self.references.call(*id, told, call, given, &self.within);
                    quiet |= matches!(kind, Kind::Look | Kind::GetAttr | Kind::OwnAttribute);
                    self.result(kind, *id, arguments, depth)
                }
                Atom::Function(code) => self.enter_function(*code, arguments),
                Atom::ListMethod(list, method) => self.list_method(*list, *method, arguments),
                Atom::TextMethod(bound) => {
                    let (object, method) = &**bound;
                    self.string_method(object, method, arguments)
                }
                Atom::Partial(list) if depth < DEEPEST => {
                    let mut parts = self.lists.items(*list).0.to_vec().into_iter();
                    let function = parts.next().unwrap_or_default();
                    let positional = parts.chain(arguments.positional.iter().cloned()).collect();
                    let all = Arguments { positional, named: arguments.named.clone() };
                    self.call(&function, &all, depth.saturating_add(1))
                }
                Atom::Getter(list) => self.fetch(*list, arguments),
                Atom::Caller(list) if depth < DEEPEST => {
                    let mut parts = self.lists.items(*list).0.to_vec().into_iter();
                    let name = parts.next().unwrap_or_default();
                    let object = arguments.positional.first().cloned().unwrap_or_default();
                    let method = self.attributes(&object, &name);
                    self.call(&method, &Arguments::of(parts.collect()), depth.saturating_add(1))
                }
                Atom::Decoded => Value::one(Atom::Decoded),
                _ => Value::UNKNOWN,
            };
            join(&mut results, value.atoms());
        }
        if !quiet {
            arguments.all().for_each(|argument| self.hand_on(argument));
        }
        Value::of(results)
    }

    /// Calls a function of the code itself: its parameters become what they are given.
    fn enter_function(&mut self, id: crate::decode::marshal::Id, arguments: &Arguments) -> Value {
        let Some(code) = self.objects.code(id) else { return Value::UNKNOWN };
        let (count, by_name, locals) = (code.arguments as usize, code.keyword_only as usize, code.locals);
        let rest = count.saturating_add(by_name);
        for (place, value) in arguments.positional.iter().enumerate() {
            if place < count {
                self.keep_in(Slot::Local(id, u32::try_from(place).unwrap_or(u32::MAX)), value);
            } else if code.flags & VARIABLE_ARGUMENTS != 0
                && let Some(list) = self.lists.make((id, u64::MAX, 1))
            {
                self.lists.put(list, value);
                let slot = Slot::Local(id, u32::try_from(rest).unwrap_or(u32::MAX));
                self.keep_in(slot, &Value::one(Atom::List(list)));
            }
        }
        for (name, value) in &arguments.named {
            self.pay(rest);
            let place = (0..rest.min(255)).find(|&place| self.objects.name(locals, place).as_deref() == Some(name));
            if let Some(place) = place {
                self.keep_in(Slot::Local(id, u32::try_from(place).unwrap_or(u32::MAX)), value);
            }
        }
        self.kept_in(&Slot::Returned(id))
    }

    fn list_method(&mut self, list: u32, method: Use, arguments: &Arguments) -> Value {
        let container = Value::one(Atom::List(list));
        for argument in arguments.all() {
            match method {
                Use::Append => self.append(&container, argument),
                Use::Put => {
                    let items = self.elements(argument);
                    self.put(&container, &items.or(argument));
                }
                Use::Read => {}
            }
        }
        let any = self.any(list);
        self.pay(any.atoms().len());
        any.or(&container)
    }

    /// `object.method(…)` of a string.
    fn string_method(&mut self, object: &Atom, method: &str, arguments: &Arguments) -> Value {
        let first = arguments.positional.first().cloned().unwrap_or_default();
        if matches!(method, "split" | "rsplit" | "partition" | "splitlines") {
            return self.split(object, first.text());
        }
        let parts = if method == "join" { self.parts(&first) } else { None };
        let constants: Option<Vec<Atom>> = arguments.positional.iter().map(constant).collect();
        let named: Option<Vec<Atom>> = arguments.named.iter().map(|(_, value)| constant(value)).collect();
        let (Some(named), true) = (named, constants.is_some() || parts.is_some()) else { return Value::UNKNOWN };
        let constants = constants.unwrap_or_default();
        let names = arguments.named.iter().map(|(name, _)| name.as_str());
        let named: Vec<(&str, &Atom)> = names.zip(&named).collect();
        let sizes = constants.iter().chain(parts.iter().flatten()).map(fold::size);
        self.pay(sizes.fold(fold::size(object), usize::saturating_add));
        fold::method(object, method, &constants, &named, parts.as_deref()).map_or(Value::UNKNOWN, Value::one)
    }

    fn split(&mut self, object: &Atom, separator: Option<&str>) -> Value {
        let Atom::Text(text) = object else { return Value::UNKNOWN };
        let piece = |piece: &str| Value::one(Atom::text(piece));
        let pieces: Vec<Value> = match separator {
            Some("") => return Value::UNKNOWN,
            Some(separator) => text.split(separator).map(piece).collect(),
            None => text.split_whitespace().map(piece).collect(),
        };
        self.list(&pieces).map_or(Value::UNKNOWN, |list| Value::one(Atom::List(list)))
    }

    /// What `attrgetter` fetches.
    fn fetch(&mut self, names: u32, arguments: &Arguments) -> Value {
        let Some(object) = arguments.positional.first() else { return Value::UNKNOWN };
        let names = self.any(names);
        self.attributes(object, &names)
    }

    /// The attributes of these names, which may be dotted.
    fn attributes(&mut self, object: &Value, names: &Value) -> Value {
        if names.text().is_none() {
            self.hand_on(object);
        }
        let mut found = Value::UNKNOWN;
        for path in names.texts() {
            self.pay(path.len());
            let last = path.split('.').fold(object.clone(), |object, name| self.attribute(&object, name));
            found = found.or(&last);
        }
        found
    }

    /// What a function with a name returns.
    fn result(&mut self, kind: Kind, id: u32, arguments: &Arguments, depth: u8) -> Value {
        let first = arguments.positional.first().cloned().unwrap_or_default();
        match kind {
            Kind::Import => {
                let listed = arguments.get(3, "fromlist").is_some_and(|names| {
                    names.atoms().iter().any(|atom| matches!(atom, Atom::List(_) | Atom::Text(_)))
                });
                let name = arguments.get(0, "name").cloned().unwrap_or_default();
                name.texts().fold(Value::UNKNOWN, |found, name| found.or(&self.module(name, listed)))
            }
            Kind::ImportModule => {
                let name = arguments.get(0, "name").cloned().unwrap_or_default();
                name.texts().fold(Value::UNKNOWN, |found, name| found.or(&self.module(name, true)))
            }
            Kind::Locate => first.texts().fold(Value::UNKNOWN, |found, name| {
                let split = name.split_once(':').or_else(|| name.rsplit_once('.'));
                let module = self.module(split.map_or(name, |(module, _)| module), true);
                let path = split.map_or(Value::UNKNOWN, |(_, path)| Value::one(Atom::text(path)));
                found.or(&if split.is_some() { self.attributes(&module, &path) } else { module })
            }),
            Kind::GetAttr => {
                let name = arguments.positional.get(1).cloned().unwrap_or_default();
                self.attributes(&first, &name)
            }
            Kind::OwnAttribute => match arguments.positional.get(1) {
                Some(name) => self.attributes(&first, &name.clone()),
                None => {
                    let owner = self.references.owner(id, &self.within).map(Atom::Name);
                    self.attributes(&Value::of(owner.into_iter().collect()), &first)
                }
            },
            Kind::Vars if !arguments.positional.is_empty() => self.attribute(&first, "__dict__"),
            Kind::Entry => {
                let Some(owner) = self.references.owner(id, &self.within) else { return Value::UNKNOWN };
                first
                    .texts()
                    .fold(Value::UNKNOWN, |found, key| found.or(&self.entry(owner, key).unwrap_or(Value::UNKNOWN)))
            }
            Kind::Decoder => self.decode(id, arguments),
            // What is made of something decoded is still that.
            Kind::Runner if arguments.all().any(Value::is_decoded) => Value::one(Atom::Decoded),
            Kind::Constant | Kind::Unbound => self.evaluate(kind, id, arguments),
            Kind::Passes => self.pass(id, arguments),
            Kind::Map | Kind::Apply if depth < DEEPEST => self.forward(kind, arguments, depth),
            Kind::Partial | Kind::AttributeGetter | Kind::MethodCaller => {
                let atom = match kind {
                    Kind::Partial => Atom::Partial,
                    Kind::AttributeGetter => Atom::Getter,
                    _ => Atom::Caller,
                };
                let parts: Vec<Value> = arguments.all().cloned().collect();
                self.list(&parts).map_or(Value::UNKNOWN, |list| Value::one(atom(list)))
            }
            Kind::Class => Value::one(Atom::Made(id)),
            _ => match arguments.positional.as_slice() {
                [] if matches!(self.path(id), "globals" | "locals" | "vars") => Value::one(Atom::Made(id)),
                _ => Value::UNKNOWN,
            },
        }
    }

    /// A built-in function of constants, or a method of a string that is called through its type.
    fn evaluate(&mut self, kind: Kind, id: u32, arguments: &Arguments) -> Value {
        let first = arguments.positional.first().cloned().unwrap_or_default();
        if kind == Kind::Unbound {
            let Some(object) = constant(&first) else { return Value::UNKNOWN };
            let method = self.path(id).rsplit('.').next().unwrap_or_default().to_owned();
            let rest = arguments.positional.get(1..).unwrap_or_default().to_vec();
            return self.string_method(&object, &method, &Arguments::of(rest));
        }
        let listed = arguments.positional.len() == 1 && first.atoms().iter().any(|atom| matches!(atom, Atom::List(_)));
        let parts = if listed { self.parts(&first) } else { None };
        let constants: Option<Vec<Atom>> = arguments.positional.iter().map(constant).collect();
        let sizes = constants.iter().chain(&parts).flatten().map(fold::size);
        self.pay(sizes.fold(0, usize::saturating_add));
        let name = self.path(id).to_owned();
        let made = fold::function(&name, &constants.unwrap_or_default(), parts.as_deref());
        Value::of(made.into_iter().chain(first.is_decoded().then_some(Atom::Decoded)).collect())
    }

    /// What a function returns that hands its arguments back, or items of them.
    fn pass(&mut self, id: u32, arguments: &Arguments) -> Value {
        let mut found = Vec::new();
        for argument in arguments.all() {
            join(&mut found, argument.atoms());
            if !self.path(id).starts_with("nullcontext") {
                let items = self.elements(argument);
                join(&mut found, items.atoms());
            }
        }
        Value::of(found)
    }

    /// Calls the first argument with the others, or with their items.
    fn forward(&mut self, kind: Kind, arguments: &Arguments, depth: u8) -> Value {
        let Some((function, rest)) = arguments.positional.split_first() else { return Value::UNKNOWN };
        let items: Vec<Value> = match kind {
            Kind::Map => rest.iter().map(|sequence| self.elements(sequence)).collect(),
            _ => rest.to_vec(),
        };
        let result = self.call(function, &Arguments::of(items), depth.saturating_add(1));
        match (kind, self.list(&[])) {
            (Kind::Map, Some(list)) => {
                let all = Value::one(Atom::List(list));
                self.append(&all, &result);
                all
            }
            _ => result,
        }
    }

    /// What a decoder of the standard library makes of a constant; decoded all the same.
    fn decode(&mut self, id: u32, arguments: &Arguments) -> Value {
        let path = self.path(id).to_owned();
        let first = arguments.positional.first().and_then(constant);
        let codec = arguments.get(1, "encoding").and_then(constant);
        self.pay(first.as_ref().map_or(0, fold::size));
        let plain = first.and_then(|object| match path.as_str() {
            "decode" => fold::decode(&object, codec.as_ref()),
            path => fold::decoder(&object, path),
        });
        Value::of(plain.into_iter().chain([Atom::Decoded]).collect())
    }
}

impl Kind {
    /// What the arguments make of the call, in the vocabulary of [`super::Reference::arguments`].
    fn told(self, arguments: &Arguments) -> &'static str {
        match self {
            Self::Runner if arguments.all().any(Value::is_decoded) => "decoded",
            Self::Open => match arguments.get(1, "mode") {
                None => "read",
                Some(mode) => match mode.text() {
                    Some(mode) if mode.bytes().any(|byte| b"wax+".contains(&byte)) => "write",
                    Some(_) => "read",
                    None => "unknown",
                },
            },
            _ => "",
        }
    }
}

/// The constant that a value is.
fn constant(value: &Value) -> Option<Atom> {
    value.atoms().iter().find(|atom| atom.is_constant()).cloned()
}

fn named(name: &Atom) -> String {
    if let Atom::Text(name) = name { name.to_string() } else { String::new() }
}

/// A call in Python notation.
fn describe(module: &str, path: &str, arguments: &Arguments) -> String {
    let mut out = if module == "builtins" { path.to_owned() } else { format!("{module}.{path}") };
    out.push('(');
    let positional = arguments.positional.iter().map(|value| ("", value));
    let named = arguments.named.iter().map(|(name, value)| (name.as_str(), value));
    for (index, (name, argument)) in positional.chain(named).enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        if !name.is_empty() {
            out.extend(name.chars().flat_map(char::escape_debug).take(80));
            out.push('=');
        }
        match argument.text() {
            Some(text) => {
                out.push('\'');
                let mut shown = text.chars().flat_map(char::escape_debug);
                out.extend(shown.by_ref().take(80));
                out.push_str(if shown.next().is_some() { "…'" } else { "'" });
            }
            None => out.push(UNKNOWN),
        }
        if out.len() > LONGEST_CALL {
            out.push('…');
            break;
        }
    }
    out.push(')');
    out
}
