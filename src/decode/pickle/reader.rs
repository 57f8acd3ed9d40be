//! From bytes to opcodes: the grammar, and nothing of what the opcodes do.
//!
//! Content of strings is not copied: an operand is where it lies. That keeps a literal of a terabyte as cheap as one
//! of a byte, and leaves decoding to whoever needs the text.

use super::opcode::{self, Layout};
use crate::bytes::{Malformed, ReadAt, ReadError, Stream};

/// A range of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// First byte.
    pub at: u64,
    /// Bytes.
    pub len: u64,
}

/// The operand of an opcode.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Operand {
    /// There is none.
    None,
    /// An integer: a number, an index, a code, the length of a frame.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// Text without its newline, or counted bytes.
    Bytes(Extent),
    /// Two lines, module and name, with the newline between them.
    Names(Extent),
}

/// One opcode with its operand, laid flat: the hot loop fills one of these in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// Offset of the opcode.
    pub at: u64,
    /// The opcode byte.
    pub code: u8,
    /// An integer operand, or the bits of a float; 0 without either.
    pub number: i64,
    /// Where an operand of bytes or lines lies; None for an integer that `number` holds.
    pub extent: Option<Extent>,
}

impl Token {
    /// A place for the first token.
    pub const START: Self = Self { at: 0, code: 0, number: 0, extent: None };

    /// The operand.
    #[must_use]
    pub fn operand(&self) -> Operand {
        match (opcode::layout(self.code), self.extent) {
            (None | Some(Layout::Bare), _) => Operand::None,
            (Some(Layout::Lines), Some(extent)) => Operand::Names(extent),
            (_, Some(extent)) => Operand::Bytes(extent),
            (Some(Layout::F64), None) => Operand::Float(f64::from_bits(self.number.cast_unsigned())),
            (Some(_), None) => Operand::Int(self.number),
        }
    }
}

/// Longest line of a text opcode. A protocol 0 pickle writes a whole array as one line, which costs no memory here.
const LONGEST_LINE: u64 = 16 << 30;
/// The most bytes an opcode with a fixed-size operand takes.
const FIXED: usize = 9;

/// Reads one opcode after the other.
pub struct Reader<'s> {
    source: &'s dyn ReadAt,
    stream: Stream<'s>,
    longest_line: u64,
    ran_out: bool,
}

impl<'s> Reader<'s> {
    /// Reads `source` from `offset`.
    #[must_use]
    pub fn new(source: &'s dyn ReadAt, offset: u64) -> Self {
        Self { source, stream: Stream::new(source, offset), longest_line: LONGEST_LINE, ran_out: false }
    }

    /// Refuses lines of more than `bytes`.
    pub fn limit_lines(&mut self, bytes: u64) {
        self.longest_line = bytes;
    }

