//! Bytes that a format describes nowhere.

use super::{Halt, Scan};
use crate::fact::Fact;

/// A range of an input that a format does not describe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// What it is called as an input of its own.
    pub name: String,
    /// First byte.
    pub at: u64,
    /// Behind its last byte.
    pub end: u64,
}

/// What neither of two formats of one input describes.
#[must_use]
pub fn common(one: &[Region], other: &[Region]) -> Vec<Region> {
    let pairs = one.iter().flat_map(|a| other.iter().map(move |b| (a, b)));
    let shared = pairs.map(|(a, b)| {
        let inner = if b.at >= a.at && b.end <= a.end { b } else { a };
        Region { name: inner.name.clone(), at: a.at.max(b.at), end: a.end.min(b.end) }
    });
    shared.filter(|region| region.at < region.end).take(MOST_COMMON).collect()
}

/// Ranges that are kept of two formats.
const MOST_COMMON: usize = 4096;

/// A region smaller than this is alignment or a writer's slip, not a hiding place.
const HIDING_PLACE: u64 = 4096;
/// How much of a region is looked at to tell padding from content.
const LOOK: usize = 1 << 20;

/// States that `length` bytes at `at` belong to no `owner`, and hands them to the engine: what hides there is scanned
/// like any other file. `small`: the anomaly of a region that is no hiding place.
pub(super) fn undescribed(
    scan: &mut Scan<'_>,
    (at, length): (u64, u64),
    small: &'static str,
    owner: &str,
    name: String,
) -> Result<(), Halt> {
    if length == 0 {
        return Ok(());
    }
    let want = usize::try_from(length).unwrap_or(LOOK).min(LOOK);
    let blank = scan.input.read(at, want)?.iter().all(|byte| *byte == 0);
    let anomaly = if length >= HIDING_PLACE && !blank { "hidden-region" } else { small };
    let detail = format!("{length} bytes{} belong to no {owner}", if blank { " of zeros" } else { "" });
    let format = scan.format.name;
    scan.fact(at, length, Fact::Structure { anomaly, format, detail: &detail, bytes: length });
    scan.leave(name, at, length);
    Ok(())
}
