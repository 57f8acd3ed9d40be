//! How large a document for a host may become.

use serde::Serialize;

/// Bytes of what a document lists; 10 MB is the usual limit of hosts, the rest of a document is small.
const ROOM: usize = 8_000_000;

/// Spaces before each line of an item, and its comma and line break.
const INDENT: usize = 6;

/// What is left of a document's size.
pub(super) struct Room {
    left: usize,
}

impl Room {
    /// The room of an empty document.
    pub(super) const fn of_document() -> Self {
        Self { left: ROOM }
    }

    /// Takes the bytes that `value` will fill as JSON; false, and nothing left, if they do not fit.
    pub(super) fn take<T: Serialize + ?Sized>(&mut self, value: &T) -> bool {
        self.take_bytes(serde_json::to_vec(value).map_or(usize::MAX, |bytes| bytes.len()))
    }

    /// The same for an item of a list near the top of an indented document.
    pub(super) fn take_item<T: Serialize + ?Sized>(&mut self, value: &T) -> bool {
        let text = serde_json::to_vec_pretty(value).unwrap_or_default();
        let lines = memchr::memchr_iter(b'\n', &text).count() + 1;
        self.take_bytes(text.len().saturating_add(lines.saturating_mul(INDENT)))
    }

    /// Takes that many bytes; false, and nothing left, if they do not fit.
    pub(super) const fn take_bytes(&mut self, size: usize) -> bool {
        let fits = size <= self.left;
        self.left = if fits { self.left.saturating_sub(size) } else { 0 };
        fits
    }
}
