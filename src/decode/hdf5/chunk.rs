//! Elements of variable length in a dataset: chunk by chunk, through the filters, to the ranges that hold them.

use super::layout::{Chunking, Filter, Index};
use super::tree1::Of;
use super::{Block, Dataset, File, MOST_BLOCK, Range, Stop, Storage, checksum, lzf, uint};
use crate::bytes::{Cursor, Malformed, MemorySource};
use crate::decode::codec::{self, Codec};

/// A stored chunk.
pub(super) struct Stored {
    pub(super) address: u64,
    /// Bytes as stored; None for those of an unfiltered chunk.
    pub(super) size: Option<u64>,
    /// A bit for each filter that was left out.
    pub(super) skipped: u32,
    /// Index of its first element in the first dimension.
    pub(super) first: u64,
}

/// What stays the same from chunk to chunk.
pub(super) struct Chunks<'d> {
    pub(super) dataset: &'d Dataset,
    pub(super) chunking: &'d Chunking,
    /// Bytes of a chunk before it is filtered.
    pub(super) bytes: u64,
}

impl File<'_> {
    /// Visits the ranges that hold the elements of a dataset of sequences.
    ///
    /// # Errors
    /// Those of `visit`, a limit, or I/O. What is broken is kept as a fault.
    pub fn elements(&self, dataset: &Dataset, mut visit: impl FnMut(Range) -> Result<(), Stop>) -> Result<(), Stop> {
        let unit = dataset.datatype.base.map_or(1, |(_, size)| size);
        match &dataset.storage {
            Storage::Whole(range) => {
                let block = self.read(range.at.saturating_sub(self.base), range.len);
                let outcome = block.and_then(|block| self.sequences(dataset, &block, unit, u64::MAX, &mut visit));
                self.survive(outcome)
            }
            Storage::Chunked(chunking) => {
                let outcome = self.chunks(dataset, chunking, |chunks, stored| {
                    let block = self.chunk(chunks, stored)?;
                    let left = chunks.left(stored);
                    self.sequences(dataset, &block, unit, left, &mut visit)
                });
                self.survive(outcome)
            }
            Storage::Virtual | Storage::Unknown => {
                self.survive(Err(Stop::Unsupported("objects in a dataset that is stored in an unknown way")))
            }
        }
    }

    fn sequences(
        &self,
        dataset: &Dataset,
        block: &Block,
        unit: u64,
        most: u64,
        visit: &mut impl FnMut(Range) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let mut cursor = block.cursor();
        let size = dataset.datatype.size;
        let mut left = most;
        while size > 0 && left > 0 && cursor.rest().len() as u64 >= size {
            let at = cursor.offset();
            let mut element = Cursor::new(cursor.bytes(size)?, at);
            let outcome = match self.element(&mut element, unit) {
                Ok(Some(range)) => visit(range),
                Ok(None) => Ok(()),
                Err(stop) => Err(stop),
            };
            self.survive(outcome)?;
            left = left.saturating_sub(1);
        }
        Ok(())
    }

    /// Visits the chunks of a dataset that are stored.
    fn chunks(
        &self,
        dataset: &Dataset,
        chunking: &Chunking,
        mut visit: impl FnMut(&Chunks<'_>, &Stored) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let Some(address) = chunking.address else { return Ok(()) };
        let elements = super::datatype::count(&chunking.lengths);
        let bytes = elements.and_then(|elements| elements.checked_mul(dataset.datatype.size));
        let bytes =
            bytes.filter(|bytes| *bytes <= MOST_BLOCK).ok_or(Stop::Unsupported("a chunk of more than 64 MiB"))?;
        let chunks = Chunks { dataset, chunking, bytes };
        let mut visit = |stored: &Stored| self.survive(visit(&chunks, stored));
        match chunking.index {
            Index::Tree1 => {
                let dimensions = (chunking.lengths.len() as u64).saturating_add(1);
                self.tree1(address, Of::Chunks(dimensions), |key, address| {
                    let (size, skipped) = (Some(u64::from(key.u32_le()?)), key.u32_le()?);
                    visit(&Stored { address, size, skipped, first: key.u64_le()? })
                })
            }
            Index::Single(filtered) => {
                let (size, skipped) = filtered.map_or((None, 0), |(size, skipped)| (Some(size), skipped));
                visit(&Stored { address, size, skipped, first: 0 })
            }
            Index::Implicit => chunks.numbers().try_for_each(|n| {
                let address = address.saturating_add(n.saturating_mul(bytes));
                self.pay(0)?;
                visit(&Stored { address, size: None, skipped: 0, first: chunks.first(n) })
            }),
            Index::Fixed => self.fixed_array(address, &chunks, &mut visit),
            Index::Extensible => self.extensible_array(address, &chunks, &mut visit),
            Index::Tree2 => self.tree2(address, |record| {
                let stored = self.record(record, &chunks)?;
                stored.map_or(Ok(()), |stored| visit(&stored))
            }),
        }
    }

    /// Reads a record of a tree of chunks.
    fn record(&self, record: &mut Cursor<'_>, chunks: &Chunks<'_>) -> Result<Option<Stored>, Stop> {
        let address = self.address(record)?;
        let filtered = !chunks.dataset.filters.is_empty();
        let (mut size, mut skipped) = (None, 0);
        if filtered {
            let rest = (chunks.chunking.lengths.len() as u64).saturating_mul(8).saturating_add(4);
            size = Some(stored_size(record, rest)?);
            skipped = record.u32_le()?;
        }
        let scaled = record.u64_le()?;
        let first = scaled.saturating_mul(chunks.chunking.lengths.first().copied().unwrap_or(1));
        Ok(address.map(|address| Stored { address, size, skipped, first }))
    }

    /// Reads a chunk and undoes its filters.
    fn chunk(&self, chunks: &Chunks<'_>, stored: &Stored) -> Result<Block, Stop> {
        let filtered = !chunks.dataset.filters.is_empty();
        let size = stored.size.filter(|_| filtered).unwrap_or(chunks.bytes);
        let mut block = self.read(stored.address, size)?;
        for (n, filter) in chunks.dataset.filters.iter().enumerate().rev() {
            let skipped = u32::try_from(n).ok().and_then(|n| stored.skipped.checked_shr(n)).unwrap_or(0) & 1 != 0;
            if !skipped {
                let bytes = self.undo(filter, &block, chunks.bytes)?;
                block = Block { at: block.at, bytes };
            }
        }
        Ok(block)
    }

    /// Undoes one filter. `most`: bytes of the chunk in the end.
    fn undo(&self, filter: &Filter, block: &Block, most: u64) -> Result<Vec<u8>, Stop> {
        let bytes = &block.bytes;
        match filter.id {
            // A checksum may stand in it.
            1 => self.inflate(block, most.saturating_add(4)),
            2 => Ok(unshuffle(bytes, filter.values.first().copied().unwrap_or(1))),
            3 => self.summed(block),
            32_000 => self.unpack(block, most.saturating_add(4)),
            _ => Err(Stop::Unsupported("objects behind a filter that only an extension of the library has")),
        }
    }

    /// The bytes of a chunk without the checksum behind them; a wrong one is a fault.
    fn summed(&self, block: &Block) -> Result<Vec<u8>, Stop> {
        let Some((bytes, stated)) = block.bytes.split_last_chunk() else { return Ok(Vec::new()) };
        let found = checksum::chunk(bytes);
        // An early release of the library put the bytes of each half the other way round, and all take it.
        let early = (found & 0x00ff_00ff) << 8 | (found >> 8 & 0x00ff_00ff);
        if ![found, early].contains(&u32::from_le_bytes(*stated)) {
            self.survive(Err(Malformed { at: block.at, what: "a chunk does not have its checksum" }.into()))?;
        }
        Ok(bytes.to_vec())
    }

    /// At most `most` bytes of a chunk in LZF; what stands before a break counts.
    fn unpack(&self, block: &Block, most: u64) -> Result<Vec<u8>, Stop> {
        self.budget.take_bytes(most)?;
        let (mut out, most) = (Vec::new(), usize::try_from(most).unwrap_or(usize::MAX));
        let outcome = lzf::decode(&mut block.cursor(), most, &mut out);
        self.survive(outcome.map_err(Stop::from))?;
        out.truncate(most);
        Ok(out)
    }

    /// At most `most` bytes of a compressed chunk; what stands before a break counts.
    fn inflate(&self, block: &Block, most: u64) -> Result<Vec<u8>, Stop> {
        let source = MemorySource::new(block.bytes.as_slice());
        let mut out = Vec::new();
        let outcome = codec::decode(Codec::Zlib, &*source, 0, source.len(), |piece, _| {
            self.budget.take_bytes(piece.len() as u64)?;
            out.extend_from_slice(piece);
            Ok((out.len() as u64) < most)
        })?;
        if outcome.fault.is_some() {
            self.survive(Err(Malformed { at: block.at, what: "a compressed chunk is broken" }.into()))?;
        }
        out.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        Ok(out)
    }
}

