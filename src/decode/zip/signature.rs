//! Walking over the `PK` signatures in a range of bytes.

use memchr::memmem;

use super::Stop;
use super::record::{CENTRAL, DESCRIPTOR, END, LOCAL};
use crate::bytes::{Budget, ReadAt, Stream};

/// Finds the record signatures in a range, first to last, in one pass.
pub(super) struct Signatures<'a> {
    stream: Stream<'a>,
    end: u64,
    budget: &'a Budget,
}

impl<'a> Signatures<'a> {
    /// Searches `start..end` of `source`; the pass is paid for as decoded bytes.
    #[must_use]
    pub(super) fn new(source: &'a dyn ReadAt, start: u64, end: u64, budget: &'a Budget) -> Self {
        Self { stream: Stream::new(source, start), end: end.min(source.len()), budget }
    }

    /// Goes on at `offset`.
    pub(super) fn seek(&mut self, offset: u64) {
        let ahead = offset.checked_sub(self.stream.offset());
        if ahead.is_none_or(|n| self.stream.skip(n).is_err()) {
            self.stream.seek(offset);
        }
    }

    /// The next signature and its offset.
    ///
    /// # Errors
    /// The budget is spent, or I/O.
    pub(super) fn next(&mut self) -> Result<Option<(u64, [u8; 4])>, Stop> {
        loop {
            let at = self.stream.offset();
            let left = usize::try_from(self.end.saturating_sub(at)).unwrap_or(usize::MAX);
            if left < 4 {
                return Ok(None);
            }
            let window = self.stream.fill(4)?;
            let window = window.get(..window.len().min(left)).unwrap_or_default();
            if window.len() < 4 {
                return Ok(None);
            }
            let found = memmem::find(window, b"PK");
            let bytes = found.and_then(|n| window.get(n..)).and_then(|rest| rest.first_chunk::<4>()).copied();
            // A signature may begin in the last three bytes of the window.
            let skip = found.unwrap_or_else(|| window.len().saturating_sub(1));
            let skip = if bytes.is_some_and(|bytes| ![LOCAL, CENTRAL, END, DESCRIPTOR].contains(&bytes)) {
                skip.saturating_add(2)
            } else {
                skip
            };
            if skip > 0 {
                self.budget.take_bytes(skip as u64)?;
                self.stream.skip(skip as u64)?;
            }
            match bytes {
                Some(bytes) if [LOCAL, CENTRAL, END, DESCRIPTOR].contains(&bytes) => {
                    let at = self.stream.offset();
                    self.stream.skip(1)?;
                    return Ok(Some((at, bytes)));
                }
                Some(_) => {}
                None if self.end.saturating_sub(self.stream.offset()) < 4 => return Ok(None),
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::{Limits, MemorySource, WINDOW};

    #[test]
    fn signatures_are_found_across_windows_and_not_past_the_end() {
        let mut bytes = vec![b'P'; WINDOW - 2];
        bytes.extend_from_slice(b"PK\x03\x04PKPK\x07\x08PK\x05\x06PK\x01");
        let source = MemorySource::new(bytes);
        let budget = Budget::new(Limits::default());
        let mut found = Signatures::new(&*source, 0, source.len(), &budget);
        let base = WINDOW as u64 - 2;
        assert_eq!(found.next().unwrap(), Some((base, LOCAL)));
        assert_eq!(found.next().unwrap(), Some((base + 6, DESCRIPTOR)));
        assert_eq!(found.next().unwrap(), Some((base + 10, END)));
        assert_eq!(found.next().unwrap(), None);
        let mut cut = Signatures::new(&*source, 0, base + 3, &budget);
        assert_eq!(cut.next().unwrap(), None);
    }
}
