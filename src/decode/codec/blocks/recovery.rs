//! Blocks behind a broken one.
//!
//! Each block can be decoded by itself once it is found: its first 48 bits say where, at any bit. Tools for damaged
//! files do that, so what stands behind a broken block is no place to hide. The blocks are given one after the other,
//! those of further streams in the file too.

use bzip2::{Decompress, Status};

use super::super::feed::Feed;
use super::super::{Leave, Out};
use super::{BLOCK, END};

/// The header of a stream with blocks of any size.
const HEADER: &[u8] = b"BZh9";
/// Bits that begin a record.
const MAGIC_BITS: u64 = 48;
const MAGIC: u64 = (1 << MAGIC_BITS) - 1;
/// Bytes of a compressed block: more than 900 kB of noise take.
const MOST_BLOCK: u64 = 2 << 20;

/// Where a record begins, in bits of the source, and whether it is a block.
type Record = (u64, bool);

/// Decodes all blocks that begin at the byte `from` or behind it.
pub(super) fn rest(feed: &mut Feed<'_>, out: &mut Out<'_>, piece: &mut [u8], from: u64) -> Result<(), Leave> {
    feed.seek(from);
    let mut current = next(feed, out)?;
    while let Some((bit, is_block)) = current {
        feed.seek((bit / 8).saturating_add(1));
        let following = next(feed, out)?;
        let behind = feed.offset();
        if is_block {
            let end = following.map_or(behind.saturating_mul(8), |(bit, _)| bit);
            let stream = stream(feed, bit, end)?;
            decode(&stream, out, piece, behind)?;
        }
        current = following;
    }
    Ok(())
}

/// The next record from here on.
fn next(feed: &mut Feed<'_>, out: &mut Out<'_>) -> Result<Option<Record>, Leave> {
    let (mut bits, mut at) = (0_u64, feed.offset());
    let first = at.saturating_mul(8);
    loop {
        let window = feed.window()?;
        if window.is_empty() {
            return Ok(None);
        }
        for &byte in window {
            bits = bits << 8 | u64::from(byte);
            at = at.saturating_add(1);
            // The earliest begins at the highest bit.
            let found = (0..8_u64).rev().find_map(|shift| {
                let magic = bits >> shift & MAGIC;
                let start = at.saturating_mul(8).checked_sub(shift.saturating_add(MAGIC_BITS))?;
                (start >= first && matches!(magic, BLOCK | END)).then_some((start, magic == BLOCK))
            });
            if found.is_some() {
                return Ok(found);
            }
        }
        feed.seek(at);
        // So that time is watched.
        out.piece(&[], at)?;
    }
}

/// A stream of the one block in the bits `start..end` of the source.
fn stream(feed: &mut Feed<'_>, start: u64, end: u64) -> Result<Vec<u8>, Leave> {
    let (first, shift) = (start / 8, u32::try_from(start % 8).unwrap_or_default());
    let length = end.div_ceil(8).saturating_sub(first).min(MOST_BLOCK);
    feed.seek(first);
    let bytes = feed.bytes(usize::try_from(length.min(feed.left())).unwrap_or_default())?;
    let next = bytes.iter().skip(1).copied().chain([0]);
    let moved = bytes.iter().zip(next).map(|(&byte, next)| {
        let pair = u16::from_be_bytes([byte, next]) << shift;
        let [high, _] = pair.to_be_bytes();
        high
    });
    let mut aligned: Vec<u8> = moved.collect();
    // With one block the checksum of the stream is that of the block, which stands behind its first bits.
    let checksum = aligned.get(6..10).and_then(|crc| crc.first_chunk()).copied().map(u32::from_be_bytes);
    let whole = usize::try_from(end.saturating_sub(start) / 8).unwrap_or_default();
    let kept = u32::try_from(end.saturating_sub(start) % 8).unwrap_or_default();
    let partial = u128::from(aligned.get(whole).copied().unwrap_or_default()) >> 8_u32.saturating_sub(kept);
    aligned.truncate(whole);
    // The last bits of the block, then the record that ends a stream, moved to the top of 128 bits.
    let tail = (partial << 80 | u128::from(END) << 32 | u128::from(checksum.unwrap_or_default()))
        << 48_u32.saturating_sub(kept);
    Ok([HEADER, &aligned, &tail.to_be_bytes()].concat())
}

/// Passes on what `stream` decodes to. A block that is broken too gives nothing.
fn decode(mut stream: &[u8], out: &mut Out<'_>, piece: &mut [u8], at: u64) -> Result<(), Leave> {
    let mut decoder = Decompress::new(false);
    loop {
        let (before_in, before_out) = (decoder.total_in(), decoder.total_out());
        let status = decoder.decompress(stream, piece);
        let count = |total: u64, before: u64| usize::try_from(total.saturating_sub(before)).unwrap_or_default();
        let (used, made) = (count(decoder.total_in(), before_in), count(decoder.total_out(), before_out));
        stream = stream.get(used..).unwrap_or_default();
        out.piece(piece.get(..made).unwrap_or_default(), at)?;
        if !matches!(status, Ok(Status::Ok | Status::RunOk | Status::FlushOk | Status::FinishOk))
            || used == 0 && made == 0
        {
            return Ok(());
        }
    }
}
