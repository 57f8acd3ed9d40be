//! `PPMd`: variant H as 7z has it, variant I as ZIP has it.
//!
//! Both guess the next byte from a model that grows with what has been decoded, up to a size that the writer chose and
//! that the reader has to match: with less of it, other bytes come out. So more than readers usually have is refused.
//!
//! Specification: Shkarin, "PPM: one step to practicality" (2002); `DOC/Methods.txt` of 7-Zip; APPNOTE 5.10.

use std::io::{self, Read};

use ppmd_rust::{Ppmd7Decoder, Ppmd8Decoder, RestoreMethod};

use super::feed::Feed;
use super::{Leave, Out};
use crate::bytes::WINDOW;

/// The largest model. 7-Zip makes one of 192 MiB at its highest level; its memory is touched as it fills.
const MOST_MODEL: u32 = 256 << 20;
const MODEL: &str = "a PPMd model above 256 MiB";
const BROKEN: &str = "the PPMd data is broken";
const PARAMETERS: &str = "PPMd parameters that do not exist";

/// Variant H without a header; `size` is that of the decoded data, which has no end mark.
pub(super) fn variant_h(
    feed: &mut Feed<'_>,
    out: &mut Out<'_>,
    order: u8,
    memory: u32,
    size: u64,
) -> Result<(), Leave> {
    let at = feed.offset();
    if memory > MOST_MODEL {
        return Err(Leave::unsupported(at, MODEL));
    }
    let decoder = Ppmd7Decoder::new(Watched { feed, dry: false }, u32::from(order), memory);
    let Ok(decoder) = decoder else { return Err(start(feed, at)) };
    pump(decoder, Ppmd7Decoder::get_ref, out, Some(size))
}

/// Variant I as ZIP has it: order, memory and method of restoring in two bytes, data with an end mark. `size` is that
/// of the decoded data where it is known.
pub(super) fn variant_i(feed: &mut Feed<'_>, out: &mut Out<'_>, size: Option<u64>) -> Result<(), Leave> {
    let at = feed.offset();
    let word = u32::from(u16::from_le_bytes(feed.array()?));
    let (order, megabytes) = ((word & 0xf).saturating_add(1), (word >> 4 & 0xff).saturating_add(1));
    let restore = match word >> 12 {
        0 => RestoreMethod::Restart,
        1 => RestoreMethod::CutOff,
        _ => return Err(Leave::broken(at, PARAMETERS)),
    };
    let decoder = Ppmd8Decoder::new(Watched { feed, dry: false }, order, megabytes << 20, restore);
    let Ok(decoder) = decoder else { return Err(start(feed, at)) };
    match pump(decoder, Ppmd8Decoder::get_ref, out, None) {
        // A writer may leave the end mark out where the size is stated.
        Err(Leave::Fault(_)) if size == Some(out.outcome.produced) && feed.left() == 0 => Ok(()),
        end => end,
    }
}

/// Why a decoder cannot begin: its first bytes are read by then.
fn start(feed: &mut Feed<'_>, at: u64) -> Leave {
    let leave = if feed.left() == 0 { Leave::cut(feed.offset()) } else { Leave::broken(at, PARAMETERS) };
    feed.failure(leave)
}

/// Reads `size` bytes, or up to the end mark. A decoder that meets an error drops what it has made for that call, so it is
/// asked for one byte at a time.
fn pump<'f, 'a, R: Read>(
    mut decoder: R,
    watched: fn(&R) -> &Watched<'f, 'a>,
    out: &mut Out<'_>,
    size: Option<u64>,
) -> Result<(), Leave>
where
    'a: 'f,
{
    let (mut piece, mut left) = (Vec::with_capacity(WINDOW), size.unwrap_or(u64::MAX));
    loop {
        let mut byte = [0];
        let read = if left == 0 { Ok(0) } else { decoder.read(&mut byte) };
        if matches!(read, Ok(1)) {
            piece.extend(byte);
            left = left.saturating_sub(1);
        }
        let ended = !matches!(read, Ok(1));
        let source = watched(&decoder);
        let at = source.feed.offset();
        if ended || piece.len() == WINDOW {
            out.piece(&piece, at)?;
            piece.clear();
        }
        match read {
            Ok(0) if source.dry => return Err(Leave::cut(at)),
            Ok(0) if left > 0 && size.is_some() => return Err(Leave::broken(at, BROKEN)),
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(_) => return Err(Leave::broken(at, BROKEN)),
        }
    }
}

/// A feed that notes that more was wanted than there is: a decoder does not say why it ended.
struct Watched<'f, 'a> {
    feed: &'f mut Feed<'a>,
    dry: bool,
}

impl Read for Watched<'_, '_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.feed.read(buf)?;
        self.dry |= n == 0 && !buf.is_empty();
        Ok(n)
    }
}
