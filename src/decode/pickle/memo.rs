//! The memo: objects that a stream numbers in order to use them again.

use std::collections::HashMap;

use super::value::{Kind, Value};
use crate::bytes::Exceeded;

/// Entries that are kept. `CPython` needs some hundred bytes of its own for each object that it numbers.
const MOST_ENTRIES: u64 = 16 << 20;
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
}

impl Memo {
    pub(super) fn clear(&mut self) {
        self.dense.clear();
        self.sparse.clear();
        self.entries = 0;
    }

    /// Number of slots that are set, which is where MEMOIZE stores.
    pub(super) fn entries(&self) -> u64 {
        self.entries
    }

    #[inline]
    pub(super) fn get(&self, index: u64) -> Option<Value> {
        let dense = usize::try_from(index).ok().and_then(|index| self.dense.get(index)).copied();
        dense
            .filter(|value| !matches!(value, Value::Head(..)))
            .or_else(|| if self.sparse.is_empty() { None } else { self.sparse.get(&index).copied() })
    }

    #[inline]
    pub(super) fn put(&mut self, index: u64, value: Value) -> Result<(), Exceeded> {
        if let Some(slot) = usize::try_from(index).ok().and_then(|index| self.dense.get_mut(index)) {
            if matches!(slot, Value::Head(..)) && !self.sparse.contains_key(&index) {
                self.entries = self.entries.saturating_add(1);
            }
            *slot = value;
            return Ok(());
        }
        if self.entries >= MOST_ENTRIES {
            return Err(Exceeded { what: "memo entries", limit: MOST_ENTRIES });
        }
        // Counted in entries, not in slots: else each gap would allow the next one to be twice as wide.
        let reach = self.entries.saturating_mul(2).saturating_add(SLACK);
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
            None => {
                if self.sparse.insert(index, value).is_none() {
                    self.entries = self.entries.saturating_add(1);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_that_double_cost_no_more_than_their_entries() {
        let mut memo = Memo::default();
        for power in 0..32 {
            memo.put((1 << power) - 1, Value::None).unwrap();
        }
        assert_eq!(memo.entries(), 32);
        assert!(memo.dense.len() < 4096);
    }

    #[test]
    fn gaps_cost_nothing_and_do_not_count() {
        let mut memo = Memo::default();
        memo.put(0, Value::None).unwrap();
        memo.put(u64::from(u32::MAX), Value::Int(1)).unwrap();
        memo.put(5, Value::Int(5)).unwrap();
        assert_eq!(memo.entries(), 3);
        assert!(memo.dense.len() < 10);
        assert_eq!(memo.get(u64::from(u32::MAX)), Some(Value::Int(1)));
        assert_eq!((memo.get(3), memo.get(5)), (None, Some(Value::Int(5))));
        memo.put(3, Value::Int(3)).unwrap();
        memo.put(3, Value::Int(4)).unwrap();
        assert_eq!((memo.entries(), memo.get(3)), (4, Some(Value::Int(4))));
    }
}
