//! bzip2: blocks of up to 900 kB, each with its own checksum.
//!
//! ```text
//! BZh1 … BZh9 | block: 31 41 59 26 53 59, CRC of 32 bits, … | … | end: 17 72 45 38 50 90, CRC of all of 32 bits
//! ```
//!
//! Only the first record begins at a byte; the others follow bit by bit.

mod recovery;

use bzip2::{Decompress, Status};

use super::feed::Feed;
use super::{Leave, Out, State, Step, members, run};
use crate::bytes::WINDOW;

const BROKEN: &str = "a bzip2 block is broken";
/// The 48 bits that begin a block, and those that begin the end of a stream.
const BLOCK: u64 = 0x3141_5926_5359;
const END: u64 = 0x1772_4538_5090;
/// Bytes of the record at the end of a stream.
const END_SIZE: u64 = 10;
/// Bytes that the decoder may have read of the record behind a block, that at the end included.
const READ_AHEAD: u64 = 20;

/// Does `head` begin a stream: its header, and a block or the end?
pub(super) fn is_bzip2(head: &[u8]) -> bool {
    matches!(
        head,
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..]
            | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, 0x38, 0x50, 0x90, ..]
    )
}

/// Streams in a row.
pub(super) fn bzip2(feed: &mut Feed<'_>, out: &mut Out<'_>) -> Result<(), Leave> {
    let mut piece = vec![0; WINDOW];
    members(feed, out, is_bzip2, |feed, out| {
        let (start, before) = (feed.offset(), out.outcome.produced);
        let mut decoder = Decompress::new(false);
        let ended = run(feed, out, &mut piece, BROKEN, |input, piece| {
            let (before_in, before_out) = (decoder.total_in(), decoder.total_out());
            let status = decoder.decompress(input, piece);
            Step {
                used: decoder.total_in().saturating_sub(before_in),
                made: decoder.total_out().saturating_sub(before_out),
                state: match status {
                    Ok(Status::StreamEnd) => State::Ended,
                    Ok(Status::MemNeeded) | Err(_) => State::Refused,
                    Ok(_) => State::Going,
                },
            }
        })?;
        if ended {
            return Ok(());
        }
        let at = feed.offset();
        // A block gives nothing before it has been understood whole: where something came out and the next record
        // begins right behind, only a checksum is wrong.
        if out.outcome.produced > before && refused(feed, out, start)? {
            return Ok(());
        }
        // The other blocks are whole, and tools get them out.
        recovery::rest(feed, out, &mut piece, at.saturating_sub(READ_AHEAD).max(start))?;
        Err(Leave::broken(at, BROKEN))
    })
}

/// Looks at what is wrong with a stream from `start` on of which a part has been decoded. True if it has ended.
fn refused(feed: &mut Feed<'_>, out: &mut Out<'_>, start: u64) -> Result<bool, Leave> {
    let at = feed.offset();
    feed.seek(at.saturating_sub(READ_AHEAD).max(start));
    if let Some(end) = record(feed, END)? {
        out.mismatch(end);
        feed.seek(end.saturating_add(END_SIZE));
        return Ok(true);
    }
    if let Some(block) = record(feed, BLOCK)? {
        out.mismatch(block);
    }
    Ok(false)
}

/// The first byte that a record does not share with the one before, if one begins here or little further on.
fn record(feed: &mut Feed<'_>, magic: u64) -> Result<Option<u64>, Leave> {
    let at = feed.offset();
    let near = usize::try_from(READ_AHEAD.saturating_mul(2)).unwrap_or_default();
    let window = feed.peek(near)?;
    for (place, bytes) in window.get(..near).unwrap_or(window).windows(8).enumerate() {
        let Some(bits) = bytes.first_chunk().copied().map(u64::from_be_bytes) else { break };
        let begins = (0..8_u32).find(|&skipped| bits.checked_shl(skipped).is_some_and(|bits| bits >> 16 == magic));
        if let Some(skipped) = begins {
            return Ok(Some(at.saturating_add(place as u64).saturating_add(u64::from(skipped > 0))));
        }
    }
    Ok(None)
}
