//! bzip2: blocks of up to 900 kB, each with its own checksum.

use bzip2::{Decompress, Status};

use super::feed::Feed;
use super::{Leave, Out, members};
use crate::bytes::WINDOW;

/// Does `head` begin a stream: its header, and a block or the end?
pub(super) fn is_bzip2(head: &[u8]) -> bool {
    matches!(
        head,
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..]
            | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, 0x38, 0x50, 0x90, ..]
    )
}

/// Streams in a row.
pub(super) fn bzip2(feed: &mut Feed<'_>, out: &mut Out<'_>) -> Result<(), Leave> {
    let mut piece = vec![0; WINDOW];
    members(feed, out, is_bzip2, |feed, out| {
        let mut decoder = Decompress::new(false);
        loop {
            let at = feed.offset();
            let input = feed.window()?;
            let exhausted = input.is_empty();
            let (before_in, before_out) = (decoder.total_in(), decoder.total_out());
            let status = decoder.decompress(input, &mut piece);
            let used = decoder.total_in().saturating_sub(before_in);
            let made = decoder.total_out().saturating_sub(before_out);
            feed.skip(used)?;
            let fresh = usize::try_from(made).ok().and_then(|made| piece.get(..made)).unwrap_or_default();
            out.piece(fresh, feed.offset())?;
            match status {
                Ok(Status::StreamEnd) => return Ok(()),
                Ok(Status::MemNeeded) | Err(_) => {
                    return Err(Leave::broken(feed.offset(), "a bzip2 block is broken"));
                }
                Ok(_) if made == 0 && exhausted => return Err(Leave::cut(at)),
                Ok(_) if made == 0 && used == 0 => return Err(Leave::broken(at, "a bzip2 block is broken")),
                Ok(_) => {}
            }
        }
    })
}
