//! Streams with arrays of joblib, read once more as every other loader reads them.
//!
//! Where joblib takes the elements of an array, `pickle.load` runs opcodes. The elements of a genuine array end that
//! at once; those of a forged one are a program, and what it names and calls beyond the first reading is stated.

use std::collections::HashSet;

use super::facts::{self, Place};
use super::nested;
use crate::bytes::Exceeded;
use crate::decode::pickle::names::Name;
use crate::decode::pickle::{Machine, may_exist};
use crate::formats::Scan;

/// Opcodes that may be read in elements for nothing, beside one for each byte.
const FREE_WORK: u64 = 1 << 20;

/// The second readings of one input and what they have cost.
#[derive(Debug, Default)]
pub(super) struct Rereading {
    work: u64,
    /// The limit that ended one of them.
    pub(super) exhausted: Option<Exceeded>,
}

impl Rereading {
    /// Reads the stream that `first` has read from `start` on the other way, and states what that adds.
    pub(super) fn state(&mut self, scan: &mut Scan<'_>, first: &Machine<'_>, start: u64, place: Place, stream: u64) {
        let allowed = FREE_WORK.saturating_add(first.source().len()).saturating_sub(self.work);
        let Some((other, exceeded)) = first.other_reading(start, scan.budget, allowed) else { return };
        self.work = self.work.saturating_add(other.ops_beyond(first));
        self.exhausted = self.exhausted.or(exceeded).or(other.exhausted());
        if adds(first, &other) {
            let verdicts = nested::look_inside(scan, &other, place, stream, 1);
            facts::state(scan, &other, place, stream, &verdicts);
        }
    }
}

/// True if the other reading imports a name, or uses one in a way, that the first one does not. Chance does not spell
/// names, so one is enough.
fn adds(first: &Machine<'_>, other: &Machine<'_>) -> bool {
    let (before, names) = (first.names(), other.names());
    let known: HashSet<_> = before.all().iter().map(key).collect();
    let used: HashSet<_> =
        before.uses().iter().filter_map(|entry| before.get(entry.name).map(|name| (key(name), entry.usage))).collect();
    names.all().iter().any(|name| may_exist(name) && !known.contains(&key(name)))
        || names.uses().iter().any(|entry| {
            names.get(entry.name).is_some_and(|name| may_exist(name) && !used.contains(&(key(name), entry.usage)))
        })
}

fn key(name: &Name) -> (&str, &str) {
    (&name.module, &name.function)
}
