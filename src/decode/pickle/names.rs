//! The names that a stream imports, each once, and how they are used.

use std::collections::HashMap;

use super::array::WRAPPERS;
use super::parsers::is_distribution;
use super::role::{Role, role};
use crate::decode::calls::Calls;
use crate::names::{Effect, Given, known};

/// Names of one stream that are told apart. The largest real pickles import some thousands.
const MOST_NAMES: usize = 1 << 15;
/// Bytes of names, and of string arguments, that are kept for one stream.
pub(super) const MOST_NAME_BYTES: usize = 4 << 20;
const MOST_TEXT_BYTES: usize = 4 << 20;
/// Further uses of the same kind whose offsets are kept.
const MOST_SITES: usize = 4;
/// Longest module or attribute path that is kept.
pub const LONGEST_NAME: usize = 4096;

/// An imported object.
#[derive(Debug, Clone)]
pub struct Name {
    /// Module as written.
    pub module: String,
    /// Attribute path inside it as written; [`MODULE`] for the module itself.
    pub function: String,
    /// Mnemonic of the opcode that named it first, or the helper that reached it (`getattr`, `import_module`).
    pub opcode: &'static str,
    /// Offset of the first opcode that names it.
    pub at: u64,
    /// Length of that opcode with its operand.
    pub len: u64,
    /// Protocol in force there.
    pub protocol: u8,
    /// What the machine knows about it.
    pub role: Role,
    /// The arguments on which it depends what it does.
    pub given: Option<Given>,
    /// True for a class whose instances are values to what evaluates text.
    pub value: bool,
    /// How often it is named.
    pub named: u64,
    /// How often it is taken off the stack unused.
    pub popped: u64,
    /// How often it was only the way to one of its attributes.
    pub walked: u64,
    /// True for a class whose instances run what their state says.
    pub(super) watched: bool,
    pub(super) uses: Option<u32>,
}

/// What a class makes its instances with.
const MAKER: &str = ".__new__";
/// The attribute path that stands for a module as a whole.
pub const MODULE: &str = "*";

/// One way in which a stream uses a name.
#[derive(Debug, Clone)]
pub struct Use {
    /// Index of the name.
    pub name: u32,
    /// `called` or `instantiated`.
    pub usage: &'static str,
    /// Mnemonic of the opcode that used it.
    pub by: &'static str,
    /// True if loading runs it.
    pub invoked: bool,
    /// What the arguments make of it; the vocabulary is that of the fact.
    pub arguments: &'static str,
    /// The call in Python notation, capped.
    pub call: String,
    /// All such calls, with everything that they are given.
    pub calls: Calls,
    /// String arguments of the first such call, capped.
    pub texts: Vec<String>,
    /// How often.
    pub count: u64,
    /// Offsets of the opcodes that use it again, the first few.
    pub again: Vec<u64>,
    next: Option<u32>,
}

/// The table of names and uses.
#[derive(Debug, Default)]
pub struct Names {
    list: Vec<Name>,
    uses: Vec<Use>,
    index: HashMap<Box<[u8]>, u32>,
    name_bytes: usize,
    text_bytes: usize,
    full: bool,
}

/// Where and by what a name is named.
#[derive(Debug, Clone, Copy)]
pub struct Naming {
    /// Mnemonic or helper.
    pub opcode: &'static str,
    /// Offset of the opcode.
    pub at: u64,
    /// Length of the opcode.
    pub len: u64,
    /// Protocol in force.
    pub protocol: u8,
}

impl Names {
    /// Forgets everything.
    pub fn clear(&mut self) {
        self.list.clear();
        self.uses.clear();
        self.index.clear();
        self.name_bytes = 0;
        self.text_bytes = 0;
        self.full = false;
    }

    /// True if there were more names than are kept.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// The names in the order of their first appearance.
    #[must_use]
    pub fn all(&self) -> &[Name] {
        &self.list
    }

    /// The uses in the order of their first appearance.
    #[must_use]
    pub fn uses(&self) -> &[Use] {
        &self.uses
    }

    /// One name.
    #[must_use]
    pub fn get(&self, id: u32) -> Option<&Name> {
        self.list.get(usize::try_from(id).ok()?)
    }

