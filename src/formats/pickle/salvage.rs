//! Finding pickles in data that should not hold any: behind padding, behind a broken stream.
//!
//! Every place that could begin a pickle is tried, and believed only if the machine gets from there to a call of
//! something imported. The work is bounded by the size of the data, so a flood of beginnings costs no more than one
//! long pickle.

use crate::bytes::Exceeded;
use crate::decode::pickle::names::{LONGEST_NAME, Spelling, spelling};
use crate::decode::pickle::{End, Machine, opcode};
use crate::formats::Scan;

/// Bytes read at a time, and how much two readings overlap: no beginning is longer.
const WINDOW: usize = 1 << 20;
const OVERLAP: usize = 512;
/// Bytes that are searched. Real padding ends after a page.
const LONGEST: u64 = 256 << 20;
/// Opcodes that may be tried for nothing, beside one for each byte.
const FREE_WORK: u64 = 1 << 20;
/// Bytes of an operand that cost as much as an opcode.
const BYTES_OF_WORK: u64 = 64;
/// Longest line of a text opcode: each beginning may have one that ends nowhere.
const LONGEST_LINE: u64 = 64 << 10;
/// Longest name at the beginning of a pickle without PROTO.
const LONGEST_PART: usize = 200;

/// A search and what it has cost.
#[derive(Debug, Default)]
pub(super) struct Salvage {
    searched: u64,
    work: u64,
    /// The limit that ended the search.
    pub(super) exhausted: Option<Exceeded>,
}

impl Salvage {
    /// The offset of the next pickle at or behind `from`; the machine has run it.
    pub(super) fn next(&mut self, scan: &Scan<'_>, machine: &mut Machine<'_>, from: u64) -> Option<u64> {
        let mut at = from;
        loop {
            if self.searched > LONGEST || self.exhausted.is_some() {
                self.exhausted.get_or_insert(Exceeded { what: "bytes searched for hidden pickles", limit: LONGEST });
                return None;
            }
            let window = scan.input.read(at, WINDOW).ok()?;
            let last = window.len() < WINDOW;
            let usable = if last { window.len() } else { window.len().saturating_sub(OVERLAP) };
            for place in beginnings(&window).take_while(|&place| place < usable) {
                let start = at.saturating_add(place as u64);
                if self.holds(scan, machine, start) {
                    self.searched = self.searched.saturating_add(place as u64);
                    return Some(start);
                }
                if self.exhausted.is_some() {
                    return None;
                }
            }
            if last {
                return None;
            }
            self.searched = self.searched.saturating_add(usable as u64);
            at = at.saturating_add(usable as u64);
        }
    }

    /// Runs what begins at `start`: is it a pickle that does something?
    fn holds(&mut self, scan: &Scan<'_>, machine: &mut Machine<'_>, start: u64) -> bool {
        let allowed = FREE_WORK.saturating_add(scan.input.len());
        machine.limit_lines(LONGEST_LINE);
        machine.begin(start);
        let end = machine.run(scan.budget, allowed.saturating_sub(self.work));
        let holds = machine.calls() > 0 && !machine.names().all().is_empty() && is_plausible(machine);
        if !holds {
            let read = machine.offset().saturating_sub(start) / BYTES_OF_WORK;
            self.work = self.work.saturating_add(machine.ops()).saturating_add(read);
            if self.work >= allowed {
                self.exhausted = Some(Exceeded { what: "opcodes tried for hidden pickles", limit: allowed });
            }
            if let Some(End::Limit(exceeded)) = end {
                self.exhausted = Some(exceeded);
            }
        }
        holds
    }
}

/// The same, and no opcode missed its operand: a run that came to nothing by itself.
pub(super) fn is_plausible(machine: &Machine<'_>) -> bool {
    let odd = |effect: &str| matches!(effect, "invalid-name" | "stack-underflow" | "undefined-memo" | "unresolved-name");
    machine.evidence().anomalies.iter().all(|anomaly| !odd(anomaly.effect)) && has_names(machine)
}

/// True if every name that the run imported could be one.
pub(super) fn has_names(machine: &Machine<'_>) -> bool {
    let could_be = |module: &str| module.len() < LONGEST_NAME && spelling(module) != Spelling::Invalid;
    machine.names().all().iter().all(|name| could_be(&name.module))
}

/// Places in `window` where a pickle may begin: PROTO with a protocol that exists and an opcode behind it, or GLOBAL
/// or INST with two names.
fn beginnings(window: &[u8]) -> impl Iterator<Item = usize> {
    memchr::memchr2_iter(opcode::PROTO, b'\n', window).filter_map(move |at| match window.get(at..)? {
        [opcode::PROTO, 2..=5, next, ..] => opcode::layout(*next).map(|_| at),
        [b'\n', rest @ ..] => {
            let from = at.saturating_sub(LONGEST_PART);
            let before = window.get(from..at)?;
            let run = before.iter().rev().take_while(|&&byte| is_name_byte(byte)).count();
            let module = before.get(before.len().checked_sub(run)?..)?;
            // The opcode is a letter itself: the run of letters begins with it or with opcodes before it.
            let start = module.iter().take(8).position(|byte| matches!(byte, b'c' | b'i'))?;
            let name = rest.iter().take(LONGEST_PART).take_while(|&&byte| is_name_byte(byte)).count();
            let complete = name > 0 && module.len() > start.saturating_add(1) && rest.get(name) == Some(&b'\n');
            let place = at.checked_sub(run)?.checked_add(start)?;
            // INST needs a mark before it, and arguments may stand between; OBJ needs one before its class.
            let is_inst = window.get(place) == Some(&opcode::INST);
            let near = if is_inst { from } else { place.saturating_sub(1) };
            let marked = memchr::memrchr(opcode::MARK, window.get(near..place)?);
            complete.then(|| marked.map_or(place, |mark| near.saturating_add(mark)))
        }
        _ => None,
    })
}

const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings_are_few() {
        let places = |bytes| beginnings(bytes).collect::<Vec<_>>();
        assert_eq!(places(b"\0\0\x80\x04N.\x80\x09N."), [2]);
        assert_eq!(places(b"\0\0cos\nsystem\n(S'x'\ntR."), [2]);
        assert_eq!(places(b"\0(ios\nsystem\n."), [1]);
        assert_eq!(places(b"\0(S'x'\nios\nsystem\n."), [1]);
        assert!(places(b"some text\nof two words\n").is_empty());
    }
}
