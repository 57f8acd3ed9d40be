//! One streaming pass over a whole file: its digest, and the executables hidden in it.
//!
//! Both need every byte, so they share the read, and the window stays in the cache between them.

use std::sync::LazyLock;

use aho_corasick::packed;
use sha2::{Digest, Sha256};

use super::executable::{self, Executable, MAGICS};
use crate::bytes::{Budget, Exceeded, ReadAt, hex};

/// Bytes fetched at a time: fits the second-level cache, so that the search reads what the digest has just read.
const CHUNK: usize = 256 << 10;
/// Executables reported for one file. More say nothing new.
const MAX_FOUND: usize = 64;
/// Confirmations tried for one file: bounds the work on a file made of magic numbers.
const MAX_CANDIDATES: u64 = 1 << 20;

/// What the pass found.
#[derive(Debug, Default)]
pub struct Payload {
    /// SHA-256 in hex.
    pub sha256: String,
    /// Executables and their offsets.
    pub executables: Vec<(u64, Executable)>,
    /// Magic numbers that were looked at.
    pub candidates: u64,
    /// True if there were more candidates than could be looked at.
    pub cut: bool,
}

/// Why the pass ended early.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    /// The source failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The time was over.
    #[error(transparent)]
    Limit(#[from] Exceeded),
}

/// Reads all of `source` once.
///
/// # Errors
/// I/O, or the deadline.
pub fn pass(source: &dyn ReadAt, budget: &Budget) -> Result<Payload, PassError> {
    let finder = &*FINDER;
    let mut payload = Payload::default();
    let mut hash = Sha256::new();
    let mut at = 0_u64;
    // The end of the last chunk is kept in front of the next one: a magic number may lie across the border.
    let keep = MAGICS.iter().map(|magic| magic.len()).max().unwrap_or(1).saturating_sub(1);
    // Archives hold small members by the hundred thousand.
    let chunk = usize::try_from(source.len()).unwrap_or(CHUNK).min(CHUNK);
    let mut buf = vec![0_u8; chunk + keep];
    let mut kept = 0;
    while at < source.len() {
        let got = source.fill_at(at, buf.get_mut(kept..kept + chunk).unwrap_or_default())?;
        if got == 0 {
            break;
        }
        hash.update(buf.get(kept..kept + got).unwrap_or_default());
        let window = buf.get(..kept + got).unwrap_or_default();
        let base = at.saturating_sub(kept as u64);
        for (position, magic) in finder.find(window) {
            // Whatever ends in the kept part was seen with the chunk before.
            if position + magic.len() <= kept {
                continue;
            }
            payload.candidates += 1;
            if payload.executables.len() >= MAX_FOUND || payload.candidates > MAX_CANDIDATES {
                payload.cut = true;
                break;
            }
            let Some(start) = executable::start_of(source, base.saturating_add(position as u64), magic)? else {
                continue;
            };
            if let Some(found) = executable::confirm(source, start)? {
                payload.executables.push((start, found));
            }
        }
        at = at.saturating_add(got as u64);
        let tail = (kept + got).min(keep);
        buf.copy_within(kept + got - tail..kept + got, 0);
        kept = tail;
        budget.check_time()?;
    }
    payload.sha256 = hex(&hash.finalize());
    Ok(payload)
}

/// Made once: making it costs more than searching a small member.
static FINDER: LazyLock<Finder> = LazyLock::new(Finder::new);

/// Finds all magic numbers at once: with vector instructions where the machine has them.
struct Finder {
    packed: Option<packed::Searcher>,
}

impl Finder {
    fn new() -> Self {
        Self { packed: packed::Searcher::new(MAGICS) }
    }

    fn find<'w>(&'w self, window: &'w [u8]) -> Box<dyn Iterator<Item = (usize, &'static [u8])> + 'w> {
        match &self.packed {
            Some(packed) => Box::new(
                packed
                    .find_iter(window)
                    .filter_map(|found| Some((found.start(), *MAGICS.get(found.pattern().as_usize())?))),
            ),
            None => Box::new(
                MAGICS.iter().flat_map(|magic| memchr::memmem::find_iter(window, magic).map(|at| (at, *magic))),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::{Limits, MemorySource};

    #[test]
    fn a_magic_number_across_a_chunk_border_is_found() {
        let finder = Finder::new();
        assert_eq!(finder.find(b"..\x7fELF..PE\0\0").map(|(at, _)| at).collect::<Vec<_>>(), [2, 8]);
    }

    #[test]
    fn the_digest_is_of_every_byte() {
        let bytes: Vec<u8> = (0..=250).cycle().take(CHUNK * 2 + 77).collect();
        let expected: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let payload = pass(&*MemorySource::new(bytes), &Budget::new(Limits::default())).unwrap();
        assert_eq!(payload.sha256, expected);
        assert!(payload.executables.is_empty());
    }
}
