//! Which bytes of the file belong to which record, which to two, and which to none.

use std::ops::Range;
use std::sync::Arc;

use super::end::{self, Ends};
use super::record::END_SIZE;
use super::{Archive, Stop, sweep};
use crate::bytes::{Budget, ReadAt, Slice, Stream};

/// Where unclaimed bytes lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegionKind {
    /// Before the first member.
    Prefix,
    /// Between members or records.
    Gap,
    /// After the end record and its comment.
    Suffix,
    /// In the comment of the end record or of a member.
    Comment,
    /// In an extra field.
    Extra,
}

/// Bytes that belong to no member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// Where they lie.
    pub kind: RegionKind,
    /// First byte.
    pub at: u64,
    /// Length in bytes.
    pub len: u64,
}

impl Archive {
    /// Finds overlaps and unclaimed regions, and the members that hide in those.
    pub(super) fn lay_out(
        &mut self,
        source: &Arc<dyn ReadAt>,
        mut covered: Vec<Range<u64>>,
        ends: &Ends,
        budget: &Budget,
    ) -> Result<(), Stop> {
        self.overlapping = self.overlaps(source.len());
        let members = self.entries.iter().filter(|entry| entry.local.is_some());
        covered.extend(members.map(|entry| entry.at..entry.end));
        covered.sort_unstable_by_key(|range| range.start);
        let mut position = 0;
        for range in covered {
            if range.start > position {
                self.search(source, position..range.start, budget)?;
            }
            position = position.max(range.end);
        }
        self.claim(source, RegionKind::Suffix, ends.close..source.len(), budget)?;
        let comment = ends.end.saturating_add(END_SIZE)..ends.close;
        let bytes = source.read_range(comment.start, usize::from(u16::MAX))?;
        let length = usize::try_from(comment.end.saturating_sub(comment.start)).unwrap_or_default();
        if !is_text(bytes.get(..length).unwrap_or(&bytes)) {
            self.claim(source, RegionKind::Comment, comment, budget)?;
        }
        Ok(())
    }

    /// Looks for members in an unclaimed range and records what is left of it.
    fn search(&mut self, source: &Arc<dyn ReadAt>, gap: Range<u64>, budget: &Budget) -> Result<(), Stop> {
        if gap.start > 0 {
            let rest = sweep::sweep(&**source, gap, budget, &mut self.entries)?;
            return rest.into_iter().try_for_each(|range| self.claim(source, RegionKind::Gap, range, budget));
        }
        // An archive before this one is a file of its own: it is left whole, not picked apart.
        let before = Slice::clip(Arc::clone(source), 0, gap.end);
        let whole = end::locate(&*before, false, budget)?.is_some_and(|ends| !ends.directories.is_empty());
        let rest = if whole { vec![gap] } else { sweep::sweep(&**source, gap, budget, &mut self.entries)? };
        rest.into_iter().try_for_each(|range| self.claim(source, RegionKind::Prefix, range, budget))
    }

    /// Records an unclaimed range unless it is padding.
    pub(super) fn claim(
        &mut self,
        source: &Arc<dyn ReadAt>,
        kind: RegionKind,
        range: Range<u64>,
        budget: &Budget,
    ) -> Result<(), Stop> {
        let len = range.end.saturating_sub(range.start);
        if len > 0 && !is_zero(&**source, range.clone(), budget)? {
            self.regions.push(Region { kind, at: range.start, len });
        }
        Ok(())
    }

    /// Members whose bytes overlap those of an earlier one, or of the directory; in ascending order. What claims to
    /// reach behind the file is a false size and shares nothing.
    fn overlaps(&self, len: u64) -> Vec<usize> {
        let listed = self.entries.iter().enumerate().filter(|(_, entry)| entry.local.is_some() && entry.end <= len);
        let mut order: Vec<usize> = listed.map(|(n, _)| n).collect();
        let range = |n: usize| self.entries.get(n).map_or((0, 0), |entry| (entry.at, entry.end));
        order.sort_unstable_by_key(|&n| range(n));
        let mut reached = 0;
        let mut overlapping = Vec::new();
        for n in order {
            let (at, end) = range(n);
            if at < reached || (at < self.directory && end > self.directory) {
                overlapping.push(n);
            }
            reached = reached.max(end);
        }
        overlapping.sort_unstable();
        overlapping
    }
}

/// True if a range holds only zeros: padding for alignment.
fn is_zero(source: &dyn ReadAt, range: Range<u64>, budget: &Budget) -> Result<bool, Stop> {
    let mut stream = Stream::new(source, range.start);
    let mut left = range.end.min(source.len()).saturating_sub(range.start);
    while left > 0 {
        let have = stream.fill(1)?;
        let piece = usize::try_from(left).ok().and_then(|left| have.get(..left)).unwrap_or(have);
        if piece.is_empty() || piece.iter().any(|&byte| byte != 0) {
            return Ok(false);
        }
        let size = piece.len() as u64;
        budget.take_bytes(size)?;
        stream.skip(size)?;
        left = left.saturating_sub(size);
    }
    Ok(true)
}

/// True for what people and programs write into a comment.
pub(super) fn is_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| !text.chars().any(|c| c.is_control() && !"\n\r\t".contains(c)))
}
