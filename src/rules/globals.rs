//! The policy on Python globals: what a name that a pickle (or a config) reaches is worth.
//!
//! One lookup answers for all rules. A name is judged under the public spelling of its module and, below protocol 3,
//! also as Python's compatibility table maps it. Under one spelling the most specific statement wins, in this order:
//!
//! 1. the exact name;
//! 2. a walk: any dotted component that reaches a denied module or attribute, or that opens one up (`__globals__`);
//! 3. a public method of a listed type;
//! 4. the table of known names (`known.rs`): classes and reconstructors of common packages, and what they do;
//! 5. the module's star, then the nearest parent's;
//! 6. the class pattern of a package: names spelled like classes. For a package of the table it holds without a row,
//!    for newer releases, but not for what is called.
//!
//! Among the spellings, statements about the name outweigh stars and patterns; among equals the worse class counts. Rows
//! of the user come before all of this.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use super::known::{self, Use};
use super::set::Set;
use crate::names::{canonical, from_python2};

/// The list of functions that files keep and do not call.
const STORED: &str = "stored-globals";
/// The item form for the names of a package that are spelled like classes.
const CLASS_PATTERN: &str = "<class>";
/// Components that a module name inside a dotted attribute path can have (`concurrent.futures.thread`).
const WALK_WINDOW: usize = 4;
/// Leading components of a name that are tried as submodules of its module.
const WALK_DEPTH: usize = 8;
/// Components of an attribute path; no real object is nested so deep, and a path may pad its way (`os.path.os.path…`).
const WALK_LIMIT: usize = 64;
/// Parents of a module that are looked up; real packages are not this deep.
const MODULE_DEPTH: usize = 16;
/// Rows of all shipped lists, rounded up; saves growing the tables.
const EXPECTED_ROWS: usize = 4096;

/// Standard modules whose mere object is a way into the system: fetching one as an attribute (`random._os`) denies.
/// Only names that nobody gives to a function of their own.
const MODULE_OBJECTS: &[&str] = &[
    "asyncio",
    "atexit",
    "bdb",
    "cProfile",
    "codeop",
    "compileall",
    "ctypes",
    "distutils",
    "doctest",
    "ensurepip",
    "fileinput",
    "ftplib",
    "gc",
    "idlelib",
    "importlib",
    "inspect",
    "lib2to3",
    "linecache",
    "marshal",
    "mmap",
    "msvcrt",
    "multiprocessing",
    "os",
    "pdb",
    "pickle",
    "pkgutil",
    "pty",
    "py_compile",
    "pydoc",
    "runpy",
    "shelve",
    "shutil",
    "smtplib",
    "socket",
    "socketserver",
    "sqlite3",
    "subprocess",
    "sys",
    "tarfile",
    "telnetlib",
    "tempfile",
    "threading",
    "timeit",
    "unittest",
    "urllib",
    "venv",
    "webbrowser",
    "winreg",
    "zipfile",
    "zipimport",
];

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

    /// True for classes that give no finding.
    const fn is_mild(self) -> bool {
        matches!(self, Self::Safe | Self::Framework)
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

/// The answer for a path of more than [`WALK_LIMIT`] components.
const ENDLESS: GlobalEntry = GlobalEntry {
    set: "introspection-globals",
    class: Class::Denied,
    reason: "attribute path longer than any real one",
};

/// What a class makes its instances with.
const MAKER: &str = ".__new__";

/// What one spelling of a name says. Ordered: a statement about the name outweighs one about its surroundings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Vote {
    named: bool,
    entry: GlobalEntry,
}

impl Vote {
    const fn weight(self) -> (bool, Class) {
        (self.named, self.entry.class)
    }
}

/// A hash for the shipped keys, cheap because every run builds the tables. Scanned names are looked up, never inserted,
/// so nothing is won by colliding.
#[derive(Debug, Clone, Copy, Default)]
struct NameHasher(u64);

