//! Walking over the `PK` signatures in a range of bytes.

use memchr::memmem;

use super::record::{CENTRAL, DESCRIPTOR, END, LOCAL};
use crate::bytes::{Budget, ReadAt, Stream};
use crate::decode::Stop;

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
            let left = usize::try_from(self.end.saturating_sub(self.stream.offset())).unwrap_or(usize::MAX);
            let window = self.stream.fill(4)?;
            let window = window.get(..window.len().min(left)).unwrap_or_default();
            let found = memmem::find_iter(window, b"PK").find_map(|n| {
                let bytes = *window.get(n..)?.first_chunk::<4>()?;
                [LOCAL, CENTRAL, END, DESCRIPTOR].contains(&bytes).then_some((n, bytes))
            });
            // A signature may begin in the last three bytes of the window.
            let searched = found.map_or(window.len().saturating_sub(3), |(n, _)| n) as u64;
            self.budget.take_bytes(searched)?;
            self.stream.skip(searched)?;
            if let Some((_, bytes)) = found {
                let at = self.stream.offset();
                self.stream.skip(1)?;
                return Ok(Some((at, bytes)));
            }
            if searched == 0 {
                return Ok(None);
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
