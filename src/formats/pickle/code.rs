//! Code objects in a pickle: built out of their parts, or given to `marshal.loads`.

use std::collections::{BTreeMap, HashMap};

use super::facts::Place;
use super::nested;
use crate::decode::marshal::Id;
use crate::decode::pickle::{Evidence, Machine, Purpose};
use crate::formats::Scan;
use crate::formats::python_code::Gathered;

/// Marshalled bytes of one stream that are looked at.
const LONGEST: usize = 32 << 20;

/// States the code that a finished run has met.
pub(super) fn state(scan: &mut Scan<'_>, machine: &Machine<'_>, place: Place) {
    let evidence = machine.evidence();
    let mut functions = Gathered::new("function");
    for code in evidence.codes.iter().filter(|code| code.root.is_none()) {
        functions.add_unreadable(place.offset(code.at));
    }
    for group in groups(evidence) {
        let codes: Vec<Id> = group.iter().map(|(_, id)| *id).collect();
        let at = group.first().map_or(0, |(at, _)| *at);
        functions.add(&evidence.code_objects, &codes, place.offset(at), None);
    }
    if evidence.codes_cut {
        functions.cut();
    }
    let mut marshalled = Gathered::new("marshal");
    let mut left = LONGEST;
    for nested in evidence.nested.iter().filter(|nested| nested.purpose == Purpose::Unmarshalled) {
        let at = place.offset(nested.at);
        match nested::bytes_of(machine, nested, place, left) {
            Some(bytes) => {
                // The same bytes may be loaded again and again.
                left = left.saturating_sub(bytes.len().max(4096));
                marshalled.add_marshalled(&bytes, at);
            }
            None => marshalled.add_unreadable(at),
        }
    }
    functions.state(scan, evidence.runs_code);
    marshalled.state(scan, evidence.runs_code);
}

/// Code objects that belong together because one is a constant of the other, with their offsets, inner ones first.
fn groups(evidence: &Evidence) -> Vec<Vec<(u64, Id)>> {
    let objects = &evidence.code_objects;
    let codes: Vec<(u64, Id)> = evidence.codes.iter().filter_map(|code| Some((code.at, code.root?))).collect();
    let index: HashMap<Id, usize> = codes.iter().enumerate().map(|(place, (_, id))| (*id, place)).collect();
    // A forest: each points to another of its group, the first to itself.
    let mut parents: Vec<usize> = (0..codes.len()).collect();
    let first = |parents: &mut Vec<usize>, mut place: usize| {
        while let Some(&parent) = parents.get(place).filter(|&&parent| parent != place) {
            let above = parents.get(parent).copied().unwrap_or(parent);
            if let Some(slot) = parents.get_mut(place) {
                *slot = above;
            }
            place = above;
        }
        place
    };
    for (place, (_, id)) in codes.iter().enumerate() {
        let constants = objects.code(*id).map_or(&[][..], |code| objects.tuple(code.constants));
        for inner in constants.iter().filter_map(|constant| index.get(constant)) {
            let (one, other) = (first(&mut parents, place), first(&mut parents, *inner));
            if let Some(slot) = parents.get_mut(one.max(other)) {
                *slot = one.min(other);
            }
        }
    }
    let mut groups: BTreeMap<usize, Vec<(u64, Id)>> = BTreeMap::new();
    for (place, code) in codes.iter().enumerate() {
        groups.entry(first(&mut parents, place)).or_default().push(*code);
    }
    groups.into_values().collect()
}