    pub(super) fn get_mut(&mut self, id: u32) -> Option<&mut Name> {
        self.list.get_mut(usize::try_from(id).ok()?)
    }

    pub(super) fn use_mut(&mut self, id: u32) -> Option<&mut Use> {
        self.uses.get_mut(usize::try_from(id).ok()?)
    }

    /// The last use of `name` with such arguments.
    pub(super) fn use_with(&self, name: u32, arguments: &str) -> Option<u32> {
        let mut next = self.get(name)?.uses;
        while let Some(id) = next {
            let known = self.uses.get(usize::try_from(id).ok()?)?;
            if known.arguments == arguments {
                return Some(id);
            }
            next = known.next;
        }
        None
    }

    /// The index of `module` and `function`, separated by a NUL in `key`; None when the table is full.
    pub(super) fn intern(&mut self, key: &[u8], naming: Naming) -> Option<u32> {
        if let Some(&id) = self.index.get(key) {
            if let Some(name) = self.get_mut(id) {
                name.named = name.named.saturating_add(1);
            }
            return Some(id);
        }
        self.name_bytes = self.name_bytes.saturating_add(key.len());
        if self.list.len() >= MOST_NAMES || self.name_bytes > MOST_NAME_BYTES {
            self.full = true;
            return None;
        }
        let id = u32::try_from(self.list.len()).ok()?;
        let split = memchr::memchr(0, key).unwrap_or(key.len());
        let module = String::from_utf8_lossy(key.get(..split)?).into_owned();
        let function = String::from_utf8_lossy(key.get(split.saturating_add(1)..).unwrap_or_default()).into_owned();
        let role = role(&module, &function);
        let known = known(&module, function.strip_suffix(MAKER).unwrap_or(&function));
        let watched = is_watched(&module, &function);
        let Naming { opcode, at, len, protocol } = naming;
        self.list.push(Name {
            module,
            function,
            opcode,
            at,
            len,
            protocol,
            role,
            given: known.and_then(|known| known.given),
            value: known.is_some_and(|known| known.value),
            named: 1,
            popped: 0,
            walked: 0,
            watched,
            uses: None,
        });
        self.index.insert(key.into(), id);
        Some(id)
    }

    /// Counts a use of `name` if it is known already, and returns its index.
    pub(super) fn count_use(
        &mut self,
        name: u32,
        usage: &'static str,
        by: &'static str,
        arguments: &'static str,
        at: u64,
    ) -> Option<u32> {
        let mut next = self.get(name)?.uses;
        while let Some(id) = next {
            let known = self.use_mut(id)?;
            if same(known.usage, usage) && same(known.by, by) && same(known.arguments, arguments) {
                known.count = known.count.saturating_add(1);
                if known.again.len() < MOST_SITES {
                    known.again.push(at);
                }
                return Some(id);
            }
            next = known.next;
        }
        None
    }

    /// The calls that a use stands for.
    pub(super) fn calls(&mut self, entry: u32) -> Option<&mut Calls> {
        Some(&mut self.use_mut(entry)?.calls)
    }

    /// Adds a use that [`Names::count_use`] did not know.
    pub(super) fn add_use(&mut self, name: u32, invoked: bool, fresh: Fresh) -> Option<u32> {
        let id = u32::try_from(self.uses.len()).ok()?;
        let entry = self.get_mut(name)?;
        let next = entry.uses.replace(id);
        let Fresh { usage, by, arguments, call, calls, mut texts } = fresh;
        self.text_bytes = self.text_bytes.saturating_add(texts.iter().map(String::len).sum());
        if self.text_bytes > MOST_TEXT_BYTES {
            texts.clear();
        }
        let again = Vec::new();
        self.uses.push(Use { name, usage, by, invoked, arguments, call, calls, texts, count: 1, again, next });
        Some(id)
    }
}

fn is_watched(module: &str, function: &str) -> bool {
    WRAPPERS.contains(&function)
        || is_distribution(module, function)
        || known(module, function).is_some_and(|known| known.restored == Some(Effect::Deserialises))
}

/// Equality of words that nearly always are the same constant.
fn same(a: &'static str, b: &'static str) -> bool {
    std::ptr::eq(a, b) || a == b
}

