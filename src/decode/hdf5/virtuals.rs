//! Virtual datasets: made of parts of datasets in this and other files.
//!
//! ```text
//! layout message   version, class 3, address of a global heap, u32 index
//! object there     0, number of sources, then for each: file, dataset (both end with NUL), two selections
//! ```

use super::header::kind;
use super::{File, MOST_BLOCK, MOST_NAME, Object, Stop, text, uint};
use crate::bytes::{Cursor, Malformed};

/// The name of a source file that is this one.
const SELF: &str = ".";
/// Different source files that are told of.
const MOST_SOURCES: usize = 64;

impl File<'_> {
    /// The paths of the other files that a virtual dataset is made of.
    ///
    /// # Errors
    /// A limit, or I/O. What is broken is kept as a fault.
    pub fn sources(&self, object: &Object) -> Result<Vec<String>, Stop> {
        let mut files = Vec::new();
        let Some(layout) = object.first(kind::LAYOUT) else { return Ok(files) };
        let outcome = self.mappings(&mut layout.block.cursor(), &mut files);
        self.survive(outcome)?;
        Ok(files)
    }

    fn mappings(&self, layout: &mut Cursor<'_>, files: &mut Vec<String>) -> Result<(), Stop> {
        layout.skip(2)?;
        let Some((collection, index)) = self.heap_reference(layout)? else { return Ok(()) };
        let object = self.heap_object(collection, index)?;
        if object.len > MOST_BLOCK {
            return Err(Stop::Unsupported("a block of more than 64 MiB"));
        }
        let block = self.read(object.at.saturating_sub(self.base), object.len)?;
        let mut cursor = block.cursor();
        let version = cursor.u8()?;
        let sources = self.length(&mut cursor)?;
        for _ in 0..sources {
            // Version 1 names a source by the number of an earlier one that is the same.
            let flags = if version == 1 { cursor.u8()? } else { 0 };
            let file = match flags {
                flags if flags & 0x04 != 0 => SELF.to_owned(),
                flags if flags & 0x01 != 0 => self.length(&mut cursor).map(|_| SELF.to_owned())?,
                _ => terminated(&mut cursor)?,
            };
            if flags & 0x02 != 0 {
                self.length(&mut cursor)?;
            } else {
                terminated(&mut cursor)?;
            }
            if file != SELF && !files.contains(&file) && files.len() < MOST_SOURCES {
                files.push(file);
            }
            selection(&mut cursor)?;
            selection(&mut cursor)?;
        }
        Ok(())
    }
}

/// Reads text up to and over its NUL.
fn terminated(cursor: &mut Cursor<'_>) -> Result<String, Malformed> {
    let end = memchr::memchr(0, cursor.rest()).ok_or(cursor.malformed("a name that does not end"))?;
    Ok(text(cursor.bytes((end as u64).saturating_add(1))?, MOST_NAME))
}

/// Skips a selection of elements.
fn selection(cursor: &mut Cursor<'_>) -> Result<(), Stop> {
    let unknown = Stop::Unsupported("a virtual dataset with an unknown selection");
    let (kind, version) = (cursor.u32_le()?, cursor.u32_le()?);
    match (kind, version) {
        // Version 1 of all, and those that need no more than a kind: a length says how much follows.
        (_, 1) => {
            cursor.skip(4)?;
            let len = u64::from(cursor.u32_le()?);
            Ok(cursor.skip(len)?)
        }
        (2, 2) => {
            cursor.skip(1)?;
            let len = u64::from(cursor.u32_le()?);
            Ok(cursor.skip(len)?)
        }
        (2, 3) => {
            let (flags, width) = (cursor.u8()?, cursor.u8()?);
            let rank = u64::from(cursor.u32_le()?);
            let numbers = if flags & 1 != 0 {
                rank.saturating_mul(4)
            } else {
                uint(cursor, width)?.saturating_mul(rank).saturating_mul(2)
            };
            Ok(cursor.skip(numbers.saturating_mul(u64::from(width)))?)
        }
        _ => Err(unknown),
    }
}
