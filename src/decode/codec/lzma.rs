//! LZMA: xz, the older format with a header of 13 bytes, and the envelope of ZIP.
//!
//! Python reads streams of the first two in a row as one content, mixed as they come.

use std::io::{self, Read};

use lzma_rust2::{LzmaReader, XzReader};

use super::feed::Feed;
use super::{Leave, MOST_HISTORY, Out, members};
use crate::bytes::WINDOW;

const BROKEN: &str = "the LZMA data is broken";
const HISTORY: &str = "a dictionary above 128 MiB";
/// Memory of an xz block beside its dictionary, KiB.
const OVERHEAD: u32 = 1024;

/// Does `head` begin an xz stream?
pub(super) fn is_xz(head: &[u8]) -> bool {
    head.starts_with(b"\xfd7zXZ\0")
}

/// Can `head` be the header of the older format? The size is unknown or plausible, the dictionary as encoders make
/// them unless the parameters are the usual ones, the range coder begins with a zero and then says something.
pub(super) fn is_lzma(head: &[u8]) -> bool {
    let [props, d0, d1, d2, d3, size @ .., first, c0, c1, c2, c3] = head.first_chunk::<18>().unwrap_or(&[255; 18]);
    let dictionary = u32::from_le_bytes([*d0, *d1, *d2, *d3]);
    let size = size.iter().rev().fold(0_u64, |size, &byte| size << 8 | u64::from(byte));
    let encoder_made = dictionary == u32::MAX || (dictionary >= 4096 && dictionary.count_ones() <= 2);
    *props < 225
        && *first == 0
        && (size == u64::MAX || (1..1 << 38).contains(&size))
        && (encoder_made || *props == 0x5d)
        && [*c0, *c1, *c2, *c3] != [0; 4]
}

/// Streams of both formats in a row.
pub(super) fn streams(feed: &mut Feed<'_>, out: &mut Out<'_>) -> Result<(), Leave> {
    members(
        feed,
        out,
        |head| is_xz(head) || is_lzma(head),
        |feed, out| {
            if is_xz(feed.peek(6)?) { xz(feed, out) } else { alone(feed, out) }
        },
    )
}

/// One xz stream.
///
/// The reader of a block drops what it has decoded when it meets an error, so the stream is then read once more, and
/// in single bytes from the last piece on: a loader that streams has seen those bytes.
fn xz(feed: &mut Feed<'_>, out: &mut Out<'_>) -> Result<(), Leave> {
    let start = feed.offset();
    let mut given = 0;
    let fault = match xz_run(feed, out, &mut given, MOST_HISTORY / 1024, WINDOW) {
        Err(XzEnd::Other(leave)) => return Err(leave),
        Err(XzEnd::Error(error)) => error,
        Ok(()) => return Ok(()),
    };
    let at = feed.offset();
    if fault.kind() == io::ErrorKind::OutOfMemory {
        // A large dictionary that a short content does not fill is harmless: it grows with what is decoded.
        if given > 0 {
            return Err(Leave::unsupported(at, HISTORY));
        }
        feed.seek(start);
        return match xz_run(feed, out, &mut given, u32::MAX, WINDOW) {
            Ok(()) => Ok(()),
            Err(XzEnd::Other(leave)) => Err(leave),
            Err(XzEnd::Error(error)) => Err(refused(&error, feed)),
        };
    }
    let refused = refused(&fault, feed);
    if matches!(refused, Leave::Fault(_)) {
        feed.seek(start);
        match xz_run(feed, out, &mut given, MOST_HISTORY / 1024, 1) {
            Err(XzEnd::Other(leave)) => return Err(leave),
            Ok(()) | Err(XzEnd::Error(_)) => feed.seek(at),
        }
    }
    if fault.to_string() == "invalid block checksum" {
        out.mismatch(at);
    }
    Err(refused)
}

/// Why reading of an xz stream ended.
enum XzEnd {
    Error(io::Error),
    Other(Leave),
}

impl From<Leave> for XzEnd {
    fn from(leave: Leave) -> Self {
        Self::Other(leave)
    }
}

