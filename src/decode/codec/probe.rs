//! Is it compressed, and how? Magic numbers where they say enough, a trial where they do not.

use super::deflate::is_zlib;
use super::lzma::{is_lzip, is_lzma, is_usual_lzma, is_xz};
use super::zstd::{is_skippable, is_zstd};
use super::{Codec, FaultKind, blocks, decode, lz4};
use crate::bytes::{MemorySource, ReadAt};

/// Decoded bytes that convince.
const CONVINCING: u64 = 1024;
/// The same behind a header that may be chance.
const DOUBTFUL: u64 = 64 << 10;
/// Decoded bytes that do not come by chance, though the checksum is not theirs.
const NO_CHANCE: u64 = 16;
/// Compressed bytes that are tried.
const TRIED: u64 = 64 << 10;
/// Skippable frames that are followed to the first frame of data.
const MOST_SKIPPED: usize = 1024;

/// Does `source`, which begins with `head`, hold data of this codec? Codecs without a magic number of their own are
/// tried.
#[must_use]
pub fn begins(codec: Codec, head: &[u8], source: &dyn ReadAt) -> bool {
    match codec {
        Codec::Gzip => head.starts_with(&[0x1f, 0x8b, 8]),
        Codec::Bzip2 => blocks::is_bzip2(head),
        Codec::Xz => is_xz(head),
        Codec::Lzma if is_usual_lzma(head) => decodes(codec, source, false),
        Codec::Lzma => is_lzip(head) || is_lzma(head) && decodes(codec, source, true),
        Codec::Zlib => is_zlib(head) && decodes(codec, source, false),
        Codec::Zstd => is_zstd(head) || is_skippable(head) && is_zstd_or_skippable(&first_frame(source)),
        Codec::Lz4 => lz4::is_lz4(head) || is_skippable(head) && lz4::is_lz4(&first_frame(source)),
        Codec::JoblibZf => head.starts_with(b"ZF") && decodes(codec, source, false),
        Codec::Deflate
        | Codec::Deflate64
        | Codec::ZipLzma(_)
        | Codec::BareLzma { .. }
        | Codec::Lzma2(_)
        | Codec::Delta(_)
        | Codec::Branches(_)
        | Codec::PpmdH { .. }
        | Codec::PpmdI(_)
        | Codec::Brotli(_) => false,
    }
}

/// What comes behind more skippable frames than are followed is for the decoder to find out.
fn is_zstd_or_skippable(head: &[u8]) -> bool {
    is_zstd(head) || is_skippable(head)
}

/// The bytes behind the skippable frames at the start of `source`; of another one if there are too many.
fn first_frame(source: &dyn ReadAt) -> Vec<u8> {
    let mut at = 0_u64;
    let mut head = Vec::new();
    for _ in 0..=MOST_SKIPPED {
        head = source.read_range(at, 8).unwrap_or_default();
        let length = head.get(4..).and_then(|rest| rest.first_chunk()).copied().map(u32::from_le_bytes);
        match length.filter(|_| is_skippable(&head)) {
            Some(length) => at = at.saturating_add(8).saturating_add(u64::from(length)),
            None => break,
        }
    }
    head
}

/// Tries: enough comes out, or all there is. Unless the header is `doubtful`, the data may end too early.
fn decodes(codec: Codec, source: &dyn ReadAt, doubtful: bool) -> bool {
    let convincing = if doubtful { DOUBTFUL } else { CONVINCING };
    let mut made = 0_u64;
    let outcome = decode(codec, source, 0, TRIED, |piece, _| {
        made = made.saturating_add(piece.len() as u64);
        Ok(made < convincing)
    });
    let sound = |outcome: super::Outcome| {
        outcome.fault.is_none_or(|fault| !doubtful && fault.kind == FaultKind::Cut && source.len() > 12)
            && (outcome.mismatch.is_none() || made >= NO_CHANCE)
    };
    outcome.is_ok_and(|outcome| {
        // Blocks of nothing fill all that was tried, and do not come by chance.
        let empty = made == 0 && source.len() > TRIED;
        let some = made > 0 || outcome.members > 0 || empty && !doubtful;
        made >= convincing || some && sound(outcome)
    })
}

/// Decodes a literal of a program in whatever codec it is, down to bare DEFLATE; None if it is in none, is broken, or
/// gives more than `most` bytes.
#[must_use]
pub fn literal(bytes: &[u8], most: usize) -> Option<Vec<u8>> {
    const KNOWN: [Codec; 7] = [Codec::Gzip, Codec::Bzip2, Codec::Xz, Codec::Zstd, Codec::Lz4, Codec::Zlib, Codec::Lzma];
    let source = MemorySource::new(bytes);
    let codec = KNOWN.into_iter().find(|&codec| begins(codec, bytes, &*source)).unwrap_or(Codec::Deflate);
    let mut out = Vec::new();
    let outcome = decode(codec, &*source, 0, u64::MAX, |piece, _| {
        let fits = out.len().saturating_add(piece.len()) <= most;
        if fits {
            out.extend_from_slice(piece);
        }
        Ok(fits)
    });
    outcome.is_ok_and(|outcome| outcome.ended).then_some(out)
}
