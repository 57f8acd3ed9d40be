//! DEFLATE and what wraps it: zlib, gzip, joblib's first format; and Deflate64.
//!
//! Specifications: RFC 1950, 1951, 1952.

use deflate64::InflaterManaged;
use flate2::{Crc, Decompress, DecompressError, FlushDecompress, Status};

use super::feed::Feed;
use super::{Leave, Out, State, Step, members, run};
use crate::bytes::{ReadAt, WINDOW};
use crate::decode::integer;

const FHCRC: u8 = 0x02;
const FEXTRA: u8 = 0x04;
const FNAME: u8 = 0x08;
const FCOMMENT: u8 = 0x10;
/// Longest name or comment that is read for what it says.
const LONGEST_NAME: u64 = 64 << 10;

/// One run of DEFLATE blocks.
pub(super) fn bare(feed: &mut Feed<'_>, out: &mut Out<'_>) -> Result<(), Leave> {
    // Archives hold small members by the hundred thousand. A byte makes 1,032 at most.
    let most = usize::try_from(feed.left().saturating_mul(1032)).unwrap_or(WINDOW).clamp(64, WINDOW);
    inflate(feed, out, &mut Decompress::new(false), &mut vec![0; most])
}

/// zlib streams in a row.
pub(super) fn zlib(feed: &mut Feed<'_>, out: &mut Out<'_>) -> Result<(), Leave> {
    let (mut decoder, mut piece) = (Decompress::new(true), vec![0; WINDOW]);
    members(feed, out, is_zlib, |feed, out| {
        decoder.reset(true);
        inflate(feed, out, &mut decoder, &mut piece)
    })
}

/// joblib's first format: a header and a zlib stream.
pub(super) fn joblib(feed: &mut Feed<'_>, out: &mut Out<'_>) -> Result<(), Leave> {
    let header = joblib_header(feed.peek(64)?);
    feed.skip(header as u64)?;
    zlib(feed, out)
}

/// Bytes of the header of joblib's first format: `ZF`, 19 bytes of a number and its blanks, and a blank that some
/// releases wrote too. The first releases wrote two bytes less. The stated size is only a hint.
fn joblib_header(head: &[u8]) -> usize {
    if head.get(2..21).is_some_and(|size| integer::python(size, 16).is_some()) {
        return if head.get(21) == Some(&b' ') { 22 } else { 21 };
    }
    let digits = head.iter().skip(2).take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let blanks = head.iter().skip(digits.saturating_add(2)).take_while(|byte| matches!(**byte, b' ' | 0)).count();
    digits.saturating_add(blanks).saturating_add(2)
}

/// Does `head` begin with a header of zlib that needs no dictionary?
pub(super) fn is_zlib(head: &[u8]) -> bool {
    matches!(*head, [method, flags, ..]
        if method & 0x0f == 8 && method >> 4 <= 7 && flags & 0x20 == 0
            && u16::from_be_bytes([method, flags]) % 31 == 0)
}

/// gzip members in a row.
pub(super) fn gzip(feed: &mut Feed<'_>, out: &mut Out<'_>) -> Result<(), Leave> {
    let (mut decoder, mut piece) = (Decompress::new(false), vec![0; WINDOW]);
    members(
        feed,
        out,
        |head| head.starts_with(&[0x1f, 0x8b, 8]),
        |feed, out| {
            let (_, fields) = header(feed)?;
            for (at, end) in fields {
                out.aside("<header field>", at, end)?;
            }
            let before = out.outcome.produced;
            out.crc = Crc::new();
            decoder.reset(false);
            inflate(feed, out, &mut decoder, &mut piece)?;
            let (at, made) = (feed.offset(), out.outcome.produced.saturating_sub(before));
            let stated = u64::from_le_bytes(feed.array()?);
            // CRC and the low half of the size.
            if stated != u64::from(out.crc.sum()) | (made & 0xffff_ffff) << 32 {
                out.mismatch(at);
            }
            Ok(())
        },
    )
}

