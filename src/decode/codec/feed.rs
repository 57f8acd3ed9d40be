//! Compressed bytes on their way to a decoder.

use std::io;

use super::Leave;
use crate::bytes::{ReadAt, ReadError, Stream};

/// A forward reader over a range of a source.
pub(super) struct Feed<'a> {
    stream: Stream<'a>,
    end: u64,
    /// The error of the source, kept while a decoder that reads hands on one of its own.
    failed: Option<io::Error>,
}

impl<'a> Feed<'a> {
    /// The range of `limit` bytes from `at`, clipped to the source.
    pub(super) fn new(source: &'a dyn ReadAt, at: u64, limit: u64) -> Self {
        let end = at.saturating_add(limit).min(source.len());
        Self { stream: Stream::new(source, at), end, failed: None }
    }

    /// Offset in the source.
    pub(super) fn offset(&self) -> u64 {
        self.stream.offset()
    }

    /// Bytes left.
    pub(super) fn left(&self) -> u64 {
        self.end.saturating_sub(self.offset())
    }

    /// The bytes at hand, at least one unless none are left.
    pub(super) fn window(&mut self) -> Result<&[u8], Leave> {
        self.peek(1)
    }

    /// The bytes at hand, at least `n` unless fewer are left.
    pub(super) fn peek(&mut self, n: usize) -> Result<&[u8], Leave> {
        let left = usize::try_from(self.left()).unwrap_or(usize::MAX);
        let window = self.stream.fill(n.min(left)).map_err(leave)?;
        Ok(window.get(..window.len().min(left)).unwrap_or_default())
    }

    /// The next `n` bytes.
    pub(super) fn bytes(&mut self, n: usize) -> Result<&[u8], Leave> {
        let at = self.offset();
        if n as u64 > self.left() {
            return Err(Leave::cut(at));
        }
        self.stream.bytes(n as u64).map_err(leave)
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Leave> {
        let at = self.offset();
        self.bytes(N)?.first_chunk().copied().ok_or(Leave::cut(at))
    }

    /// Leaves out `n` bytes.
    pub(super) fn skip(&mut self, n: u64) -> Result<(), Leave> {
        if n > self.left() {
            return Err(Leave::cut(self.end));
        }
        Ok(self.stream.skip(n)?)
    }

    /// Leaves out all zeros from here on.
    pub(super) fn skip_zeros(&mut self) -> Result<(), Leave> {
        loop {
            let window = self.window()?;
            let zeros = window.iter().take_while(|&&byte| byte == 0).count();
            let more = zeros == window.len() && zeros > 0;
            self.skip(zeros as u64)?;
            if !more {
                return Ok(());
            }
        }
    }

    /// Goes to an offset of the source.
    pub(super) fn seek(&mut self, offset: u64) {
        self.stream.seek(offset.min(self.end));
    }

    /// Why a decoder that reads from here gave up: the source failed, or as `otherwise` says.
    pub(super) fn failure(&mut self, otherwise: Leave) -> Leave {
        self.failed.take().map_or(otherwise, Leave::from)
    }
}

impl io::Read for Feed<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let window = match self.window() {
            Ok(window) => window,
            Err(Leave::Stop(super::Stop::Read(ReadError::Io(error)))) => {
                let kind = error.kind();
                self.failed = Some(error);
                return Err(kind.into());
            }
            Err(_) => return Ok(0),
        };
        let n = window.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..n), window.get(..n)) {
            to.copy_from_slice(from);
        }
        // Within the window by the line above.
        let _ = self.stream.skip(n as u64);
        Ok(n)
    }
}

fn leave(error: ReadError) -> Leave {
    match error {
        ReadError::Malformed(malformed) => Leave::cut(malformed.at),
        ReadError::Io(error) => error.into(),
    }
}
