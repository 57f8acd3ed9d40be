//! JSON as a run of strings and brackets, in one pass and with the memory of a window.
//!
//! Readers in Python take more than the specification has (`NaN`, equal keys, a depth of a thousand), so nothing is
//! refused here: numbers and words are passed over, and what stands where is for the caller to see.

use crate::bytes::{ReadAt, ReadError, Stream};

/// Bytes of a string that are at hand without another read.
const HEAD: usize = 32;

/// A string, as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text {
    /// Offset of its first byte, behind the quote.
    pub at: u64,
    /// Bytes up to the closing quote.
    pub len: u64,
    /// True if there are escapes in it.
    pub escaped: bool,
    head: [u8; HEAD],
}

/// One piece of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// `{`
    Object,
    /// `[`
    Array,
    /// `}` or `]`
    Close,
    /// `:`
    Colon,
    /// `,`
    Comma,
    /// A string.
    Text(Text),
}

impl Text {
    /// Its first bytes as they are written.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        self.head.get(..usize::try_from(self.len).unwrap_or(HEAD).min(HEAD)).unwrap_or_default()
    }

    /// The first characters that it stands for, some five at least.
    #[must_use]
    pub fn start(&self) -> Vec<u8> {
        if self.head().contains(&b'\\') { unescape(self.head()) } else { self.head().to_vec() }
    }

    /// The same up to `most` bytes as written.
    #[must_use]
    pub fn first(self, most: u64) -> Self {
        Self { len: self.len.min(most), ..self }
    }

    /// What it stands for, if it is no more than `most` bytes as written.
    ///
    /// # Errors
    /// The source's I/O error.
    pub fn read(&self, source: &dyn ReadAt, most: usize) -> std::io::Result<Option<Vec<u8>>> {
        let Some(len) = usize::try_from(self.len).ok().filter(|&len| len <= most) else { return Ok(None) };
        let raw = if len <= HEAD { self.head().to_vec() } else { source.read_range(self.at, len)? };
        Ok(Some(if self.escaped { unescape(&raw) } else { raw }))
    }
}

/// Reads a text from its start.
pub struct Lexer<'s> {
    stream: Stream<'s>,
}

impl<'s> Lexer<'s> {
    /// A reader of `source`.
    #[must_use]
    pub fn new(source: &'s dyn ReadAt) -> Self {
        Self { stream: Stream::new(source, 0) }
    }

    /// Offset of the next byte.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.stream.offset()
    }

    /// The next piece; None at the end, and at the end of a string that does not close.
    ///
    /// # Errors
    /// The source's I/O error.
    pub fn token(&mut self) -> Result<Option<Token>, ReadError> {
        loop {
            let window = self.stream.fill(1)?;
            if window.is_empty() {
                return Ok(None);
            }
            let place = window.iter().position(|byte| matches!(byte, b'"' | b'{' | b'}' | b'[' | b']' | b':' | b','));
            let Some(place) = place else {
                let all = window.len() as u64;
                self.stream.skip(all)?;
                continue;
            };
            let byte = window.get(place).copied().unwrap_or_default();
            self.stream.skip((place as u64).saturating_add(1))?;
            return Ok(match byte {
                b'{' => Some(Token::Object),
                b'[' => Some(Token::Array),
                b':' => Some(Token::Colon),
                b',' => Some(Token::Comma),
                b'"' => self.text()?.map(Token::Text),
                _ => Some(Token::Close),
            });
        }
    }

    /// The string behind a quote; None if it does not close.
    fn text(&mut self) -> Result<Option<Text>, ReadError> {
        let at = self.stream.offset();
        let mut head = [0; HEAD];
        for (to, from) in head.iter_mut().zip(self.stream.fill(HEAD)?) {
            *to = *from;
        }
        let mut escaped = false;
        loop {
            let window = self.stream.fill(1)?;
            match memchr::memchr2(b'"', b'\\', window).map(|place| (place as u64, window.get(place) == Some(&b'"'))) {
                None if window.is_empty() => return Ok(None),
                None => {
                    let all = window.len() as u64;
                    self.stream.skip(all)?;
                }
                Some((place, true)) => {
                    self.stream.skip(place.saturating_add(1))?;
                    let len = self.stream.offset().saturating_sub(at).saturating_sub(1);
                    return Ok(Some(Text { at, len, escaped, head }));
                }
                Some((place, false)) => {
                    escaped = true;
                    self.stream.skip(place.saturating_add(1))?;
                    let more = u64::from(!self.stream.is_empty());
                    self.stream.skip(more)?;
                }
            }
        }
    }
}

/// The characters that an escaped string stands for. Half of a pair becomes a replacement character, an escape that is
/// cut off nothing.
fn unescape(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    let mut units = Vec::new();
    while let Some((&byte, more)) = rest.split_first() {
        rest = more;
        let unit = match (byte, more.first()) {
            (b'\\', Some(b'u')) => {
                let digits = more.get(1..5).and_then(|digits| std::str::from_utf8(digits).ok());
                rest = more.get(5..).unwrap_or_default();
                digits.and_then(|digits| u16::from_str_radix(digits, 16).ok())
            }
            _ => None,
        };
        if let Some(unit) = unit {
            units.push(unit);
            continue;
        }
        flush(&mut units, &mut out);
        match (byte, more.split_first()) {
            (b'\\', Some((b'u', _)) | None) => {}
            (b'\\', Some((&letter, behind))) => {
                out.push(match letter {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'f' => 12,
                    other => other,
                });
                rest = behind;
            }
            _ => out.push(byte),
        }
    }
    flush(&mut units, &mut out);
    out
}

fn flush(units: &mut Vec<u16>, out: &mut Vec<u8>) {
    if !units.is_empty() {
        out.extend_from_slice(String::from_utf16_lossy(units).as_bytes());
        units.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::{MemorySource, WINDOW};

    fn texts(json: &[u8]) -> Vec<Vec<u8>> {
        let source = MemorySource::new(json);
        let (mut lexer, mut found) = (Lexer::new(&*source), Vec::new());
        while let Some(token) = lexer.token().unwrap() {
            if let Token::Text(text) = token {
                found.extend(text.read(&*source, 1 << 20).unwrap());
            }
        }
        found
    }

    #[test]
    fn strings_are_what_they_stand_for() {
        let found = texts(br#"{"a": ["\u0070y\/x", NaN, "\"\\", "\ud83d\ude00", "\ud83d", "\n\u00"], "b": "open"#);
        let expected: [&[u8]; 7] = [b"a", b"py/x", b"\"\\", "😀".as_bytes(), "\u{fffd}".as_bytes(), b"\n", b"b"];
        assert_eq!(found, expected);
    }

    #[test]
    fn windows_cut_nothing() {
        let long = [b"[\"".as_slice(), &vec![b'x'; WINDOW * 2 - 2], b"\\\"end\", \"y\"]"].concat();
        let found = texts(&long);
        assert_eq!(found.len(), 2);
        assert!(found[0].ends_with(b"x\"end"));
    }

    #[test]
    fn brackets_and_separators_are_told() {
        let source = MemorySource::new(*b"[{1: true}, -2]");
        let mut lexer = Lexer::new(&*source);
        let tokens: Vec<Token> = std::iter::from_fn(|| lexer.token().unwrap()).collect();
        assert_eq!(tokens, [Token::Array, Token::Object, Token::Colon, Token::Close, Token::Comma, Token::Close]);
    }
}
