//! LZ4 frames, current and legacy.
//!
//! Specification: <https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md>

use std::hash::Hasher as _;

use lz4_flex::block::decompress_into_with_dict;
use twox_hash::XxHash32;

use super::feed::Feed;
use super::zstd::{is_skippable, skip};
use super::{Leave, Out, members};

/// How far back blocks that depend on each other refer.
const HISTORY: usize = 64 << 10;
/// Size of a decoded block in the legacy format.
const LEGACY_BLOCK: usize = 8 << 20;
/// Most bytes that a legacy block takes when it does not compress.
const LEGACY_MOST: u32 = 8_421_520;
const STORED: u32 = 1 << 31;
const BROKEN: &str = "an LZ4 block is broken";

/// Flag: a dictionary is named. Readers go on without it until a block refers to it.
const DICTIONARY: u8 = 0x01;
const CONTENT_CHECKSUM: u8 = 0x04;
const CONTENT_SIZE: u8 = 0x08;
const BLOCK_CHECKSUMS: u8 = 0x10;
/// Flag: no block refers to another one.
const INDEPENDENT: u8 = 0x20;

/// Does `head` begin a frame: the magic number and a version that exists, or the legacy magic number?
pub(super) fn is_lz4(head: &[u8]) -> bool {
    matches!(head, [0x04, 0x22, 0x4d, 0x18, 0x40..=0x7f, 0x40 | 0x50 | 0x60 | 0x70, ..]) || is_legacy(head)
}

fn is_legacy(head: &[u8]) -> bool {
    head.starts_with(&[0x02, 0x21, 0x4c, 0x18])
}

/// Frames in a row.
pub(super) fn frames(feed: &mut Feed<'_>, out: &mut Out<'_>) -> Result<(), Leave> {
    members(
        feed,
        out,
        |head| is_lz4(head) || is_skippable(head),
        |feed, out| {
            let head = feed.peek(8)?;
            if is_skippable(head) {
                skip(feed, out)
            } else if is_legacy(head) {
                legacy(feed, out)
            } else {
                frame(feed, out)
            }
        },
    )
}

/// What the descriptor of a frame says.
struct Descriptor {
    flags: u8,
    content_size: Option<u64>,
    /// Most bytes of a decoded block.
    most: usize,
}

impl Descriptor {
    const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Reads the magic number and the descriptor.
fn descriptor(feed: &mut Feed<'_>) -> Result<Descriptor, Leave> {
    let at = feed.offset();
    let head = feed.peek(8)?;
    if !is_lz4(head) {
        return Err(Leave::broken(at, "no LZ4 frame"));
    }
    feed.skip(4)?;
    let start = feed.offset();
    let [flags, blocks] = feed.array()?;
    let content_size = if flags & CONTENT_SIZE != 0 { Some(u64::from_le_bytes(feed.array()?)) } else { None };
    if flags & DICTIONARY != 0 {
        feed.skip(4)?;
    }
    let length = usize::try_from(feed.offset().saturating_sub(start)).unwrap_or_default();
    feed.seek(start);
    let sum = XxHash32::oneshot(0, feed.bytes(length)?).to_le_bytes();
    let [stated] = feed.array()?;
    if sum.get(1) != Some(&stated) {
        return Err(Leave::broken(at, "the checksum of an LZ4 frame header is wrong"));
    }
    let most = match blocks {
        0x40 => 64 << 10,
        0x50 => 256 << 10,
        0x60 => 1 << 20,
        _ => 4 << 20,
    };
    Ok(Descriptor { flags, content_size, most })
}

fn frame(feed: &mut Feed<'_>, out: &mut Out<'_>) -> Result<(), Leave> {
    let descriptor = descriptor(feed)?;
    let mut hash = XxHash32::with_seed(0);
    let (mut made, mut history, mut block) = (0_u64, Vec::new(), vec![0; descriptor.most]);
    loop {
        let at = feed.offset();
        let word = u32::from_le_bytes(feed.array()?);
        if word == 0 {
            break;
        }
        let size = usize::try_from(word & !STORED).unwrap_or(usize::MAX);
        if size > descriptor.most {
            return Err(Leave::broken(at, "an LZ4 block is larger than its frame allows"));
        }
        let packed = feed.bytes(size)?;
        let sum = descriptor.has(BLOCK_CHECKSUMS).then(|| XxHash32::oneshot(0, packed));
        let length = if word & STORED != 0 {
            block.get_mut(..size).unwrap_or_default().copy_from_slice(packed);
            size
        } else if let Ok(length) = decompress_into_with_dict(packed, &mut block, last(&history)) {
            length
        } else if descriptor.has(DICTIONARY) && made < HISTORY as u64 {
            return Err(Leave::unsupported(at, "an LZ4 dictionary"));
        } else {
            return Err(Leave::broken(at, BROKEN));
        };
        let fresh = block.get(..length).unwrap_or_default();
        let after = feed.offset();
        if let Some(sum) = sum
            && u32::from_le_bytes(feed.array()?) != sum
        {
            out.mismatch(after);
        }
        hash.write(fresh);
        made = made.saturating_add(length as u64);
        out.piece(fresh, feed.offset())?;
        if !descriptor.has(INDEPENDENT) {
            remember(&mut history, fresh);
        }
    }
    let at = feed.offset();
    if descriptor.content_size.is_some_and(|size| size != made) {
        out.mismatch(at);
    }
    if descriptor.has(CONTENT_CHECKSUM) && u64::from(u32::from_le_bytes(feed.array()?)) != hash.finish() {
        out.mismatch(at);
    }
    Ok(())
}

/// Keeps the last bytes that blocks may refer to, and others for a while: small blocks must not move them each time.
fn remember(history: &mut Vec<u8>, block: &[u8]) {
    if history.len() > HISTORY.saturating_mul(4) {
        history.drain(..history.len().saturating_sub(HISTORY));
    }
    history.extend_from_slice(last(block));
}

/// The bytes that a block may refer to.
fn last(bytes: &[u8]) -> &[u8] {
    bytes.get(bytes.len().saturating_sub(HISTORY)..).unwrap_or_default()
}

/// Blocks up to the end of the data, or up to what is no size of a block: another frame.
fn legacy(feed: &mut Feed<'_>, out: &mut Out<'_>) -> Result<(), Leave> {
    feed.skip(4)?;
    let mut block = vec![0; LEGACY_BLOCK];
    while feed.left() > 0 {
        let at = feed.offset();
        let size = u32::from_le_bytes(feed.array()?);
        if size > LEGACY_MOST || size == 0 {
            feed.seek(at);
            break;
        }
        let packed = feed.bytes(usize::try_from(size).unwrap_or(usize::MAX))?;
        let Ok(length) = decompress_into_with_dict(packed, &mut block, &[]) else {
            return Err(Leave::broken(at, BROKEN));
        };
        out.piece(block.get(..length).unwrap_or_default(), feed.offset())?;
    }
    Ok(())
}
