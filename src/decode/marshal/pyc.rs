//! The header of compiled modules (`.pyc`): a number for the version of the interpreter, then times or a hash.

use super::objects::Layout;
use crate::bytes::{Cursor, Malformed};

/// The end of the magic number: carriage return, line feed.
const MARK: u16 = 0x0a0d;
/// Flags of 3.7 and later.
const BY_HASH: u32 = 1;
const CHECKED: u32 = 2;

/// What stands in front of the code object of a compiled module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The magic number, which names a version.
    pub magic: u16,
    /// Offset of the marshalled code object.
    pub length: u64,
    /// Layout of its code objects.
    pub layout: Layout,
    /// How the interpreter finds out whether the source has changed since.
    pub validity: Validity,
}

/// How a compiled module is held against its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// By the time and size of the source.
    Time,
    /// By its hash.
    Hash,
    /// Not at all: whatever the source says, this is what runs.
    Unchecked,
}

/// True if `head` is the front of a compiled module, even of a version that cannot be read.
#[must_use]
pub fn is_module(head: &[u8]) -> bool {
    let start = match header(head) {
        Ok(header) => header.length,
        Err(_) => 8,
    };
    let Some(code) = usize::try_from(start).ok().and_then(|start| head.get(start..)) else { return false };
    let known = |magic: u16| matches!(magic, 3000..=3999 | 50_000..=63_000);
    let mut front = Cursor::new(head, 0);
    let marked = front.u16_le().is_ok_and(known) && front.u16_le() == Ok(MARK);
    // A module takes no arguments.
    marked && matches!(code, [b'c' | 0xe3, 0, 0, 0, 0, ..])
}

/// Reads the header.
///
/// # Errors
/// It is none, or of a version before 2.7 or not yet known.
pub fn header(head: &[u8]) -> Result<Header, Malformed> {
    let mut cursor = Cursor::new(head, 0);
    let (magic, mark) = (cursor.u16_le()?, cursor.u16_le()?);
    if mark != MARK {
        return Err(Malformed { at: 0, what: "not a compiled Python module" });
    }
    // Numbers rise with the versions; those of Python 2 stand apart.
    let (length, layout) = match magic {
        62_171..=62_211 => (8, Layout::Python2),
        3000..=3189 => (8, Layout::Python30),
        3190..=3389 => (12, Layout::Python30),
        3390..=3399 => (16, Layout::Python30),
        3400..=3449 => (16, Layout::Python38),
        3450..=3999 => (16, Layout::Python311),
        _ => return Err(Malformed { at: 0, what: "a compiled module of an unknown version of Python" }),
    };
    let flags = if length == 16 { cursor.u32_le()? } else { 0 };
    let validity = match (flags & BY_HASH != 0, flags & CHECKED != 0) {
        (false, _) => Validity::Time,
        (true, true) => Validity::Hash,
        (true, false) => Validity::Unchecked,
    };
    if flags & !(BY_HASH | CHECKED) != 0 {
        return Err(Malformed { at: 4, what: "a compiled module with unknown flags" });
    }
    Ok(Header { magic, length, layout, validity })
}