impl NameHasher {
    fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

impl Hasher for NameHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, tail) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        for (to, from) in last.iter_mut().zip(tail) {
            *to = *from;
        }
        self.mix(u64::from_le_bytes(last));
    }

    fn write_u8(&mut self, byte: u8) {
        self.mix(u64::from(byte));
    }

    fn finish(&self) -> u64 {
        // The table takes its slot from the low bits, which a product mixes least.
        self.0 ^ (self.0 >> 32)
    }
}

/// Rows by a key that borrows from the shipped texts.
type Rows<K> = HashMap<K, GlobalEntry, BuildHasherDefault<NameHasher>>;

/// All lists of kind `globals`, merged for lookup, and the user's own rows.
#[derive(Debug, Clone, Default)]
pub struct GlobalTable {
    /// By module and name.
    exact: Rows<(&'static str, &'static str)>,
    /// By module and type: its public methods.
    methods: Rows<(&'static str, &'static str)>,
    /// By module: everything in it and below.
    stars: Rows<&'static str>,
    /// By package: class-like names in it and below.
    classes: Rows<&'static str>,
    /// By name: that attribute of anything.
    attributes: Rows<&'static str>,
    /// Names of denied classes and file openers. A library module that imports one re-exports it under its own name.
    reexported: HashSet<&'static str, BuildHasherDefault<NameHasher>>,
    /// The user's rows by module and name, `*` for all names; they win over the shipped ones.
    user: HashMap<String, HashMap<String, GlobalEntry>>,
    sets: Vec<&'static str>,
}

impl GlobalTable {
    /// The shipped policy.
    #[must_use]
    pub fn shipped() -> Self {
        let mut table = Self {
            exact: Rows::with_capacity_and_hasher(EXPECTED_ROWS, BuildHasherDefault::default()),
            ..Self::default()
        };
        for set in Set::shipped() {
            let Some(class) = set.class else { continue };
            table.sets.push(set.name);
            for (item, reason) in &set.items {
                let (module, name) = item.split_once(' ').unwrap_or((item, "*"));
                table.ship(module, name.trim_ascii_start(), GlobalEntry { set: set.name, class, reason });
            }
        }
        table
    }

    fn ship(&mut self, module: &'static str, name: &'static str, entry: GlobalEntry) {
        let previous = match (module, name) {
            ("*", name) => self.attributes.insert(name, entry),
            (module, "*") => self.stars.insert(module, entry),
            (module, CLASS_PATTERN) => self.classes.insert(module, entry),
            (module, name) => {
                if !entry.class.is_mild() && entry.set != "composition-globals" && is_class_name(name) {
                    self.reexported.insert(name);
                }
                match name.strip_suffix(".*") {
                    Some(kind) => self.methods.insert((module, kind), entry),
                    None => self.exact.insert((module, name), entry),
                }
            }
        };
        debug_assert!(previous.is_none(), "{module} {name} is listed twice");
    }

    /// Adds or replaces a row of the user, which wins over the shipped ones; `*` as the name stands for the module and
    /// its submodules. A star makes nothing safe that walks into a denied module.
    pub fn insert(&mut self, module: &str, name: &str, entry: GlobalEntry) {
        self.user.entry(module.to_owned()).or_default().insert(name.to_owned(), entry);
    }

    /// True if a list of that name exists.
    #[must_use]
    pub fn has_set(&self, name: &str) -> bool {
        name == UNKNOWN.set || known::SETS.contains(&name) || name.starts_with("user-") || self.sets.contains(&name)
    }

    /// What `module.name`, written in a pickle of `protocol`, is worth at worst: when it is called.
    #[must_use]
    pub fn judge(&self, module: &str, name: &str, protocol: u64) -> GlobalEntry {
        self.judge_use(module, name, protocol, Use::Called)
    }

