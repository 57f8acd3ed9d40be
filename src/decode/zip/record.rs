//! The fixed records of a ZIP file.
//!
//! ```text
//! local header    PK\3\4  version flags method time date crc compressed size n m | name[n] extra[m] | data
//! data descriptor [PK\7\8] crc compressed size                 (sizes of 4 or 8 bytes; flag bit 3)
//! central header  PK\1\2  made-by version flags method time date crc compressed size n m k disk … offset | …
//! zip64 end       PK\6\6  size made-by version disk disk count count size offset
//! zip64 locator   PK\6\7  disk offset disks
//! end             PK\5\6  disk disk count count size offset n | comment[n]
//! ```
//!
//! Specification: <https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT>, sections 4.3 to 4.6.

use super::layout::is_text;
use super::{Region, RegionKind};
use crate::bytes::{Cursor, Exceeded, Malformed};
use crate::decode::codec::Codec;

/// Signature of a local header.
pub(super) const LOCAL: [u8; 4] = *b"PK\x03\x04";
/// Signature of a central header.
pub(super) const CENTRAL: [u8; 4] = *b"PK\x01\x02";
/// Signature of an end record.
pub(super) const END: [u8; 4] = *b"PK\x05\x06";
/// Signature of a ZIP64 end record.
pub(super) const END64: [u8; 4] = *b"PK\x06\x06";
/// Signature of a ZIP64 locator.
pub(super) const LOCATOR: [u8; 4] = *b"PK\x06\x07";
/// Optional signature of a data descriptor.
pub(super) const DESCRIPTOR: [u8; 4] = *b"PK\x07\x08";

/// Size of a local header before its name.
pub(super) const LOCAL_SIZE: u64 = 30;
/// Size of a central header before its name.
pub(super) const CENTRAL_SIZE: u64 = 46;
/// Size of an end record before its comment.
pub(super) const END_SIZE: u64 = 22;
/// Size of the fixed part of a ZIP64 end record.
pub(super) const END64_SIZE: u64 = 56;
/// Size of a ZIP64 locator.
pub(super) const LOCATOR_SIZE: u64 = 20;

/// Flag bit 0: the data is encrypted.
pub const ENCRYPTED: u16 = 0x1;
/// Flag bit 1, of LZMA: an end marker says where the data ends.
const END_MARKER: u16 = 0x2;
/// Flag bit 3: sizes and CRC follow the data.
pub const STREAMED: u16 = 0x8;
/// Flag bit 5: the data is a patch.
pub const PATCHED: u16 = 0x20;
/// Flag bit 6: strong encryption.
pub(super) const STRONG: u16 = 0x40;
/// Flag bit 11: the name is UTF-8.
pub const UTF8: u16 = 0x800;
/// Flag bit 13: header values are masked.
pub(super) const MASKED: u16 = 0x2000;
/// The flags that make readers refuse a member.
pub const REFUSING: u16 = ENCRYPTED | PATCHED | STRONG | MASKED;

/// Method 0: stored.
pub const STORED: u16 = 0;

const SENTINEL: u32 = u32::MAX;

/// What one header, local or central, says about a member's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// General purpose flags.
    pub flags: u16,
    /// Compression method.
    pub method: u16,
    /// CRC-32 of the decoded data.
    pub crc: u32,
    /// Bytes in the archive.
    pub compressed: u64,
    /// Bytes after decoding.
    pub size: u64,
}

impl Header {
    /// How the data is compressed, if it is in a way that can be read.
    #[must_use]
    pub fn codec(&self) -> Option<Codec> {
        Some(match self.method {
            8 => Codec::Deflate,
            9 => Codec::Deflate64,
            12 => Codec::Bzip2,
            14 => Codec::ZipLzma((self.flags & END_MARKER == 0).then_some(self.size)),
            20 | 93 => Codec::Zstd,
            95 => Codec::Xz,
            98 => Codec::PpmdI((self.flags & STREAMED == 0 || self.size > 0).then_some(self.size)),
            _ => return None,
        })
    }
}

/// A local header, its variable part not yet read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Local {
    /// Values; sizes are zero where a data descriptor follows.
    pub(super) header: Header,
    /// Length of the name.
    pub(super) name: u16,
    /// Length of the extra field.
    pub(super) extra: u16,
}

impl Local {
    /// Parses the 30 fixed bytes.
    ///
    /// # Errors
    /// The signature is another, or the data ends.
    pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Self, Malformed> {
        expect(cursor, LOCAL, "no local header here")?;
        cursor.skip(2)?;
        let (flags, method) = (cursor.u16_le()?, cursor.u16_le()?);
        cursor.skip(4)?;
        let crc = cursor.u32_le()?;
        let (compressed, size) = (u64::from(cursor.u32_le()?), u64::from(cursor.u32_le()?));
        let (name, extra) = (cursor.u16_le()?, cursor.u16_le()?);
        Ok(Self { header: Header { flags, method, crc, compressed, size }, name, extra })
    }

    /// Bytes of name and extra field together.
    #[must_use]
    pub(super) fn variable(&self) -> u64 {
        u64::from(self.name).saturating_add(u64::from(self.extra))
    }
}