/// The description of a use at its first appearance.
pub(super) struct Fresh {
    pub(super) usage: &'static str,
    pub(super) by: &'static str,
    pub(super) arguments: &'static str,
    pub(super) call: String,
    pub(super) calls: Calls,
    pub(super) texts: Vec<String>,
}

/// What is odd about a name that Python is asked to import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// A dotted identifier.
    Plain,
    /// Not one: empty parts, blanks, control characters, punctuation.
    Invalid,
    /// Letters that imitate ASCII letters, or characters that do not show.
    Confusable,
}

/// Checks a module or attribute path.
#[must_use]
pub fn spelling(path: &str) -> Spelling {
    let plain = |part: &str| {
        let mut bytes = part.bytes();
        bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    path.split('.').map(|part| if plain(part) { Spelling::Plain } else { part_spelling(part) }).fold(
        Spelling::Plain,
        |worst, part| match (worst, part) {
            (Spelling::Confusable, _) | (_, Spelling::Confusable) => Spelling::Confusable,
            (Spelling::Invalid, _) | (_, Spelling::Invalid) => Spelling::Invalid,
            _ => Spelling::Plain,
        },
    )
}

fn part_spelling(part: &str) -> Spelling {
    // Python's own spelling of scopes in qualified names.
    if matches!(part, "<locals>" | "<lambda>") {
        return Spelling::Plain;
    }
    let hidden = |c: char| matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}');
    if part.chars().any(hidden) {
        return Spelling::Confusable;
    }
    let valid = part.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && part.chars().all(|c| c.is_alphanumeric() || c == '_');
    if !valid {
        return Spelling::Invalid;
    }
    let imitates = part.chars().filter(|&c| !c.is_ascii()).all(is_look_alike);
    if imitates { Spelling::Confusable } else { Spelling::Plain }
}

/// True for letters of other scripts that look like ASCII letters, and for ASCII in other clothes. Python itself
/// folds the latter (full width, mathematical) into ASCII when it compiles source, but not when it imports by name.
fn is_look_alike(c: char) -> bool {
    "аеорсухѕіјһԁԛԝвкмнтАВЕКМНОРСТУХЅІЈоοναικρτυχΑΒΕΖΗΙΚΜΝΟΡΤΥΧıɡſ".contains(c)
        || matches!(c, '\u{ff10}'..='\u{ff5a}' | '\u{1d400}'..='\u{1d7ff}' | '\u{2100}'..='\u{214f}')
}

/// True if the last part of an attribute path is spelt like a class: a capital after any underscores.
#[must_use]
pub fn looks_like_class(function: &str) -> bool {
    let last = function.rsplit('.').next().unwrap_or(function);
    last.trim_start_matches('_').chars().next().is_some_and(char::is_uppercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_imitations() {
        for path in ["os", "numpy.core._multiarray", "__torch__.___torch_mangle_0.Net", "模型.网络", "f.<locals>.g"]
        {
            assert_eq!(spelling(path), Spelling::Plain, "{path}");
        }
        for path in ["", "os ", "a..b", "1a", "os\r", "a-b"] {
            assert_eq!(spelling(path), Spelling::Invalid, "{path:?}");
        }
        for path in ["оs", "builtin\u{200b}s", "ｏｓ"] {
            assert_eq!(spelling(path), Spelling::Confusable, "{path:?}");
        }
    }

    #[test]
    fn a_name_is_kept_once() {
        let mut names = Names::default();
        let naming = Naming { opcode: "GLOBAL", at: 0, len: 11, protocol: 2 };
        let first = names.intern(b"os\0system", naming);
        assert_eq!(names.intern(b"os\0system", naming), first);
        assert_eq!(names.get(0).map(|name| (name.function.as_str(), name.named)), Some(("system", 2)));
        assert_eq!(names.count_use(0, "called", "REDUCE", "", 9), None);
        let fresh = Fresh {
            usage: "called",
            by: "REDUCE",
            arguments: "",
            call: String::new(),
            calls: Calls::default(),
            texts: Vec::new(),
        };
        let added = names.add_use(0, true, fresh);
        assert_eq!(names.count_use(0, "called", "REDUCE", "", 9), added);
    }
}
