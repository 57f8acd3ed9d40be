//! The anomalies of an archive: what a safe, ordinary writer does not produce.
//!
//! Not stated, because ordinary writers do it: sizes and CRC that stand in one view only because the writer streamed,
//! extra fields, times and versions that differ, flags that do not change what a reader sees, padding.

use super::{Container, FORMAT};
use crate::decode::zip::{Descriptor, Entry, Header, Origin, REFUSING, Region, RegionKind, STREAMED, UTF8, name_text};
use crate::fact::Fact;
use crate::formats::{Halt, Scan, duplicates, member_path};

/// Longest link target that a reader follows.
const MAX_TARGET: u64 = 64 << 10;
/// Smaller gaps are remainders of careless editing, not hiding places.
const HIDDEN: u64 = 4096;
/// The name under which facts about the end of the archive are stated.
const END: &str = "<end of archive>";

impl Container {
    /// States what is unusual about the archive and its members. Contents are looked at only where names repeat and
    /// where a member is a link.
    ///
    /// # Errors
    /// A limit or I/O.
    pub fn audit(&mut self, scan: &mut Scan<'_>) -> Result<(), Halt> {
        for entry in &self.archive.entries {
            scan.budget.take_work(16)?;
            audit_names(scan, entry);
            audit_mode(scan, entry);
            audit_headers(scan, entry, self.archive.has_end);
        }
        self.audit_links(scan)?;
        self.audit_duplicates(scan)?;
        self.audit_end(scan);
        if let Some(entry) = self.archive.overlapping.first().and_then(|&n| self.archive.entries.get(n)) {
            let detail = format!("members concerned: {}", self.archive.overlapping.len());
            state(scan, entry, "bomb-overlap", &detail);
        }
        for &region in self.archive.regions.iter().filter(|_| self.archive.has_end) {
            audit_region(scan, region)?;
        }
        Ok(())
    }

    fn audit_end(&self, scan: &mut Scan<'_>) {
        let at = self.archive.directory;
        let listed = self.archive.listed;
        let mut say = |detail: &str| {
            let anomaly = "header-disagreement";
            scan.fact(at, 0, Fact::Member { anomaly, member: END, container: FORMAT.name, detail });
        };
        for count in &self.archive.wrong_counts {
            say(&format!("entries: end record {count}, central directory {listed}"));
        }
        if let Some(rival) = self.archive.rival_end {
            say(&format!("another end record at offset {rival}"));
        }
    }

    fn audit_links(&mut self, scan: &mut Scan<'_>) -> Result<(), Halt> {
        const LINK: u32 = 0o120_000;
        for n in 0..self.archive.entries.len() {
            let Some(entry) = self.archive.entries.get(n).filter(|entry| entry.mode() & 0o170_000 == LINK) else {
                continue;
            };
            let (entry, header) = (entry.clone(), entry.header());
            let Some(content) = self.peek(scan, n, header)?.filter(|content| content.len() <= MAX_TARGET) else {
                continue;
            };
            let bytes = content.read(0, usize::try_from(MAX_TARGET).unwrap_or_default())?;
            let target = name_text(&bytes);
            if let Some(why) = member_path::link_escape(&entry.display_name(), &target) {
                state(scan, &entry, "symlink-escape", &format!("{target} ({why})"));
            }
        }
        Ok(())
    }

