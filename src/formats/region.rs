//! Bytes that a format describes nowhere.

use super::{Halt, Scan};
use crate::fact::Fact;

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
    scan.child(scan.input.slice(name, at, length))
}