    /// What `module.name`, written in a pickle of `protocol`, is worth when it is used like this.
    #[must_use]
    pub fn judge_use(&self, module: &str, name: &str, protocol: u64, usage: Use) -> GlobalEntry {
        let mapped = if protocol < 3 { from_python2(module, name) } else { None };
        // The table has the modules as the packages call them, the lists under their public names.
        let written = (mapped.is_none() && canonical(module) != module).then_some((module, name));
        let mapped = mapped.map(|(module, name)| (canonical(module), name));
        let public = [Some((canonical(module), Cow::Borrowed(name))), mapped];
        let public = || public.iter().flatten().map(|(module, name)| (module.as_ref(), name.as_ref()));
        if !self.user.is_empty()
            && let Some(entry) = self.user_entry(public().chain([(module, name)]))
        {
            return entry;
        }
        public()
            .filter_map(|(module, name)| self.vote(module, name, written, usage))
            .max_by_key(|vote| vote.weight())
            .map_or(UNKNOWN, |vote| vote.entry)
    }

    /// What the user's rows say, exact names before stars.
    fn user_entry<'n>(&self, spellings: impl Iterator<Item = (&'n str, &'n str)> + Clone) -> Option<GlobalEntry> {
        let exact = spellings.clone().filter_map(|(module, name)| self.user_row(module, name));
        if let Some(entry) = exact.max_by_key(|entry| entry.class) {
            return Some(entry);
        }
        let stars = spellings.clone().filter_map(|(module, name)| self.user_star(module, name));
        let star = stars.max_by_key(|entry| entry.class)?;
        let mut spellings = spellings;
        Some(spellings.find_map(|(module, name)| self.walk(module, name)).unwrap_or(star))
    }

    fn user_row(&self, module: &str, name: &str) -> Option<GlobalEntry> {
        self.user.get(module)?.get(name).filter(|_| name != "*").copied()
    }

    fn user_star(&self, module: &str, name: &str) -> Option<GlobalEntry> {
        let star = scopes(module).find_map(|scope| self.user.get(scope)?.get("*").copied())?;
        (is_path(name) || !star.class.is_mild()).then_some(star)
    }

    /// What the shipped lists say about one spelling; `written` is the file's own, where it differs.
    fn vote(&self, module: &str, name: &str, written: Option<(&str, &str)>, usage: Use) -> Option<Vote> {
        let exact = self.exact.get(&(module, name)).map(|&entry| Vote { named: true, entry });
        let exact = exact.or_else(|| self.maker(module, name, written));
        let named = || self.walk(module, name).or_else(|| self.method(module, name));
        if let Some(vote) = exact.or_else(|| named().map(|entry| Vote { named: true, entry })) {
            // What is kept as a value was written to be called by its owner, with arguments of his.
            let kept = vote.entry.set == STORED && usage == Use::Called;
            return Some(if kept { Vote { named: true, entry: UNKNOWN } } else { vote });
        }
        let star = scopes(module).find_map(|scope| self.stars.get(scope)).copied();
        let denied = star.is_some_and(|entry| !entry.class.is_mild());
        let mut spellings = [Some((module, name)), written].into_iter().flatten();
        if let Some(entry) = spellings.find_map(|(module, name)| known::judge(module, name, denied, usage)) {
            return Some(Vote { named: true, entry });
        }
        let plain = is_path(module) && is_path(name);
        if let Some(entry) = star.filter(|_| plain && !name.contains('.') || denied) {
            return Some(Vote { named: false, entry });
        }
        if !plain || !name.split('.').all(|part| is_class_name(part) && !self.reexported.contains(part)) {
            return None;
        }
        // A name that is only spelled like a class says nothing of what calling it does.
        let pattern = scopes(module).find_map(|scope| self.classes.get(scope)).copied();
        let pattern = pattern.filter(|entry| usage != Use::Called || entry.class == Class::Safe);
        let entry = pattern.or_else(|| (usage != Use::Called && known::covers(module)).then_some(known::LIKELY))?;
        Some(Vote { named: false, entry })
    }

    /// `Class.__new__` of a known package: protocol 2 writes a constructor with keywords as a call of it, so it is worth
    /// what an instance of the class is.
    fn maker(&self, module: &str, name: &str, written: Option<(&str, &str)>) -> Option<Vote> {
        let class = name.strip_suffix(MAKER).filter(|class| !class.contains("__") && known::covers(module))?;
        let written = written.and_then(|(module, name)| Some((module, name.strip_suffix(MAKER)?)));
        self.vote(module, class, written, Use::Instantiated).filter(|vote| known::SETS.contains(&vote.entry.set))
    }

    fn method(&self, module: &str, name: &str) -> Option<GlobalEntry> {
        let (kind, method) = name.split_once('.')?;
        let public = method.starts_with(|first: char| first.is_ascii_alphabetic()) && is_identifier(method);
        self.methods.get(&(module, kind)).filter(|_| public).copied()
    }

    /// The denial that a dotted path runs into, if any: through an attribute that opens objects up, through a denied
    /// name on the way, or through a module that is an attribute of another (`typing` → `sys.modules`).
    fn walk(&self, module: &str, name: &str) -> Option<GlobalEntry> {
        if let Some(entry) = name.split('.').find_map(|part| self.attributes.get(part)) {
            return Some(*entry);
        }
        if name.split('.').nth(WALK_LIMIT).is_some() {
            return Some(ENDLESS);
        }
        for (start, _) in parts(name) {
            let path = name.get(start..)?;
            if let Some(entry) = self.windows(path) {
                return Some(entry);
            }
        }
        // The path may lead through submodules of the module itself: `torch` → `hub.load`.
        let full = format!("{module}.{name}");
        let first = module.len().saturating_add(1);
        for (_, end) in parts(name).take(WALK_DEPTH) {
            let (window, rest) = full.split_at_checked(first.saturating_add(end))?;
            let rest = rest.strip_prefix('.').unwrap_or(rest);
            let entry = if rest.is_empty() {
                self.denied_star(window)
            } else {
                self.reach(window, rest).or_else(|| self.denied_name(module, name.get(..end)?))
            };
            if entry.is_some() {
                return entry;
            }
        }
        None
    }

    /// Takes the first components of a path as a module.
    fn windows(&self, path: &str) -> Option<GlobalEntry> {
        for (_, end) in parts(path).take(WALK_WINDOW) {
            let (window, rest) = path.split_at_checked(end)?;
            let rest = rest.strip_prefix('.').unwrap_or(rest);
            let bare = window.trim_start_matches('_');
            if rest.is_empty() {
                let mut objects = [window, bare].into_iter().map(canonical);
                let object = objects.find(|module| MODULE_OBJECTS.contains(&module.as_ref()));
                if let Some(entry) = object.and_then(|module| self.denied_star(module.as_ref())) {
                    return Some(entry);
                }
            } else if let Some(entry) = self.reach(window, rest).or_else(|| self.reach(bare, rest)) {
                return Some(entry);
            }
        }
        None
    }

    /// The denial that `rest` meets when `module` is a module.
    fn reach(&self, module: &str, rest: &str) -> Option<GlobalEntry> {
        let module = canonical(module);
        parts(rest)
            .take(WALK_WINDOW)
            .find_map(|(_, end)| self.denied_name(&module, rest.get(..end)?))
            .or_else(|| self.denied_star(&module))
    }

    fn denied_name(&self, module: &str, name: &str) -> Option<GlobalEntry> {
        self.exact.get(&(module, name)).filter(|entry| entry.class == Class::Denied).copied()
    }

    fn denied_star(&self, module: &str) -> Option<GlobalEntry> {
        self.stars.get(module).filter(|entry| entry.class == Class::Denied).copied()
    }
}