impl Chunks<'_> {
    /// Elements of a chunk from its first one to the end of the dataset in the first dimension.
    fn left(&self, stored: &Stored) -> u64 {
        let Some(rows) = self.dataset.shape.first() else { return 1 };
        let across = self.chunking.lengths.get(1..).and_then(super::datatype::count).unwrap_or(1);
        rows.saturating_sub(stored.first).saturating_mul(across)
    }

    /// The numbers of all chunks of the dataset.
    fn numbers(&self) -> std::ops::Range<u64> {
        let pairs = self.dataset.shape.iter().zip(&self.chunking.lengths);
        let total = pairs.fold(1_u64, |total, (length, chunk)| {
            total.saturating_mul(
                length.checked_add(chunk.saturating_sub(1)).unwrap_or(u64::MAX).checked_div(*chunk).unwrap_or(0),
            )
        });
        0..total
    }

    /// Index in the first dimension of the first element of the chunk of that number.
    pub(super) fn first(&self, number: u64) -> u64 {
        let mut across = 1_u64;
        for (length, chunk) in self.dataset.shape.iter().zip(&self.chunking.lengths).skip(1) {
            across = across.saturating_mul(length.div_ceil((*chunk).max(1)).max(1));
        }
        let row = number.checked_div(across).unwrap_or(0);
        row.saturating_mul(self.chunking.lengths.first().copied().unwrap_or(1))
    }
}

/// Reads the stored size of a filtered chunk in an index, whose width is what the entry has beside `rest` bytes: it
/// depends on the size of the chunk in version 4 of the layout, and on the file in version 5.
pub(super) fn stored_size(entry: &mut Cursor<'_>, rest: u64) -> Result<u64, Malformed> {
    let width = (entry.rest().len() as u64).saturating_sub(rest);
    uint(entry, u8::try_from(width).unwrap_or(u8::MAX))
}

/// Puts bytes back that were sorted by their place in the element.
fn unshuffle(bytes: &[u8], size: u32) -> Vec<u8> {
    let size = usize::try_from(size).unwrap_or(1).max(1);
    let elements = bytes.len().checked_div(size).unwrap_or(0);
    if size == 1 || elements < 2 {
        return bytes.to_vec();
    }
    let mut out = Vec::with_capacity(bytes.len());
    for n in 0..elements {
        out.extend(bytes.iter().skip(n).step_by(elements).take(size));
    }
    // What is no whole element was not touched.
    out.extend(bytes.iter().skip(elements.saturating_mul(size)));
    out
}
