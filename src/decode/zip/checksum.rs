//! CRC-32 of stored data.

use flate2::Crc;

use crate::bytes::{ReadAt, Stream};
use crate::decode::Stop;

/// CRC-32 of a stored range.
///
/// # Errors
/// Those of `pace`, which is called with the size of each piece, and I/O.
pub fn checksum(
    source: &dyn ReadAt,
    at: u64,
    len: u64,
    mut pace: impl FnMut(u64) -> Result<(), Stop>,
) -> Result<u32, Stop> {
    let mut stream = Stream::new(source, at);
    let mut crc = Crc::new();
    let mut left = len;
    while left > 0 {
        let have = stream.fill(1)?;
        let piece = usize::try_from(left).ok().and_then(|left| have.get(..left)).unwrap_or(have);
        if piece.is_empty() {
            break;
        }
        crc.update(piece);
        let size = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        stream.skip(size)?;
        pace(size)?;
        left = left.saturating_sub(size);
    }
    Ok(crc.sum())
}