    /// Offset of the next opcode.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.stream.offset()
    }

    /// Size of the source.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.source.len()
    }

    /// The source.
    #[must_use]
    pub fn source(&self) -> &'s dyn ReadAt {
        self.source
    }

    /// True if the last token failed because the source ends, not because of what it holds.
    #[must_use]
    pub fn ran_out(&self) -> bool {
        self.ran_out
    }

    /// Moves to `offset`, keeping what is in memory if it lies inside.
    pub fn seek(&mut self, offset: u64) {
        match offset.checked_sub(self.offset()) {
            // A failed skip leaves the position where it was, and a position past the end is clipped by `seek`.
            Some(ahead) if self.stream.skip(ahead).is_ok() => {}
            _ => self.stream.seek(offset),
        }
    }

    /// The next byte without taking it; None at the end or if it cannot be read.
    pub fn peek(&mut self) -> Option<u8> {
        self.stream.fill(1).ok()?.first().copied()
    }

    /// Up to `want` bytes from `at`, borrowed from memory where they still are there, else read into `scratch`.
    pub fn bytes_at<'b>(&'b self, at: u64, want: usize, scratch: &'b mut Vec<u8>) -> &'b [u8] {
        if let Some(bytes) = self.stream.retained(at, want) {
            return bytes;
        }
        scratch.clear();
        self.copy(at, want, scratch);
        scratch
    }

    /// Copies up to `want` bytes from `at` into `out`, from memory where they still are there. False if the source
    /// has fewer.
    pub fn copy(&self, at: u64, want: usize, out: &mut Vec<u8>) -> bool {
        if let Some(bytes) = self.stream.retained(at, want) {
            out.extend_from_slice(bytes);
            return true;
        }
        match self.source.read_range(at, want) {
            Ok(bytes) => {
                out.extend_from_slice(&bytes);
                bytes.len() == want
            }
            Err(_) => false,
        }
    }

    /// Reads one opcode with its operand into `token`.
    ///
    /// # Errors
    /// The byte is no opcode, its operand is cut off or not terminated, or I/O.
    #[inline]
    pub fn token(&mut self, token: &mut Token) -> Result<(), ReadError> {
        let read = self.read(token);
        if read.is_err() {
            self.note_failure();
        }
        read
    }

    #[cold]
    fn note_failure(&mut self) {
        let left = self.end().saturating_sub(self.offset());
        // An opcode whose fixed part is cut off, or nothing at all.
        let cut = left < FIXED as u64 && self.peek().is_none_or(|code| opcode::layout(code).is_some());
        self.ran_out = self.ran_out || cut;
    }

    #[inline]
    fn read(&mut self, token: &mut Token) -> Result<(), ReadError> {
        self.ran_out = false;
        let at = self.stream.offset();
        token.at = at;
        token.number = 0;
        token.extent = None;
        let window = self.stream.fill(FIXED)?;
        let Some((&code, rest)) = window.split_first() else {
            return Err(Malformed { at, what: "the pickle ends without STOP" }.into());
        };
        token.code = code;
        let Some(layout) = opcode::layout(code) else {
            return Err(Malformed { at, what: "a byte that is no pickle opcode" }.into());
        };
        let width = match layout {
            Layout::Bare | Layout::Line | Layout::Lines => 0,
            Layout::U8 | Layout::Counted8 | Layout::Long8 => 1,
            Layout::U16 => 2,
            Layout::I32 | Layout::U32 | Layout::Counted32 | Layout::CountedI32 | Layout::Long32 => 4,
            Layout::Frame | Layout::F64 | Layout::Counted64 => 8,
        };
        let Some(field) = rest.get(..width) else {
            return Err(Malformed { at, what: "the pickle ends inside an opcode" }.into());
        };
        let number = match layout {
            Layout::I32 | Layout::CountedI32 | Layout::Long32 => sign_extend(little_endian(field), 4),
            Layout::F64 => little_endian(field).swap_bytes(),
            _ => little_endian(field),
        };
        let header = (width as u64).saturating_add(1);
        match layout {
            Layout::Line | Layout::Lines => {
                self.stream.skip(1)?;
                let mut extent = self.line()?;
                if layout == Layout::Lines {
                    extent.len = extent.len.saturating_add(self.line()?.len).saturating_add(1);
                }
                token.extent = Some(extent);
            }
            Layout::Long8 if number <= 8 => match usize::try_from(number).ok().and_then(|n| rest.get(1..)?.get(..n)) {
                Some(bytes) => {
                    token.number = sign_extend(little_endian(bytes), bytes.len());
                    self.stream.skip(header.saturating_add(number.unsigned_abs()))?;
                }
                None => token.extent = Some(self.counted(at, header, number)?),
            },
            Layout::Counted8
            | Layout::Counted32
            | Layout::CountedI32
            | Layout::Counted64
            | Layout::Long8
            | Layout::Long32 => token.extent = Some(self.counted(at, header, number)?),
            _ => {
                token.number = number;
                self.stream.skip(header)?;
            }
        }
        Ok(())
    }

    /// Skips a literal of `len` bytes behind a header.
    fn counted(&mut self, at: u64, header: u64, len: i64) -> Result<Extent, ReadError> {
        let Ok(len) = u64::try_from(len) else {
            return Err(Malformed { at, what: "a literal of negative or impossible length" }.into());
        };
        if header.saturating_add(len) > self.stream.remaining() {
            self.ran_out = true;
            return Err(Malformed { at, what: "a literal reaches past the end" }.into());
        }
        let extent = Extent { at: at.saturating_add(header), len };
        self.stream.skip(header.saturating_add(len))?;
        Ok(extent)
    }

    /// Takes a line, which may be longer than the window.
    fn line(&mut self) -> Result<Extent, ReadError> {
        let at = self.stream.offset();
        let mut len = 0_u64;
        loop {
            let window = self.stream.fill(1)?;
            let ended = memchr::memchr(b'\n', window);
            let part = ended.unwrap_or(window.len()) as u64;
            len = len.saturating_add(part);
            let empty = window.is_empty();
            if empty || len > self.longest_line {
                self.ran_out = empty;
                return Err(Malformed { at, what: "a line of a text opcode does not end" }.into());
            }
            self.stream.skip(part.saturating_add(u64::from(ended.is_some())))?;
            if ended.is_some() {
                return Ok(Extent { at, len });
            }
        }
    }
}