/// A central header, its variable part not yet read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Central {
    /// Values.
    pub(super) header: Header,
    /// External attributes; the upper half is a Unix mode.
    pub(super) attributes: u32,
    /// Offset of the local header, relative to the start of the archive.
    pub(super) offset: u64,
    /// Length of the name.
    pub(super) name: u16,
    /// Length of the extra field.
    pub(super) extra: u16,
    /// Length of the comment.
    pub(super) comment: u16,
}

impl Central {
    /// Parses the 46 fixed bytes.
    ///
    /// # Errors
    /// The signature is another, or the data ends.
    pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Self, Malformed> {
        expect(cursor, CENTRAL, "no central header here")?;
        cursor.skip(4)?;
        let (flags, method) = (cursor.u16_le()?, cursor.u16_le()?);
        cursor.skip(4)?;
        let crc = cursor.u32_le()?;
        let (compressed, size) = (u64::from(cursor.u32_le()?), u64::from(cursor.u32_le()?));
        let (name, extra, comment) = (cursor.u16_le()?, cursor.u16_le()?, cursor.u16_le()?);
        cursor.skip(4)?;
        let (attributes, offset) = (cursor.u32_le()?, u64::from(cursor.u32_le()?));
        let header = Header { flags, method, crc, compressed, size };
        Ok(Self { header, attributes, offset, name, extra, comment })
    }

    /// Bytes of name, extra field and comment together.
    #[must_use]
    pub(super) fn variable(&self) -> u64 {
        u64::from(self.name).saturating_add(u64::from(self.extra)).saturating_add(u64::from(self.comment))
    }
}

/// The values of an end record, classic or ZIP64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    /// Number of central headers.
    pub(super) count: u64,
    /// Bytes of the central directory.
    pub(super) size: u64,
    /// Offset of the central directory, relative to the start of the archive.
    pub(super) offset: u64,
    /// Length of the comment; 0 for ZIP64.
    pub(super) comment: u16,
}

impl End {
    /// Parses the 22 fixed bytes of a classic end record.
    ///
    /// # Errors
    /// The signature is another, or the data ends.
    pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Self, Malformed> {
        expect(cursor, END, "no end record here")?;
        cursor.skip(6)?;
        let count = u64::from(cursor.u16_le()?);
        let (size, offset) = (u64::from(cursor.u32_le()?), u64::from(cursor.u32_le()?));
        Ok(Self { count, size, offset, comment: cursor.u16_le()? })
    }

    /// Parses the 56 fixed bytes of a ZIP64 end record.
    ///
    /// # Errors
    /// The signature is another, or the data ends.
    pub(super) fn parse64(cursor: &mut Cursor<'_>) -> Result<Self, Malformed> {
        expect(cursor, END64, "no ZIP64 end record here")?;
        cursor.skip(28)?;
        Ok(Self { count: cursor.u64_le()?, size: cursor.u64_le()?, offset: cursor.u64_le()?, comment: 0 })
    }

    /// True if some value does not fit and stands in the ZIP64 record.
    #[must_use]
    pub(super) fn is_sentinel(&self) -> bool {
        self.count == u64::from(u16::MAX) || self.size == u64::from(SENTINEL) || self.offset == u64::from(SENTINEL)
    }
}

fn expect(cursor: &mut Cursor<'_>, signature: [u8; 4], what: &'static str) -> Result<(), Malformed> {
    let malformed = cursor.malformed(what);
    if cursor.array::<4>()? == signature { Ok(()) } else { Err(malformed) }
}

/// Takes the 64-bit values of a ZIP64 extra field for those that the header could not hold, and the name of a Unicode
/// path field that belongs to `name`. Broken fields end the walk: readers ignore them too.
pub(super) fn extras(extra: &[u8], name: &[u8], header: &mut Header, offset: Option<&mut u64>) -> Option<Box<str>> {
    let mut unicode = None;
    let mut offset = offset;
    let mut cursor = Cursor::new(extra, 0);
    while let (Ok(id), Ok(len)) = (cursor.u16_le(), cursor.u16_le()) {
        let Ok(field) = cursor.bytes(u64::from(len)) else { break };
        let mut field = Cursor::new(field, 0);
        match id {
            0x0001 => {
                let wide = [Some(&mut header.size), Some(&mut header.compressed), offset.as_deref_mut()];
                for value in wide.into_iter().flatten().filter(|value| **value == u64::from(SENTINEL)) {
                    let Ok(real) = field.u64_le() else { break };
                    *value = real;
                }
            }
            0x7075 => {
                let mut crc = flate2::Crc::new();
                crc.update(name);
                if field.u8() == Ok(1) && field.u32_le() == Ok(crc.sum()) {
                    unicode = std::str::from_utf8(field.rest()).ok().map(Box::from);
                }
            }
            _ => {}
        }
    }
    unicode
}

/// Ranges that are kept.
const MOST_STOWED: usize = 1 << 20;
/// Shorter fields hold nothing.
const LEAST_STOWED: u64 = 16;

