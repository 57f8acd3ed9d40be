//! Fractal heaps: where groups keep many links and objects keep many or large attributes.
//!
//! ```text
//! FRHP   the header: widths, limits, and the table of blocks that doubles from row to row
//! FHIB   an indirect block: addresses of blocks, row by row
//! FHDB   a direct block: objects, addressed by their offset in the heap as a whole
//! id     type in bits 4 and 5 of the first byte: 0 in a block, 1 huge and on its own, 2 tiny and in the id
//! ```

use super::{Block, File, Range, Stop, expect, uint, width_for};
use crate::bytes::Cursor;

/// Levels of indirect blocks: each at least doubles what the one below it holds.
const MOST_LEVELS: u32 = 64;

/// The header of a heap.
pub(super) struct Heap {
    /// Bytes of an id.
    pub(super) id: u8,
    huge: Option<u64>,
    /// Blocks in a row, and bytes of each in the first row.
    width: u64,
    first: u64,
    /// Largest block that holds objects.
    largest: u64,
    /// Bits of an offset in the heap.
    bits: u16,
    /// Bytes of the length in an id.
    length: u8,
    root: Option<u64>,
    /// Rows of the root; 0 if it holds objects itself.
    rows: u64,
}

impl File<'_> {
    /// Reads the header of the heap at `address`.
    pub(super) fn heap(&self, address: u64) -> Result<Heap, Stop> {
        let head = self.read_up_to(address, 256)?;
        let mut cursor = head.cursor();
        expect(&mut cursor, *b"FRHP", 0, "no heap where one is said to be")?;
        let (id, filters, _flags) = (cursor.u16_le()?, cursor.u16_le()?, cursor.u8()?);
        if filters > 0 {
            return Err(Stop::Unsupported("filtered links or attributes"));
        }
        let most = u64::from(cursor.u32_le()?);
        self.length(&mut cursor)?;
        let huge = self.address(&mut cursor)?;
        self.length(&mut cursor)?;
        self.address(&mut cursor)?;
        for _ in 0..8 {
            self.length(&mut cursor)?;
        }
        let width = u64::from(cursor.u16_le()?);
        let (first, largest) = (self.length(&mut cursor)?, self.length(&mut cursor)?);
        let wrong = cursor.malformed("a heap whose blocks have no size");
        let bits = cursor.u16_le()?;
        cursor.skip(2)?;
        let root = self.address(&mut cursor)?;
        let rows = u64::from(cursor.u16_le()?);
        if width == 0 || !first.is_power_of_two() || !largest.is_power_of_two() || first > largest || bits > 64 {
            return Err(wrong.into());
        }
        let block_bits = u8::try_from(largest.trailing_zeros().div_ceil(8)).unwrap_or(8);
        let length = block_bits.min(width_for(most));
        let id = u8::try_from(id).map_err(|_| wrong)?;
        Ok(Heap { id, huge, width, first, largest, bits, length, root, rows })
    }

    /// The bytes of an object.
    pub(super) fn heap_bytes(&self, heap: &Heap, id: &mut Cursor<'_>) -> Result<Block, Stop> {
        let at = id.offset();
        let mut cursor = Cursor::new(id.bytes(u64::from(heap.id))?, at);
        let flags = cursor.u8()?;
        let range = match flags & 0x30 {
            0x00 => {
                let offset = uint(&mut cursor, offset_width(heap))?;
                let len = uint(&mut cursor, heap.length)?;
                Range { at: self.managed(heap, offset, len)?, len }
            }
            0x10 => self.huge(heap, &mut cursor)?,
            0x20 => {
                // An id of more than 18 bytes has a second byte of length.
                let mut len = u64::from(flags & 0x0f);
                if heap.id > 18 {
                    len = (len << 8) | u64::from(cursor.u8()?);
                }
                let at = cursor.offset();
                return Ok(Block { at, bytes: cursor.bytes(len.saturating_add(1))?.to_vec() });
            }
            _ => return Err(cursor.malformed("an object of a heap that is stored in no known way").into()),
        };
        self.read(range.at, range.len)
    }

    /// The address of the managed object at `offset` of the heap.
    fn managed(&self, heap: &Heap, mut offset: u64, len: u64) -> Result<u64, Stop> {
        let wrong = Cursor::new(&[], self.base).malformed("an object of a heap that lies in none of its blocks");
        let mut block = heap.root.ok_or(wrong)?;
        let (mut rows, mut size) = (heap.rows, heap.first);
        for _ in 0..MOST_LEVELS {
            if rows == 0 {
                let fits = offset.checked_add(len).is_some_and(|end| end <= size);
                return Ok(fits.then(|| block.checked_add(offset)).flatten().ok_or(wrong)?);
            }
            let (row, column, inside) = heap.place(offset).filter(|(row, ..)| *row < rows).ok_or(wrong)?;
            size = heap.row_size(row).ok_or(wrong)?;
            block = self.child(heap, block, row, column)?.ok_or(wrong)?;
            offset = inside;
            rows = if size <= heap.largest { 0 } else { heap.rows_of(size).ok_or(wrong)? };
        }
        Err(wrong.into())
    }

    /// The address in one entry of the indirect block at `block`.
    fn child(&self, heap: &Heap, block: u64, row: u64, column: u64) -> Result<Option<u64>, Stop> {
        let mark = self.read(block, 5)?;
        expect(&mut mark.cursor(), *b"FHIB", 0, "no block where a heap is said to go on")?;
        let head = 5_u64.saturating_add(u64::from(self.sizes.offset)).saturating_add(u64::from(offset_width(heap)));
        let entry = row.saturating_mul(heap.width).saturating_add(column);
        let skip = head.saturating_add(entry.saturating_mul(u64::from(self.sizes.offset)));
        let field = self.read(block.saturating_add(skip), u64::from(self.sizes.offset))?;
        Ok(self.address(&mut field.cursor())?)
    }

    /// Where a huge object lies: its id says so, or the tree of huge objects.
    fn huge(&self, heap: &Heap, id: &mut Cursor<'_>) -> Result<Range, Stop> {
        let wrong = id.malformed("a huge object of a heap that is nowhere");
        let direct = u64::from(self.sizes.offset).saturating_add(u64::from(self.sizes.length));
        if direct < u64::from(heap.id) {
            return Ok(Range { at: self.address(id)?.ok_or(wrong)?, len: self.length(id)? });
        }
        let wanted = uint(id, self.sizes.length.min(heap.id.saturating_sub(1)))?;
        let mut found = None;
        self.tree2(heap.huge.ok_or(wrong)?, |record| {
            let (address, len, key) = (self.address(record)?, self.length(record)?, self.length(record)?);
            if key == wanted {
                found = found.or(address.map(|at| Range { at, len }));
            }
            Ok(())
        })?;
        Ok(found.ok_or(wrong)?)
    }
}

