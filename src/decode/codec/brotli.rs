//! Brotli: one bare stream, or the frames in which writers of 7z put the work of several threads.
//!
//! ```text
//! stream | stream …
//! 50 2A 4D 18 | 08 00 00 00 | size of the stream (4) | "BR" | size of its content in 64 KiB (2) | stream | …
//! ```
//!
//! Specification: RFC 7932.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};

use super::feed::Feed;
use super::{FaultKind, Leave, Out, State, Step, run};
use crate::bytes::WINDOW;

const BROKEN: &str = "the Brotli data is broken";

/// The stream, or all frames. Some writers flush a stream and never end it: it is whole once it has given `size` bytes.
pub(super) fn streams(feed: &mut Feed<'_>, out: &mut Out<'_>, size: u64) -> Result<(), Leave> {
    let framed = is_frame(feed.peek(16)?);
    loop {
        if framed {
            feed.skip(16)?;
        }
        match stream(feed, out) {
            Err(Leave::Fault(fault)) if fault.kind == FaultKind::Cut && out.outcome.produced == size => return Ok(()),
            end => end?,
        }
        out.outcome.members = out.outcome.members.saturating_add(1);
        if !framed || !is_frame(feed.peek(16)?) {
            return Ok(());
        }
    }
}

fn is_frame(head: &[u8]) -> bool {
    matches!(head, [0x50, 0x2a, 0x4d, 0x18, 8, 0, 0, 0, _, _, _, _, b'B', b'R', ..])
}

/// One stream.
///
/// The decoder hands out what it has made when its input runs out, and nothing of the input that it meets an error in.
/// So the stream is then read once more, and byte by byte from there on.
fn stream(feed: &mut Feed<'_>, out: &mut Out<'_>) -> Result<(), Leave> {
    let start = feed.offset();
    let (mut given, mut fine) = (0, u64::MAX);
    if decode(feed, out, &mut given, fine)? {
        return Ok(());
    }
    fine = feed.offset();
    feed.seek(start);
    if decode(feed, out, &mut given, fine)? {
        return Ok(());
    }
    Err(Leave::broken(feed.offset(), BROKEN))
}

/// Decodes a stream, leaving out what was `given` before; from the offset `fine` on, byte by byte. False if it is broken.
fn decode(feed: &mut Feed<'_>, out: &mut Out<'_>, given: &mut u64, fine: u64) -> Result<bool, Leave> {
    let mut state = BrotliState::new(StandardAlloc::default(), StandardAlloc::default(), StandardAlloc::default());
    let (mut piece, mut at, mut seen) = (vec![0; WINDOW], feed.offset(), 0_u64);
    let (before, mut total) = (*given, 0);
    let ended = run(feed, out, &mut piece, BROKEN, |input, piece| {
        let most = usize::try_from(fine.saturating_sub(at)).unwrap_or(usize::MAX).max(1).min(input.len());
        let input = input.get(..most).unwrap_or_default();
        loop {
            let (mut left, mut used, mut room, mut made) = (input.len(), 0, piece.len(), 0);
            let result = BrotliDecompressStream(
                &mut left, &mut used, input, &mut room, &mut made, piece, &mut total, &mut state,
            );
            at = at.saturating_add(used as u64);
            // Of what has been passed on before, nothing again.
            let old = usize::try_from(before.saturating_sub(seen)).unwrap_or(usize::MAX).min(made);
            piece.copy_within(old..made, 0);
            seen = seen.saturating_add(made as u64);
            let fresh = made.saturating_sub(old);
            let state = match result {
                BrotliResult::ResultSuccess => State::Ended,
                BrotliResult::ResultFailure => State::Refused,
                BrotliResult::NeedsMoreOutput if used == 0 && fresh == 0 && made > 0 => continue,
                BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => State::Going,
            };
            return Step { used: used as u64, made: fresh as u64, state };
        }
    })?;
    *given = before.max(seen);
    Ok(ended)
}