/// Notes the ranges of an extra field of `length` bytes, and of the comment behind it, that hold more than the values
/// which writers put there. `variable` begins at the offset `at`.
///
/// # Errors
/// There are more than are looked at.
pub(super) fn stowed(variable: &[u8], at: u64, length: u16, regions: &mut Vec<Region>) -> Result<(), Exceeded> {
    let (extra, comment) = variable.split_at_checked(usize::from(length)).unwrap_or((variable, &[]));
    let mut note = |kind, from: u64, bytes: &[u8]| {
        if bytes.len() as u64 >= LEAST_STOWED {
            regions.push(Region { kind, at: from, len: bytes.len() as u64 });
        }
    };
    let mut cursor = Cursor::new(extra, at);
    while let (Ok(id), Ok(len)) = (cursor.u16_le(), cursor.u16_le()) {
        let from = cursor.offset();
        let Ok(field) = cursor.bytes(u64::from(len)) else {
            note(RegionKind::Extra, from, cursor.rest());
            break;
        };
        // Sizes, times and a name repeated; what aligns the data repeats one byte behind its unit.
        let ordinary = match id {
            0x0001 => len <= 28,
            0x000a => len == 32,
            0x7075 => field.get(5..).is_some_and(is_text),
            _ => field.iter().skip(2).all(|byte| field.get(2) == Some(byte)),
        };
        if !ordinary {
            note(RegionKind::Extra, from, field);
        }
    }
    if !is_text(comment) {
        note(RegionKind::Comment, at.saturating_add(u64::from(length)), comment);
    }
    let limit = MOST_STOWED as u64;
    if regions.len() > MOST_STOWED { Err(Exceeded { what: "extra fields of one archive", limit }) } else { Ok(()) }
}

/// What a data descriptor says, known by its signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptor {
    /// CRC-32 of the decoded data.
    pub crc: u32,
    /// Its sizes are those of the header.
    pub fits: bool,
}

/// The data descriptor that `bytes` begin with, if it has its signature.
#[must_use]
pub(super) fn signed_descriptor(bytes: &[u8], compressed: u64, size: u64) -> Option<Descriptor> {
    let mut cursor = Cursor::new(bytes, 0);
    (cursor.array::<4>() == Ok(DESCRIPTOR)).then_some(())?;
    let fits = descriptor(bytes, compressed, size).is_some();
    Some(Descriptor { crc: cursor.u32_le().ok()?, fits })
}

/// The length of the data descriptor that `bytes` begin with, if it says what `compressed` and `size` say.
#[must_use]
pub(super) fn descriptor(bytes: &[u8], compressed: u64, size: u64) -> Option<u64> {
    let signed = bytes.starts_with(&DESCRIPTOR);
    // With signature before without, wide before narrow: the longer reading is the less likely accident.
    [(true, true), (true, false), (false, true), (false, false)].into_iter().find_map(|(signature, wide)| {
        let mut cursor = Cursor::new(bytes, 0);
        if signature && (!signed || cursor.skip(4).is_err()) {
            return None;
        }
        cursor.skip(4).ok()?;
        let narrow = |cursor: &mut Cursor<'_>| cursor.u32_le().map(u64::from);
        let (a, b) = if wide {
            (cursor.u64_le().ok()?, cursor.u64_le().ok()?)
        } else {
            (narrow(&mut cursor).ok()?, narrow(&mut cursor).ok()?)
        };
        let same = if wide { (a, b) == (compressed, size) } else { (a, b) == (low(compressed), low(size)) };
        same.then(|| cursor.offset())
    })
}

/// The value that a 32-bit field keeps of a larger one; some writers cut instead of widening.
const fn low(value: u64) -> u64 {
    value & 0xffff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_is_known_in_its_four_shapes() {
        let crc = [1, 2, 3, 4];
        let narrow = [5, 0, 0, 0, 9, 0, 0, 0];
        let wide = [5, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0];
        let of = |parts: &[&[u8]]| descriptor(&parts.concat(), 5, 9);
        assert_eq!(of(&[&DESCRIPTOR, &crc, &wide]), Some(24));
        assert_eq!(of(&[&DESCRIPTOR, &crc, &narrow, b"PK\x03\x04____"]), Some(16));
        assert_eq!(of(&[&crc, &wide]), Some(20));
        assert_eq!(of(&[&crc, &narrow]), Some(12));
        assert_eq!(descriptor(&[0; 40], 5, 9), None);
    }

    #[test]
    fn wide_values_are_taken_only_where_the_header_has_none() {
        let mut header = Header { flags: 0, method: 0, crc: 0, compressed: 7, size: u64::from(u32::MAX) };
        let mut extra = vec![1, 0, 16, 0];
        extra.extend_from_slice(&(1_u64 << 40).to_le_bytes());
        extra.extend_from_slice(&99_u64.to_le_bytes());
        let mut offset = u64::from(u32::MAX);
        extras(&extra, b"n", &mut header, Some(&mut offset));
        assert_eq!((header.size, header.compressed, offset), (1 << 40, 7, 99));
    }
}
