//! Integration tests, as modules of one binary: it links once.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod pickle;
