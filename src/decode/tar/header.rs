//! One header block.
//!
//! ```text
//! 0    100  name               257  6  magic: `ustar\0`, `ustar ` (GNU), or none (version 7)
//! 100  8    mode               263  2  version
//! 124  12   size               345  155 prefix of the name (POSIX); other fields (GNU)
//! 148  8    checksum           386      old GNU sparse map
//! 156  1    type
//! 157  100  target of a link
//! ```
//!
//! Numbers are octal text, or binary with the top bit of the first byte set.

use super::sparse::Piece;
use crate::bytes::Cursor;
use crate::decode::integer;

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file; also everything that readers do not know.
    File,
    /// A file with holes, the map of which is in the header (GNU).
    Sparse,
    /// A hard link.
    HardLink,
    /// A symbolic link.
    SymbolicLink,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
    /// A folder.
    Folder,
    /// A pipe.
    Pipe,
    /// An extended header for the next member (pax).
    Extended,
    /// An extended header for all following members (pax).
    Global,
    /// The name of the next member (GNU).
    LongName,
    /// The link target of the next member (GNU).
    LongTarget,
    /// The label of a volume (GNU).
    Label,
}

impl Kind {
    const fn of(code: u8) -> Self {
        match code {
            b'1' => Self::HardLink,
            b'2' => Self::SymbolicLink,
            b'3' => Self::CharacterDevice,
            b'4' => Self::BlockDevice,
            b'5' => Self::Folder,
            b'6' => Self::Pipe,
            b'x' | b'X' => Self::Extended,
            b'g' => Self::Global,
            b'L' => Self::LongName,
            b'K' => Self::LongTarget,
            b'S' => Self::Sparse,
            b'V' => Self::Label,
            _ => Self::File,
        }
    }

    /// True for headers that belong to other members.
    #[must_use]
    pub const fn is_extended(self) -> bool {
        matches!(self, Self::Extended | Self::Global | Self::LongName | Self::LongTarget)
    }

    /// True if a size means that data follow.
    #[must_use]
    pub const fn has_data(self) -> bool {
        matches!(self, Self::File | Self::Sparse)
    }
}

/// A header block, its numbers parsed.
#[derive(Debug)]
pub struct Header {
    /// What it is.
    pub kind: Kind,
    /// Bytes of data.
    pub size: u64,
    /// Permissions.
    pub mode: u64,
    /// Name without prefix.
    pub name: Vec<u8>,
    /// Prefix of the name where POSIX has one; other things stand there in GNU archives.
    pub prefix: Vec<u8>,
    /// The header follows POSIX.
    pub posix: bool,
    /// Target of a link.
    pub target: Vec<u8>,
    /// The part of an old GNU sparse map that is in the header.
    pub map: Vec<Piece>,
    /// More blocks of the map follow.
    pub map_goes_on: bool,
    /// Size of a sparse file.
    pub real_size: Option<u64>,
}

impl Header {
    /// Parses a block; None if its checksum or its size is wrong.
    #[must_use]
    pub fn parse(block: &[u8]) -> Option<Self> {
        if !is_header(block) {
            return None;
        }
        let field = |at: usize, len: usize| block.get(at..at.checked_add(len)?);
        let code = *block.get(156)?;
        let name = text(field(0, 100)?);
        let mut kind = Kind::of(code);
        // Before POSIX a folder is a file whose name ends with a separator.
        if matches!(code, 0 | b'0') && name.ends_with(b"/") {
            kind = Kind::Folder;
        }
        let (map, map_goes_on) = if kind == Kind::Sparse { pieces(field(386, 97)?, 4) } else { (Vec::new(), false) };
        Some(Self {
            kind,
            size: number(field(124, 12)?)?,
            mode: number(field(100, 8)?).unwrap_or(0),
            prefix: text(field(345, 155)?),
            posix: field(257, 6)? == b"ustar\0",
            target: text(field(157, 100)?),
            real_size: (kind == Kind::Sparse).then(|| field(483, 12).and_then(number)).flatten(),
            name,
            map,
            map_goes_on,
        })
    }

