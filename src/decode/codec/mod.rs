//! Compression: a compressed range in, its decoded bytes out, in pieces that the caller can stop.
//!
//! What readers agree on least is what comes after the first mistake, so nothing here is thrown away for one: bytes
//! that decode before a break are passed on, a wrong checksum is noted and reading goes on, and the end of the
//! compressed data is told exactly, so that what stands behind it can be looked at too. Members or frames in a row
//! give one content, as the readers of Python see them.
//!
//! Memory: one window of input, one piece of output, and the history that the encoding refers back to, which is
//! bounded whatever a header asks for.

mod blocks;
mod brotli;
mod deflate;
mod feed;
mod filters;
mod lz4;
mod lzma;
mod ppmd;
mod probe;
mod zstd;

pub use deflate::stored_name;
pub use filters::{Branches, bcj2};
pub use probe::{begins, literal};

use flate2::Crc;

use super::Stop;
use crate::bytes::ReadAt;
use feed::Feed;

/// The most history that a decoder keeps. Files that refer back further are made on request only, for archives of
/// many gigabytes.
const MOST_HISTORY: u32 = 128 << 20;

/// An encoding of compressed data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// Bare DEFLATE.
    Deflate,
    /// DEFLATE with a window of 64 KiB, in ZIP only.
    Deflate64,
    /// DEFLATE in a zlib envelope.
    Zlib,
    /// DEFLATE in gzip members.
    Gzip,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
    /// The format before xz, a header of 13 bytes and bare LZMA; and lzip.
    Lzma,
    /// LZMA as ZIP wraps it. The size is that of the decoded data, where no end marker says it.
    ZipLzma(Option<u64>),
    /// LZMA without a header, as 7z has it.
    BareLzma {
        /// Its parameters in one byte.
        props: u8,
        /// How far back it refers.
        dictionary: u32,
        /// Size of the decoded data.
        size: u64,
    },
    /// LZMA2 without a header; how far back it refers.
    Lzma2(u32),
    /// Differences between bytes at this distance.
    Delta(u8),
    /// Machine code whose branches name absolute targets.
    Branches(Branches),
    /// `PPMd`, variant H, without a header, as 7z has it.
    PpmdH {
        /// How many bytes before the next one it guesses from.
        order: u8,
        /// Bytes of its model.
        memory: u32,
        /// Size of the decoded data.
        size: u64,
    },
    /// `PPMd`, variant I, as ZIP wraps it; the size of the decoded data, where it is known.
    PpmdI(Option<u64>),
    /// Brotli; the size of the decoded data, all ones where only the data says it.
    Brotli(u64),
    /// Zstandard.
    Zstd,
    /// LZ4 frames, current and legacy.
    Lz4,
    /// The first format of joblib: `ZF`, the decoded size in hexadecimal digits, zlib.
    JoblibZf,
}

/// Why decoding ended before the data did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Offset in the source.
    pub at: u64,
    /// What is wrong, in words.
    pub what: &'static str,
    /// What kind of fault.
    pub kind: FaultKind,
}

/// Kinds of [`Fault`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The data breaks its encoding.
    Broken,
    /// The data ends too early.
    Cut,
    /// The data may be sound, but it needs something that is not here.
    Unsupported,
}

/// What became of a compressed range.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Compressed bytes used.
    pub consumed: u64,
    /// Decoded bytes.
    pub produced: u64,
    /// CRC-32 of the decoded bytes; of gzip and lzip, those of the last member.
    pub crc: u32,
    /// True if the data ended as its encoding says; false if it has a fault or was stopped.
    pub ended: bool,
    /// Members or frames that ended.
    pub members: u64,
    /// What stopped it, if the caller did not.
    pub fault: Option<Fault>,
    /// Offset of the first checksum or length that the decoded bytes do not have.
    pub mismatch: Option<u64>,
}