    /// Members that share a name: which one is read depends on the reader.
    fn audit_duplicates(&mut self, scan: &mut Scan<'_>) -> Result<(), Halt> {
        let entries = self.archive.entries.iter().enumerate();
        let listed = entries.filter(|(_, entry)| entry.origin == Origin::Directory && !entry.is_folder());
        for group in duplicates::groups(listed.map(|(n, entry)| (n, entry.display_name()))) {
            let (anomaly, detail) = duplicates::compare(scan, &group, |scan, n| {
                let header = self.archive.entries.get(n).map(Entry::header);
                header.map_or(Ok(None), |header| self.peek(scan, n, header))
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
    let length = entry.end.saturating_sub(entry.at);
    scan.fact(entry.at, length, Fact::Member { anomaly, member: &name, container: FORMAT.name, detail });
}

fn audit_names(scan: &mut Scan<'_>, entry: &Entry) {
    let local = entry.local_name.as_deref().map(name_text);
    let unicode = entry.unicode_name.as_deref().map(str::to_owned);
    for name in [Some(entry.display_name()), local, unicode].into_iter().flatten() {
        if let Some(why) = member_path::escape(&name) {
            let length = entry.end.saturating_sub(entry.at);
            let container = FORMAT.name;
            scan.fact(entry.at, length, Fact::Member { anomaly: "path-traversal", member: &name, container, detail: why });
            return;
        }
    }
}

fn audit_mode(scan: &mut Scan<'_>, entry: &Entry) {
    let mode = entry.mode();
    let device = match mode & 0o170_000 {
        // With content it is what was read from a pipe when the archive was made.
        0o010_000 => Some("FIFO").filter(|_| entry.header().size == 0),
        0o020_000 => Some("character device"),
        0o060_000 => Some("block device"),
        0o140_000 => Some("socket"),
        _ => None,
    };
    if let Some(device) = device {
        state(scan, entry, "device", device);
    } else if mode & 0o170_000 == 0o100_000 && mode & 0o7_000 != 0 && mode & 0o111 != 0 {
        state(scan, entry, "special-permission", &format!("mode {:04o}", mode & 0o7_777));
    }
}

fn audit_headers(scan: &mut Scan<'_>, entry: &Entry, has_end: bool) {
    match entry.origin {
        Origin::Rival => state(scan, entry, "hidden-entry", "listed only where some readers look for the directory"),
        Origin::Local if has_end => state(scan, entry, "hidden-entry", "not in the central directory"),
        Origin::Local | Origin::Directory => {}
    }
    let Some(central) = entry.central else { return };
    let Some(local) = entry.local else {
        state(scan, entry, "header-disagreement", "no local header where the central directory points");
        return;
    };
    let mut differences = Vec::new();
    if let Some(name) = &entry.local_name {
        differences.push(format!("name: central {}, local {}", entry.display_name(), name_text(name)));
    } else if !entry.name.is_ascii() && (central.flags ^ local.flags) & UTF8 != 0 {
        differences.push("encoding of the name".to_owned());
    }
    // Both ASCII and yet different: not a matter of encoding.
    if let Some(unicode) = entry.unicode_name.as_deref().filter(|text| text.is_ascii() && entry.name.is_ascii()) {
        differences.push(format!("name: header {}, Unicode path field {unicode}", entry.display_name()));
    }
    differences.extend(compare(&central, &local));
    match entry.descriptor {
        Some(descriptor) if !descriptor.fits => differences.push("sizes: central header, data descriptor".to_owned()),
        Some(Descriptor { crc, .. }) if crc != central.crc => {
            differences.push(format!("CRC: central {:#010x}, data descriptor {crc:#010x}", central.crc));
        }
        _ => {}
    }
    if central.method == 0 && local.method == 0 && central.compressed != central.size && !is_encrypted(&central) {
        differences.push(format!("stored data: {} bytes kept, {} bytes read", central.compressed, central.size));
    }
    if !differences.is_empty() {
        state(scan, entry, "header-disagreement", &differences.join("; "));
    }
}

fn is_encrypted(header: &Header) -> bool {
    header.flags & REFUSING != 0
}

/// The values in which two headers disagree so that readers of one or the other see different members.
fn compare(central: &Header, local: &Header) -> Vec<String> {
    let mut differences = Vec::new();
    let (a, b) = (central.flags & REFUSING, local.flags & REFUSING);
    if a != b {
        differences.push(format!("flags: central {a:#x}, local {b:#x}"));
    }
    if central.method != local.method {
        differences.push(format!("method: central {}, local {}", central.method, local.method));
    }
    // A streaming writer puts zeros here and the values behind the data.
    let unstated = local.flags & STREAMED != 0;
    let fields = [
        ("size", central.size, local.size),
        ("compressed size", central.compressed, local.compressed),
    ];
    for (field, central, local) in fields {
        if central != local && !(unstated && local == 0) {
            differences.push(format!("{field}: central {central}, local {local}"));
        }
    }
    if central.crc != local.crc && !(unstated && local.crc == 0) {
        differences.push(format!("CRC: central {:#010x}, local {:#010x}", central.crc, local.crc));
    }
    differences
}

fn audit_region(scan: &mut Scan<'_>, region: Region) -> Result<(), Halt> {
    if region.kind == RegionKind::Gap && region.len >= HIDDEN {
        let detail = format!("{} bytes between members", region.len);
        let (format, bytes) = (FORMAT.name, region.len);
        scan.fact(region.at, bytes, Fact::Structure { anomaly: "hidden-region", format, detail: &detail, bytes });
    }
    let (anomaly, member) = match region.kind {
        RegionKind::Prefix => ("prefix-bytes", "<prefix>"),
        RegionKind::Suffix => ("suffix-bytes", "<suffix>"),
        RegionKind::Gap | RegionKind::Comment | RegionKind::Extra => return Ok(()),
    };
    let head = scan.input.read(region.at, 16)?;
    if region.kind == RegionKind::Prefix && is_wrapper(&head) {
        return Ok(());
    }
    let detail = format!("{} bytes", region.len);
    scan.fact(region.at, region.len, Fact::Member { anomaly, member, container: FORMAT.name, detail: &detail });
    Ok(())
}

/// Formats that carry an archive behind them by design.
fn is_wrapper(head: &[u8]) -> bool {
    // TFLite with its metadata; llamafile and other portable executables; a spanning marker of one segment.
    let tflite = head.get(4..8) == Some(b"TFL3".as_slice());
    let portable = head.starts_with(b"MZqFpD") || head.starts_with(b"jartsr");
    tflite || portable || head.starts_with(b"PK00") || head.starts_with(b"PK\x07\x08")
}
