//! What is unusual about the files of an archive.

use std::collections::{HashMap, HashSet};

use super::{FORMAT, state};
use crate::bytes::Input;
use crate::decode::sevenz::File;
use crate::formats::archive_zip::digest;
use crate::formats::{Halt, Scan, member_path};

/// Longest target of a link that is looked at.
const LONGEST_TARGET: usize = 64 << 10;

/// States what names and attributes give away.
pub(super) fn audit(scan: &mut Scan<'_>, files: &[File]) {
    for file in files {
        let mut told = |anomaly, detail: &str| state(scan, (0, 0), anomaly, &file.name, detail);
        if let Some(why) = member_path::escape(&file.name) {
            told("path-traversal", why);
        }
        let mode = file.mode().unwrap_or_default();
        match mode & 0o170_000 {
            0o020_000 => told("device", "character device"),
            0o060_000 => told("device", "block device"),
            0o010_000 => told("device", "FIFO"),
            0o140_000 => told("device", "socket"),
            0o100_000 if mode & 0o7_000 != 0 && mode & 0o111 != 0 => {
                told("special-permission", &format!("mode {:04o}", mode & 0o7_777));
            }
            _ => {}
        }
    }
}

/// States that the file is a link to the outside, if it is; `input` holds its target.
pub(super) fn link(scan: &mut Scan<'_>, input: &Input, file: &File) -> Result<(), Halt> {
    if !file.is_link() {
        return Ok(());
    }
    let target = input.read(0, LONGEST_TARGET)?;
    let target = String::from_utf8_lossy(&target);
    if let Some(why) = member_path::link_escape(&file.name, &target) {
        state(scan, (0, 0), "symlink-escape", &file.name, &format!("{target} ({why})"));
    }
    Ok(())
}

/// The contents that files of one name have. Kept are inputs, which are parts of what is decoded anyway.
#[derive(Default)]
pub(super) struct Contents {
    by_name: HashMap<String, (Input, u64)>,
    differ: HashSet<String>,
}

impl Contents {
    /// Notes one more file.
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
    pub(super) fn conclude(self, scan: &mut Scan<'_>) {
        let mut repeated: Vec<(String, u64)> =
            self.by_name.into_iter().filter(|(_, (_, count))| *count > 1).map(|(name, (_, count))| (name, count)).collect();
        repeated.sort_unstable();
        for (name, count) in repeated {
            let differs = self.differ.contains(&name);
            let anomaly = if differs { "duplicate-name-differs" } else { "duplicate-name" };
            let contents = if differs { "different contents" } else { "equal content" };
            state(scan, (0, 0), anomaly, &name, &format!("{count} members of {contents} in one {}", FORMAT.name));
        }
    }
}
