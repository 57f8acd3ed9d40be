//! Do the tensors tile the data exactly? Every byte that they leave out is a place to hide something.

use super::super::region::undescribed;
use super::super::{Halt, Scan};
use super::header::{Entry, Header};
use crate::fact::Fact;

/// Faults of one kind described one by one; the rest are counted.
const DESCRIBED: usize = 8;

pub(super) fn check(scan: &mut Scan<'_>, header: &Header, data: u64) -> Result<(), Halt> {
    let size = scan.input.len().saturating_sub(data);
    bounds(scan, &header.entries, data, size);
    let mut order: Vec<&Entry> = header.entries.iter().filter(|entry| entry.begin <= entry.end).collect();
    order.sort_by_key(|entry| (entry.begin, entry.end));
    let mut covered = 0;
    let mut overlaps = Faults::new("overlap");
    for entry in order {
        if entry.begin > covered {
            region(scan, data, covered, entry.begin.min(size), "hole")?;
        } else if entry.begin < covered && entry.end > entry.begin {
            let range = (data.saturating_add(entry.begin), covered.min(entry.end).saturating_sub(entry.begin));
            overlaps.state(scan, range, || format!("{} begins inside another tensor", entry.name));
        }
        covered = covered.max(entry.end);
    }
    overlaps.finish(scan);
    region(scan, data, covered.min(size), size, "trailing-bytes")
}

/// Offsets and shapes of each tensor by itself.
fn bounds(scan: &mut Scan<'_>, entries: &[Entry], data: u64, size: u64) {
    let mut outside = Faults::new("tensor-out-of-bounds");
    let mut unequal = Faults::new("shape-size-mismatch");
    for entry in entries {
        let Entry { name, begin, end, needed } = entry;
        let range = (data.saturating_add(*begin), end.saturating_sub(*begin));
        if begin > end || *end > size {
            outside.state(scan, range, || format!("{name}: bytes {begin} to {end} of {size}"));
        } else if let Some(needed) = needed.filter(|needed| *needed != range.1) {
            unequal.state(scan, range, || format!("{name}: dtype and shape need {needed} bytes, {} are given", range.1));
        }
    }
    if entries.iter().any(|entry| entry.end > size) {
        scan.unread(scan.input.name.clone(), "a tensor reaches past the end of the file", false);
    }
    outside.finish(scan);
    unequal.finish(scan);
}

/// Bytes `from..to` of the data belong to no tensor.
fn region(scan: &mut Scan<'_>, data: u64, from: u64, to: u64, small: &'static str) -> Result<(), Halt> {
    let range = (data.saturating_add(from), to.saturating_sub(from));
    undescribed(scan, range, small, "tensor", format!("<{from}..{to}>"))
}

/// Faults of one kind: the first are described, the rest counted, so that a million cost no more than a few.
struct Faults {
    anomaly: &'static str,
    count: usize,
}

impl Faults {
    fn new(anomaly: &'static str) -> Self {
        Self { anomaly, count: 0 }
    }

    fn state(&mut self, scan: &mut Scan<'_>, (at, length): (u64, u64), detail: impl FnOnce() -> String) {
        self.count = self.count.saturating_add(1);
        if self.count <= DESCRIBED {
            let fact = Fact::Structure { anomaly: self.anomaly, format: "safetensors", detail: &detail(), bytes: length };
            scan.fact(at, length, fact);
        }
    }

    fn finish(self, scan: &mut Scan<'_>) {
        if let Some(more) = self.count.checked_sub(DESCRIBED).filter(|more| *more > 0) {
            let detail = format!("{more} more tensors");
            let fact = Fact::Structure { anomaly: self.anomaly, format: "safetensors", detail: &detail, bytes: 0 };
            scan.whole(fact);
        }
    }
}
