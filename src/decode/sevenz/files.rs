//! The files of an archive: names and attributes.

use super::{bits, number, optional};
use crate::bytes::{Cursor, Malformed};

/// Identifiers of properties.
const END: u64 = 0;
const EMPTY_STREAM: u64 = 14;
const NAMES: u64 = 17;
const ATTRIBUTES: u64 = 21;

/// Attribute: the upper half is the mode of a Unix file.
const UNIX: u32 = 0x8000;
/// Attribute: a link of Windows.
const REPARSE_POINT: u32 = 0x400;

/// A file as the header describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name; empty if the header has none.
    pub name: String,
    /// True if a part of a folder belongs to it: it is no folder of files, and not empty.
    pub has_data: bool,
    /// Attributes of Windows, with the mode of Unix in the upper half.
    pub attributes: u32,
}

impl File {
    /// The mode of Unix, if the writer stored one.
    #[must_use]
    pub const fn mode(&self) -> Option<u32> {
        if self.attributes & UNIX == 0 { None } else { Some(self.attributes >> 16) }
    }

    /// Is the content the target of a symbolic link?
    #[must_use]
    pub const fn is_link(&self) -> bool {
        match self.mode() {
            Some(mode) => mode & 0o170_000 == 0o120_000,
            None => self.attributes & REPARSE_POINT != 0,
        }
    }
}

/// Reads the files into `found`: what was read before a fault stays there.
pub(super) fn files(c: &mut Cursor<'_>, most: u64, found: &mut Vec<File>) -> Result<(), Malformed> {
    let count = number(c)?;
    // Each file has a name or a stream, which takes at least a byte of this header.
    if count > most || count > c.rest().len() as u64 {
        return Err(c.malformed("more files than there can be"));
    }
    let size = usize::try_from(count).unwrap_or_default();
    found.resize(size, File { name: String::new(), has_data: true, attributes: 0 });
    loop {
        let property = number(c)?;
        if property == END {
            return Ok(());
        }
        let length = number(c)?;
        let at = c.offset();
        let mut body = Cursor::new(c.bytes(length)?, at);
        match property {
            EMPTY_STREAM => {
                for (file, empty) in found.iter_mut().zip(bits(&mut body, count)?) {
                    file.has_data = !empty;
                }
            }
            NAMES => names(&mut body, found)?,
            ATTRIBUTES => {
                for (file, attributes) in found.iter_mut().zip(optional(&mut body, count, true)?) {
                    file.attributes = attributes.unwrap_or_default();
                }
            }
            // Times, marks of empty and deleted files, padding.
            _ => {}
        }
    }
}

/// Names in UTF-16, each with a zero at its end.
fn names(c: &mut Cursor<'_>, found: &mut [File]) -> Result<(), Malformed> {
    if c.u8()? != 0 {
        return Err(c.malformed("a property in a stream of its own"));
    }
    for file in found {
        let mut units = Vec::new();
        loop {
            match c.u16_le()? {
                0 => break,
                unit => units.push(unit),
            }
        }
        file.name = String::from_utf16_lossy(&units);
    }
    Ok(())
}
