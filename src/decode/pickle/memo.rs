//! The memo: objects that a stream numbers in order to use them again.

use std::collections::HashMap;

use super::value::{Kind, Value};
/// Entries that are kept, the first ones: writers number names and shared objects early and fetch those.
pub(super) const MOST_ENTRIES: u64 = 5 << 20;
/// Entries that are kept far from the others.
const MOST_SPARSE: usize = 1 << 18;
/// Indices this far beyond twice the number of entries go to the map.
const SLACK: u64 = 1024;
/// What fills slots that were never set: no value on the stack is a head.
const EMPTY: Value = Value::Head(Kind::Chunk, 0.0);

/// Values by number. Ordinary writers number without gaps; the few that do not must not cost memory.
#[derive(Debug, Default)]
pub(super) struct Memo {
    dense: Vec<Value>,
    sparse: HashMap<u64, Value>,
    entries: u64,
    /// True if an entry was not kept.
    dropped: bool,
    /// True if one was fetched that may have been dropped.
    missed: bool,
}

impl Memo {
    pub(super) fn clear(&mut self) {
        self.dense.clear();
        self.sparse.clear();
        self.entries = 0;
        self.dropped = false;
        self.missed = false;
    }

    /// True if a value was fetched that was not kept.
    pub(super) fn missed(&self) -> bool {
        self.missed
    }

    /// Number of slots that are set, which is where MEMOIZE stores.
    pub(super) fn entries(&self) -> u64 {
        self.entries
    }

    /// The value of a slot; None if it was never set.
    #[inline]
    pub(super) fn get(&mut self, index: u64) -> Option<Value> {
        let dense = usize::try_from(index).ok().and_then(|index| self.dense.get(index)).copied();
        dense.filter(|value| !matches!(value, Value::Head(..))).or_else(|| self.get_far(index))
    }

    #[cold]
    fn get_far(&mut self, index: u64) -> Option<Value> {
        let known = self.sparse.get(&index).copied();
        if known.is_none() && self.dropped {
            self.missed = true;
            return Some(Value::Unknown);
        }
        known
    }

    #[inline]
    pub(super) fn put(&mut self, index: u64, value: Value) {
        if let Some(slot) = usize::try_from(index).ok().and_then(|index| self.dense.get_mut(index)) {
            if matches!(slot, Value::Head(..)) && !self.sparse.contains_key(&index) {
                self.entries = self.entries.saturating_add(1);
            }
            *slot = value;
            return;
        }
        // Counted in entries, not in slots: else each gap would allow the next one to be twice as wide.
        let reach = self.entries.saturating_mul(2).saturating_add(SLACK).min(MOST_ENTRIES);
        match usize::try_from(index).ok().filter(|_| index < reach) {
            Some(index) => {
                let moved = !self.sparse.is_empty() && self.sparse.remove(&(index as u64)).is_some();
                if !moved {
                    self.entries = self.entries.saturating_add(1);
                }
                if index > self.dense.len() {
                    self.dense.resize(index, EMPTY);
                }
                self.dense.push(value);
            }
            None => self.put_far(index, value),
        }
    }

    /// A flood must not take the place of names, which come first, nor of strings. Of what finds no room only the count
    /// is kept, which decides where MEMOIZE stores.
    #[cold]
    fn put_far(&mut self, index: u64, value: Value) {
        let room = match value {
            Value::Global(_) | Value::Computed(_) => MOST_SPARSE,
            Value::Str(_) => MOST_SPARSE / 2,
            _ => MOST_SPARSE / 4,
        };
        if self.sparse.len() < room {
            if self.sparse.insert(index, value).is_none() {
                self.entries = self.entries.saturating_add(1);
            }
            return;
        }
        self.dropped = true;
        if index >= self.entries {
            self.entries = self.entries.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_that_double_cost_no_more_than_their_entries() {
        let mut memo = Memo::default();
        for power in 0..32 {
            memo.put((1 << power) - 1, Value::None);
        }
        assert_eq!(memo.entries(), 32);
        assert!(memo.dense.len() < 4096);
    }

    #[test]
    fn a_flood_is_counted_and_said_to_be_missed() {
        let mut memo = Memo::default();
        (0..MOST_ENTRIES + 1_000_000).for_each(|index| memo.put(index, Value::None));
        assert_eq!(memo.entries(), MOST_ENTRIES + 1_000_000);
        assert_eq!((memo.get(7), memo.missed()), (Some(Value::None), false));
        memo.put(MOST_ENTRIES + 1_000_000, Value::Global(3));
        assert_eq!((memo.get(MOST_ENTRIES + 1_000_000), memo.missed()), (Some(Value::Global(3)), false));
        assert_eq!((memo.get(MOST_ENTRIES + 900_000), memo.missed()), (Some(Value::Unknown), true));
    }

    #[test]
    fn gaps_cost_nothing_and_do_not_count() {
        let mut memo = Memo::default();
        memo.put(0, Value::None);
        memo.put(u64::from(u32::MAX), Value::Int(1));
        memo.put(5, Value::Int(5));
        assert_eq!(memo.entries(), 3);
        assert!(memo.dense.len() < 10);
        assert_eq!(memo.get(u64::from(u32::MAX)), Some(Value::Int(1)));
        assert_eq!((memo.get(3), memo.get(5)), (None, Some(Value::Int(5))));
        memo.put(3, Value::Int(3));
        memo.put(3, Value::Int(4));
        assert_eq!((memo.entries(), memo.get(3)), (4, Some(Value::Int(4))));
    }
}
