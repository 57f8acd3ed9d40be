//! Version 1 B-trees: the members of old groups, and the chunks of old datasets.
//!
//! ```text
//! TREE, type, level, u16 entries, left, right        then key, child, key, child, …, key
//! ```

use std::collections::HashSet;

use super::{File, Stop};
use crate::bytes::Cursor;

/// What a tree is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// Members of groups; leaves point to symbol nodes.
    Members,
    /// Chunks of that many dimensions, the one of the element's bytes included.
    Chunks(u64),
}

impl File<'_> {
    /// Visits the entries of all leaves: the key in front of it, and the address that it points to.
    pub(super) fn tree1(
        &self,
        root: u64,
        of: Of,
        mut visit: impl FnMut(&mut Cursor<'_>, u64) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let mut seen = HashSet::from([root]);
        let mut nodes = vec![root];
        while let Some(address) = nodes.pop() {
            let mut below = Vec::new();
            let outcome = self.node1(address, of, &mut below, &mut visit);
            self.survive(outcome)?;
            below.reverse();
            nodes.extend(below.into_iter().filter(|child| seen.insert(*child)));
        }
        Ok(())
    }

    fn node1(
        &self,
        address: u64,
        of: Of,
        below: &mut Vec<u64>,
        visit: &mut impl FnMut(&mut Cursor<'_>, u64) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let width = u64::from(self.sizes.offset);
        let head = self.read(address, 8_u64.saturating_add(width.saturating_mul(2)))?;
        let mut cursor = head.cursor();
        let wrong = cursor.malformed("no node where a tree is said to go on");
        let (kind, key) = match of {
            Of::Members => (0, u64::from(self.sizes.length)),
            Of::Chunks(dimensions) => (1, dimensions.saturating_mul(8).saturating_add(8)),
        };
        if cursor.array::<4>()? != *b"TREE" || cursor.u8()? != kind {
            return Err(wrong.into());
        }
        let leaf = cursor.u8()? == 0;
        let entries = u64::from(cursor.u16_le()?);
        let entry = key.saturating_add(width);
        let body = address.saturating_add(head.bytes.len() as u64);
        let block = self.read(body, entries.saturating_mul(entry))?;
        let mut cursor = block.cursor();
        for _ in 0..entries {
            let mut key = Cursor::new(cursor.bytes(key)?, cursor.offset());
            let Some(child) = self.address(&mut cursor)? else { continue };
            if leaf {
                let outcome = visit(&mut key, child);
                self.survive(outcome)?;
            } else {
                below.push(child);
            }
        }
        Ok(())
    }
}
