//! LZMA: xz, the older format with a header of 13 bytes, and the envelope of ZIP.
//!
//! Python reads streams of the first two in a row as one content, mixed as they come.

use std::io::{self, Read};

use lzma_rust2::{Action, LzmaReader, Status, StreamResult, XzReader, XzStream};

use super::feed::Feed;
use super::{Leave, MOST_HISTORY, Out, members};
use crate::bytes::WINDOW;

const BROKEN: &str = "the LZMA data is broken";
const HISTORY: &str = "a dictionary above 128 MiB";
/// Memory for an xz block, KiB: its dictionary and what stands beside it.
const MEMORY: u32 = (MOST_HISTORY >> 10) + 1024;

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
        && (encoder_made || (*props == 0x5d && dictionary >= 4096))
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
/// A decoder that meets an error drops what it has made of the input that it was given last, which a loader that streams
/// has seen. So the stream is then read once more, and byte by byte from there on.
fn xz(feed: &mut Feed<'_>, out: &mut Out<'_>) -> Result<(), Leave> {
    let start = feed.offset();
    let mut run = XzRun { given: 0, fine: u64::MAX };
    let Some((error, at)) = run.decode(feed, out)? else { return Ok(()) };
    let end = feed.offset();
    feed.seek(start);
    run.fine = at;
    let (error, at) = run.decode(feed, out)?.unwrap_or((error, at));
    if run.given == 0 && error.kind() != io::ErrorKind::UnexpectedEof {
        // The only decoder for more than two filters in a row.
        feed.seek(start);
        return chain(feed, out);
    }
    feed.seek(if error.kind() == io::ErrorKind::UnexpectedEof { end } else { at });
    if error.to_string() == "block checksum mismatch" {
        out.mismatch(at);
    }
    Err(refused(&error, feed))
}

/// The reading of an xz stream.
struct XzRun {
    /// Bytes that have been passed on; a second reading leaves them out.
    given: u64,
    /// Offset from which the input is handed over byte by byte.
    fine: u64,
}

impl XzRun {
    /// Decodes the stream; the error that ended it, and where the input began that it was met in.
    fn decode(&mut self, feed: &mut Feed<'_>, out: &mut Out<'_>) -> Result<Option<(io::Error, u64)>, Leave> {
        let mut stream = XzStream::new_mem_limit(false, MEMORY);
        let (mut piece, mut seen, mut unlimited) = (vec![0; WINDOW], 0_u64, false);
        loop {
            let at = feed.offset();
            let most = usize::try_from(self.fine.saturating_sub(at)).unwrap_or(usize::MAX).max(1);
            let window = feed.window()?;
            let input = window.get(..window.len().min(most)).unwrap_or_default();
            let action = if input.is_empty() { Action::Finish } else { Action::Run };
            let (before_in, before_out) = (stream.total_in(), stream.total_out());
            let result = stream.process(input, &mut piece, action);
            let stuck = stream.total_in() == before_in && stream.total_out() == before_out;
            let made = stream.total_out().saturating_sub(before_out);
            feed.skip(stream.total_in().saturating_sub(before_in))?;
            seen = seen.saturating_add(made);
            // Of what has been passed on before, nothing again.
            let fresh = seen.saturating_sub(self.given).min(made);
            let range = usize::try_from(made.saturating_sub(fresh)).unwrap_or_default()
                ..usize::try_from(made).unwrap_or_default();
            self.given = self.given.max(seen);
            out.piece(piece.get(range).unwrap_or_default(), feed.offset())?;
            match result {
                Ok(StreamResult { status: Status::StreamEnd, .. }) => return Ok(None),
                Ok(_) if stuck => return Ok(Some((io::ErrorKind::UnexpectedEof.into(), at))),
                Ok(_) => {}
                // A large dictionary that a short content does not fill is harmless: it grows with what is decoded.
                Err(error) if error.kind() == io::ErrorKind::OutOfMemory && !unlimited => {
                    unlimited = true;
                    stream.set_mem_limit(u32::MAX);
                }
                Err(error) => return Ok(Some((error, at))),
            }
            if unlimited && seen > u64::from(MOST_HISTORY) {
                return Err(Leave::unsupported(feed.offset(), HISTORY));
            }
        }
    }
}

/// One xz stream in the decoder that takes any chain of filters.
fn chain(feed: &mut Feed<'_>, out: &mut Out<'_>) -> Result<(), Leave> {
    let mut piece = vec![0; WINDOW];
    let mut reader = XzReader::new_mem_limit(&mut *feed, false, MEMORY);
    let error = loop {
        match reader.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(n) => out.piece(piece.get(..n).unwrap_or_default(), reader.inner().offset())?,
            Err(error) => break error,
        }
    };
    drop(reader);
    Err(refused(&error, feed))
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
