//! bzip2: blocks of up to 900 kB, each with its own checksum.
//!
//! ```text
//! BZh1 … BZh9 | block: 31 41 59 26 53 59, CRC of 32 bits, … | … | end: 17 72 45 38 50 90, CRC of all of 32 bits
//! ```
//!
//! Only the first record begins at a byte; the others follow bit by bit.

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
        // A block gives nothing before it has been understood whole: where something came out and the next record
        // begins right behind, only a checksum is wrong.
        if out.outcome.produced > before {
            return refused(feed, out, start);
        }
        Err(Leave::broken(feed.offset(), BROKEN))
    })
}

/// What is wrong with a stream from `start` on of which a part has been decoded.
fn refused(feed: &mut Feed<'_>, out: &mut Out<'_>, start: u64) -> Result<(), Leave> {
    let at = feed.offset();
    // The decoder has read no more than the bits that it used, and the rest of their byte.
    let near = at.saturating_sub(1).max(start);
    match record(feed, near, END)? {
        Some(end) => {
            out.mismatch(near);
            feed.seek(end.saturating_add(END_SIZE));
            return Ok(());
        }
        None if record(feed, near, BLOCK)?.is_some() => out.mismatch(near),
        None => {}
    }
    // The checksum of all blocks is read with the last record.
    for back in [END_SIZE, END_SIZE.saturating_add(1)] {
        let place = at.saturating_sub(back).max(start);
        if let Some(end) = record(feed, place, END)? {
            out.mismatch(place);
            feed.seek(end.saturating_add(END_SIZE));
            return Ok(());
        }
    }
    feed.seek(at);
    Err(Leave::broken(at, BROKEN))
}

/// Does a record of this kind begin in the byte at `at` or with the one behind it? The offset of the first byte that
/// it does not share with the record before.
fn record(feed: &mut Feed<'_>, at: u64, magic: u64) -> Result<Option<u64>, Leave> {
    feed.seek(at);
    let Some(bytes) = feed.peek(8)?.first_chunk::<8>().copied() else { return Ok(None) };
    let bits = u64::from_be_bytes(bytes);
    let begins = (0..=8_u32).find(|&skipped| bits.checked_shl(skipped).is_some_and(|bits| bits >> 16 == magic));
    Ok(begins.map(|skipped| at.saturating_add(u64::from(skipped > 0))))
}
