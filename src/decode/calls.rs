//! What a function is given, all of it: what is shown of a call is cut, and shown is only the first one.

use sha2::{Digest as _, Sha256};

use crate::bytes::hex;

/// Calls of one function that are looked at.
const MOST: u32 = 4096;

/// The calls of one function, told apart by digests of their arguments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calls {
    /// In order. Most functions are called in one way, for which a tree would take several times the memory.
    seen: Vec<[u8; 16]>,
    looked: u32,
}

impl Calls {
    /// True as long as further calls are looked at.
    pub(super) const fn wants(&self) -> bool {
        self.looked < MOST
    }

    /// Adds one with everything that it is given.
    pub(super) fn add(&mut self, arguments: Sha256) {
        self.looked = self.looked.saturating_add(1);
        let mut digest = [0; 16];
        digest.iter_mut().zip(arguments.finalize()).for_each(|(to, from)| *to = from);
        if let Err(place) = self.seen.binary_search(&digest) {
            self.seen.insert(place, digest);
        }
    }

    /// A digest of all calls in hexadecimal; empty if there is one whose text, `shown`, says everything.
    #[must_use]
    pub fn digest(&self, shown: &str) -> String {
        if self.seen.is_empty() || (self.seen.len() == 1 && !shown.contains('…')) {
            return String::new();
        }
        let all = self.seen.iter().fold(Sha256::new(), Sha256::chain_update);
        hex(all.finalize().get(..16).unwrap_or_default())
    }
}