    /// The name with its prefix.
    pub(super) fn full_name(&self) -> Vec<u8> {
        match self.prefix.as_slice() {
            prefix if self.posix && !prefix.is_empty() => [prefix, b"/", &self.name].concat(),
            _ => self.name.clone(),
        }
    }

    /// The name that readers see which add the prefix whatever the magic number says.
    pub(super) fn name_with_any_prefix(&self) -> Option<Vec<u8>> {
        // GNU keeps times there: octal numbers.
        let times = self.prefix.iter().all(|byte| byte.is_ascii_digit() || *byte == b' ');
        let counts = !self.posix && !times && self.kind != Kind::Sparse && self.prefix.is_ascii();
        counts.then(|| [self.prefix.as_slice(), b"/", &self.name].concat())
    }
}

/// The pieces of an old GNU sparse map: up to `most` pairs of numbers, then whether more follow.
pub(super) fn pieces(bytes: &[u8], most: usize) -> (Vec<Piece>, bool) {
    let mut cursor = Cursor::new(bytes, 0);
    let mut pieces = Vec::new();
    for _ in 0..most {
        let (Ok(at), Ok(len)) = (cursor.bytes(12), cursor.bytes(12)) else { break };
        if let (Some(at), Some(len)) = (number(at), number(len))
            && len > 0
        {
            pieces.push(Piece { at, len });
        }
    }
    (pieces, cursor.u8().is_ok_and(|more| more != 0))
}

/// Is the block a header by its checksum? Some old writers summed signed bytes.
#[must_use]
pub fn is_header(block: &[u8]) -> bool {
    let Some(expected) = (block.len() == 512).then(|| block.get(148..156).and_then(number)).flatten() else {
        return false;
    };
    let (mut unsigned, mut signed) = (0_i64, 0_i64);
    for (at, &byte) in block.iter().enumerate() {
        let byte = if (148..156).contains(&at) { b' ' } else { byte };
        unsigned = unsigned.saturating_add(i64::from(byte));
        signed = signed.saturating_add(i64::from(byte.cast_signed()));
    }
    // A block of zeros but for its checksum names nothing.
    let expected = i64::try_from(expected).unwrap_or(-1);
    (unsigned == expected || signed == expected) && unsigned > 256
}

/// A number field; None if it is negative or no number. An empty field is zero.
pub(super) fn number(field: &[u8]) -> Option<u64> {
    let (&first, rest) = field.split_first()?;
    if first & 0x80 != 0 {
        // Binary, the top bit apart; 0xff begins a negative number.
        let start = u64::from(first & 0x7f);
        return rest.iter().try_fold(start, |number, &byte| number.checked_mul(256)?.checked_add(u64::from(byte)));
    }
    let digits: Vec<u8> = field
        .iter()
        .copied()
        .skip_while(|byte| matches!(byte, b' ' | 0))
        .take_while(|byte| !matches!(byte, b' ' | 0))
        .collect();
    if digits.is_empty() {
        return Some(0);
    }
    let octal = |digits: &str| u64::from_str_radix(digits, 8).ok().filter(|_| !digits.starts_with('+'));
    // `tarfile` reads such a number as it reads any.
    let python = || integer::python(&text(field), 8).and_then(|number| u64::try_from(number).ok());
    std::str::from_utf8(&digits).ok().and_then(octal).or_else(python)
}

/// A text field, up to its NUL.
pub(super) fn text(field: &[u8]) -> Vec<u8> {
    field.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_binary() {
        assert_eq!(number(b"0000644\0"), Some(0o644));
        assert_eq!(number(b"   644 \0"), Some(0o644));
        assert_eq!(number(b"\0\0\0\0"), Some(0));
        assert_eq!(number(&[0x80, 0, 0, 0, 2, 0, 0, 0, 1]), Some((2 << 32) + 1));
        assert_eq!(number(&[0xff; 12]), None, "negative");
        assert_eq!(number(b"-0000012"), None);
        assert_eq!(number(b"+0000012"), Some(10));
        assert_eq!(number(b"0o12\0\0\0\0"), Some(10));
        assert_eq!(number(b"0_012\0\0\0"), Some(10));
        assert_eq!(number(b"\t12\n\0\0\0\0"), Some(10));
        assert_eq!(number(b"0000008\0"), None);
    }
}
