//! What a run leaves behind besides names: oddities, references to data outside, and pickles inside literals.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hasher as _};

use super::reader::Extent;
use super::value::Far;
use crate::bytes::Exceeded;
use crate::decode::marshal::{Id, Objects};

/// Oddities of one kind that are kept; the first ones tell.
const MOST_OF_A_KIND: usize = 64;
/// Literals of one stream that are looked into. Tables of pickled values have some ten thousand.
const MOST_NESTED: usize = 1 << 18;
/// Arrays of one stream that are told. Forests of trees have some thousands.
const MOST_ARRAYS: usize = 10_000;
/// The same with those in files of their own, whose names are judged.
const MOST_FILES: usize = 100_000;
/// Strings of one stream that are kept.
const MOST_TEXTS: usize = 10_000;

/// Something that no ordinary writer produces.
#[derive(Debug, Clone)]
pub struct Anomaly {
    /// What it does: the vocabulary of the fact `Opcode`.
    pub effect: &'static str,
    /// Mnemonic of the opcode.
    pub opcode: &'static str,
    /// Offset of the opcode.
    pub at: u64,
    /// Specifics, capped.
    pub detail: String,
}

/// A reference to data outside the pickle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersistentId {
    /// Offset of the opcode.
    pub at: u64,
    /// The items of the tuple as text, or the one value.
    pub items: Vec<String>,
}

/// An array whose elements are not in the pickle but behind it, in the stream or in another file.
#[derive(Debug, Clone)]
pub struct Array {
    /// Offset of the opcode that restores its wrapper.
    pub at: u64,
    /// Where its elements are.
    pub place: ArrayPlace,
    /// Code of the element type; empty if it is not known.
    pub dtype: String,
    /// Shape, `[2, 3]`; empty if it is not known.
    pub shape: String,
}

/// Where the elements of an [`Array`] are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArrayPlace {
    /// In the stream: offset and bytes.
    Stream(u64, u64),
    /// As a pickle of their own in the stream, which is run.
    Pickle,
    /// Nowhere: they would need so many bytes, which the stream does not have; None if that is no number of 64 bits.
    Missing(Option<u64>),
    /// In the file of that name beside this one.
    File(String),
}

/// Bytes that are, or may be, a pickle of their own.
#[derive(Debug, Clone)]
pub struct Nested {
    /// The bytes.
    pub content: Content,
    /// Offset of the opcode that holds or produced them.
    pub at: u64,
    /// Why they are looked at.
    pub purpose: Purpose,
}

/// Where nested bytes are.
#[derive(Debug, Clone)]
pub enum Content {
    /// As they are in the source.
    Extent(Extent),
    /// Decoded.
    Owned(Vec<u8>),
    /// The characters of the text at this offset, of which each is a byte.
    Latin1(Far),
}

impl Content {
    /// True for so many bytes and more.
    pub(super) fn is_at_least(&self, shortest: usize) -> bool {
        match self {
            Self::Extent(extent) => extent.len >= shortest as u64,
            Self::Owned(bytes) => bytes.len() >= shortest,
            // Shorter ones have been worked out.
            Self::Latin1(_) => true,
        }
    }

    /// Where it lies in the source; None for what was decoded.
    #[must_use]
    pub fn place(&self) -> Option<u64> {
        match self {
            Self::Extent(extent) => Some(extent.at),
            Self::Latin1(text) => Some(text.get()),
            Self::Owned(_) => None,
        }
    }
}

/// Another loader that makes any Python object, out of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TextLoader {
    /// `PyYAML` and its relatives.
    Yaml,
    /// `jsonpickle.decode`.
    Jsonpickle,
}

/// Why nested bytes are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// The use with this index gives them to an unpickler; true: that of `PyTorch`.
    Loaded(u32, bool),
    /// They are in the state of an object whose class unpickles them.
    Restored,
    /// They are given to `marshal.loads`.
    Unmarshalled,
    /// They are text, given to a loader of another format.
    Text(TextLoader),
    /// They begin like a pickle.
    Data,
}

/// A code object that the stream builds out of its parts.
#[derive(Debug, Clone)]
pub struct StoredCode {
    /// Offset of the opcode that builds it.
    pub at: u64,
    /// The code object among [`Evidence::code_objects`]; None if the parts are not those of one, or not known.
    pub root: Option<Id>,
}

