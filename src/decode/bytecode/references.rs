//! The names outside the code that a walk reaches, and how they are used.

use std::collections::HashMap;

use sha2::Sha256;

use crate::decode::calls::Calls;
use crate::decode::marshal::{Id, Objects};

/// Names that are told apart in one survey.
const MOST_NAMES: usize = 10_000;
/// Names that are paired in one survey.
const MOST_PAIRED: usize = 1 << 18;
/// What looking at everything that the calls of one survey are given may cost, in bytes.
const MOST_GIVEN: usize = 64 << 20;
/// Longest attribute path, in bytes.
const LONGEST_PATH: usize = 512;
/// Modules that a global is taken for which the code does not define: functions that were taken out of their module
/// refer to its imports like that. Names that nobody gives to a variable.
pub(super) const FREE_MODULES: &[&str] = &[
    "asyncio",
    "base64",
    "builtins",
    "cloudpickle",
    "codecs",
    "commands",
    "ctypes",
    "dill",
    "ftplib",
    "http",
    "httpx",
    "importlib",
    "io",
    "joblib",
    "marshal",
    "multiprocessing",
    "nt",
    "numpy",
    "os",
    "pathlib",
    "pickle",
    "pip",
    "platform",
    "posix",
    "pty",
    "requests",
    "runpy",
    "shutil",
    "smtplib",
    "socket",
    "subprocess",
    "sys",
    "tarfile",
    "telnetlib",
    "tempfile",
    "threading",
    "torch",
    "types",
    "urllib",
    "urllib2",
    "webbrowser",
    "yaml",
    "zipfile",
    "zlib",
];
/// Built-in types, whose attributes mean something.
const TYPES: &[&str] =
    &["bytes", "bytearray", "dict", "frozenset", "int", "list", "object", "set", "str", "super", "tuple", "type"];
/// Stands for an argument that is not known.
pub(super) const UNKNOWN: char = '…';
/// The attribute path that stands for a module as a whole.
const MODULE: &str = "*";

/// A name outside the code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Module.
    pub module: String,
    /// Attribute path inside it; `*` for the module as a whole.
    pub path: String,
    /// True if the code calls it.
    pub called: bool,
    /// `read`, `write` or `unknown` for what opens files, `decoded` for what is given the result of a decoder,
    /// `unresolved` for a pair of names that was not seen together; else empty.
    pub arguments: &'static str,
    /// The call in Python notation, capped.
    pub call: String,
    /// All calls, with everything that they are given.
    pub calls: Calls,
    /// Name of the code object that uses it first.
    pub within: String,
}

/// How a name comes into the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Origin {
    /// Imported, by whatever means.
    Import,
    /// A global that the code does not define, spelt like a module.
    Free,
    /// A built-in function, or a global of the same name.
    Builtin,
}

#[derive(Debug)]
struct Entry {
    origin: Origin,
    reference: Reference,
    /// It was the way to one of its attributes.
    walked: bool,
    /// It was used in any other way.
    used: bool,
}

/// The table.
#[derive(Debug, Default)]
pub(super) struct References {
    list: Vec<Entry>,
    index: HashMap<(Origin, String, String), u32>,
    /// What looking at everything that calls are given has cost.
    given: usize,
}

impl References {
    /// The number of a name; None when there are too many.
    pub(super) fn intern(&mut self, origin: Origin, module: &str, path: &str, within: &str) -> Option<u32> {
        let key = (origin, module.to_owned(), path.to_owned());
        if let Some(&id) = self.index.get(&key) {
            return Some(id);
        }
        if self.list.len() >= MOST_NAMES || path.len() > LONGEST_PATH || module.len() > LONGEST_PATH {
            return None;
        }
        let id = u32::try_from(self.list.len()).ok()?;
        let reference = Reference {
            module: module.to_owned(),
            path: path.to_owned(),
            called: false,
            arguments: "",
            call: String::new(),
            calls: Calls::default(),
            within: within.to_owned(),
        };
        self.list.push(Entry { origin, reference, walked: false, used: false });
        self.index.insert(key, id);
        Some(id)
    }

    /// An attribute of a name.
    pub(super) fn attribute(&mut self, id: u32, name: &str, within: &str) -> Option<u32> {
        let entry = self.list.get_mut(id as usize)?;
        entry.walked = true;
        let (origin, module) = (entry.origin, entry.reference.module.clone());
        // A global of the file's own, not a type of the interpreter: its attributes are its own affair.
        if origin == Origin::Builtin && entry.reference.path.split('.').next().is_none_or(|name| !TYPES.contains(&name))
        {
            return None;
        }
        let path = match entry.reference.path.as_str() {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        };
        // Modules that everybody reaches as attributes of others.
        match (module.as_str(), name) {
            ("os", "path") if path == name => self.intern(origin, "os.path", "", within),
            (_, "builtins" | "bltns") => self.intern(Origin::Import, "builtins", "", within),
            _ => self.intern(origin, &module, &path, within),
        }
    }

