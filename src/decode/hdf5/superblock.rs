//! The superblock: where the file begins, how wide its numbers are, and where the root group is.

use std::cell::RefCell;

use super::{File, Sizes, Stop, uint};
use crate::bytes::{Budget, Cursor, Malformed, ReadAt};

/// What the superblock begins with.
const SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";

/// The offset of the superblock: 0, or behind a block of the user's own whose size is a power of two from 512 on.
#[must_use]
pub fn signature(mut read: impl FnMut(u64, usize) -> Vec<u8>, len: u64) -> Option<u64> {
    let doubling = std::iter::successors(Some(512_u64), |at| at.checked_mul(2)).take_while(|at| *at < len);
    std::iter::once(0).chain(doubling).find(|at| read(*at, SIGNATURE.len()) == SIGNATURE)
}

impl<'a> File<'a> {
    /// Opens the file in `source`.
    ///
    /// # Errors
    /// There is no superblock, it is broken, or I/O.
    pub fn open(source: &'a dyn ReadAt, budget: &'a Budget) -> Result<Self, Stop> {
        let found = signature(|at, want| source.read_range(at, want).unwrap_or_default(), source.len());
        let base = found.ok_or(Malformed { at: 0, what: "there is no superblock" })?;
        let head = source.read_range(base, 128)?;
        let mut cursor = Cursor::new(&head, base);
        cursor.skip(SIGNATURE.len() as u64)?;
        let version = cursor.u8()?;
        let stored = match version {
            0 | 1 => old(&mut cursor, version)?,
            2 | 3 => new(&mut cursor)?,
            _ => return Err(cursor.malformed("a version of the superblock that does not exist").into()),
        };
        let Stored { sizes, root, .. } = stored;
        // Where the superblock is counts, not the base address in it: the library corrects that, and the end with it.
        let end = stored.end.saturating_sub(stored.base).saturating_add(base);
        let (heap, faults) = (RefCell::default(), RefCell::default());
        let file = Self { source, budget, base, sizes, version, root, end, heap, faults };
        if version >= 2 {
            file.verify(0, cursor.offset().saturating_sub(base))?;
        }
        Ok(file)
    }
}

/// What the superblock says.
struct Stored {
    sizes: Sizes,
    base: u64,
    end: u64,
    root: u64,
}

fn sizes(cursor: &mut Cursor<'_>) -> Result<Sizes, Malformed> {
    let wrong = cursor.malformed("a width of addresses or lengths that does not exist");
    let sizes = Sizes { offset: cursor.u8()?, length: cursor.u8()? };
    if [sizes.offset, sizes.length].iter().any(|size| !matches!(size, 2 | 4 | 8)) {
        return Err(wrong);
    }
    Ok(sizes)
}

/// Versions 0 and 1.
fn old(cursor: &mut Cursor<'_>, version: u8) -> Result<Stored, Malformed> {
    cursor.skip(4)?;
    let sizes = sizes(cursor)?;
    cursor.skip(if version == 1 { 13 } else { 9 })?;
    let base = uint(cursor, sizes.offset)?;
    uint(cursor, sizes.offset)?;
    let end = uint(cursor, sizes.offset)?;
    uint(cursor, sizes.offset)?;
    // The entry of the root group: its name, then its header.
    uint(cursor, sizes.offset)?;
    Ok(Stored { sizes, base, end, root: uint(cursor, sizes.offset)? })
}

/// Versions 2 and 3.
fn new(cursor: &mut Cursor<'_>) -> Result<Stored, Malformed> {
    let sizes = sizes(cursor)?;
    cursor.skip(1)?;
    let base = uint(cursor, sizes.offset)?;
    uint(cursor, sizes.offset)?;
    let end = uint(cursor, sizes.offset)?;
    Ok(Stored { sizes, base, end, root: uint(cursor, sizes.offset)? })
}
