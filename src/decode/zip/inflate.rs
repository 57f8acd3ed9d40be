//! DEFLATE of a range, in steps that the caller can stop.

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::Stop;
use crate::bytes::{ReadAt, Stream, WINDOW};

/// What became of a compressed range.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Compressed bytes used.
    pub consumed: u64,
    /// Decoded bytes.
    pub produced: u64,
    /// CRC-32 of the decoded bytes.
    pub crc: u32,
    /// True if the data ended as its encoding says; false if it is broken, cut or was stopped.
    pub ended: bool,
}

/// Decodes DEFLATE data at `at`, at most `limit` bytes of it, and passes each decoded piece with the number of
/// compressed bytes used so far to `take`, which says whether to go on.
///
/// # Errors
/// Those of `take`, and I/O. Broken data is no error: what it decodes to before the break has been passed.
pub fn inflate(
    source: &dyn ReadAt,
    at: u64,
    limit: u64,
    mut take: impl FnMut(&[u8], u64) -> Result<bool, Stop>,
) -> Result<Outcome, Stop> {
    let mut stream = Stream::new(source, at);
    let mut decoder = Decompress::new(false);
    let mut crc = Crc::new();
    let mut piece = vec![0; WINDOW];
    let mut outcome = Outcome::default();
    loop {
        let left = usize::try_from(limit.saturating_sub(outcome.consumed)).unwrap_or(usize::MAX);
        let window = stream.fill(left.min(1))?;
        let input = window.get(..window.len().min(left)).unwrap_or_default();
        let exhausted = input.is_empty();
        let (before_in, before_out) = (decoder.total_in(), decoder.total_out());
        let Ok(status) = decoder.decompress(input, &mut piece, FlushDecompress::None) else { break };
        let used = decoder.total_in().saturating_sub(before_in);
        let made = decoder.total_out().saturating_sub(before_out);
        stream.skip(used)?;
        outcome.consumed = outcome.consumed.saturating_add(used);
        outcome.produced = outcome.produced.saturating_add(made);
        let fresh = usize::try_from(made).ok().and_then(|made| piece.get(..made)).unwrap_or_default();
        crc.update(fresh);
        let go_on = take(fresh, outcome.consumed)?;
        outcome.ended = status == Status::StreamEnd;
        if outcome.ended || !go_on || (made == 0 && (exhausted || used == 0)) {
            break;
        }
    }
    outcome.crc = crc.sum();
    Ok(outcome)
}

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