/// At most eight bytes as a number, wrapping into the sign like the C code does for frames and lengths.
fn little_endian(bytes: &[u8]) -> i64 {
    bytes.iter().rev().fold(0_u64, |number, &byte| number << 8 | u64::from(byte)).cast_signed()
}

/// Reads `number`, made of `bytes` bytes, as two's complement.
fn sign_extend(number: i64, bytes: usize) -> i64 {
    match u32::try_from(bytes).ok().and_then(|bytes| 64_u32.checked_sub(bytes.saturating_mul(8))) {
        Some(unused @ 1..=63) => (number << unused) >> unused,
        _ => number,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::MemorySource;

    fn read(bytes: &[u8]) -> Vec<Result<Token, String>> {
        let source = MemorySource::new(bytes);
        let mut reader = Reader::new(&*source, 0);
        let mut out = Vec::new();
        while reader.offset() < reader.end() {
            let mut token = Token::START;
            let read = reader.token(&mut token).map_err(|error| error.to_string());
            let failed = read.is_err();
            out.push(read.map(|()| token));
            if failed {
                break;
            }
        }
        out
    }

    #[test]
    fn every_layout_is_read_to_its_end() {
        let stream: &[(&[u8], Operand)] = &[
            (b"\x80\x04", Operand::Int(4)),
            (b"\x95\x10\0\0\0\0\0\0\0", Operand::Int(16)),
            (b"J\xff\xff\xff\xff", Operand::Int(-1)),
            (b"j\xff\xff\xff\xff", Operand::Int(0xffff_ffff)),
            (b"M\x01\x02", Operand::Int(0x201)),
            (b"\x8a\x00", Operand::Int(0)),
            (b"\x8a\x01\xff", Operand::Int(-1)),
            (b"\x8a\x08\0\0\0\0\0\0\0\x80", Operand::Int(i64::MIN)),
            (b"G?\xf8\0\0\0\0\0\0", Operand::Float(1.5)),
        ];
        for (bytes, operand) in stream {
            let tokens = read(bytes);
            assert_eq!(tokens.len(), 1, "{bytes:?}");
            assert_eq!(tokens[0].as_ref().unwrap().operand(), *operand, "{bytes:?}");
        }
    }

    #[test]
    fn literals_and_lines_are_ranges() {
        let tokens = read(b"X\x02\0\0\0abcos name\nsystem\nS'x'\n");
        let operands: Vec<_> = tokens.into_iter().map(|token| token.unwrap().operand()).collect();
        let at = |at, len| Extent { at, len };
        let expected = [Operand::Bytes(at(5, 2)), Operand::Names(at(8, 14)), Operand::Bytes(at(24, 3))];
        assert_eq!(operands, expected);
    }

    #[test]
    fn what_cannot_be_read_says_where() {
        let last = |bytes| read(bytes).pop().unwrap().unwrap_err();
        assert_eq!(last(b"N\xff"), "a byte that is no pickle opcode at offset 1");
        assert_eq!(last(b"X\xff\xff\xff\x7fab"), "a literal reaches past the end at offset 0");
        assert_eq!(last(b"T\xff\xff\xff\xff"), "a literal of negative or impossible length at offset 0");
        assert_eq!(last(b"cos\nsys"), "a line of a text opcode does not end at offset 4");
        assert_eq!(last(b"J\x01"), "the pickle ends inside an opcode at offset 0");
    }
}
