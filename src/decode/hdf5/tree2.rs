//! Version 2 B-trees: indexes of dense links and attributes, of huge heap objects, and of chunks.
//!
//! ```text
//! BTHD, 0, type, u32 node size, u16 record size, u16 depth, 2 bytes, root, u16 records, total, checksum
//! BTLF, 0, type, records                                          a leaf
//! BTIN, 0, type, records, then for each child: address, records, and above the last level their total
//! ```

use std::collections::HashSet;

use super::{File, Stop, expect, uint, width_for};
use crate::bytes::Cursor;

/// Bytes of a node around its records: mark, version, type, checksum.
const FRAME: u64 = 10;
/// Deeper trees than any file needs.
const MOST_LEVELS: u16 = 64;

/// What the header of a tree says of its nodes.
struct Shape {
    node: u64,
    record: u64,
    /// For each level: the width of the two counts that go with the address of a node there.
    widths: Vec<(u8, u8)>,
}

/// A node to visit.
struct Node {
    address: u64,
    records: u64,
    level: u16,
}

impl File<'_> {
    /// Visits the records of a tree.
    pub(super) fn tree2(
        &self,
        address: u64,
        mut visit: impl FnMut(&mut Cursor<'_>) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let (shape, root) = self.header2(address)?;
        let mut seen = HashSet::new();
        let mut nodes: Vec<Node> = root.into_iter().collect();
        while let Some(node) = nodes.pop() {
            if !seen.insert(node.address) {
                continue;
            }
            let mut below = Vec::new();
            let outcome = self.node2(&shape, &node, &mut below, &mut visit);
            self.survive(outcome)?;
            below.reverse();
            nodes.append(&mut below);
        }
        Ok(())
    }

    fn header2(&self, address: u64) -> Result<(Shape, Option<Node>), Stop> {
        let head = self.read_up_to(address, 64)?;
        let mut cursor = head.cursor();
        expect(&mut cursor, *b"BTHD", 0, "no tree where one is said to be")?;
        cursor.u8()?;
        let (node, record, level) = (cursor.u32_le()?, cursor.u16_le()?, cursor.u16_le()?);
        cursor.skip(2)?;
        let wrong = cursor.malformed("a tree of nodes that hold no records");
        let root = self.address(&mut cursor)?;
        let records = u64::from(cursor.u16_le()?);
        let (node, record) = (u64::from(node), u64::from(record));
        let widths = self.widths(node, record, level).ok_or(wrong)?;
        Ok((Shape { node, record, widths }, root.map(|address| Node { address, records, level })))
    }

    /// The widths of the counts for each level, from the most records that nodes there and below them hold.
    fn widths(&self, node: u64, record: u64, levels: u16) -> Option<Vec<(u8, u8)>> {
        let most = node.checked_sub(FRAME)?.checked_div(record).filter(|most| *most > 0 && levels <= MOST_LEVELS)?;
        let count = width_for(most);
        let mut widths = vec![(count, 0)];
        let (mut below, mut total) = (most, 0);
        for _ in 0..levels {
            let pointer = u64::from(self.sizes.offset).checked_add(u64::from(count))?.checked_add(u64::from(total))?;
            let most = node.checked_sub(FRAME.checked_add(pointer)?)?.checked_div(record.checked_add(pointer)?)?;
            below = most.saturating_add(1).saturating_mul(below).saturating_add(most);
            total = width_for(below);
            widths.push((count, total));
        }
        Some(widths)
    }

    fn node2(
        &self,
        shape: &Shape,
        node: &Node,
        below: &mut Vec<Node>,
        visit: &mut impl FnMut(&mut Cursor<'_>) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let block = self.read_up_to(node.address, shape.node)?;
        let mut cursor = block.cursor();
        let mark = if node.level == 0 { *b"BTLF" } else { *b"BTIN" };
        expect(&mut cursor, mark, 0, "no node where a tree is said to go on")?;
        cursor.u8()?;
        for _ in 0..node.records {
            let at = cursor.offset();
            let outcome = visit(&mut Cursor::new(cursor.bytes(shape.record)?, at));
            self.survive(outcome)?;
        }
        let Some(level) = node.level.checked_sub(1) else { return Ok(()) };
        let (count, total) = shape.widths.get(usize::from(level)).copied().unwrap_or_default();
        for _ in 0..=node.records {
            let address = self.address(&mut cursor)?;
            let records = uint(&mut cursor, count)?;
            uint(&mut cursor, total)?;
            below.extend(address.map(|address| Node { address, records, level }));
        }
        Ok(())
    }
}
