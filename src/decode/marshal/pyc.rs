//! The header of compiled modules (`.pyc`): a number for the version of the interpreter, then times or a hash.

use super::objects::Layout;
use crate::bytes::{Cursor, Malformed};

/// What stands in front of the code object of a compiled module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The magic number, which names a version.
    pub magic: u16,
    /// Offset of the marshalled code object.
    pub length: u64,
    /// Layout of its code objects.
    pub layout: Layout,
}

/// Reads the header.
///
/// # Errors
/// It is none, or of a version before 2.7 or not yet known.
pub fn header(head: &[u8]) -> Result<Header, Malformed> {
    let mut cursor = Cursor::new(head, 0);
    let (magic, mark) = (cursor.u16_le()?, cursor.u16_le()?);
    if mark != 0x0a0d {
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
    Ok(Header { magic, length, layout })
}
