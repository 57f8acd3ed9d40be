//! Python pickles: every opcode of protocols 0 to 5, interpreted symbolically.
use super::{Format, FormatKind, Halt, Probe, Scan};

/// The record.
pub const FORMAT: Format = Format {
    name: "pickle",
    title: "Python pickle",
    kind: FormatKind::Model,
    extensions: &["pkl", "pickle"],
    runs_code: true,
    refines: None,
    identify,
    scan,
    checks: "",
    spec: "",
};

/// What a loader-specific format needs to know of the pickle that it holds.
#[derive(Debug, Default)]
pub struct Summary {
    /// Persistent ids in the order of their first use, each distinct one once.
    pub persistent: Vec<PersistentId>,
    /// Pickles that reached STOP.
    pub streams: u64,
    /// Offset after the last STOP.
    pub end: u64,
}

/// A reference to data outside the pickle: for PyTorch `('storage', class, key, location, numel)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersistentId {
    /// Offset of the BINPERSID or PERSID opcode.
    pub at: u64,
    /// The items of the tuple as text: strings as they are, integers in decimal, globals as `module.name`,
    /// anything else `?`. A persistent id that is no tuple has one item.
    pub items: Vec<String>,
}

/// How a pickle is embedded, which decides what is ordinary in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// `pickle.load`: a persistent id is unusual.
    #[default]
    Plain,
    /// `torch.load`: persistent ids name storages.
    Torch,
}

/// Interprets the input from `offset` as one or more pickles, states facts, and returns what it references.
///
/// # Errors
/// The stream breaks before its STOP or a limit is reached; facts found until then have been stated.
pub fn interpret(scan: &mut Scan<'_>, offset: u64, dialect: Dialect) -> Result<Summary, Halt> {
    let _ = (scan, offset, dialect);
    Ok(Summary::default())
}

/// Does the content at the start of `head` look like a pickle, by a bounded dry run?
#[must_use]
pub fn looks_like_pickle(head: &[u8]) -> bool {
    let _ = head;
    false
}

fn identify(_: &Probe<'_>) -> bool {
    false
}

fn scan(scan: &mut Scan<'_>) -> Result<(), Halt> {
    interpret(scan, 0, Dialect::Plain).map(drop)
}