/// The module and its parents, nearest first.
fn scopes(module: &str) -> impl Iterator<Item = &str> {
    let parents = module.rmatch_indices('.').filter_map(|(at, _)| module.get(..at));
    let depth = module.matches('.').take(MODULE_DEPTH).count();
    // A module deeper than any real one is looked up by its outermost parents, where the lists have their rows.
    let surplus = if depth < MODULE_DEPTH { 0 } else { module.matches('.').count().saturating_sub(MODULE_DEPTH) };
    std::iter::once(module).chain(parents).skip(surplus)
}

/// Start and end of each dotted component.
fn parts(path: &str) -> impl Iterator<Item = (usize, usize)> {
    let ends = path.match_indices('.').map(|(at, _)| at).chain(std::iter::once(path.len()));
    ends.scan(0, |start, end| {
        let part = (*start, end);
        *start = end.saturating_add(1);
        Some(part)
    })
}

/// An ASCII identifier. Python allows others, but the lists hold none, so they are never mild.
fn is_identifier(text: &str) -> bool {
    !text.starts_with(|first: char| first.is_ascii_digit())
        && !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Identifiers joined by dots.
pub(super) fn is_path(text: &str) -> bool {
    text.split('.').all(is_identifier)
}

/// Spelled as classes are: `Tree`, `_BinMapper`, and what Cython calls the constructor of one,
/// `__pyx_unpickle_Tree`.
fn is_class_name(name: &str) -> bool {
    let name = name.strip_prefix("__pyx_unpickle_").unwrap_or(name);
    let bare = name.strip_prefix('_').unwrap_or(name);
    bare.starts_with(|first: char| first.is_ascii_uppercase()) && is_identifier(bare) && !bare.ends_with("__")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[(&'static str, &'static str, Class)]) -> GlobalTable {
        let mut table = GlobalTable::default();
        for (module, name, class) in rows {
            table.ship(module, name, GlobalEntry { set: "test", class: *class, reason: "" });
        }
        table
    }

    fn user(class: Class) -> GlobalEntry {
        GlobalEntry { set: "user-safe", class, reason: "" }
    }

    #[test]
    fn the_most_specific_row_wins() {
        let table = table(&[
            ("lib", "*", Class::Denied),
            ("lib", "Record", Class::Safe),
            ("lib.inner", "*", Class::Gadget),
            ("pack", "<class>", Class::Framework),
            ("pack", "Runner", Class::Denied),
            ("pack.danger", "*", Class::Denied),
        ]);
        let class = |module, name| table.judge_use(module, name, 4, Use::Instantiated).class;
        assert_eq!(class("lib", "run"), Class::Denied);
        assert_eq!(class("lib", "Record"), Class::Safe);
        assert_eq!(class("lib.inner.deep", "x"), Class::Gadget);
        assert_eq!(class("lib.other.deep", "x"), Class::Denied);
        assert_eq!(class("library", "x"), Class::Unknown);
        assert_eq!(class("pack.trees", "_Tree"), Class::Framework);
        assert_eq!(class("pack.trees", "Tree.Node"), Class::Framework);
        assert_eq!(class("pack.trees", "__pyx_unpickle_Tree"), Class::Framework);
        assert_eq!(class("pack.trees", "grow"), Class::Unknown);
        assert_eq!(class("pack.danger", "Tree"), Class::Denied);
        assert_eq!(class("pack", "Runner"), Class::Denied);
        // A name that is only spelled like a class says nothing of what calling it does.
        assert_eq!(table.judge_use("pack.trees", "Tree", 4, Use::Called).class, Class::Unknown);
    }

    #[test]
    fn a_class_pattern_covers_classes_only() {
        let table = table(&[("pack", "<class>", Class::Framework), ("lib", "Popen", Class::Denied)]);
        for name in
            ["Tree.fit", "tree.Tree", "Tree.__init__", "__Tree__", "_", "os", "T-ree", "", "Popen", "Tree.Popen"]
        {
            assert_eq!(table.judge_use("pack.trees", name, 4, Use::Instantiated).class, Class::Unknown, "{name}");
        }
    }

    #[test]
    fn a_dotted_path_is_denied_wherever_it_leads_into_a_denied_module() {
        let table = GlobalTable::shipped();
        for (module, name, set) in [
            ("collections", "abc.sys.modules", "sys-globals"),
            ("random", "_os.system", "os-globals"),
            ("random", "_os", "os-globals"),
            ("logging", "posix.system", "os-globals"),
            ("pathlib", "os.system", "os-globals"),
            ("torch", "hub.load", "launcher-globals"),
            ("torch", "jit", "deserialiser-globals"),
            ("mylib", "concurrent.futures.thread.ThreadPoolExecutor", "process-globals"),
            ("mylib", "pandas.eval", "eval-globals"),
            ("mylib", "numpy.testing.x", "launcher-globals"),
            ("builtins", "eval.x", "eval-globals"),
            ("builtins", "eval.__call__", "introspection-globals"),
            ("sklearn.tree", "Tree.__init__.__globals__", "introspection-globals"),
            ("__torch__", "Net.os.system", "os-globals"),
        ] {
            let entry = table.judge(module, name, 4);
            assert_eq!((entry.class, entry.set), (Class::Denied, set), "{module} {name}");
        }
    }

    #[test]
    fn every_spelling_is_judged() {
        let table = GlobalTable::shipped();
        let set = |module, name, protocol| table.judge(module, name, protocol).set;
        assert_eq!(set("posix", "system", 4), "os-globals");
        assert_eq!(set("__builtin__", "eval", 4), "eval-globals");
        assert_eq!(set("commands", "getoutput", 2), "subprocess-globals");
        assert_eq!(set("urllib", "urlopen", 2), "http-globals");
        assert_eq!(set("urllib", "quote", 2), "function-globals");
        assert_eq!(set("itertools", "imap", 2), "composition-globals");
        assert_eq!(set("copy_reg", "_reconstructor", 2), "safe-globals");
        assert_eq!(set("copy_reg", "__reduce_ex__", 4), "safe-globals");
        assert_eq!(set("numpy._core.multiarray", "_reconstruct", 4), "safe-globals");
        // Below protocol 3 Python opens the written name as another; above, as written.
        assert_eq!(set("multiprocessing", "TimeoutError", 2), "safe-globals");
        assert_eq!(set("urllib2", "HTTPError", 4), "safe-globals");
    }

    #[test]
    fn rows_of_the_user_win() {
        let mut table = GlobalTable::shipped();
        table.insert("posix", "system", user(Class::Safe));
        table.insert("os", "remove", user(Class::Safe));
        table.insert("mylib", "*", user(Class::Safe));
        table.insert("mylib", "load", user(Class::Denied));
        table.insert("sklearn.datasets", "*", user(Class::Safe));
        let class = |module, name| table.judge(module, name, 2).class;
        assert_eq!(class("posix", "system"), Class::Safe);
        assert_eq!(class("os", "system"), Class::Denied);
        assert_eq!(class("posix", "remove"), Class::Safe);
        assert_eq!(class("mylib.deep", "thing"), Class::Safe);
        assert_eq!(class("mylib", "load"), Class::Denied);
        assert_eq!(class("sklearn.datasets", "fetch_openml"), Class::Safe);
        assert_eq!(class("mylib", "os.system"), Class::Denied);
        assert_eq!(class("mylib", "not a name"), Class::Unknown);
    }

    #[test]
    fn shipped_rows_use_the_public_spelling() {
        for set in Set::shipped().filter(|set| set.class.is_some()) {
            for (item, _) in set.items {
                let (module, _) = item.split_once(' ').unwrap_or((item, ""));
                assert_eq!(canonical(module), module, "{}: {item} can never be looked up", set.name);
            }
        }
    }
}
