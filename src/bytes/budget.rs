//! What one top-level input may cost. Every limit has the real-world maximum that justifies it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The numbers, from settings.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Largest top-level file to open, bytes. None: any size (a checkpoint of 600 GB is ordinary).
    pub max_file_size: Option<u64>,
    /// Bytes all decoders of one input may produce together. 256 GiB: larger than any public single-file model.
    pub decoded_bytes: u64,
    /// The same for each byte of the input, above a gigabyte. Models compress far less than a thousandfold, and
    /// archives inside archives would else multiply their ratios without end. None: the user set the number above.
    pub decoded_ratio: Option<u64>,
    /// Bytes one member may inflate to. 64 GiB.
    pub member_bytes: u64,
    /// Entries over all archives of one input. The largest Zarr stores hold a few hundred thousand.
    pub members: u64,
    /// Bytes of the input for each of them, above 200,000: archives inside archives would else turn a few kilobytes into
    /// as many members as there may be. None: the user set the number above.
    pub bytes_per_member: Option<u64>,
    /// How many containers may enclose an input. Real packages stop at four (image layout, compressed layer, tar, zip).
    pub depth: u64,
    /// Steps of work (opcodes, nodes, records). The largest real pickles (pandas frames of objects) have some 10 M.
    pub work: u64,
    /// Wall time for one top-level input.
    pub timeout: Option<Duration>,
}

impl Limits {
    /// The limits for one top-level input of `size` bytes.
    #[must_use]
    pub fn for_size(self, size: u64) -> Self {
        let fair = self.decoded_ratio.map_or(u64::MAX, |ratio| size.saturating_mul(ratio).max(1 << 30));
        let members = self.bytes_per_member.map_or(u64::MAX, |bytes| (size / bytes.max(1)).max(200_000));
        Self { decoded_bytes: self.decoded_bytes.min(fair), members: self.members.min(members), ..self }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_file_size: None,
            decoded_bytes: 256 << 30,
            decoded_ratio: Some(1000),
            member_bytes: 64 << 30,
            members: 1_000_000,
            bytes_per_member: Some(16),
            depth: 10,
            work: 400_000_000,
            timeout: Some(Duration::from_hours(1)),
        }
    }
}

/// A limit was reached. Not an error of the file: the file was not read to its end, and the report says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("limit reached: {what} (limit {limit})")]
pub struct Exceeded {
    /// What there is too much of.
    pub what: &'static str,
    /// The limit, in the unit that `what` names.
    pub limit: u64,
}

/// What is left of the [`Limits`] for one top-level input and everything inside it.
#[derive(Debug)]
pub struct Budget {
    limits: Limits,
    decoded: AtomicU64,
    members: AtomicU64,
    work: AtomicU64,
    deadline: Option<Instant>,
}

impl Budget {
    /// Starts the clock.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            decoded: AtomicU64::new(0),
            members: AtomicU64::new(0),
            work: AtomicU64::new(0),
            deadline: limits.timeout.map(|timeout| Instant::now() + timeout),
        }
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Pays for `n` decoded bytes before they are produced or stored.
    ///
    /// # Errors
    /// The limit on decoded bytes or on time is reached.
    pub fn take_bytes(&self, n: u64) -> Result<(), Exceeded> {
        take(&self.decoded, n, self.limits.decoded_bytes, "decoded bytes")?;
        self.check_time()
    }

    /// Pays for one archive member.
    ///
    /// # Errors
    /// The limit on members is reached.
    pub fn take_member(&self) -> Result<(), Exceeded> {
        take(&self.members, 1, self.limits.members, "archive members")
    }

    /// Pays for `n` steps of work; call it once per few thousand steps, not for each.
    ///
    /// # Errors
    /// The limit on work or on time is reached.
    pub fn take_work(&self, n: u64) -> Result<(), Exceeded> {
        take(&self.work, n, self.limits.work, "steps of work")?;
        self.check_time()
    }

    /// Checks the deadline.
    ///
    /// # Errors
    /// The time is over.
    pub fn check_time(&self) -> Result<(), Exceeded> {
        match self.deadline {
            Some(deadline) if Instant::now() >= deadline => {
                Err(Exceeded { what: "seconds", limit: self.limits.timeout.unwrap_or_default().as_secs() })
            }
            _ => Ok(()),
        }
    }
}

fn take(counter: &AtomicU64, n: u64, limit: u64, what: &'static str) -> Result<(), Exceeded> {
    let before = counter.fetch_add(n, Ordering::Relaxed);
    if before.saturating_add(n) > limit {
        // Put back, so that a later small request is judged on what was really used.
        counter.fetch_sub(n, Ordering::Relaxed);
        return Err(Exceeded { what, limit });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_file_may_not_decode_to_terabytes() {
        let limits = Limits::default();
        assert_eq!(limits.for_size(10_000).decoded_bytes, 1 << 30);
        assert_eq!(limits.for_size(10 << 30).decoded_bytes, limits.decoded_bytes);
    }

    #[test]
    fn a_small_file_may_not_hold_a_million_members() {
        let limits = Limits::default();
        assert_eq!(limits.for_size(19_000).members, 200_000);
        assert_eq!(limits.for_size(8_000_000).members, 500_000);
        assert_eq!(limits.for_size(1 << 30).members, limits.members);
        let chosen = Limits { members: 900_000, bytes_per_member: None, ..limits };
        assert_eq!(chosen.for_size(19_000).members, 900_000);
    }

    #[test]
    fn a_refused_request_costs_nothing() {
        let budget = Budget::new(Limits { decoded_bytes: 10, ..Limits::default() });
        assert!(budget.take_bytes(11).is_err());
        assert!(budget.take_bytes(10).is_ok());
        assert_eq!(budget.take_bytes(1), Err(Exceeded { what: "decoded bytes", limit: 10 }));
    }
}