/// Decodes data at `at`, at most `limit` bytes of it, and passes each decoded piece with the number of compressed
/// bytes used so far to `take`, which says whether to go on. Pieces may be empty, so that time can be watched.
///
/// # Errors
/// Those of `take`, and I/O. Broken data is no error: what it decodes to before the break has been passed.
pub fn decode(
    codec: Codec,
    source: &dyn ReadAt,
    at: u64,
    limit: u64,
    take: impl FnMut(&[u8], u64) -> Result<bool, Stop>,
) -> Result<Outcome, Stop> {
    decode_with_asides(codec, source, at, limit, take).map(|(outcome, _)| outcome)
}

/// A range that a decoder reads over: its encoding lets a file carry anything there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aside {
    /// What it is called.
    pub name: &'static str,
    /// Offset in the source.
    pub at: u64,
    /// Length in bytes.
    pub len: u64,
}

/// Asides that are kept of one compressed range. Ordinary files have a few.
const MOST_ASIDES: usize = 1 << 16;
/// Shorter ones hold nothing.
const LEAST_ASIDE: u64 = 16;

/// Decodes as [`decode`] does, and tells what the decoder reads over.
///
/// # Errors
/// As [`decode`].
pub fn decode_with_asides(
    codec: Codec,
    source: &dyn ReadAt,
    at: u64,
    limit: u64,
    mut take: impl FnMut(&[u8], u64) -> Result<bool, Stop>,
) -> Result<(Outcome, Vec<Aside>), Stop> {
    let mut feed = Feed::new(source, at, limit);
    let mut out = Out { take: &mut take, start: at, outcome: Outcome::default(), crc: Crc::new(), asides: Vec::new() };
    let end = match codec {
        Codec::Deflate => deflate::bare(&mut feed, &mut out),
        Codec::Deflate64 => deflate::wide(&mut feed, &mut out),
        Codec::Zlib => deflate::zlib(&mut feed, &mut out),
        Codec::Gzip => deflate::gzip(&mut feed, &mut out),
        Codec::JoblibZf => deflate::joblib(&mut feed, &mut out),
        Codec::Bzip2 => blocks::bzip2(&mut feed, &mut out),
        Codec::Xz | Codec::Lzma => lzma::streams(&mut feed, &mut out),
        Codec::ZipLzma(size) => lzma::in_zip(&mut feed, &mut out, size),
        Codec::BareLzma { props, dictionary, size } => lzma::bare(&mut feed, &mut out, props, dictionary, size),
        Codec::Lzma2(dictionary) => lzma::second(&mut feed, &mut out, dictionary),
        Codec::Delta(distance) => filters::delta(&mut feed, &mut out, distance),
        Codec::Branches(machine) => filters::branches(&mut feed, &mut out, machine),
        Codec::PpmdH { order, memory, size } => ppmd::variant_h(&mut feed, &mut out, order, memory, size),
        Codec::PpmdI(size) => ppmd::variant_i(&mut feed, &mut out, size),
        Codec::Brotli(size) => brotli::streams(&mut feed, &mut out, size),
        Codec::Zstd => zstd::frames(&mut feed, &mut out),
        Codec::Lz4 => lz4::frames(&mut feed, &mut out),
    };
    let mut outcome = out.outcome;
    outcome.crc = out.crc.sum();
    outcome.consumed = feed.offset().saturating_sub(at);
    match end {
        Ok(()) => outcome.ended = true,
        Err(Leave::Enough) => {}
        Err(Leave::Fault(fault)) => outcome.fault = Some(fault),
        Err(Leave::Stop(stop)) => return Err(stop),
    }
    Ok((outcome, out.asides))
}

/// Why a decoder leaves before the end of its data.
enum Leave {
    /// The caller has enough.
    Enough,
    /// The data cannot be followed further.
    Fault(Fault),
    /// An error of the caller or of the source.
    Stop(Stop),
}

impl<E: Into<Stop>> From<E> for Leave {
    fn from(error: E) -> Self {
        Self::Stop(error.into())
    }
}

impl Leave {
    const fn broken(at: u64, what: &'static str) -> Self {
        Self::Fault(Fault { at, what, kind: FaultKind::Broken })
    }

    const fn unsupported(at: u64, what: &'static str) -> Self {
        Self::Fault(Fault { at, what, kind: FaultKind::Unsupported })
    }