    /// The object that the last attribute of a path is of; None for a module.
    pub(super) fn owner(&mut self, id: u32, within: &str) -> Option<u32> {
        let entry = self.list.get(id as usize).filter(|entry| !entry.reference.path.is_empty())?;
        let (origin, module) = (entry.origin, entry.reference.module.clone());
        let path = entry.reference.path.rsplit_once('.').map_or("", |(owner, _)| owner).to_owned();
        self.intern(origin, &module, &path, within)
    }

    /// Notes that a name is only the way to others.
    pub(super) fn walked(&mut self, id: u32) {
        if let Some(entry) = self.list.get_mut(id as usize) {
            entry.walked = true;
        }
    }

    /// Module and attribute path.
    pub(super) fn get(&self, id: u32) -> (&str, &str) {
        self.list.get(id as usize).map_or(("", ""), |entry| (&entry.reference.module, &entry.reference.path))
    }

    /// Notes that a name is handed on as a value.
    pub(super) fn hand_on(&mut self, id: u32) {
        if let Some(entry) = self.list.get_mut(id as usize) {
            entry.used = true;
        }
    }

    /// True as long as everything that a name's further calls are given is looked at.
    pub(super) fn wants_calls(&self, id: u32) -> bool {
        self.given < MOST_GIVEN && self.list.get(id as usize).is_some_and(|entry| entry.reference.calls.wants())
    }

    /// Notes a call; `given`: everything that it is given, and what looking at that cost.
    pub(super) fn call(
        &mut self,
        id: u32,
        arguments: &'static str,
        call: impl FnOnce() -> String,
        given: Option<(Sha256, usize)>,
        within: &str,
    ) {
        let Some(entry) = self.list.get_mut(id as usize) else { return };
        entry.used = true;
        let reference = &mut entry.reference;
        if let Some((given, cost)) = given {
            reference.calls.add(given);
            self.given = self.given.saturating_add(cost);
        }
        // A doubtful call says more than a plain one, and one whose arguments are known more than one of unknown ones.
        let doubtful = reference.arguments.is_empty() && !arguments.is_empty();
        let vague = reference.call.contains(UNKNOWN) && (doubtful || reference.arguments == arguments);
        if reference.called && !doubtful && !vague {
            return;
        }
        let call = call();
        if reference.called && !doubtful && call.contains(UNKNOWN) {
            return;
        }
        (reference.called, reference.arguments, reference.call) = (true, arguments, call);
        within.clone_into(&mut reference.within);
    }

    /// The names that matter.
    pub(super) fn finish(self) -> impl Iterator<Item = Reference> {
        self.list.into_iter().filter_map(|entry| {
            let Entry { origin, mut reference, walked, used } = entry;
            if reference.path.is_empty() {
                // A module that is only imported does nothing by that, and a plain global is the file's own.
                if !used || origin == Origin::Free {
                    return None;
                }
                MODULE.clone_into(&mut reference.path);
            }
            (used || !walked).then_some(reference)
        })
    }
}

/// The names of code that cannot be walked: each as a built-in function, and each with the one that follows it.
pub(super) fn pairs(objects: &Objects, codes: &[Id]) -> References {
    let mut found = References::default();
    let mut left = MOST_PAIRED;
    for &id in codes {
        let Some(code) = objects.code(id) else { continue };
        let within = objects.text(code.name).unwrap_or_default();
        let names = objects.tuple(code.names);
        for (index, name) in names.iter().enumerate() {
            // Thousands of code objects may share one long list.
            left = left.saturating_sub(1);
            if left == 0 || found.list.len() >= MOST_NAMES {
                return found;
            }
            let Some(name) = objects.text(*name) else { continue };
            let mut note = |origin, module: &str, path: &str| {
                if let Some(entry) =
                    found.intern(origin, module, path, &within).and_then(|id| found.list.get_mut(id as usize))
                {
                    entry.reference.arguments = "unresolved";
                }
            };
            if !FREE_MODULES.contains(&&*name) {
                note(Origin::Builtin, "builtins", &name);
            }
            if let Some(next) = objects.name(code.names, index.saturating_add(1)) {
                note(Origin::Import, &name, &next);
            }
        }
    }
    found
}
