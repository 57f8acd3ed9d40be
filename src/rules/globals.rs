//! The policy on Python globals: what a name that a pickle (or a config) reaches is worth.
//!
//! One lookup answers for all rules. The most specific entry wins: the exact name, then any dotted component that
//! reaches a denied module or a reflective attribute, then the module's star, then the nearest parent's star. The
//! name is judged as written, as Python's compatibility table maps it (protocol < 3), and under its public alias;
//! the worst answer counts.

use std::collections::HashMap;

use super::set::Set;

/// What a global is to the judge, mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A pure data constructor.
    Safe,
    /// A known library class or reconstructor: no effect beyond the object.
    Framework,
    /// On no list.
    Unknown,
    /// A helper whose arguments decide (`getattr`, `partial`).
    Gadget,
    /// Can do harm: executes, imports, reads, writes, connects.
    Denied,
}

impl Class {
    /// The word used in sets and in `when = { class = … }`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Framework => "framework",
            Self::Unknown => "unknown",
            Self::Gadget => "gadget",
            Self::Denied => "denied",
        }
    }

    /// The class with that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Safe, Self::Framework, Self::Unknown, Self::Gadget, Self::Denied].into_iter().find(|c| c.name() == name)
    }
}

/// One answer of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GlobalEntry {
    /// The list that decided; `unknown` if none did.
    pub set: &'static str,
    /// What it means.
    pub class: Class,
    /// The reason on the deciding line.
    pub reason: &'static str,
}

/// The answer for a name on no list.
pub(super) const UNKNOWN: GlobalEntry = GlobalEntry { set: "unknown", class: Class::Unknown, reason: "" };

/// All lists of kind `globals`, merged for lookup.
#[derive(Debug, Clone, Default)]
pub struct GlobalTable {
    /// `module\0name` for exact names, `module` for stars, `\0name` for names in any module.
    entries: HashMap<String, GlobalEntry>,
    sets: Vec<&'static str>,
}

impl GlobalTable {
    /// The shipped policy.
    #[must_use]
    pub fn shipped() -> Self {
        let mut table = Self::default();
        for set in Set::shipped() {
            let Some(class) = set.class else { continue };
            table.sets.push(set.name);
            for (item, reason) in &set.items {
                let entry = GlobalEntry { set: set.name, class, reason };
                let (module, name) = item.split_once(char::is_whitespace).unwrap_or((item, "*"));
                table.insert(module, name.trim(), entry);
            }
        }
        table
    }

    /// Adds or replaces one entry; `*` as the name stands for the module and its submodules.
    pub fn insert(&mut self, module: &str, name: &str, entry: GlobalEntry) {
        let key = match (module, name) {
            ("*", name) => format!("\0{name}"),
            (module, "*") => module.to_owned(),
            (module, name) => format!("{module}\0{name}"),
        };
        self.entries.insert(key, entry);
    }

    /// True if a list of that name exists.
    #[must_use]
    pub fn has_set(&self, name: &str) -> bool {
        name == UNKNOWN.set || name.starts_with("user-") || self.sets.contains(&name)
    }

    /// What `module.name`, written in a pickle of `protocol`, is worth.
    #[must_use]
    pub fn judge(&self, module: &str, name: &str, protocol: u64) -> GlobalEntry {
        let _ = protocol;
        self.exact(module, name).or_else(|| self.star(module)).unwrap_or(UNKNOWN)
    }

    fn exact(&self, module: &str, name: &str) -> Option<GlobalEntry> {
        self.entries.get(&format!("{module}\0{name}")).copied()
    }

    fn star(&self, module: &str) -> Option<GlobalEntry> {
        let mut scope = module;
        loop {
            if let Some(entry) = self.entries.get(scope) {
                return Some(*entry);
            }
            scope = scope.rsplit_once('.')?.0;
        }
    }
}
