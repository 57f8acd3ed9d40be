//! The table of known names: classes of common packages and the functions that they name for their own restoring.
//!
//! `tools/names/build.py` makes it from the packages' sources; `docs/names.md` says how. It is a finite state transducer
//! that is searched in place: a start of the program costs nothing, a look-up some hundred nanoseconds.

use std::sync::LazyLock;

use fst::Map;

use super::globals::{Class, GlobalEntry};

/// Keys `module qualname`, values as [`Known::of`] takes them apart.
const BYTES: &[u8] = include_bytes!("../../data/names/known.fst");

/// One line on [`BYTES`]: digest, number of packages and of releases, day. A test compares.
const RECORD: &str = include_str!("../../data/names/known.txt");

static TABLE: LazyLock<Option<Map<&'static [u8]>>> = LazyLock::new(|| Map::new(BYTES).ok());

/// What Cython calls the function that makes an instance of a class before its state is set.
const CYTHON_MAKER: &str = "__pyx_unpickle_";

/// What a name does when it is called, and when it is restored, by the number that the table holds. Each is the end of a
/// sentence about the name.
const EFFECTS: [(&str, &str); 7] = [
    ("calling it opens files", "restoring it opens files"),
    ("calling it connects to other machines", "restoring it connects to other machines"),
    ("calling it imports modules by name", "restoring it imports modules by name"),
    ("calling it unpickles or loads other files", "restoring it unpickles or loads what it holds"),
    ("calling it calls what the file gives it", "restoring it calls what the file gives it"),
    ("calling it starts programs", "restoring it starts programs"),
    ("calling it runs code", "restoring it runs code"),
];
/// Modules that the table does not hold: the tests of a package, as `SKIPPED` in `tools/names/table.py` leaves them out.
const LEFT_OUT: [&str; 5] = ["conftest", "setup", "test", "tests", "testsuite"];
/// The first of [`EFFECTS`] that hands the machine over, whatever the object is for.
const WORST: usize = 5;

/// The lists that the names of the table with an effect stand for.
pub(super) const JUDGED: &str = "judged-globals";
const RUNS: &str = "restored-code-globals";
const LOADS: &str = "restored-files-globals";
/// The harmless names of the table.
pub(super) const KNOWN: &str = "known-globals";
/// All of them.
pub(super) const SETS: [&str; 4] = [KNOWN, JUDGED, RUNS, LOADS];

/// The answer for a name that a known package may have by now.
pub(super) const LIKELY: GlobalEntry =
    GlobalEntry { set: KNOWN, class: Class::Framework, reason: "spelled like a class of a known package" };

/// How a file uses a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// As a function: of a class, `__init__` runs.
    Called,
    /// As a class of instances: `__new__` runs, and what restores their state.
    Instantiated,
    /// As an argument of a function that is called and may call it.
    Passed,
    /// As a value.
    Referenced,
}

impl Use {
    /// The use that a `global` fact states in words.
    #[must_use]
    pub fn of(usage: &str) -> Self {
        match usage {
            "called" => Self::Called,
            "instantiated" => Self::Instantiated,
            "passed" => Self::Passed,
            _ => Self::Referenced,
        }
    }
}

/// What the table says about one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    class: bool,
    compiled: bool,
    /// A function that objects hold, of which nothing else is known.
    stored: bool,
    called: Option<usize>,
    restored: Option<usize>,
}

impl Known {
    /// Bits 0 to 2: class, function, compiled; three bits each for the reasons of calling and restoring, 0 for none; a
    /// function that may only be stored.
    fn of(value: u64) -> Self {
        let reason = |bits: u64| usize::try_from(bits & 7).unwrap_or_default();
        Self {
            class: value & 1 != 0,
            compiled: value & 4 != 0,
            stored: value & 1 << 9 != 0,
            called: reason(value >> 3).checked_sub(1),
            restored: reason(value >> 6).checked_sub(1),
        }
    }

    /// True for a class, false for a function that restores.
    const fn is_class(self) -> bool {
        self.class
    }

    /// What this use of the name is worth, if the table says so.
    fn entry(self, usage: Use) -> Option<GlobalEntry> {
        if self.stored {
            let reason = "function that objects of a known package hold";
            let entry = GlobalEntry { set: KNOWN, class: Class::Framework, reason };
            return matches!(usage, Use::Referenced | Use::Passed).then_some(entry);
        }
        let harmless = GlobalEntry { set: KNOWN, class: Class::Framework, reason: "class of a known package" };
        let (effect, set, class) = match usage {
            Use::Called | Use::Passed => (self.called, JUDGED, Class::Denied),
            Use::Instantiated if self.restored.is_some_and(|effect| effect >= WORST) => {
                (self.restored, RUNS, Class::Gadget)
            }
            Use::Instantiated => (self.restored, LOADS, Class::Gadget),
            Use::Referenced => return Some(harmless),
        };
        let Some((calling, restoring)) = effect.and_then(|effect| EFFECTS.get(effect)) else {
            return Some(harmless);
        };
        Some(GlobalEntry { set, class, reason: if usage == Use::Instantiated { restoring } else { calling } })
    }
}

/// The entry of `name`, as it is defined in or exported from `module`.
fn get(module: &str, name: &str) -> Option<Known> {
    if let Some(class) = name.strip_prefix(CYTHON_MAKER) {
        let maker = entry(module, class).filter(|known| known.class && known.compiled)?;
        // It makes the instance and sets its state, whichever opcode runs it.
        return Some(Known { class: false, called: maker.restored, ..maker });
    }
    entry(module, name)
}

/// What the table of known names says. In a module that a list denies as a whole, only instances of its classes pass.
pub(super) fn judge(module: &str, name: &str, denied: bool, usage: Use) -> Option<GlobalEntry> {
    let known = get(module, name)?;
    if denied && !(known.is_class() && usage != Use::Called) {
        return None;
    }
    known.entry(usage)
}

/// True if the table covers the package that `module` is in, and that part of it.
pub(super) fn covers(module: &str) -> bool {
    if module.split('.').any(|part| LEFT_OUT.contains(&part)) {
        return false;
    }
    let package = module.split('.').next().unwrap_or_default();
    TABLE.as_ref().is_some_and(|table| table.contains_key(package))
}

fn entry(module: &str, name: &str) -> Option<Known> {
    // A space never stands in a dotted name, so no pair has the key of another.
    if module.contains(' ') || name.is_empty() {
        return None;
    }
    TABLE.as_ref()?.get(format!("{module} {name}")).map(Known::of)
}

/// The table as a whole, for those who ask what this build knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamesTable {
    /// Digest of its bytes: `sha256:…`.
    pub digest: &'static str,
    /// What it was made from: number of packages and of their releases, and the day.
    pub origin: &'static str,
}

impl NamesTable {
    /// The table that this build ships.
    #[must_use]
    pub fn shipped() -> Self {
        let (digest, origin) = RECORD.trim_ascii_end().split_once(' ').unwrap_or((RECORD, ""));
        Self { digest, origin }
    }

    /// The bytes of the table: what [`NamesTable::digest`] is taken from.
    #[must_use]
    pub const fn bytes() -> &'static [u8] {
        BYTES
    }

    /// Number of keys.
    #[must_use]
    pub fn names() -> usize {
        TABLE.as_ref().map_or(0, Map::len)
    }
}
