//! Chunk indexes that are arrays: fixed, for datasets that cannot grow, and extensible, for those that grow one way.
//!
//! ```text
//! FAHD ─▶ FADB   elements, in pages if there are many
//! EAHD ─▶ EAIB   first elements, then addresses of data blocks, then of super blocks
//!           ├── EADB   elements, in pages if there are many
//!           └── EASB   addresses of data blocks
//! ```
//!
//! An element is the address of a chunk, with its stored size and the filters left out if it is filtered.

use super::chunk::{Chunks, Stored, stored_size};
use super::{Block, File, Stop, expect};
use crate::bytes::Cursor;

/// Bytes of a checksum.
const CHECKSUM: u64 = 4;

/// What the header of either array says of its elements.
struct Elements {
    /// Elements are those of filtered chunks.
    filtered: bool,
    /// Bytes of one.
    size: u64,
    /// Elements of a page; more than that in a block stand in pages.
    page: u64,
}

/// What takes the chunks.
type Visit<'v> = &'v mut dyn FnMut(&Stored) -> Result<(), Stop>;

/// Where a run of elements begins in the array, and how many it has.
struct Run {
    first: u64,
    count: u64,
}

/// The layout of an extensible array.
struct Extensible {
    elements: Elements,
    /// Elements in the index block.
    inline: u64,
    /// Elements of the smallest data block.
    smallest: u64,
    /// Pointers of the smallest super block.
    pointers: u64,
    /// Bits of an element's number.
    bits: u8,
    /// Elements that were written.
    total: u64,
}