/// Reads a stream with a limit on memory in KiB, leaves out the first `given` bytes, and passes the others on in pieces
/// of at most `step` bytes.
fn xz_run(feed: &mut Feed<'_>, out: &mut Out<'_>, given: &mut u64, memory: u32, step: usize) -> Result<(), XzEnd> {
    let memory_or_more = memory.saturating_add(OVERHEAD);
    let mut piece = vec![0; WINDOW];
    let mut reader = XzReader::new_mem_limit(feed, false, memory_or_more);
    let mut known = *given;
    loop {
        let want = if known > 0 { usize::try_from(known).unwrap_or(WINDOW).min(WINDOW) } else { step };
        let (mut made, mut end) = (0, None);
        // Single bytes are collected: the caller pays for each piece.
        while made < want.max(4096) && end.is_none() {
            let room = if step == 1 && known == 0 { made.saturating_add(1) } else { want };
            let Some(buf) = piece.get_mut(made..room).filter(|buf| !buf.is_empty()) else { break };
            match reader.read(buf) {
                Ok(0) => end = Some(Ok(())),
                Ok(n) => made = made.saturating_add(n),
                Err(error) => end = Some(Err(XzEnd::Error(error))),
            }
            if step > 1 || known > 0 {
                break;
            }
        }
        if known > 0 {
            known = known.saturating_sub(made as u64);
            out.piece(&[], reader.inner().offset())?;
        } else if made > 0 {
            *given = given.saturating_add(made as u64);
            out.piece(piece.get(..made).unwrap_or_default(), reader.inner().offset())?;
            if memory == u32::MAX && *given > u64::from(MOST_HISTORY) {
                return Err(Leave::unsupported(reader.inner().offset(), HISTORY).into());
            }
        }
        if let Some(end) = end {
            return end;
        }
    }
}

/// One stream of the older format.
fn alone(feed: &mut Feed<'_>, out: &mut Out<'_>) -> Result<(), Leave> {
    let [props, d0, d1, d2, d3] = feed.array()?;
    let size = u64::from_le_bytes(feed.array()?);
    bare(feed, out, props, u32::from_le_bytes([d0, d1, d2, d3]), size)
}

/// LZMA as ZIP has it: version, size of the parameters, parameters, data.
pub(super) fn in_zip(feed: &mut Feed<'_>, out: &mut Out<'_>, size: Option<u64>) -> Result<(), Leave> {
    let at = feed.offset();
    let [_, _, length, zero, props, d0, d1, d2, d3] = feed.array()?;
    if [length, zero] != [5, 0] {
        return Err(Leave::broken(at, "LZMA parameters of an unknown length"));
    }
    bare(feed, out, props, u32::from_le_bytes([d0, d1, d2, d3]), size.unwrap_or(u64::MAX))
}

/// LZMA without a header; `size` is all ones if an end marker says where it ends.
fn bare(feed: &mut Feed<'_>, out: &mut Out<'_>, props: u8, dictionary: u32, size: u64) -> Result<(), Leave> {
    let at = feed.offset();
    let kept = dictionary.clamp(4096, MOST_HISTORY);
    let mut reader = match LzmaReader::new_with_props(&mut *feed, size, props, kept, None) {
        Ok(reader) => reader,
        Err(error) => return Err(refused(&error, feed)),
    };
    reader.set_defer_errors(true);
    reader.set_relaxed_end_condition(false);
    let mut piece = vec![0; WINDOW];
    let mut given = 0_u64;
    let end = loop {
        match reader.read(&mut piece) {
            Ok(0) => break Ok(()),
            Ok(n) => {
                given = given.saturating_add(n as u64);
                out.piece(piece.get(..n).unwrap_or_default(), reader.inner().offset())?;
            }
            Err(error) => break Err(error),
        }
    };
    let (_, unused) = reader.into_parts();
    feed.seek(feed.offset().saturating_sub(unused.len() as u64).max(at));
    match end {
        Err(_) if dictionary > kept && given > u64::from(kept) => Err(Leave::unsupported(feed.offset(), HISTORY)),
        Err(error) => Err(refused(&error, feed)),
        Ok(()) => Ok(()),
    }
}

/// What an error of a reader means.
fn refused(error: &io::Error, feed: &mut Feed<'_>) -> Leave {
    let at = feed.offset();
    let leave = match error.kind() {
        io::ErrorKind::UnexpectedEof => Leave::cut(at),
        io::ErrorKind::OutOfMemory => Leave::unsupported(at, HISTORY),
        io::ErrorKind::Unsupported => Leave::unsupported(at, "an xz filter or check"),
        _ => Leave::broken(at, BROKEN),
    };
    feed.failure(leave)
}
