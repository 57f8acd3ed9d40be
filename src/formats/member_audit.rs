//! What is unusual about the members of archives that have one header for each: names, types, rights, links, repetition.

use std::collections::HashMap;
use std::sync::Arc;

use super::duplicates::{digest, fingerprint};
use super::{Halt, Scan, member_path};
use crate::bytes::{Exceeded, Input, ReadAt};
use crate::fact::Fact;

/// Longest target of a link that is looked at.
const LONGEST_TARGET: usize = 64 << 10;
/// The bits of a mode that say what a file is.
const TYPE: u32 = 0o170_000;

/// A member as its header describes it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Described<'a> {
    /// The format of the archive, by its table name.
    pub(super) container: &'static str,
    /// First byte and length of the header.
    pub(super) place: (u64, u64),
    /// Name.
    pub(super) name: &'a str,
    /// Mode as Unix has it; 0 if there is none.
    pub(super) mode: u32,
}

impl Described<'_> {
    /// Is the content the target of a symbolic link?
    pub(super) const fn is_link(&self) -> bool {
        self.mode & TYPE == 0o120_000
    }

    /// States what name and mode give away.
    pub(super) fn audit(&self, scan: &mut Scan<'_>) {
        if let Some(why) = member_path::escape(self.name) {
            self.state(scan, "path-traversal", why);
        }
        match self.mode & TYPE {
            0o020_000 => self.state(scan, "device", "character device"),
            0o060_000 => self.state(scan, "device", "block device"),
            0o010_000 => self.state(scan, "device", "FIFO"),
            0o140_000 => self.state(scan, "device", "socket"),
            0o100_000 if self.mode & 0o7_000 != 0 && self.mode & 0o111 != 0 => {
                self.state(scan, "special-permission", &format!("mode {:04o}", self.mode & 0o7_777));
            }
            _ => {}
        }
    }

    /// States that the link leads to the outside, if it does; `content` holds its target.
    pub(super) fn audit_link(&self, scan: &mut Scan<'_>, content: &Input) -> Result<(), Halt> {
        let target = content.read(0, LONGEST_TARGET)?;
        let target = String::from_utf8_lossy(&target);
        if let Some(why) = member_path::link_escape(self.name, target.trim_end_matches('\0')) {
            self.state(scan, "symlink-escape", &format!("{target} ({why})"));
        }
        Ok(())
    }

    /// States a fact about the member.
    pub(super) fn state(&self, scan: &mut Scan<'_>, anomaly: &'static str, detail: &str) {
        let (at, length) = self.place;
        scan.fact(at, length, Fact::Member { anomaly, member: self.name, container: self.container, detail });
    }
}

/// Members of one archive; as many as ZIP and TAR may have.
const MOST_MEMBERS: usize = 200_000;
/// Bytes of names that occur more than once in an archive.
const MOST_REPEATED: usize = 8 << 20;

/// The contents that members of one name have. Of names that occur once, fingerprints are kept.
#[derive(Default)]
pub(super) struct Contents {
    first: HashMap<u128, Arc<dyn ReadAt>>,
    repeated: HashMap<u128, Repeated>,
    repeated_bytes: usize,
}

/// A name that occurred more than once.
struct Repeated {
    name: String,
    count: u64,
    differs: bool,
}

impl Contents {
    /// Notes one more member.
    ///
    /// # Errors
    /// There are more than an archive may have; I/O.
    pub(super) fn add(&mut self, scan: &Scan<'_>, name: &str, input: &Input) -> Result<(), Halt> {
        let key = fingerprint(name);
        let Some(first) = self.first.get(&key) else {
            if self.first.len() >= MOST_MEMBERS {
                return Err(Exceeded { what: "members of one archive", limit: MOST_MEMBERS as u64 }.into());
            }
            self.first.insert(key, Arc::clone(&input.source));
            return Ok(());
        };
        let known = self.repeated.get(&key);
        let differs = known.is_some_and(|known| known.differs)
            || first.len() != input.len()
            || digest(scan, &**first)? != digest(scan, &*input.source)?;
        if known.is_none() {
            self.repeated_bytes = self.repeated_bytes.saturating_add(name.len());
            if self.repeated_bytes > MOST_REPEATED {
                let what = "bytes of repeated names in one archive";
                return Err(Exceeded { what, limit: MOST_REPEATED as u64 }.into());
            }
        }
        let fresh = || Repeated { name: name.to_owned(), count: 1, differs };
        let repeated = self.repeated.entry(key).or_insert_with(fresh);
        repeated.count = repeated.count.saturating_add(1);
        repeated.differs = differs;
        Ok(())
    }

    /// States the names that occurred more than once: extraction keeps the last, or asks.
    pub(super) fn conclude(self, scan: &mut Scan<'_>, container: &'static str, place: (u64, u64)) {
        let mut repeated: Vec<Repeated> = self.repeated.into_values().collect();
        repeated.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        for Repeated { name, count, differs } in repeated {
            let anomaly = if differs { "duplicate-name-differs" } else { "duplicate-name" };
            let contents = if differs { "different contents" } else { "equal content" };
            let described = Described { container, place, name: &name, mode: 0 };
            described.state(scan, anomaly, &format!("{count} members of {contents}"));
        }
    }
}
