//! What `PyTables` unpickles: attributes whose text is a pickle, and the rows of a `VLArray` of objects.

use std::collections::HashSet;
use std::sync::Arc;

use crate::bytes::ReadAt;
use crate::decode::hdf5::{Attribute, Dataset, File, Range, Stop};
use crate::formats::pickle::{self, Dialect, Sequence, is_pickle};
use crate::formats::{Halt, Scan};

/// Attributes that say what the rows of a `VLArray` are: today's, and that of `PyTables` before 2.0.
const KINDS: [&str; 2] = ["PSEUDOATOM", "FLAVOR"];
/// Kinds of rows that are no objects.
const PLAIN: [&str; 6] = ["vlstring", "vlunicode", "VLString", "numpy", "numarray", "python"];
/// Longer names of kinds do not exist.
const LONGEST_KIND: usize = 64;

/// Work that a row costs beside its pickle; it bounds how many there can be.
const ROW: u64 = 64;

/// Does the attribute say that the dataset it stands at holds pickled objects? An unknown kind counts: `PyTables` looks
/// at the value after unpickling it.
pub(super) fn says_objects(file: &File<'_>, attribute: &Attribute) -> Result<bool, Stop> {
    if !KINDS.contains(&attribute.name.as_str()) {
        return Ok(false);
    }
    let kind = file.text_of(attribute, LONGEST_KIND)?;
    Ok(kind.is_some_and(|kind| !PLAIN.contains(&kind.as_str())))
}

/// Interprets the values of an attribute at `path` that are pickles.
pub(super) fn attribute(
    scan: &mut Scan<'_>,
    file: &File<'_>,
    path: &str,
    attribute: &Attribute,
    seen: &mut HashSet<Range>,
) -> Result<(), Stop> {
    for range in file.values(attribute)? {
        if range.len == 0 || !seen.insert(range) {
            continue;
        }
        scan.budget.take_work(range.len)?;
        let name = format!("{path}@{}", attribute.name);
        let value = scan.input.slice(name, range.at, range.len);
        if is_pickle(&*value.source) {
            scan.budget.take_member()?;
            scan.within(&value, &pickle::FORMAT, |scan| pickle::interpret(scan, 0, Dialect::Plain).map(drop));
        }
    }
    Ok(())
}

/// Interprets the rows of a dataset at `path` as pickles: one input that holds them one behind the other.
pub(super) fn rows(scan: &mut Scan<'_>, file: &File<'_>, path: String, dataset: &Dataset) -> Result<(), Halt> {
    if !dataset.datatype.is_sequence() {
        return Ok(());
    }
    let mut rows = Rows::new(Arc::clone(&scan.input.source));
    let mut seen = HashSet::new();
    let outcome = file.elements(dataset, |range| {
        scan.budget.take_work(ROW)?;
        if range.len > 0 && seen.insert(range) {
            rows.push(range);
        }
        Ok(())
    });
    drop(seen);
    scan.budget.take_member()?;
    let starts: Vec<u64> = rows.parts.iter().map(|(start, _)| *start).collect();
    let node = scan.input.member(path, Arc::new(rows));
    scan.within(&node, &pickle::FORMAT, |scan| each(scan, &starts));
    Ok(outcome?)
}

/// Interprets the pickle at each of the offsets. One that breaks keeps no other from being loaded.
fn each(scan: &mut Scan<'_>, starts: &[u64]) -> Result<(), Halt> {
    let source = Arc::clone(&scan.input.source);
    let mut pickles = Sequence::new(&*source);
    let mut broken = None;
    for start in starts {
        match pickles.load(scan, *start, Dialect::Plain) {
            Ok(_) => {}
            Err(Halt::Limit(exceeded)) => return Err(exceeded.into()),
            Err(halt) => broken = broken.or(Some(halt)),
        }
    }
    broken.map_or(Ok(()), Err)?;
    pickles.conclude()
}

/// Ranges of a source, one behind the other.
struct Rows {
    source: Arc<dyn ReadAt>,
    /// Where each begins here, and where it lies.
    parts: Vec<(u64, Range)>,
    len: u64,
}

impl Rows {
    fn new(source: Arc<dyn ReadAt>) -> Self {
        Self { source, parts: Vec::new(), len: 0 }
    }

    fn push(&mut self, range: Range) {
        self.parts.push((self.len, range));
        self.len = self.len.saturating_add(range.len);
    }
}

impl ReadAt for Rows {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        let behind = self.parts.partition_point(|(start, _)| *start <= offset);
        let part = behind.checked_sub(1).and_then(|n| self.parts.get(n));
        let Some((start, range)) = part.filter(|_| offset < self.len) else { return Ok(0) };
        let skip = offset.saturating_sub(*start);
        let left = usize::try_from(range.len.saturating_sub(skip)).unwrap_or(usize::MAX);
        let want = left.min(buf.len());
        buf.get_mut(..want).map_or(Ok(0), |buf| self.source.read_at(range.at.saturating_add(skip), buf))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::MemorySource;

    #[test]
    fn rows_are_read_one_behind_the_other() {
        let mut rows = Rows::new(MemorySource::new(*b"0123456789"));
        for (at, len) in [(6, 2), (0, 1), (3, 3)] {
            rows.push(Range { at, len });
        }
        assert_eq!(rows.read_range(0, 100).unwrap(), b"670345");
        assert_eq!(rows.read_range(1, 3).unwrap(), b"703");
        assert_eq!(rows.read_range(6, 3).unwrap(), b"");
    }
}
