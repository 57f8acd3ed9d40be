//! Links: what a group holds, in the three ways in which that is stored.

use super::header::kind;
use super::tree1::Of;
use super::{Block, File, MOST_NAME, Object, Stop, text, uint};
use crate::bytes::Cursor;

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its name, capped.
    pub name: String,
    /// What it leads to.
    pub target: Target,
    /// Absolute offset of what says so.
    pub at: u64,
}

/// What a link leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The object at that address.
    Hard(u64),
    /// A path in this file.
    Soft(String),
    /// An object of another file.
    External {
        /// Path of the file.
        file: String,
        /// Path in it.
        object: String,
    },
    /// A link of a kind that only an extension of the library follows.
    UserDefined(u8),
}

/// Bytes that a link message needs beside the name and a path.
const MOST_LINK: u64 = 128 << 10;
/// The scratch pad of a symbol is the value of a soft link.
const SOFT: u32 = 2;

impl File<'_> {
    /// Visits the links of a group; an object that is no group has none.
    ///
    /// # Errors
    /// Those of `visit`, a limit, or I/O. What is broken is kept as a fault.
    pub fn links(&self, object: &Object, mut visit: impl FnMut(Link) -> Result<(), Stop>) -> Result<(), Stop> {
        for message in object.all(kind::SYMBOL_TABLE) {
            let outcome = self.symbols(&message.block, &mut visit);
            self.survive(outcome)?;
        }
        for message in object.all(kind::LINK) {
            let outcome = self.link(&message.block).and_then(&mut visit);
            self.survive(outcome)?;
        }
        for message in object.all(kind::LINK_INFO) {
            let outcome = self.dense_links(&message.block, &mut visit);
            self.survive(outcome)?;
        }
        Ok(())
    }

    /// An old group: a tree of symbol nodes, and a heap of names.
    fn symbols(&self, message: &Block, visit: &mut impl FnMut(Link) -> Result<(), Stop>) -> Result<(), Stop> {
        let mut cursor = message.cursor();
        let (Some(tree), Some(heap)) = (self.address(&mut cursor)?, self.address(&mut cursor)?) else {
            return Ok(());
        };
        let names = self.names(heap)?;
        self.tree1(tree, Of::Members, |_, node| self.symbol_node(node, &names, visit))
    }

    /// The data of the local heap at `address`.
    pub(super) fn names(&self, address: u64) -> Result<Block, Stop> {
        let head = self.read_up_to(address, 64)?;
        let mut cursor = head.cursor();
        super::expect(&mut cursor, *b"HEAP", 0, "no heap where the names of a group are said to be")?;
        cursor.skip(3)?;
        let wrong = cursor.malformed("the names of a group are nowhere");
        let size = self.length(&mut cursor)?;
        self.length(&mut cursor)?;
        self.read(self.address(&mut cursor)?.ok_or(wrong)?, size)
    }

    fn symbol_node(
        &self,
        address: u64,
        names: &Block,
        visit: &mut impl FnMut(Link) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let head = self.read(address, 8)?;
        let mut cursor = head.cursor();
        super::expect(&mut cursor, *b"SNOD", 1, "no node where the members of a group are said to be")?;
        cursor.skip(1)?;
        let count = u64::from(cursor.u16_le()?);
        let entry = u64::from(self.sizes.offset).saturating_mul(2).saturating_add(24);
        let block = self.read(address.saturating_add(8), count.saturating_mul(entry))?;
        let mut cursor = block.cursor();
        for _ in 0..count {
            let at = cursor.offset();
            let mut fields = Cursor::new(cursor.bytes(entry)?, at);
            let name = uint(&mut fields, self.sizes.offset)?;
            let header = self.address(&mut fields)?;
            let soft = fields.u32_le()? == SOFT;
            fields.skip(4)?;
            let target = match header {
                _ if soft => Target::Soft(name_at(names, u64::from(fields.u32_le()?))),
                Some(address) => Target::Hard(address),
                None => continue,
            };
            visit(Link { name: name_at(names, name), target, at })?;
        }
        Ok(())
    }

    fn dense_links(&self, message: &Block, visit: &mut impl FnMut(Link) -> Result<(), Stop>) -> Result<(), Stop> {
        let mut cursor = message.cursor();
        cursor.skip(1)?;
        let flags = cursor.u8()?;
        cursor.skip(if flags & 1 != 0 { 8 } else { 0 })?;
        let (Some(heap), Some(index)) = (self.address(&mut cursor)?, self.address(&mut cursor)?) else {
            return Ok(());
        };
        let heap = self.heap(heap)?;
        self.tree2(index, |record| {
            record.skip(4)?;
            visit(self.link(&self.heap_bytes(&heap, record)?)?)
        })
    }

    /// Reads a link message.
    fn link(&self, block: &Block) -> Result<Link, Stop> {
        let mut cursor = block.cursor();
        let wrong = cursor.malformed("a link that cannot be read");
        if cursor.u8()? != 1 || block.bytes.len() as u64 > MOST_LINK {
            return Err(wrong.into());
        }
        let flags = cursor.u8()?;
        let kind = if flags & 0x08 != 0 { cursor.u8()? } else { 0 };
        cursor.skip(if flags & 0x04 != 0 { 8 } else { 0 })?;
        cursor.skip(u64::from(flags & 0x10 != 0))?;
        let len = uint(&mut cursor, 1 << (flags & 3))?;
        let name = text(cursor.bytes(len)?, MOST_NAME);
        let target = match kind {
            0 => Target::Hard(self.address(&mut cursor)?.ok_or(wrong)?),
            1 => {
                let len = u64::from(cursor.u16_le()?);
                Target::Soft(text(cursor.bytes(len)?, MOST_NAME))
            }
            64 => {
                let len = u64::from(cursor.u16_le()?);
                let mut value = cursor.bytes(len)?.get(1..).unwrap_or_default().splitn(2, |byte| *byte == 0);
                let mut next = || text(value.next().unwrap_or_default(), MOST_NAME);
                Target::External { file: next(), object: next() }
            }
            other => Target::UserDefined(other),
        };
        Ok(Link { name, target, at: block.at })
    }
}

/// The name at `offset` of the data of a local heap.
pub(super) fn name_at(names: &Block, offset: u64) -> String {
    let from = usize::try_from(offset).unwrap_or(usize::MAX);
    text(names.bytes.get(from..).unwrap_or_default(), MOST_NAME)
}
