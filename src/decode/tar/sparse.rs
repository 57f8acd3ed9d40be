//! Files with holes: stored are the pieces, the rest is zeros.

use std::sync::Arc;

use super::BLOCK;
use super::header::pieces;
use crate::bytes::{ReadAt, Stream};
use crate::decode::Stop;

/// Pieces of one file.
pub(super) const MAX_PIECES: usize = 100_000;
/// Longest number of a map in text.
const LONGEST_LINE: usize = 32;

/// A range of the file that is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Offset in the file.
    pub at: u64,
    /// Bytes.
    pub len: u64,
}

/// What was read, or what is broken about it; a limit or I/O ends all reading.
pub(super) type Checked<T> = Result<Result<T, &'static str>, Stop>;

/// A map, and the bytes that it takes.
pub(super) type Map = (u64, Vec<Piece>);

/// Why a map cannot be used.
pub(super) const BROKEN: &str = "the map of a sparse member is broken";

/// Reads the further blocks of an old GNU map at `at`; returns the offset behind them.
pub(super) fn further(source: &dyn ReadAt, mut at: u64, map: &mut Vec<Piece>) -> Checked<u64> {
    loop {
        let block = source.read_range(at, usize::try_from(BLOCK).unwrap_or_default())?;
        if (block.len() as u64) < BLOCK || map.len() > MAX_PIECES {
            return Ok(Err(BROKEN));
        }
        let (more, goes_on) = pieces(&block, 21);
        map.extend(more);
        at = at.saturating_add(BLOCK);
        if !goes_on {
            return Ok(Ok(at));
        }
    }
}

/// Reads the map of pax format 1.0 at the front of the data at `at`: lines of decimal numbers, padded to a block.
/// Returns the map and the bytes that it takes.
pub(super) fn in_data(source: &dyn ReadAt, at: u64) -> Checked<Map> {
    let mut stream = Stream::new(source, at);
    let mut number = || {
        let line = stream.line(LONGEST_LINE).ok()?;
        let value: u64 = std::str::from_utf8(line).ok()?.parse().ok()?;
        Some((value, stream.offset()))
    };
    let Some((count, mut end)) = number().filter(|(count, _)| *count <= MAX_PIECES as u64) else {
        return Ok(Err(BROKEN));
    };
    let mut map = Vec::new();
    for _ in 0..count {
        let (Some((at, _)), Some((len, next))) = (number(), number()) else { return Ok(Err(BROKEN)) };
        map.push(Piece { at, len });
        end = next;
    }
    let taken = end.saturating_sub(at).div_ceil(BLOCK).saturating_mul(BLOCK);
    Ok(Ok((taken, map)))
}

/// The pieces of a list of numbers, offset and length in turn.
pub(super) fn from_numbers(numbers: &[u64]) -> Vec<Piece> {
    let pairs = numbers.chunks_exact(2).filter_map(|pair| match *pair {
        [at, len] => Some(Piece { at, len }),
        _ => None,
    });
    pairs.collect()
}

/// A file with holes as readers see it, nothing copied.
pub struct Expanded {
    inner: Arc<dyn ReadAt>,
    /// Offset in the file, bytes, offset of the stored bytes in `inner`; in order, without overlap.
    pieces: Vec<(u64, u64, u64)>,
    len: u64,
}

impl Expanded {
    /// The file of `len` bytes, the `pieces` of which are stored one behind the other from `at` of `inner`. None if
    /// the pieces overlap, are not in order or lie outside.
    #[must_use]
    pub fn of(inner: Arc<dyn ReadAt>, at: u64, pieces: &[Piece], len: u64) -> Option<Arc<dyn ReadAt>> {
        let (mut placed, mut stored, mut covered) = (Vec::new(), at, 0);
        for piece in pieces.iter().filter(|piece| piece.len > 0) {
            let end = piece.at.checked_add(piece.len).filter(|&end| end <= len && piece.at >= covered)?;
            placed.push((piece.at, piece.len, stored));
            stored = stored.checked_add(piece.len)?;
            covered = end;
        }
        (stored <= inner.len()).then(|| Arc::new(Self { inner, pieces: placed, len }) as Arc<dyn ReadAt>)
    }
}

impl ReadAt for Expanded {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        let left = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let next = self.pieces.partition_point(|&(at, len, _)| at.saturating_add(len) <= offset);
        let Some(&(at, len, stored)) = self.pieces.get(next) else {
            return Ok(zeros(buf, left));
        };
        if let Some(hole) = at.checked_sub(offset).filter(|&hole| hole > 0) {
            return Ok(zeros(buf, usize::try_from(hole).unwrap_or(usize::MAX)));
        }
        let inside = offset.saturating_sub(at);
        let want = usize::try_from(len.saturating_sub(inside)).unwrap_or(usize::MAX).min(buf.len());
        buf.get_mut(..want).map_or(Ok(0), |buf| self.inner.read_at(stored.saturating_add(inside), buf))
    }
}

/// Fills up to `most` bytes of `buf` with zeros, and says how many.
fn zeros(buf: &mut [u8], most: usize) -> usize {
    let n = most.min(buf.len());
    buf.iter_mut().take(n).for_each(|byte| *byte = 0);
    n
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::MemorySource;

    #[test]
    fn holes_are_zeros() {
        let inner = MemorySource::new(*b"xxABCDxx");
        let pieces = [Piece { at: 2, len: 3 }, Piece { at: 7, len: 1 }];
        let file = Expanded::of(inner, 2, &pieces, 10).unwrap();
        assert_eq!(file.read_range(0, 99).unwrap(), b"\0\0ABC\0\0D\0\0");
        assert_eq!(file.read_range(3, 2).unwrap(), b"BC");
        assert_eq!(file.read_range(9, 9).unwrap(), b"\0");
        assert!(file.read_range(10, 9).unwrap().is_empty());
    }

    #[test]
    fn maps_that_do_not_fit_are_refused() {
        let refused = |pieces: &[Piece]| Expanded::of(MemorySource::new(*b"12345678"), 0, pieces, 10).is_none();
        assert!(refused(&[Piece { at: 4, len: 2 }, Piece { at: 3, len: 2 }]));
        assert!(refused(&[Piece { at: 9, len: 2 }]));
        assert!(refused(&[Piece { at: u64::MAX, len: 2 }]));
        assert!(refused(&[Piece { at: 0, len: 9 }]));
    }
}