/// Operands that an opcode of Python's unpickler may take, or that its checks leave to Python, and that a loader of
/// weights alone refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misuse {
    /// An item written into something that it is not for: into a dictionary without a key, into a list with one.
    ItemElsewhere,
    /// A state for what is neither an instance nor the result of a call.
    StateElsewhere,
    /// An instance of what is no imported class.
    NoClass,
    /// A call of what is no imported function, or of one without a tuple of arguments.
    NoCall,
    /// A memo slot that was never set.
    UnsetMemo,
    /// Text that is not UTF-8.
    NoText,
    /// A persistent id that is no tuple.
    BareId,
}

/// Everything but the names.
#[derive(Debug, Default)]
pub struct Evidence {
    /// Oddities in the order of the stream.
    pub anomalies: Vec<Anomaly>,
    /// Persistent ids in the order of their first use, each once.
    pub persistent: Vec<PersistentId>,
    /// Nested bytes to look into.
    pub nested: Vec<Nested>,
    /// Code objects built out of their parts.
    pub codes: Vec<StoredCode>,
    /// Those code objects and their parts; constants of one may be others.
    pub code_objects: Objects,
    /// What they were built from.
    pub(super) code_parts: HashMap<[u64; 2], Id>,
    /// True if there were more of them than are kept.
    pub codes_cut: bool,
    /// True if a function that is made of stored code is called while the stream loads.
    pub runs_code: bool,
    /// What no loader of weights alone lets an opcode do, each once.
    pub misuses: Vec<Misuse>,
    /// String literals of some length, each text once, by the offset of their opcode.
    pub texts: Vec<Far>,
    /// Arrays that joblib stores outside the pickle.
    pub arrays: Vec<Array>,
    /// The limit because of which something was not kept.
    pub(super) dropped: Option<Exceeded>,
    counts: Vec<(&'static str, usize)>,
    seen_texts: HashSet<u64>,
    seen_nested: HashSet<(u64, Purpose)>,
    seen_ids: HashSet<u64>,
}

impl Evidence {
    pub(super) fn clear(&mut self) {
        self.anomalies.clear();
        self.counts.clear();
        self.persistent.clear();
        self.nested.clear();
        self.codes.clear();
        self.code_objects = Objects::default();
        self.code_parts.clear();
        self.codes_cut = false;
        self.runs_code = false;
        self.misuses.clear();
        self.texts.clear();
        self.arrays.clear();
        self.dropped = None;
        self.seen_texts.clear();
        self.seen_nested.clear();
        self.seen_ids.clear();
    }

    pub(super) fn misuse(&mut self, misuse: Misuse) {
        if !self.misuses.contains(&misuse) {
            self.misuses.push(misuse);
        }
    }

    /// Counts an oddity. True as long as those of its kind are kept.
    pub(super) fn wants(&mut self, effect: &'static str) -> bool {
        match self.counts.iter_mut().find(|(known, _)| *known == effect) {
            Some((_, count)) if *count >= MOST_OF_A_KIND => false,
            Some((_, count)) => {
                *count = count.saturating_add(1);
                true
            }
            None => {
                self.counts.push((effect, 1));
                true
            }
        }
    }

    pub(super) fn nested(&mut self, nested: Nested) {
        // A literal can be handed to a loader any number of times; each literal is met only once by itself.
        if let (Some(at), true) = (nested.content.place(), nested.purpose != Purpose::Data)
            && !self.seen_nested.insert((at, nested.purpose))
        {
            return;
        }
        if self.nested.len() < MOST_NESTED {
            self.nested.push(nested);
        } else {
            self.dropped = Some(Exceeded { what: "pickles in literals", limit: MOST_NESTED as u64 });
        }
    }

    pub(super) fn array(&mut self, array: Array) {
        let is_file = matches!(array.place, ArrayPlace::File(_));
        if self.arrays.len() < if is_file { MOST_FILES } else { MOST_ARRAYS } {
            self.arrays.push(array);
        } else if is_file {
            self.dropped = Some(Exceeded { what: "arrays in files", limit: MOST_FILES as u64 });
        }
    }

    pub(super) fn wants_texts(&self) -> bool {
        self.texts.len() < MOST_TEXTS
    }

    pub(super) fn text(&mut self, at: u64, text: &[u8]) {
        if self.seen_texts.insert(hash(text)) {
            self.texts.push(Far::new(at));
        }
    }

    pub(super) fn persistent(&mut self, at: u64, items: Vec<String>) {
        if self.seen_ids.insert(hash(&items)) {
            self.persistent.push(PersistentId { at, items });
        }
    }
}

fn hash<T: std::hash::Hash + ?Sized>(value: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
