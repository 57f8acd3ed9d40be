//! Ranges of a source as one.

use std::io;
use std::sync::Arc;

use super::ReadAt;

/// Ranges of a source, one behind the other.
pub struct Joined {
    source: Arc<dyn ReadAt>,
    /// Where each begins here, and where it lies.
    parts: Vec<(u64, u64)>,
    len: u64,
}

impl Joined {
    /// No range of `source` yet.
    #[must_use]
    pub fn new(source: Arc<dyn ReadAt>) -> Self {
        Self { source, parts: Vec::new(), len: 0 }
    }

    /// Appends the range `at..at + len`.
    pub fn push(&mut self, at: u64, len: u64) {
        self.parts.push((self.len, at));
        self.len = self.len.saturating_add(len);
    }
}

impl ReadAt for Joined {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let behind = self.parts.partition_point(|(start, _)| *start <= offset);
        let part = behind.checked_sub(1).and_then(|n| self.parts.get(n));
        let Some((start, at)) = part.filter(|_| offset < self.len) else { return Ok(0) };
        let end = self.parts.get(behind).map_or(self.len, |(next, _)| *next);
        let left = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX);
        let want = left.min(buf.len());
        let from = at.saturating_add(offset.saturating_sub(*start));
        buf.get_mut(..want).map_or(Ok(0), |buf| self.source.read_at(from, buf))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::MemorySource;

    #[test]
    fn ranges_are_read_one_behind_the_other() {
        let mut joined = Joined::new(MemorySource::new(*b"0123456789"));
        for (at, len) in [(6, 2), (0, 1), (3, 3)] {
            joined.push(at, len);
        }
        assert_eq!(joined.read_range(0, 100).unwrap(), b"670345");
        assert_eq!(joined.read_range(1, 3).unwrap(), b"703");
        assert_eq!(joined.read_range(6, 3).unwrap(), b"");
    }
}
