//! The structure of 7z archives: where the header lies, and what it says about packed streams, folders and files.
//!
//! Packed streams stand in front, one header at the end describes them; it may be compressed itself. A *folder* is one
//! chain (or graph) of coders whose decoded bytes hold one file or many.
//!
//! Specification: `DOC/7zFormat.txt` of 7-Zip, <https://py7zr.readthedocs.io/en/latest/archive_format.html>

mod files;
mod header;
mod streams;

pub use files::File;
pub use header::{Header, header};
pub use streams::{Coder, Folder, Streams, Substream};

use crate::bytes::{Cursor, Malformed, ReadAt};

/// The first bytes of an archive.
pub const SIGNATURE: &[u8; 6] = b"7z\xbc\xaf\x27\x1c";
/// Size of the start header.
pub const START: u64 = 32;

/// The start header: where the header lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// Version of the format, major and minor.
    pub version: (u8, u8),
    /// Offset of the header in the archive.
    pub at: u64,
    /// Its size.
    pub size: u64,
    /// Its checksum.
    pub crc: u32,
    /// True if the checksum of the start header itself is right.
    pub sound: bool,
}

impl Start {
    /// Reads the start header of `source`.
    ///
    /// # Errors
    /// It is cut off or has no signature.
    pub fn read(source: &dyn ReadAt) -> std::io::Result<Result<Self, Malformed>> {
        Ok(Self::parse(&source.read_range(0, 32)?))
    }

    fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut c = Cursor::new(bytes, 0);
        if c.bytes(6)? != SIGNATURE {
            return Err(Malformed { at: 0, what: "no 7z signature" });
        }
        let version = (c.u8()?, c.u8()?);
        let stated = c.u32_le()?;
        let sound = crc(c.rest()) == stated;
        let offset = c.u64_le()?;
        let size = c.u64_le()?;
        Ok(Self { version, at: offset.saturating_add(START), size, crc: c.u32_le()?, sound })
    }
}

/// CRC-32 of a few bytes.
#[must_use]
pub fn crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// Reads a number: the ones that the first byte begins with say how many bytes follow it.
fn number(c: &mut Cursor<'_>) -> Result<u64, Malformed> {
    let first = c.u8()?;
    let more = first.leading_ones();
    let low = (0..more).try_fold(0_u64, |value, n| {
        let byte = u64::from(c.u8()?);
        Ok::<_, Malformed>(value | byte.checked_shl(n.saturating_mul(8)).unwrap_or(0))
    })?;
    let kept = 0x7f_u8.checked_shr(more).unwrap_or(0) & first;
    Ok(low | u64::from(kept).checked_shl(more.saturating_mul(8)).unwrap_or(0))
}

/// Reads `n` bits, the highest of each byte first.
fn bits(c: &mut Cursor<'_>, n: u64) -> Result<Vec<bool>, Malformed> {
    let bytes = c.bytes(n.div_ceil(8))?;
    let all = bytes.iter().flat_map(|byte| (0..8).map(move |n| 0x80_u8 >> n & byte != 0));
    Ok(all.take(usize::try_from(n).unwrap_or(usize::MAX)).collect())
}

/// Reads which of `n` things have a value, and the values of those that do.
fn optional(c: &mut Cursor<'_>, n: u64, external: bool) -> Result<Vec<Option<u32>>, Malformed> {
    let defined = if c.u8()? == 0 { Some(bits(c, n)?) } else { None };
    if external && c.u8()? != 0 {
        return Err(c.malformed("a property in a stream of its own"));
    }
    let mut values = Vec::new();
    for index in 0..n {
        let there = defined.as_ref().is_none_or(|bits| {
            usize::try_from(index).ok().and_then(|index| bits.get(index)).copied().unwrap_or_default()
        });
        values.push(if there { Some(c.u32_le()?) } else { None });
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_say_their_length() {
        let cases: [(&[u8], u64); 5] = [
            (&[0x7f], 0x7f),
            (&[0x80, 0x80], 0x80),
            (&[0xbf, 0xff], 0x3fff),
            (&[0xe1, 1, 2, 3], 0x0103_0201),
            (&[0xff, 1, 2, 3, 4, 5, 6, 7, 8], 0x0807_0605_0403_0201),
        ];
        for (bytes, value) in cases {
            let mut c = Cursor::new(bytes, 0);
            assert_eq!(number(&mut c), Ok(value));
            assert!(c.is_empty());
        }
        assert!(number(&mut Cursor::new(&[0xff, 1], 0)).is_err());
    }

    #[test]
    fn values_stand_where_bits_say() {
        let mut c = Cursor::new(&[0, 0b1010_0000, 7, 0, 0, 0, 9, 0, 0, 0], 0);
        assert_eq!(optional(&mut c, 3, false), Ok(vec![Some(7), None, Some(9)]));
        // All are defined, and there are not that many.
        assert!(optional(&mut Cursor::new(&[1, 7, 0, 0, 0], 0), u64::MAX, false).is_err());
    }
}