/// Reads over the header of a gzip member: its flags, and where its extra field, name and comment lie.
fn header(feed: &mut Feed<'_>) -> Result<(u8, [(u64, u64); 3]), Leave> {
    let at = feed.offset();
    let [a, b, method, flags, ..] = feed.array::<10>()?;
    if [a, b, method] != [0x1f, 0x8b, 8] {
        return Err(Leave::broken(at, "no gzip header"));
    }
    let mut fields = [(0, 0); 3];
    for (field, flag) in fields.iter_mut().zip([FEXTRA, FNAME, FCOMMENT]).filter(|(_, flag)| flags & flag != 0) {
        let mut start = feed.offset();
        if flag == FEXTRA {
            let length = u16::from_le_bytes(feed.array()?);
            // Behind its length, and behind the name and the length of its first part.
            start = start.saturating_add(6);
            feed.skip(u64::from(length))?;
        } else {
            skip_text(feed)?;
        }
        *field = (start, feed.offset());
    }
    if flags & FHCRC != 0 {
        feed.skip(2)?;
    }
    Ok((flags, fields))
}

/// Reads over a text that ends in a zero.
fn skip_text(feed: &mut Feed<'_>) -> Result<(), Leave> {
    loop {
        let window = feed.window()?;
        let length = window.len();
        let found = memchr::memchr(0, window);
        if length == 0 {
            return Err(Leave::cut(feed.offset()));
        }
        feed.skip(found.map_or(length, |at| at.saturating_add(1)) as u64)?;
        if found.is_some() {
            return Ok(());
        }
    }
}

/// The file name that the first gzip member at the start of `source` carries.
#[must_use]
pub fn stored_name(source: &dyn ReadAt) -> Option<Vec<u8>> {
    let mut feed = Feed::new(source, 0, LONGEST_NAME);
    let (flags, _) = header(&mut feed).ok()?;
    if flags & FNAME == 0 {
        return None;
    }
    let extra = if flags & FEXTRA == 0 {
        0
    } else {
        source.read_range(10, 2).ok()?.first_chunk().map(|b| u16::from_le_bytes(*b))?.into()
    };
    let start = if flags & FEXTRA == 0 { 10_u64 } else { 12_u64.saturating_add(extra) };
    let text = source.read_range(start, usize::try_from(LONGEST_NAME).ok()?).ok()?;
    text.get(..memchr::memchr(0, &text)?).map(<[u8]>::to_vec)
}

/// Runs `decoder` to the end of its data.
fn inflate(feed: &mut Feed<'_>, out: &mut Out<'_>, decoder: &mut Decompress, piece: &mut [u8]) -> Result<(), Leave> {
    let mut refusal = None;
    run(feed, out, piece, BROKEN, |input, piece| {
        let (before_in, before_out) = (decoder.total_in(), decoder.total_out());
        let status = decoder.decompress(input, piece, FlushDecompress::None);
        Step {
            used: decoder.total_in().saturating_sub(before_in),
            made: decoder.total_out().saturating_sub(before_out),
            state: match status {
                Ok(Status::StreamEnd) => State::Ended,
                Ok(_) => State::Going,
                Err(error) => {
                    refusal = Some(error);
                    State::Refused
                }
            },
        }
    })?;
    refusal.map_or(Ok(()), |error| refused(&error, feed, out))
}

const BROKEN: &str = "the compressed data is broken";

/// What an error of the decoder means.
fn refused(error: &DecompressError, feed: &Feed<'_>, out: &mut Out<'_>) -> Result<(), Leave> {
    let at = feed.offset();
    if error.needs_dictionary().is_some() {
        return Err(Leave::unsupported(at, "a preset dictionary"));
    }
    // All data has been decoded; the checksum of zlib stands behind it.
    if error.message() == Some("incorrect data check") {
        out.mismatch(at.saturating_sub(4));
        return Ok(());
    }
    Err(Leave::broken(at, BROKEN))
}

/// Deflate64. What is used of the input may be counted a few bytes too high: the decoder reads ahead.
pub(super) fn wide(feed: &mut Feed<'_>, out: &mut Out<'_>) -> Result<(), Leave> {
    let mut decoder = Box::new(InflaterManaged::new());
    let mut piece = vec![0; WINDOW];
    loop {
        let at = feed.offset();
        let input = feed.window()?;
        let exhausted = input.is_empty();
        let result = decoder.inflate(input, &mut piece);
        feed.skip(result.bytes_consumed as u64)?;
        out.piece(piece.get(..result.bytes_written).unwrap_or_default(), feed.offset())?;
        if decoder.available_output() > 0 {
            continue;
        }
        if decoder.errored() {
            return Err(Leave::broken(at, BROKEN));
        }
        if decoder.finished() {
            return Ok(());
        }
        if result.bytes_written == 0 && (exhausted || result.bytes_consumed == 0) {
            return Err(Leave::cut(at));
        }
    }
}
