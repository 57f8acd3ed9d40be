//! Calls: what is called with what, and the functions whose result is known (import, getattr, decoders, open).

use super::references::Origin;
use super::table::{Op, Version};
use super::value::{Atom, Value, join};
use super::walk::Walk;

/// Longest description of a call.
const LONGEST_CALL: usize = 160;

/// What is known about a callee.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    /// `__import__(name)`.
    Import,
    /// `import_module(name)`.
    ImportModule,
    GetAttr,
    /// `hasattr`, `isinstance`…: look at an object and forget it.
    Look,
    Decoder,
    /// Runs, compiles or unpickles what it is given.
    Runner,
    Open,
    /// Spelt like a class: what it returns has its methods.
    Class,
}

/// What is known about `module.path`.
pub(super) fn kind(module: &str, path: &str) -> Kind {
    match (module, path) {
        ("builtins" | "__builtin__", "__import__") => Kind::Import,
        ("importlib", "import_module" | "__import__") => Kind::ImportModule,
        ("builtins" | "__builtin__", "getattr") => Kind::GetAttr,
        ("builtins" | "__builtin__", "hasattr" | "isinstance" | "issubclass" | "type" | "id" | "repr" | "str") => {
            Kind::Look
        }
        ("builtins" | "__builtin__", "eval" | "exec" | "compile" | "execfile")
        | ("pickle" | "cPickle" | "dill" | "cloudpickle" | "marshal", "loads") => Kind::Runner,
        ("builtins" | "__builtin__" | "io" | "codecs", "open") => Kind::Open,
        ("builtins", "bytes.fromhex" | "bytearray.fromhex") => Kind::Decoder,
        ("base64" | "binascii" | "zlib" | "gzip" | "bz2" | "lzma" | "codecs", path)
            if ["decode", "decompress", "unhexlify", "a2b_"].iter().any(|word| path.contains(word)) =>
        {
            Kind::Decoder
        }
        (_, path) if path.rsplit('.').next().is_some_and(|last| last.starts_with(|c: char| c.is_ascii_uppercase())) => {
            Kind::Class
        }
        _ => Kind::Plain,
    }
}

impl Walk<'_> {
    /// The callee and arguments of a call, taken off the stack.
    pub(super) fn calls(&mut self, op: Op, count: usize) {
        let takes = match op {
            Op::CallFunction if self.version < Version::V36 => {
                (count & 0xff).saturating_add((count >> 8 & 0xff).saturating_mul(2))
            }
            Op::CallFunctionKw if self.version < Version::V36 => {
                (count & 0xff).saturating_add((count >> 8 & 0xff).saturating_mul(2)).saturating_add(1)
            }
            Op::CallStar(extra) => {
                (count & 0xff).saturating_add((count >> 8 & 0xff).saturating_mul(2)).saturating_add(usize::from(extra))
            }
            Op::CallFunctionKw | Op::CallKw => count.saturating_add(1),
            Op::CallEx => match self.version {
                Version::V314 => 2,
                _ => 1_usize.saturating_add(count & 1),
            },
            Op::Exec => 3,
            _ => count,
        };
        let from = self.stack.len().saturating_sub(takes);
        let lost = self.stack.len() < takes;
        let arguments = self.stack.split_off(from);
        let callee = match op {
            Op::Exec => {
                let id = self.references.intern(Origin::Builtin, "builtins", "exec", &self.within);
                Value::of(id.map(Atom::Name).into_iter().collect())
            }
            _ if lost => Value::UNKNOWN,
            // A method or NULL, then the callee or the object: one of the two is what is called.
            Op::Call | Op::CallKw | Op::CallMethod | Op::CallEx
                if op == Op::CallMethod || self.version >= Version::V311 =>
            {
                let (second, first) = (self.pop(), self.pop());
                if second.is_null() { first } else { second }
            }
            _ => self.pop(),
        };
        let value = self.call(&callee, &arguments);
        if op != Op::Exec {
            self.push(value);
        }
    }

    /// Calls whatever `callee` may be.
    fn call(&mut self, callee: &Value, arguments: &[Value]) -> Value {
        let mut results = Vec::new();
        let mut quiet = false;
        for atom in callee.atoms() {
            match *atom {
                Atom::Name(id) => {
                    let (module, path) = self.references.get(id);
                    let (module, path) = (module.to_owned(), path.to_owned());
                    let kind = kind(&module, &path);
                    let told = kind.told(arguments);
                    let call = || describe(&module, &path, arguments, LONGEST_CALL);
                    self.references.call(id, told, call, &self.within);
                    quiet |= kind.looks_only();
                    let value = kind.result(self, id, arguments);
                    join(&mut results, &value);
                }
                Atom::Decoded => results.push(Atom::Decoded),
                _ => {}
            }
        }
        if !quiet {
            for argument in arguments {
                self.hand_on(argument);
            }
        }
        Value::of(results)
    }
}

impl Kind {
    /// What the arguments make of the call, in the vocabulary of [`super::Reference::arguments`].
    pub(super) fn told(self, arguments: &[Value]) -> &'static str {
        match self {
            Self::Runner if arguments.iter().any(Value::is_decoded) => "decoded",
            // Keyword names may stand behind: a constant among the later arguments is taken for the mode.
            Self::Open => match arguments.get(1) {
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

    /// True if arguments go no further than the callee.
    pub(super) const fn looks_only(self) -> bool {
        matches!(self, Self::Look | Self::GetAttr)
    }

    /// What the call returns.
    pub(super) fn result(self, walk: &mut Walk<'_>, id: u32, arguments: &[Value]) -> Value {
        let texts = |index: usize| arguments.get(index).into_iter().flat_map(Value::texts);
        match self {
            Self::Import => {
                let listed = arguments.get(3).is_some_and(|names| !names.atoms().is_empty());
                texts(0).fold(Value::UNKNOWN, |found, name| found.or(&walk.module(name, listed)))
            }
            Self::ImportModule => texts(0).fold(Value::UNKNOWN, |found, name| found.or(&walk.module(name, true))),
            Self::GetAttr => {
                let Some(object) = arguments.first() else { return Value::UNKNOWN };
                if texts(1).next().is_none() {
                    walk.hand_on(object);
                }
                texts(1).fold(Value::UNKNOWN, |found, name| found.or(&walk.attribute(object, name)))
            }
            Self::Decoder => Value::one(Atom::Decoded),
            // What is made of something decoded is still that.
            Self::Runner if arguments.iter().any(Value::is_decoded) => Value::one(Atom::Decoded),
            Self::Class => Value::one(Atom::Made(id)),
            Self::Plain | Self::Look | Self::Open | Self::Runner => match arguments {
                [] if matches!(walk.path(id), "globals" | "locals" | "vars") => Value::one(Atom::Made(id)),
                _ => Value::UNKNOWN,
            },
        }
    }
}

/// A call in Python notation.
pub(super) fn describe(module: &str, path: &str, arguments: &[Value], cap: usize) -> String {
    let mut out = if module == "builtins" { path.to_owned() } else { format!("{module}.{path}") };
    out.push('(');
    for (index, argument) in arguments.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        match argument.text() {
            Some(text) => {
                out.push('\'');
                out.extend(text.chars().flat_map(char::escape_debug).take(80));
                out.push('\'');
            }
            None => out.push('…'),
        }
        if out.len() > cap {
            out.push('…');
            break;
        }
    }
    out.push(')');
    out
}
