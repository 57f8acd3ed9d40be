//! Everything that a call is given, for a digest: structure, numbers, names, and strings; of those that are as long as
//! arrays only length, beginning and end.

use sha2::{Digest as _, Sha256};

use super::machine::Machine;
use super::value::{Kind, Value};

/// Values of one call that are looked at. What is shared counts wherever it stands.
const MOST_VALUES: usize = 4096;
/// What all calls of one stream may cost: bytes of strings, and so many for each value.
pub(super) const MOST_DIGESTED: usize = 16 << 20;
const VALUE: usize = 64;
/// Bytes of a string that are taken at a time.
const PORTION: usize = 64 << 10;
/// Longer strings are data, arrays above all: only their length, their beginning and their end are taken in.
const LONGEST: u64 = 1 << 20;

impl Machine<'_> {
    /// Everything that a call is given. Where that is too much, so much of it; that it was too much is part of it.
    pub(super) fn call_digest(&self, callable: Value, arguments: Value) -> Sha256 {
        let mut hash = Sha256::new();
        let mut left = vec![arguments, callable];
        let mut looked = 0_usize;
        while let Some(value) = left.pop() {
            looked = looked.saturating_add(1);
            if looked > MOST_VALUES || !self.pay(VALUE) {
                hash.update(b"more");
                break;
            }
            self.take_in(value, &mut hash, &mut left);
        }
        hash
    }

    fn pay(&self, cost: usize) -> bool {
        let left = self.digests_left.get();
        self.digests_left.set(left.saturating_sub(cost));
        left >= cost
    }

    fn take_in(&self, value: Value, hash: &mut Sha256, left: &mut Vec<Value>) {
        let mut part = |kind: u8, text: &[u8]| {
            hash.update([kind]);
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        };
        match value {
            Value::None => part(b'n', b""),
            Value::Bool(truth) => part(b'b', &[u8::from(truth)]),
            Value::Int(number) => part(b'i', number.to_string().as_bytes()),
            Value::Number(_) => part(b'i', self.item_text(value).as_bytes()),
            Value::Global(id) => part(b'g', self.qualified(id).as_bytes()),
            Value::Str(_) | Value::Bytes(_) | Value::Computed(_) => self.string(value, hash),
            Value::Node(_) => {
                let kind = self.cells.kind(value);
                let items = match kind {
                    Some(Kind::Tuple | Kind::List | Kind::Dict | Kind::Set | Kind::Iterator) => {
                        self.cells.items(value).unwrap_or_default()
                    }
                    Some(Kind::Call | Kind::Instance) => (1..=3).map(|field| self.cells.field(value, field)).collect(),
                    Some(Kind::Persistent) => vec![self.cells.field(value, 1)],
                    Some(Kind::Chunk | Kind::State) | None => Vec::new(),
                };
                let len = self.cells.len(value).max(items.len()) as u64;
                part(b'c', format!("{kind:?} {len}").as_bytes());
                left.extend(items.into_iter().rev());
            }
            Value::Unknown | Value::Head(..) | Value::Len(_) => part(b'?', b""),
        }
    }

    fn string(&self, value: Value, hash: &mut Sha256) {
        hash.update(if self.is_text(value) == Some(true) { b"s" } else { b"y" });
        let counted = match value {
            Value::Str(far) | Value::Bytes(far) => self.extent(far).map(|(_, extent)| extent),
            _ => None,
        };
        let Some(extent) = counted.filter(|extent| extent.len != u64::MAX) else {
            // A line, or what was put together here: neither is long.
            let text = self.content(value, MOST_DIGESTED).filter(|text| self.pay(text.len())).unwrap_or_default();
            hash.update((text.len() as u64).to_le_bytes());
            return hash.update(text);
        };
        hash.update(extent.len.to_le_bytes());
        let end = PORTION as u64;
        let parts = match extent.len > LONGEST {
            true => [(extent.at, end), (extent.at.saturating_add(extent.len.saturating_sub(end)), end)],
            false => [(extent.at, extent.len), (extent.at, 0)],
        };
        let mut portion = Vec::new();
        for (mut at, mut rest) in parts {
            while rest > 0 {
                let want = usize::try_from(rest).unwrap_or(PORTION).min(PORTION);
                portion.clear();
                if !self.pay(want) || !self.reader.copy(at, want, &mut portion) {
                    return hash.update(b"more");
                }
                hash.update(&portion);
                (at, rest) = (at.saturating_add(want as u64), rest.saturating_sub(want as u64));
            }
        }
    }
}
