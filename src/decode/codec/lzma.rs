//! LZMA: xz, the older format with a header of 13 bytes, lzip, and the envelope of ZIP.
//!
//! Python reads streams of the first three in a row as one content, mixed as they come.

use std::io::{self, Read};

use flate2::Crc;
use lzma_rust2::{Action, Lzma2Reader, LzmaReader, Status, StreamResult, XzReader, XzStream};

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

/// Does `head` begin a member of lzip, which newer readers of xz take as well?
pub(super) fn is_lzip(head: &[u8]) -> bool {
    matches!(
        head,
        [
            b'L',
            b'Z',
            b'I',
            b'P',
            0 | 1,
            12..=29 | 44..=61 | 76..=93 | 108..=125 | 140..=157 | 172..=189 | 204..=221 | 236..=253,
            0,
            ..,
        ]
    )
}

/// Can `head` be the header of the older format: the size unknown or plausible, the dictionary as readers accept it, a
/// range coder that begins with a zero and then says something?
pub(super) fn is_lzma(head: &[u8]) -> bool {
    lzma_header(head).is_some()
}

/// The same, and it says enough to be no chance.
pub(super) fn is_usual_lzma(head: &[u8]) -> bool {
    lzma_header(head).is_some_and(|(dictionary, size)| dictionary >= 4096 || size == u64::MAX)
}

/// The size of the dictionary and that of the content.
fn lzma_header(head: &[u8]) -> Option<(u32, u64)> {
    let [props, d0, d1, d2, d3, size @ .., first, c0, c1, c2, c3] = head.first_chunk::<18>()?;
    let dictionary = u32::from_le_bytes([*d0, *d1, *d2, *d3]);
    let size = size.iter().rev().fold(0_u64, |size, &byte| size << 8 | u64::from(byte));
    let accepted = *props < 225
        && *first == 0
        && (size == u64::MAX || (1..1 << 38).contains(&size))
        && (dictionary == u32::MAX || dictionary.count_ones() <= 2 || (*props == 0x5d && dictionary >= 4096))
        && [*c0, *c1, *c2, *c3] != [0; 4];
    accepted.then_some((dictionary, size))
}

/// Streams of all formats in a row.
pub(super) fn streams(feed: &mut Feed<'_>, out: &mut Out<'_>) -> Result<(), Leave> {
    let begins = |head: &[u8]| is_xz(head) || is_lzip(head) || is_lzma(head);
    members(feed, out, begins, |feed, out| {
        let head = feed.peek(18)?;
        if is_xz(head) {
            xz(feed, out)
        } else if is_lzip(head) {
            lzip(feed, out)
        } else {
            alone(feed, out)
        }
    })
}

/// One member of lzip: magic, version and dictionary in six bytes, LZMA with an end marker, CRC-32 and sizes.
fn lzip(feed: &mut Feed<'_>, out: &mut Out<'_>) -> Result<(), Leave> {
    let [_, _, _, _, version, coded] = feed.array()?;
    let base = 1_u32 << (coded & 0x1f);
    let dictionary = base.saturating_sub((base >> 4).saturating_mul(u32::from(coded >> 5)));
    let before = out.outcome.produced;
    out.crc = Crc::new();
    bare(feed, out, 0x5d, dictionary, u64::MAX)?;
    let at = feed.offset();
    let crc = u32::from_le_bytes(feed.array()?);
    let size = u64::from_le_bytes(feed.array()?);
    if crc != out.crc.sum() || size != out.outcome.produced.saturating_sub(before) {
        out.mismatch(at);
    }
    // The size of the member, since the second version.
    feed.skip(if version == 0 { 0 } else { 8 })
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

/// LZMA2 without a header.
///
/// A reader that meets an error drops what it has made for that call. So it reads anew then, and byte by byte from there
/// on.
pub(super) fn second(feed: &mut Feed<'_>, out: &mut Out<'_>, dictionary: u32) -> Result<(), Leave> {
    let start = feed.offset();
    let kept = dictionary.clamp(4096, MOST_HISTORY);
    let (mut piece, mut given, mut fine) = (vec![0; WINDOW], 0_u64, u64::MAX);
    loop {
        let mut reader = Lzma2Reader::new(&mut *feed, kept, None);
        let mut seen = 0_u64;
        let error = loop {
            let most = usize::try_from(fine.saturating_sub(seen)).unwrap_or(usize::MAX).clamp(1, WINDOW);
            match reader.read(piece.get_mut(..most).unwrap_or_default()) {
                Ok(0) => return Ok(()),
                Ok(n) => {
                    // Of what has been passed on before, nothing again.
                    let fresh = n.min(usize::try_from(given.saturating_sub(seen)).unwrap_or(usize::MAX))..n;
                    seen = seen.saturating_add(n as u64);
                    given = given.max(seen);
                    out.piece(piece.get(fresh).unwrap_or_default(), reader.inner().offset())?;
                }
                Err(error) => break error,
            }
        };
        drop(reader);
        if fine == u64::MAX {
            fine = given;
            feed.seek(start);
            continue;
        }
        if dictionary > kept && given > u64::from(kept) {
            return Err(Leave::unsupported(feed.offset(), HISTORY));
        }
        return Err(refused(&error, feed));
    }
}

/// LZMA without a header; `size` is all ones if an end marker says where it ends.
pub(super) fn bare(feed: &mut Feed<'_>, out: &mut Out<'_>, props: u8, dictionary: u32, size: u64) -> Result<(), Leave> {
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
