//! Calls whose result is known: the functions that import, fetch attributes, decode or open.

use super::value::{Atom, Value};
use super::walk::Walk;

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
        let text = |index: usize| arguments.get(index).and_then(Value::text);
        match self {
            Self::Import => match text(0) {
                Some(name) => {
                    let listed = arguments.get(3).is_some_and(|names| !names.atoms().is_empty());
                    walk.module(name, listed)
                }
                None => Value::UNKNOWN,
            },
            Self::ImportModule => text(0).map_or(Value::UNKNOWN, |name| walk.module(name, true)),
            Self::GetAttr => match (arguments.first(), text(1)) {
                (Some(object), Some(name)) => walk.attribute(object, name),
                (Some(object), None) => {
                    walk.hand_on(object);
                    Value::UNKNOWN
                }
                _ => Value::UNKNOWN,
            },
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