/// Bytes of an offset in the heap.
fn offset_width(heap: &Heap) -> u8 {
    u8::try_from(heap.bits.div_ceil(8)).unwrap_or(8)
}

impl Heap {
    /// The size of a block of that row: the first two rows are equal, then each has twice the one before.
    fn row_size(&self, row: u64) -> Option<u64> {
        let doublings = u32::try_from(row.saturating_sub(1)).ok().filter(|doublings| *doublings < 64)?;
        self.first.checked_mul(1_u64.checked_shl(doublings)?)
    }

    /// The row and column of the block that holds `offset` of an indirect block, and the offset in it.
    fn place(&self, offset: u64) -> Option<(u64, u64, u64)> {
        let first_row = self.width.checked_mul(self.first)?;
        let row = match offset.checked_div(first_row)? {
            0 => 0,
            rows => u64::from(rows.checked_ilog2()?).checked_add(1)?,
        };
        let start = if row == 0 { 0 } else { self.width.checked_mul(self.row_size(row)?)? };
        let size = self.row_size(row)?;
        let within = offset.checked_sub(start)?;
        Some((row, within.checked_div(size)?, within.checked_rem(size)?))
    }

    /// The rows of an indirect block that covers `size` bytes.
    fn rows_of(&self, size: u64) -> Option<u64> {
        let first_row = self.width.checked_mul(self.first)?;
        u64::from(size.checked_div(first_row)?.checked_ilog2()?).checked_add(1)
    }
}
