//! Reading forwards through a source of any size with one small window.

use std::io;

use super::{Cursor, Malformed, ReadAt};

/// Bytes fetched at a time. Large enough that system calls do not show, small enough to stay in the second cache.
pub const WINDOW: usize = 128 << 10;

/// Why a read failed: the bytes are wrong, or they could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The content breaks its format.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The source failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A forward reader over a [`ReadAt`] that keeps at most one window (or one requested field) in memory.
pub struct Stream<'a> {
    source: &'a dyn ReadAt,
    buf: Vec<u8>,
    /// Next unread byte in `buf`.
    head: usize,
    /// Absolute offset of `buf[0]`.
    base: u64,
    end: u64,
}

impl<'a> Stream<'a> {
    /// Reads `source` from `offset` to its end.
    #[must_use]
    pub fn new(source: &'a dyn ReadAt, offset: u64) -> Self {
        Self { source, buf: Vec::new(), head: 0, base: offset.min(source.len()), end: source.len() }
    }

    /// Absolute offset of the next byte.
    #[inline]
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.base.saturating_add(self.head as u64)
    }

    /// Bytes between here and the end of the source.
    #[inline]
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.end.saturating_sub(self.offset())
    }

    /// True when every byte was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    /// The bytes already in memory from here on; may be empty before the end of the source.
    #[inline]
    #[must_use]
    pub fn window(&self) -> &[u8] {
        self.buf.get(self.head..).unwrap_or_default()
    }

    /// The `len` bytes at absolute offset `at`, read already or not, if all of them are still in memory.
    #[must_use]
    pub fn retained(&self, at: u64, len: usize) -> Option<&[u8]> {
        let start = usize::try_from(at.checked_sub(self.base)?).ok()?;
        self.buf.get(start..start.checked_add(len)?)
    }

    /// Makes at least `n` bytes available in [`Stream::window`], or all that remain if fewer, and returns them all.
    ///
    /// # Errors
    /// The source's I/O error.
    #[inline]
    pub fn fill(&mut self, n: usize) -> Result<&[u8], ReadError> {
        if self.window().len() < n && self.remaining() > self.window().len() as u64 {
            self.refill(n)?;
        }
        Ok(self.window())
    }

    #[cold]
    fn refill(&mut self, n: usize) -> Result<(), ReadError> {
        let at = self.offset();
        let size = usize::try_from(self.remaining()).unwrap_or(usize::MAX).min(n.max(WINDOW));
        self.buf.drain(..self.head);
        self.head = 0;
        self.base = at;
        let kept = self.buf.len();
        self.buf.resize(size, 0);
        let fresh = self.buf.get_mut(kept..).unwrap_or_default();
        let got = self.source.fill_at(at.saturating_add(kept as u64), fresh)?;
        self.buf.truncate(kept.saturating_add(got));
        Ok(())
    }

    /// Reads `n` bytes. The caller has checked `n` against its budget; it is checked here against the source.
    ///
    /// # Errors
    /// Fewer than `n` bytes remain, or I/O.
    pub fn bytes(&mut self, n: u64) -> Result<&[u8], ReadError> {
        let at = self.offset();
        let fits = usize::try_from(n).ok().filter(|_| n <= self.remaining());
        let Some(len) = fits else { return Err(Malformed { at, what: "the data ends inside a field" }.into()) };
        if self.fill(len)?.len() < len {
            return Err(Malformed { at, what: "the data ends inside a field" }.into());
        }
        let start = self.head;
        self.head = start.saturating_add(len);
        Ok(self.buf.get(start..self.head).unwrap_or_default())
    }

    /// Reads a fixed-size field through a [`Cursor`].
    ///
    /// # Errors
    /// Fewer than `n` bytes remain, or I/O.
    pub fn field(&mut self, n: u64) -> Result<Cursor<'_>, ReadError> {
        let at = self.offset();
        Ok(Cursor::new(self.bytes(n)?, at))
    }

    /// Reads one byte.
    ///
    /// # Errors
    /// None remains, or I/O.
    pub fn u8(&mut self) -> Result<u8, ReadError> {
        if let Some(&byte) = self.buf.get(self.head) {
            self.head = self.head.saturating_add(1);
            return Ok(byte);
        }
        Ok(self.field(1)?.u8()?)
    }

    /// Skips `n` bytes without reading them.
    ///
    /// # Errors
    /// Fewer than `n` bytes remain.
    #[inline]
    pub fn skip(&mut self, n: u64) -> Result<(), Malformed> {
        if n > self.remaining() {
            return Err(Malformed { at: self.offset(), what: "a length reaches past the end" });
        }
        match usize::try_from(n).ok().filter(|&n| n <= self.window().len()) {
            Some(n) => self.head = self.head.saturating_add(n),
            None => self.seek(self.offset().saturating_add(n)),
        }
        Ok(())
    }

    /// Moves to an absolute offset, clipped to the end of the source.
    pub fn seek(&mut self, offset: u64) {
        let within = offset.checked_sub(self.base).and_then(|skipped| usize::try_from(skipped).ok());
        if let Some(head) = within.filter(|&head| head < self.buf.len()) {
            self.head = head;
            return;
        }
        self.base = offset.min(self.end);
        self.buf.clear();
        self.head = 0;
    }

    /// Reads up to and over the next `\n` and returns the bytes before it.
    ///
    /// # Errors
    /// There is no newline within `max` bytes, or I/O.
    pub fn line(&mut self, max: usize) -> Result<&[u8], ReadError> {
        let at = self.offset();
        let mut want = 256.min(max);
        let remaining = self.remaining();
        loop {
            let window = self.fill(want)?;
            let searched = window.get(..window.len().min(max)).unwrap_or_default();
            if let Some(len) = memchr::memchr(b'\n', searched) {
                let start = self.head;
                let stop = start.saturating_add(len);
                self.head = stop.saturating_add(1);
                return Ok(self.buf.get(start..stop).unwrap_or_default());
            }
            if searched.len() >= max || (window.len() as u64) >= remaining {
                return Err(Malformed { at, what: "a line does not end" }.into());
            }
            want = window.len().saturating_mul(2).max(want).min(max);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::MemorySource;

    #[test]
    fn reads_skips_and_lines_cross_windows() {
        let mut bytes = vec![b'a'; WINDOW + 10];
        bytes.extend_from_slice(b"\nrest");
        let source = MemorySource::new(bytes);
        let mut stream = Stream::new(&*source, 0);
        assert_eq!(stream.u8().unwrap(), b'a');
        assert_eq!(stream.line(WINDOW * 2).unwrap().len(), WINDOW + 9);
        assert_eq!(stream.offset(), WINDOW as u64 + 11);
        assert_eq!(stream.bytes(4).unwrap(), b"rest");
        assert!(stream.is_empty());
        assert!(stream.u8().is_err());
    }

    #[test]
    fn a_skip_past_the_end_is_an_error_and_a_line_is_bounded() {
        let source = MemorySource::new(vec![b'x'; 1000]);
        let mut stream = Stream::new(&*source, 0);
        assert!(stream.skip(1001).is_err());
        assert!(stream.line(100).is_err());
        assert_eq!(stream.offset(), 0);
    }
}
