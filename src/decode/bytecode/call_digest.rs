//! Everything that a call is given, as far as it is known and the same wherever the code stands, for a digest.

use sha2::{Digest as _, Sha256};

use super::call::Arguments;
use super::value::{Atom, Value};
use super::walk::Walk;

/// What one call may cost: bytes of constants, and so many for each value.
const MOST_FOR_ONE: usize = 1 << 20;
const VALUE: usize = 64;
/// Containers in containers that are looked into.
const DEEPEST: u8 = 4;

/// A digest under way.
struct Taking {
    hash: Sha256,
    left: usize,
}

impl Taking {
    /// Adds a part, or as much of it as may still be looked at.
    fn part(&mut self, kind: u8, bytes: &[u8]) {
        self.hash.update([kind]);
        self.hash.update((bytes.len() as u64).to_le_bytes());
        self.hash.update(bytes.get(..self.left.min(bytes.len())).unwrap_or_default());
        self.left = self.left.saturating_sub(bytes.len().saturating_add(VALUE));
    }
}

impl Walk<'_> {
    /// Everything that a call is given, and what looking at it cost.
    pub(super) fn call_digest(&self, arguments: &Arguments) -> (Sha256, usize) {
        let mut taking = Taking { hash: Sha256::new(), left: MOST_FOR_ONE };
        for value in &arguments.positional {
            self.take_in(value, 0, &mut taking);
        }
        for (name, value) in &arguments.named {
            taking.part(b'=', name.as_bytes());
            self.take_in(value, 0, &mut taking);
        }
        let cost = MOST_FOR_ONE.saturating_sub(taking.left).max(VALUE);
        (taking.hash, cost)
    }

    fn take_in(&self, value: &Value, depth: u8, taking: &mut Taking) {
        taking.part(b'(', b"");
        for atom in value.atoms() {
            if taking.left == 0 {
                return;
            }
            match atom {
                Atom::List(list) if depth < DEEPEST => {
                    let items = self.lists.items(*list).0;
                    taking.part(b'[', &(items.len() as u64).to_le_bytes());
                    for item in items {
                        if taking.left == 0 {
                            return;
                        }
                        self.take_in(item, depth.saturating_add(1), taking);
                    }
                }
                Atom::Each(all) => {
                    for one in all.iter() {
                        if taking.left == 0 {
                            return;
                        }
                        self.take_atom(one, taking);
                    }
                }
                atom => self.take_atom(atom, taking),
            }
        }
    }

    fn take_atom(&self, atom: &Atom, taking: &mut Taking) {
        match atom {
            Atom::Text(text) => taking.part(b's', text.as_bytes()),
            Atom::Bytes(bytes) => taking.part(b'y', bytes),
            Atom::Int(number) => taking.part(b'i', &number.to_le_bytes()),
            Atom::None => taking.part(b'n', b""),
            Atom::Slice(bounds) => taking.part(b':', format!("{bounds:?}").as_bytes()),
            Atom::Name(id) | Atom::Made(id) => {
                let (module, path) = self.references.get(*id);
                taking.part(if matches!(atom, Atom::Made(_)) { b'm' } else { b'g' }, module.as_bytes());
                taking.part(b'.', path.as_bytes());
            }
            _ => taking.part(b'?', b""),
        }
    }
}
