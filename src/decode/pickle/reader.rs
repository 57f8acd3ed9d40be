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
    /// Two lines: module and name.
    Names(Extent, Extent),
}

/// One opcode with its operand.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Token {
    /// Offset of the opcode.
    pub at: u64,
    /// The opcode byte.
    pub code: u8,
    /// Its operand.
    pub operand: Operand,
}

/// Longest line of a text opcode. A protocol 0 pickle writes a whole array as one line.
const LONGEST_LINE: u64 = 1 << 30;
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

    /// Reads one opcode with its operand.
    ///
    /// # Errors
    /// The byte is no opcode, its operand is cut off or not terminated, or I/O.
    pub fn token(&mut self) -> Result<Token, ReadError> {
        self.ran_out = false;
        let token = self.read();
        if token.is_err() {
            let at = self.offset();
            self.ran_out |= at >= self.end() || (self.end().saturating_sub(at) < 9 && self.is_opcode_cut());
        }
        token
    }

    /// True if the source ends inside the fixed part of the opcode at hand.
    fn is_opcode_cut(&mut self) -> bool {
        self.peek().is_some_and(|code| opcode::layout(code).is_some())
    }

    fn read(&mut self) -> Result<Token, ReadError> {
        let at = self.stream.offset();
        let window = self.stream.fill(FIXED)?;
        let Some((&code, rest)) = window.split_first() else {
            return Err(Malformed { at, what: "the pickle ends without STOP" }.into());
        };
        let Some(layout) = opcode::layout(code) else {
            return Err(Malformed { at, what: "a byte that is no pickle opcode" }.into());
        };
        let head = |n: usize| rest.get(..n).ok_or(Malformed { at, what: "the pickle ends inside an opcode" });
        let (operand, taken) = match layout {
            Layout::Bare => (Operand::None, 1),
            Layout::U8 => (Operand::Int(little_endian(head(1)?)), 2),
            Layout::U16 => (Operand::Int(little_endian(head(2)?)), 3),
            Layout::I32 => (Operand::Int(sign_extend(little_endian(head(4)?), 4)), 5),
            Layout::U32 => (Operand::Int(little_endian(head(4)?)), 5),
            Layout::Frame => (Operand::Int(little_endian(head(8)?)), 9),
            Layout::F64 => {
                let bits = head(8)?.iter().fold(0, |bits: u64, &byte| bits << 8 | u64::from(byte));
                (Operand::Float(f64::from_bits(bits)), 9)
            }
            Layout::Long8 => {
                let len = little_endian(head(1)?);
                match rest.get(1..).and_then(|rest| rest.get(..usize::try_from(len).ok()?)) {
                    Some(bytes) if bytes.len() <= 8 => {
                        (Operand::Int(sign_extend(little_endian(bytes), bytes.len())), 2_u64.saturating_add(len as u64))
                    }
                    _ => return self.counted(at, code, 1, len),
                }
            }
            Layout::Counted8 => {
                let len = little_endian(head(1)?);
                return self.counted(at, code, 1, len);
            }
            Layout::Counted32 => {
                let len = little_endian(head(4)?);
                return self.counted(at, code, 4, len);
            }
            Layout::CountedI32 | Layout::Long32 => {
                let len = sign_extend(little_endian(head(4)?), 4);
                return self.counted(at, code, 4, len);
            }
            Layout::Counted64 => {
                let len = little_endian(head(8)?);
                return self.counted(at, code, 8, len);
            }
            Layout::Line => {
                self.stream.skip(1)?;
                return Ok(Token { at, code, operand: Operand::Bytes(self.line()?) });
            }
            Layout::Lines => {
                self.stream.skip(1)?;
                return Ok(Token { at, code, operand: Operand::Names(self.line()?, self.line()?) });
            }
        };
        self.stream.skip(taken)?;
        Ok(Token { at, code, operand })
    }

    /// Skips a literal of `len` bytes whose length field takes `width` bytes.
    fn counted(&mut self, at: u64, code: u8, width: u64, len: i64) -> Result<Token, ReadError> {
        let header = width.saturating_add(1);
        let Ok(len) = u64::try_from(len) else {
            return Err(Malformed { at, what: "a literal of negative or impossible length" }.into());
        };
        if header.saturating_add(len) > self.stream.remaining() {
            self.ran_out = true;
            return Err(Malformed { at, what: "a literal reaches past the end" }.into());
        }
        self.stream.skip(header)?;
        let extent = Extent { at: self.stream.offset(), len };
        self.stream.skip(len)?;
        Ok(Token { at, code, operand: Operand::Bytes(extent) })
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
            let token = reader.token().map_err(|error| error.to_string());
            let failed = token.is_err();
            out.push(token);
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
            assert_eq!(tokens[0].as_ref().unwrap().operand, *operand, "{bytes:?}");
        }
    }

    #[test]
    fn literals_and_lines_are_ranges() {
        let tokens = read(b"X\x02\0\0\0abcos name\nsystem\nS'x'\n");
        let operands: Vec<_> = tokens.into_iter().map(|token| token.unwrap().operand).collect();
        let at = |at, len| Extent { at, len };
        let expected = [Operand::Bytes(at(5, 2)), Operand::Names(at(8, 7), at(16, 6)), Operand::Bytes(at(24, 3))];
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