impl File<'_> {
    /// Visits the chunks in the fixed array at `address`.
    pub(super) fn fixed_array(&self, address: u64, chunks: &Chunks<'_>, visit: Visit<'_>) -> Result<(), Stop> {
        let head = self.read_up_to(address, 64)?;
        let mut cursor = head.cursor();
        expect(&mut cursor, *b"FAHD", 0, "no index where the chunks of a dataset are said to be")?;
        let (filtered, size, bits) = (cursor.u8()? == 1, u64::from(cursor.u8()?), cursor.u8()?);
        let elements = Elements { filtered, size, page: power(bits) };
        let count = self.length(&mut cursor)?;
        let Some(block) = self.address(&mut cursor)? else { return Ok(()) };
        let mark = self.read(block, 6_u64.saturating_add(u64::from(self.sizes.offset)))?;
        expect(&mut mark.cursor(), *b"FADB", 0, "no block where the chunks of a dataset are said to be")?;
        let mut body = block.saturating_add(mark.bytes.len() as u64);
        if count > elements.page {
            // A bit for each page that was written.
            body = body.saturating_add(count.div_ceil(elements.page).div_ceil(8)).saturating_add(CHECKSUM);
        }
        self.run(&elements, body, &Run { first: 0, count }, chunks, visit)
    }

    /// Visits a run of elements at `address`, in pages with a checksum behind each if there are more than one page.
    fn run(
        &self,
        elements: &Elements,
        address: u64,
        run: &Run,
        chunks: &Chunks<'_>,
        visit: Visit<'_>,
    ) -> Result<(), Stop> {
        let (mut at, mut done) = (address, 0_u64);
        while done < run.count {
            let count = run.count.saturating_sub(done).min(elements.page);
            let len = count.saturating_mul(elements.size);
            // The last pages may never have been written.
            if done > 0 && self.absolute(at, len).is_err() {
                return Ok(());
            }
            let block = self.read(at, len)?;
            let first = run.first.saturating_add(done);
            self.page(elements, &mut block.cursor(), &Run { first, count }, chunks, visit)?;
            at = at.saturating_add(len).saturating_add(CHECKSUM);
            done = done.saturating_add(count);
        }
        Ok(())
    }

    fn page(
        &self,
        elements: &Elements,
        cursor: &mut Cursor<'_>,
        run: &Run,
        chunks: &Chunks<'_>,
        visit: Visit<'_>,
    ) -> Result<(), Stop> {
        for n in 0..run.count {
            let at = cursor.offset();
            let mut element = Cursor::new(cursor.bytes(elements.size)?, at);
            let Some(address) = self.address(&mut element)?.filter(|address| *address != 0) else { continue };
            let (mut size, mut skipped) = (None, 0);
            if elements.filtered {
                size = Some(stored_size(&mut element, 4)?);
                skipped = element.u32_le()?;
            }
            let first = chunks.first(run.first.saturating_add(n));
            visit(&Stored { address, size, skipped, first })?;
        }
        Ok(())
    }

    /// Visits the chunks in the extensible array at `address`.
    pub(super) fn extensible_array(&self, address: u64, chunks: &Chunks<'_>, visit: Visit<'_>) -> Result<(), Stop> {
        let head = self.read_up_to(address, 128)?;
        let mut cursor = head.cursor();
        expect(&mut cursor, *b"EAHD", 0, "no index where the chunks of a dataset are said to be")?;
        let (filtered, size, bits) = (cursor.u8()? == 1, u64::from(cursor.u8()?), cursor.u8()?);
        let [inline, smallest, pointers] = [cursor.u8()?, cursor.u8()?, cursor.u8()?].map(u64::from);
        let page = power(cursor.u8()?);
        for _ in 0..4 {
            self.length(&mut cursor)?;
        }
        let total = self.length(&mut cursor)?;
        self.length(&mut cursor)?;
        let wrong = cursor.malformed("an index of chunks whose blocks have no size");
        let Some(index) = self.address(&mut cursor)? else { return Ok(()) };
        if bits > 64 || !smallest.is_power_of_two() || !pointers.is_power_of_two() {
            return Err(wrong.into());
        }
        let elements = Elements { filtered, size, page };
        let array = Extensible { elements, inline, smallest, pointers, bits, total };
        self.index_block(&array, index, chunks, visit)
    }

    fn index_block(&self, array: &Extensible, address: u64, chunks: &Chunks<'_>, visit: Visit<'_>) -> Result<(), Stop> {
        let mut at = self.marked(address, *b"EAIB", 0)?;
        let size = array.inline.saturating_mul(array.elements.size);
        let block = self.read(at, size)?;
        self.page(&array.elements, &mut block.cursor(), &Run { first: 0, count: array.inline }, chunks, visit)?;
        at = at.saturating_add(size);
        let mut first = array.inline;
        // The data blocks of the first super blocks stand here themselves, the others behind them.
        let direct = u64::from(array.pointers.trailing_zeros()).saturating_mul(2);
        let mut level = 0_u64;
        while first < array.total && level < 128 {
            let (blocks, each) = array.level(level);
            let here = if level < direct { blocks } else { 1 };
            let width = u64::from(self.sizes.offset);
            let pointers = self.read(at, here.saturating_mul(width))?;
            at = at.saturating_add(pointers.bytes.len() as u64);
            if level < direct {
                self.data_blocks(array, &pointers, (first, each), chunks, visit)?;
            } else if let Some(block) = self.address(&mut pointers.cursor())? {
                let outcome = self.super_block(array, block, (first, blocks, each), chunks, visit);
                self.survive(outcome)?;
            }
            first = first.saturating_add(blocks.saturating_mul(each));
            level = level.saturating_add(1);
        }
        Ok(())
    }

    fn super_block(
        &self,
        array: &Extensible,
        address: u64,
        (first, blocks, each): (u64, u64, u64),
        chunks: &Chunks<'_>,
        visit: Visit<'_>,
    ) -> Result<(), Stop> {
        let mut at = self.marked(address, *b"EASB", array.bits)?;
        if each > array.elements.page {
            // A bit for each page of each block that was written.
            let pages = each.div_ceil(array.elements.page).div_ceil(8);
            at = at.saturating_add(blocks.saturating_mul(pages));
        }
        let pointers = self.read(at, blocks.saturating_mul(u64::from(self.sizes.offset)))?;
        self.data_blocks(array, &pointers, (first, each), chunks, visit)
    }

    /// Visits the data blocks at the addresses in `pointers`, the first of which begins with element `first`.
    fn data_blocks(
        &self,
        array: &Extensible,
        pointers: &Block,
        (first, each): (u64, u64),
        chunks: &Chunks<'_>,
        visit: Visit<'_>,
    ) -> Result<(), Stop> {
        let mut cursor = pointers.cursor();
        let mut first = first;
        while !cursor.is_empty() {
            if let Some(block) = self.address(&mut cursor)? {
                let run = Run { first, count: each };
                let outcome = self.data_block(array, block, &run, chunks, visit);
                self.survive(outcome)?;
            }
            first = first.saturating_add(each);
        }
        Ok(())
    }

    fn data_block(
        &self,
        array: &Extensible,
        address: u64,
        run: &Run,
        chunks: &Chunks<'_>,
        visit: Visit<'_>,
    ) -> Result<(), Stop> {
        let mut at = self.marked(address, *b"EADB", array.bits)?;
        if run.count > array.elements.page {
            at = at.saturating_add(CHECKSUM);
        }
        self.run(&array.elements, at, run, chunks, visit)
    }

    /// The address behind the head of a block: mark, version, kind, address of the header, and its place of `bits`.
    fn marked(&self, address: u64, mark: [u8; 4], bits: u8) -> Result<u64, Stop> {
        let place = u64::from(bits.div_ceil(8));
        let head = self.read(address, 6_u64.saturating_add(u64::from(self.sizes.offset)).saturating_add(place))?;
        expect(&mut head.cursor(), mark, 0, "no block where the chunks of a dataset are said to be")?;
        Ok(address.saturating_add(head.bytes.len() as u64))
    }
}

impl Extensible {
    /// How many data blocks a super block has, and how many elements each of them.
    fn level(&self, level: u64) -> (u64, u64) {
        let blocks = power(u8::try_from(level >> 1).unwrap_or(u8::MAX));
        let each = power(u8::try_from(level.saturating_add(1) >> 1).unwrap_or(u8::MAX));
        (blocks, each.saturating_mul(self.smallest))
    }
}

/// Two to the power of `bits`, or the largest number.
fn power(bits: u8) -> u64 {
    1_u64.checked_shl(u32::from(bits)).unwrap_or(u64::MAX)
}
