//! What is known of Python names: the classes of common packages and the functions that they name for their own
//! restoring, with what calling and restoring each of them does; and the spellings under which one object is reached.
//!
//! `tools/names/build.py` makes the table from the packages' sources; `docs/names.md` says how. It is a finite state
//! transducer that is searched in place: a start of the program costs nothing, a look-up some hundred nanoseconds.

mod aliases;
mod standard;

use std::sync::LazyLock;

use fst::Map;

pub(crate) use aliases::{canonical, from_python2};
pub(crate) use standard::is_standard;

/// Keys `module qualname`, values as [`Known::of`] takes them apart.
const BYTES: &[u8] = include_bytes!("../data/names/known.fst");

/// One line on [`BYTES`]: digest, number of packages and of releases, day. A test compares.
const RECORD: &str = include_str!("../data/names/known.txt");

static TABLE: LazyLock<Option<Map<&'static [u8]>>> = LazyLock::new(|| Map::new(BYTES).ok());

/// What Cython calls the function that makes an instance of a class before its state is set.
const CYTHON_MAKER: &str = "__pyx_unpickle_";

/// Modules that the table does not hold: the tests of a package, as `SKIPPED` in `tools/names/table.py` leaves them out.
const LEFT_OUT: [&str; 5] = ["conftest", "setup", "test", "tests", "testsuite"];

/// What a class or function does with what it is given, the worst of it, from bad to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Opens files.
    Opens,
    /// Connects to other machines.
    Connects,
    /// Imports modules by name.
    Imports,
    /// Unpickles what it holds, or loads other files.
    Deserialises,
    /// Calls what the file gives it.
    Calls,
    /// Starts programs.
    Starts,
    /// Runs code.
    Runs,
}

impl Effect {
    /// The effect of three bits; 0 is none.
    const fn of(bits: u64) -> Option<Self> {
        match bits & 7 {
            1 => Some(Self::Opens),
            2 => Some(Self::Connects),
            3 => Some(Self::Imports),
            4 => Some(Self::Deserialises),
            5 => Some(Self::Calls),
            6 => Some(Self::Starts),
            7 => Some(Self::Runs),
            _ => None,
        }
    }
}

/// Arguments on which it depends whether a name does what the table says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    /// It runs text among its arguments, its items or its state, and nothing else.
    Text,
    /// It reaches what an address names.
    Address,
}

/// What the table says about one name.
#[expect(clippy::struct_excessive_bools, reason = "the flags of the table, each by itself")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// True for a class, false for a function that restores.
    pub class: bool,
    /// A function that objects hold, of which nothing else is known.
    pub stored: bool,
    /// What calling it does.
    pub called: Option<Effect>,
    /// What restoring it does.
    pub restored: Option<Effect>,
    /// What it needs for that, if not any arguments will do.
    pub given: Option<Given>,
    /// A class whose instances are values to what evaluates text: it returns them as they are.
    pub value: bool,
    compiled: bool,
}

impl Known {
    /// Bits 0 to 2: class, function, compiled; three bits each for the effects of calling and restoring; a function that
    /// may only be stored; one that runs text only; one whose instances are values; one that is given an address.
    const fn of(value: u64) -> Self {
        let given = match value >> 10 & 0b101 {
            1 => Some(Given::Text),
            4 => Some(Given::Address),
            _ => None,
        };
        Self {
            class: value & 1 != 0,
            compiled: value & 4 != 0,
            stored: value & 1 << 9 != 0,
            called: Effect::of(value >> 3),
            restored: Effect::of(value >> 6),
            given,
            value: value & 1 << 11 != 0,
        }
    }

    /// The same name, with this for calling it.
    #[must_use]
    pub const fn calling(self, effect: Effect) -> Self {
        Self { called: Some(effect), ..self }
    }
}

/// The entry of `name`, as it is defined in or exported from `module`.
#[must_use]
pub fn known(module: &str, name: &str) -> Option<Known> {
    if let Some(class) = name.strip_prefix(CYTHON_MAKER) {
        let maker = entry(module, class).filter(|known| known.class && known.compiled)?;
        // It makes the instance and sets its state, whichever opcode runs it.
        return Some(Known { class: false, called: maker.restored, ..maker });
    }
    entry(module, name)
}

/// True if the table covers the package that `module` is in, and that part of it.
#[must_use]
pub fn covers(module: &str) -> bool {
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
