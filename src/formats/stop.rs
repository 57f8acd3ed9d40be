//! Parts of inputs that could not be read, for the coverage.

use crate::bytes::InputName;

/// Stops that are kept. Each has the names of all that encloses it, and an archive can have one in every member.
const MOST: usize = 1000;
/// Memory for their names.
const MOST_BYTES: usize = 4 << 20;

/// A part of an input that could not be read: whose, and why.
#[derive(Debug)]
pub struct Stop {
    /// The input concerned.
    pub name: InputName,
    /// The reason in words; never text from the file.
    pub reason: String,
    /// True if the fault is the machine's or this program's, not the file's.
    pub failed: bool,
    /// True if the file may be sound and only this build cannot read it.
    pub unsupported: bool,
}

impl Stop {
    /// A stop because of a limit of the engine.
    #[must_use]
    pub fn limit(name: &InputName, reason: &str) -> Self {
        Self { name: name.clone(), reason: reason.to_owned(), failed: false, unsupported: false }
    }
}

/// The parts of one top-level input that were not read: the first of them, and how many there are.
#[derive(Debug, Default)]
pub struct Stops {
    kept: Vec<Stop>,
    bytes: usize,
    count: u64,
    top_failed: bool,
}

impl Stops {
    /// Adds one more.
    pub fn push(&mut self, stop: Stop) {
        self.count = self.count.saturating_add(1);
        self.top_failed |= stop.failed && stop.name.members.is_empty();
        // Those that are no errors must not keep one from being told.
        let room = if stop.unsupported { MOST / 2 } else { MOST };
        if self.kept.len() < room && self.bytes < MOST_BYTES {
            self.bytes = self.bytes.saturating_add(stop.name.footprint());
            self.kept.push(stop);
        }
    }

    /// The first ones.
    #[must_use]
    pub fn first(&self) -> &[Stop] {
        &self.kept
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Did the machine or this program fail on the top-level input itself?
    #[must_use]
    pub const fn top_failed(&self) -> bool {
        self.top_failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_stops_are_counted_and_errors_are_kept() {
        let stop = |unsupported| Stop { name: InputName::top("x"), reason: String::new(), failed: false, unsupported };
        let mut stops = Stops::default();
        (0..MOST).for_each(|_| stops.push(stop(true)));
        stops.push(stop(false));
        assert_eq!((stops.count(), stops.first().len()), (MOST as u64 + 1, MOST / 2 + 1));
        assert!(stops.first().iter().any(|stop| !stop.unsupported) && !stops.top_failed());
        (0..MOST).for_each(|_| stops.push(stop(false)));
        stops.push(Stop { failed: true, ..stop(false) });
        assert!(stops.first().len() == MOST && stops.top_failed());
    }
}