    const fn cut(at: u64) -> Self {
        Self::Fault(Fault { at, what: "the compressed data is cut off", kind: FaultKind::Cut })
    }
}

/// What the caller does with a piece.
type Take<'t> = &'t mut dyn FnMut(&[u8], u64) -> Result<bool, Stop>;

/// Where decoded bytes go.
struct Out<'t> {
    take: Take<'t>,
    start: u64,
    outcome: Outcome,
    crc: Crc,
    asides: Vec<Aside>,
}

impl Out<'_> {
    /// Passes decoded bytes on; the compressed data is read up to the offset `at`.
    fn piece(&mut self, bytes: &[u8], at: u64) -> Result<(), Leave> {
        self.outcome.produced = self.outcome.produced.saturating_add(bytes.len() as u64);
        self.crc.update(bytes);
        let go_on = (self.take)(bytes, at.saturating_sub(self.start))?;
        if go_on { Ok(()) } else { Err(Leave::Enough) }
    }

    /// Notes a range that is read over.
    fn aside(&mut self, name: &'static str, at: u64, end: u64) -> Result<(), Leave> {
        let len = end.saturating_sub(at);
        if len >= LEAST_ASIDE {
            if self.asides.len() >= MOST_ASIDES {
                return Err(Leave::unsupported(at, "more skipped ranges than are looked at"));
            }
            self.asides.push(Aside { name, at, len });
        }
        Ok(())
    }

    /// Notes that the decoded bytes are not those that the checksum or length at `at` was written for.
    fn mismatch(&mut self, at: u64) {
        self.outcome.mismatch.get_or_insert(at);
    }
}

/// What a decoder made of the input at hand.
struct Step {
    /// Compressed bytes used.
    used: u64,
    /// Decoded bytes written.
    made: u64,
    state: State,
}

/// How a decoder stands after a step.
enum State {
    Going,
    Ended,
    Refused,
}

/// Feeds a decoder that works in steps until it ends (true) or refuses its input (false).
fn run(
    feed: &mut Feed<'_>,
    out: &mut Out<'_>,
    piece: &mut [u8],
    broken: &'static str,
    mut step: impl FnMut(&[u8], &mut [u8]) -> Step,
) -> Result<bool, Leave> {
    loop {
        let at = feed.offset();
        let input = feed.window()?;
        let exhausted = input.is_empty();
        let Step { used, made, state } = step(input, piece);
        feed.skip(used)?;
        let fresh = usize::try_from(made).ok().and_then(|made| piece.get(..made)).unwrap_or_default();
        out.piece(fresh, feed.offset())?;
        match state {
            State::Ended => return Ok(true),
            State::Refused => return Ok(false),
            State::Going if made == 0 && exhausted => return Err(Leave::cut(at)),
            State::Going if made == 0 && used == 0 => return Err(Leave::broken(at, broken)),
            State::Going => {}
        }
    }
}

/// Decodes one member, and every further one behind it. `begins` tells a member by its first bytes. Zeros may stand
/// between members; what stands behind the last one and is none is left.
fn members(
    feed: &mut Feed<'_>,
    out: &mut Out<'_>,
    begins: fn(&[u8]) -> bool,
    mut one: impl FnMut(&mut Feed<'_>, &mut Out<'_>) -> Result<(), Leave>,
) -> Result<(), Leave> {
    one(feed, out)?;
    loop {
        out.outcome.members = out.outcome.members.saturating_add(1);
        out.piece(&[], feed.offset())?;
        let (end, produced) = (feed.offset(), out.outcome.produced);
        feed.skip_zeros()?;
        if !begins(feed.peek(16)?) {
            feed.seek(end);
            return Ok(());
        }
        match one(feed, out) {
            // What gives nothing was no member.
            Err(Leave::Fault(fault)) if out.outcome.produced == produced && fault.kind == FaultKind::Broken => {
                feed.seek(end);
                return Ok(());
            }
            done => done?,
        }
    }
}

#[cfg(test)]
mod tests;
