//! The anomalies of an archive: what a safe, ordinary writer does not produce.
//!
//! Not stated, because ordinary writers do it: names and sizes in extended headers that do not fit into a plain one,
//! checksums over signed bytes, owners and times that differ, padding.

use super::links::Links;
use super::{Container, FORMAT};
use crate::bytes::Role;
use crate::decode::tar::{Entry, Kind, Origin};
use crate::fact::Fact;
use crate::formats::oci::audit_layer;
use crate::formats::{Halt, Scan, duplicates, member_path};

impl Container {
    /// States what is unusual about the archive and its members. Contents are looked at only where names repeat.
    ///
    /// # Errors
    /// A limit or I/O.
    pub fn audit(&mut self, scan: &mut Scan<'_>) -> Result<(), Halt> {
        let links = Links::of(&self.archive);
        for entry in &self.archive.entries {
            scan.budget.take_work(32)?;
            if scan.input.role == Role::Layer {
                audit_layer(scan, entry);
            } else {
                audit_names(scan, entry, &links);
                audit_kind(scan, entry, &links);
            }
            audit_headers(scan, entry);
        }
        self.audit_duplicates(scan)?;
        for &(at, length) in self.archive.regions.iter().filter(|_| self.archive.fault.is_none()) {
            let detail = format!("{length} bytes");
            let (anomaly, container) = ("suffix-bytes", FORMAT.name);
            scan.fact(at, length, Fact::Member { anomaly, member: "<suffix>", container, detail: &detail });
        }
        Ok(())
    }

    /// Files that share a name: extraction keeps the last, a reader of the stream sees all.
    fn audit_duplicates(&mut self, scan: &mut Scan<'_>) -> Result<(), Halt> {
        let entries = self.archive.entries.iter().enumerate();
        let files = entries.filter(|(_, entry)| entry.origin == Origin::Chain && entry.kind.has_data());
        for group in duplicates::groups(files.map(|(n, entry)| (n, entry.display_name()))) {
            let (anomaly, detail) = duplicates::compare(scan, &group, |scan, n| {
                let entry = self.archive.entries.get(n);
                Ok(entry.map(|entry| scan.input.slice("", entry.data, entry.stored)))
            })?;
            if let Some(entry) = group.last().and_then(|&n| self.archive.entries.get(n)) {
                state(scan, entry, anomaly, &detail);
            }
        }
        Ok(())
    }
}

/// States a fact about a member.
pub(super) fn state(scan: &mut Scan<'_>, entry: &Entry, anomaly: &'static str, detail: &str) {
    let name = entry.display_name();
    let length = entry.end().saturating_sub(entry.at);
    scan.fact(entry.at, length, Fact::Member { anomaly, member: &name, container: FORMAT.name, detail });
}

fn audit_names(scan: &mut Scan<'_>, entry: &Entry, links: &Links) {
    for name in std::iter::once(&entry.name).chain(&entry.other_names) {
        let name = String::from_utf8_lossy(name);
        // A link is made, not followed: only the folders in front of its name are.
        let is_link = matches!(entry.kind, Kind::SymbolicLink | Kind::HardLink);
        let followed = if is_link { name.rsplit_once('/').map_or("", |(folder, _)| folder) } else { &name };
        let through = || links.leaves("", followed).then_some("leaves the archive through a link");
        if let Some(why) = member_path::escape(&name).or_else(through) {
            let length = entry.end().saturating_sub(entry.at);
            let fact = Fact::Member { anomaly: "path-traversal", member: &name, container: FORMAT.name, detail: why };
            scan.fact(entry.at, length, fact);
            return;
        }
    }
}

fn audit_kind(scan: &mut Scan<'_>, entry: &Entry, links: &Links) {
    match entry.kind {
        Kind::SymbolicLink | Kind::HardLink => {
            let target = String::from_utf8_lossy(&entry.target);
            let through = || links.link_leaves(entry).then_some("target outside, through another link");
            if let Some(why) = Links::lexical_escape(entry).or_else(through) {
                state(scan, entry, "symlink-escape", &format!("{target} ({why})"));
            }
        }
        Kind::CharacterDevice => state(scan, entry, "device", "character device"),
        Kind::BlockDevice => state(scan, entry, "device", "block device"),
        Kind::Pipe => state(scan, entry, "device", "FIFO"),
        Kind::File | Kind::Sparse if entry.mode & 0o7_000 != 0 && entry.mode & 0o111 != 0 => {
            state(scan, entry, "special-permission", &format!("mode {:04o}", entry.mode & 0o7_777));
        }
        _ => {}
    }
}

fn audit_headers(scan: &mut Scan<'_>, entry: &Entry) {
    let hidden = match entry.origin {
        Origin::Chain => None,
        Origin::BehindEnd => Some("behind the blocks that end the archive"),
        Origin::BehindDamage => Some("behind a broken header, where some readers stop"),
        Origin::InData => Some("in what other readers take for the data of a member"),
    };
    if let Some(hidden) = hidden {
        state(scan, entry, "hidden-entry", hidden);
    }
    if !entry.differences.is_empty() {
        state(scan, entry, "header-disagreement", &entry.differences.join("; "));
    }
}
