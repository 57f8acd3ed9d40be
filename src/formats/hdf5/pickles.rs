//! What `PyTables` unpickles: attributes whose text is a pickle, and the rows of a `VLArray` of objects.

use std::collections::HashSet;
use std::sync::Arc;

use crate::bytes::{Joined, ReadAt, Slice};
use crate::decode::hdf5::{Attribute, Dataset, File, Range, Stop};
use crate::formats::pickle::{self, Dialect, is_pickle};
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
    let mut rows = Joined::new(Arc::clone(&scan.input.source));
    let (mut seen, mut starts) = (HashSet::new(), Vec::new());
    let mut add = |range: Range, rows: &mut Joined| {
        scan.budget.take_work(ROW)?;
        if range.len > 0 && seen.insert(range) {
            starts.push(rows.len());
            rows.push(range.at, range.len);
        }
        Ok(())
    };
    let mut outcome = file.elements(dataset, |range| add(range, &mut rows));
    if outcome.is_ok() && file.lacks_a_feature() {
        // A filter hides which objects are rows, not the objects.
        outcome = file.heap_objects(|range| {
            let object = Slice::clip(Arc::clone(&scan.input.source), range.at, range.len);
            if is_pickle(&*object) { add(range, &mut rows) } else { Ok(()) }
        });
    }
    drop(seen);
    scan.budget.take_member()?;
    let node = scan.input.member(path, Arc::new(rows));
    scan.within(&node, &pickle::FORMAT, |scan| pickle::interpret_each(scan, &starts));
    Ok(outcome?)
}
