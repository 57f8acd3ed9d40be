//! Lists, tuples, sets and dicts that the code makes: one for each place that makes one, however often it is run.
//!
//! Items keep their order as long as the code puts them in one by one, because strings are joined out of them. Of a
//! dict only the values and keys as such are kept.

use std::collections::HashMap;

use super::value::{Atom, Value, join};
use crate::decode::marshal::Id;

/// Containers that are told apart.
const MOST: usize = 1 << 16;
/// Items that are told apart in one container.
const MOST_ITEMS: usize = 256;
/// Items of all containers.
const MOST_ALL: usize = 1 << 18;

/// The place that makes a container: code, offset of the instruction, number among those of the instruction.
pub(super) type Site = (Id, u64, u32);

#[derive(Debug, Default)]
struct List {
    items: Vec<Value>,
    /// Items without a place.
    others: Vec<Atom>,
    /// Where the next item goes, each time that the code is walked anew.
    next: usize,
}

/// All containers.
#[derive(Debug, Default)]
pub(super) struct Lists {
    list: Vec<List>,
    sites: HashMap<Site, u32>,
    kept: usize,
    /// Something was put in that was not known before.
    pub(super) changed: bool,
}

impl Lists {
    /// The container of that place, if there is one.
    pub(super) fn known(&self, site: Site) -> Option<u32> {
        self.sites.get(&site).copied()
    }

    /// The empty container of that place; None if there are too many.
    pub(super) fn make(&mut self, site: Site) -> Option<u32> {
        if let Some(&id) = self.sites.get(&site) {
            if let Some(list) = self.list.get_mut(id as usize) {
                list.next = 0;
            }
            return Some(id);
        }
        if self.list.len() >= MOST {
            return None;
        }
        let id = u32::try_from(self.list.len()).ok()?;
        self.list.push(List::default());
        self.sites.insert(site, id);
        Some(id)
    }

    /// Puts a value behind the others.
    pub(super) fn push(&mut self, id: u32, value: &Value) {
        let Some(list) = self.list.get_mut(id as usize) else { return };
        let at = list.next;
        list.next = at.saturating_add(1);
        if let Some(item) = list.items.get_mut(at) {
            let both = item.or(value);
            self.changed |= both != *item;
            *item = both;
        } else if at < MOST_ITEMS && self.kept < MOST_ALL {
            self.kept = self.kept.saturating_add(1);
            list.items.push(value.clone());
            self.changed = true;
        } else {
            self.changed |= join(&mut list.others, value.atoms());
        }
    }

    /// Puts a value in, nobody knows where.
    pub(super) fn put(&mut self, id: u32, value: &Value) {
        if let Some(list) = self.list.get_mut(id as usize) {
            self.changed |= join(&mut list.others, value.atoms());
        }
    }

    /// The items in their order, and whether these are all.
    pub(super) fn items(&self, id: u32) -> (&[Value], bool) {
        self.list.get(id as usize).map_or((&[], false), |list| (&list.items, list.others.is_empty()))
    }

    /// All that any item may be.
    pub(super) fn any(&self, id: u32) -> Value {
        let Some(list) = self.list.get(id as usize) else { return Value::UNKNOWN };
        let mut atoms = list.others.clone();
        for item in &list.items {
            join(&mut atoms, item.atoms());
        }
        Value::of(atoms)
    }
}
