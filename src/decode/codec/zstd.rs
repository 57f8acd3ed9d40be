//! Zstandard frames, with skippable frames between them.
//!
//! Specification: RFC 8878.

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::io::Read as _;

use super::feed::Feed;
use super::{Leave, MOST_HISTORY, Out, members};
use crate::bytes::WINDOW;

const BROKEN: &str = "a Zstandard block is broken";
/// A last block without content and room for a checksum: what a decoder is given to hand out the rest it holds.
const LAST_BLOCK: &[u8] = &[1, 0, 0, 0, 0, 0, 0];

/// Does `head` begin a frame?
pub(super) fn is_zstd(head: &[u8]) -> bool {
    head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd])
}

/// Does `head` begin a frame that readers of Zstandard and LZ4 skip?
pub(super) fn is_skippable(head: &[u8]) -> bool {
    matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// Reads over one skippable frame.
pub(super) fn skip(feed: &mut Feed<'_>, out: &mut Out<'_>) -> Result<(), Leave> {
    feed.skip(4)?;
    let length = u32::from_le_bytes(feed.array()?);
    let at = feed.offset();
    feed.skip(u64::from(length))?;
    out.aside("<skippable frame>", at, feed.offset())
}

/// Frames in a row.
pub(super) fn frames(feed: &mut Feed<'_>, out: &mut Out<'_>) -> Result<(), Leave> {
    let mut decoder = FrameDecoder::new();
    decoder.set_max_window_size(u64::from(MOST_HISTORY));
    let mut piece = vec![0; WINDOW];
    members(
        feed,
        out,
        |head| is_zstd(head) || is_skippable(head),
        |feed, out| {
            if is_skippable(feed.peek(4)?) {
                return skip(feed, out);
            }
            frame(feed, out, &mut decoder, &mut piece)
        },
    )
}

fn frame(feed: &mut Feed<'_>, out: &mut Out<'_>, decoder: &mut FrameDecoder, piece: &mut [u8]) -> Result<(), Leave> {
    let at = feed.offset();
    if let Err(error) = decoder.reset(&mut *feed) {
        let leave = match error {
            FrameDecoderError::DictNotProvided { .. } => Leave::unsupported(at, "a Zstandard dictionary"),
            FrameDecoderError::WindowSizeTooBig { .. } => Leave::unsupported(at, "a Zstandard window above 128 MiB"),
            _ if feed.left() == 0 => Leave::cut(feed.offset()),
            FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::BadMagicNumber(_)) => {
                Leave::broken(at, "no Zstandard frame")
            }
            _ => Leave::broken(at, "the header of a Zstandard frame is broken"),
        };
        return Err(feed.failure(leave));
    }
    while !decoder.is_finished() {
        let result = decoder.decode_blocks(&mut *feed, BlockDecodingStrategy::UptoBlocks(1));
        if result.is_err() {
            let leave = if feed.left() == 0 { Leave::cut(feed.offset()) } else { Leave::broken(feed.offset(), BROKEN) };
            let leave = feed.failure(leave);
            // Blocks before it have been decoded, and a loader that streams has seen them.
            let _ = decoder.decode_blocks(LAST_BLOCK, BlockDecodingStrategy::UptoBlocks(1));
            drain(feed, out, decoder, piece)?;
            return Err(leave);
        }
        drain(feed, out, decoder, piece)?;
    }
    let stated = decoder.get_checksum_from_data();
    if stated.is_some() && stated != decoder.get_calculated_checksum() {
        out.mismatch(feed.offset().saturating_sub(4));
    }
    Ok(())
}

/// Passes on what the decoder need not keep.
fn drain(feed: &Feed<'_>, out: &mut Out<'_>, decoder: &mut FrameDecoder, piece: &mut [u8]) -> Result<(), Leave> {
    while decoder.can_collect() > 0 {
        match decoder.read(piece) {
            Ok(n) if n > 0 => out.piece(piece.get(..n).unwrap_or_default(), feed.offset())?,
            _ => break,
        }
    }
    out.piece(&[], feed.offset())
}
