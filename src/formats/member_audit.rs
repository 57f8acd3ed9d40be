//! What is unusual about the members of archives that have one header for each: names, types, rights, links, repetition.

use std::collections::{HashMap, HashSet};

use super::duplicates::digest;
use super::{Halt, Scan, member_path};
use crate::bytes::Input;
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

/// The contents that members of one name have. Kept are inputs, which are handed on anyway.
#[derive(Default)]
pub(super) struct Contents {
    by_name: HashMap<String, (Input, u64)>,
    differ: HashSet<String>,
}

impl Contents {
    /// Notes one more member.
    pub(super) fn add(&mut self, scan: &Scan<'_>, input: &Input) -> Result<(), Halt> {
        let name = input.name.innermost();
        let Some((first, count)) = self.by_name.get_mut(name) else {
            self.by_name.insert(name.to_owned(), (input.clone(), 1));
            return Ok(());
        };
        *count = count.saturating_add(1);
        if first.len() != input.len() || digest(scan, first)? != digest(scan, input)? {
            self.differ.insert(name.to_owned());
        }
        Ok(())
    }

    /// States the names that occurred more than once: extraction keeps the last, or asks.
    pub(super) fn conclude(self, scan: &mut Scan<'_>, container: &'static str, place: (u64, u64)) {
        let repeated = self.by_name.into_iter().filter(|(_, (_, count))| *count > 1);
        let mut repeated: Vec<(String, u64)> = repeated.map(|(name, (_, count))| (name, count)).collect();
        repeated.sort_unstable();
        for (name, count) in repeated {
            let differs = self.differ.contains(&name);
            let anomaly = if differs { "duplicate-name-differs" } else { "duplicate-name" };
            let contents = if differs { "different contents" } else { "equal content" };
            let described = Described { container, place, name: &name, mode: 0 };
            described.state(scan, anomaly, &format!("{count} members of {contents}"));
        }
    }
}
