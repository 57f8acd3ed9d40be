//! ZIP archives, and the ground that formats inside a ZIP stand on.
//!
//! What is stated and why: two readers of one hostile archive can see different members, so everything that makes
//! them differ is a fact ([`audit`]), and every member is handed on in each view that some reader has ([`member`]).
//! A format that refines ZIP reads a [`Container`], calls [`Container::audit`], takes the members that it understands
//! with [`Container::open`] and hands over the others with [`Container::hand_over`].

mod audit;
mod member;

pub use member::Opened;

use super::{Format, FormatKind, Halt, Probe, Scan};
use crate::bytes::{Exceeded, Input, Malformed, Role};
use crate::decode::zip::{Archive, Entry, Region, RegionKind};
use crate::fact::Fact;

/// The record.
pub const FORMAT: Format = Format {
    name: "zip",
    title: "ZIP archive",
    kind: FormatKind::Container,
    extensions: &["zip"],
    runs_code: false,
    refines: None,
    identify,
    scan,
    checks: "Central directory, local headers and end records against each other; hidden, duplicate, overlapping, \
             encrypted and bomb members; CRC; paths and links that leave the archive; every member in every view.",
    spec: "https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT",
};

/// Bytes that members with overlapping data may decode to together: they are a bomb, not content.
const OVERLAP_BYTES: u64 = 256 << 20;
/// Stored payload bytes whose CRC is verified in one archive. More would mean to read whole checkpoints, and no
/// attack needs a wrong CRC on numbers.
const PAYLOAD_BYTES: u64 = 64 << 20;
/// Shorter unclaimed regions hold no second format.
const MIN_REGION: u64 = 16;

/// Does the file start as an archive, or end as one?
pub(super) fn identify(probe: &Probe<'_>) -> bool {
    probe.head.starts_with(b"PK\x03\x04") || probe.head.starts_with(b"PK\x05\x06") || directory(probe).is_some()
}

/// The offset of the central directory, if the end of the file leads to one. Reads the tail only.
pub(super) fn directory(probe: &Probe<'_>) -> Option<u64> {
    if memchr::memmem::rfind(probe.tail(), b"PK\x05\x06").is_none() {
        return None;
    }
    Archive::directory_offset(&*probe.input.source)
}

fn scan(scan: &mut Scan<'_>) -> Result<(), Halt> {
    let mut container = Container::read(scan)?;
    scan.whole(Fact::Component { name: FORMAT.name, detail: "" });
    container.audit(scan)?;
    container.hand_over(scan, |_, _, _| Some(Role::Unknown))?;
    container.conclude(scan)
}

/// An archive while its members are handed out.
pub struct Container {
    /// What lies in the file.
    pub archive: Archive,
    overlap_left: u64,
    payload_left: u64,
}

impl Container {
    /// Reads the structure of the input.
    ///
    /// # Errors
    /// A limit or I/O; the content is no archive at all.
    pub fn read(scan: &Scan<'_>) -> Result<Self, Halt> {
        let archive = Archive::read(&scan.input.source, scan.budget)?;
        if archive.entries.is_empty() && !archive.has_end {
            return Err(Malformed { at: 0, what: "no member and no central directory" }.into());
        }
        Ok(Self { archive, overlap_left: OVERLAP_BYTES, payload_left: PAYLOAD_BYTES })
    }

    /// Hands over each member that `choose` gives a role, in each view that differs, and the regions outside all
    /// members. `choose` gets the member's position, its entry and its bytes.
    ///
    /// # Errors
    /// A limit or I/O. A broken member is recorded and does not stop the others.
    pub fn hand_over(
        &mut self,
        scan: &mut Scan<'_>,
        mut choose: impl FnMut(usize, &Entry, &Input) -> Option<Role>,
    ) -> Result<(), Halt> {
        let mut refused = None;
        for n in 0..self.archive.entries.len() {
            let Some(entry) = self.archive.entries.get(n).cloned() else { break };
            for opened in self.open(scan, n)? {
                let Some(role) = choose(n, &entry, &opened.input) else { continue };
                self.verify(scan, &entry, &opened, role)?;
                if refused.is_none() || begins_as_archive(&opened.input)? {
                    refused = nest(scan, &entry, opened.input.with_role(role))?.or(refused);
                }
            }
        }
        for region in self.archive.regions.clone() {
            hand_over_region(scan, region)?;
        }
        refused.map_or(Ok(()), |exceeded| Err(exceeded.into()))
    }

    /// The last word: an archive without its end is incomplete.
    ///
    /// # Errors
    /// There is no end record.
    pub fn conclude(&self, scan: &Scan<'_>) -> Result<(), Halt> {
        if self.archive.has_end {
            return Ok(());
        }
        Err(Malformed { at: scan.input.len(), what: "the archive has no central directory" }.into())
    }
}

/// Hands one member over. Refused for its depth, it is recorded as a nesting bomb if it is an archive again.
fn nest(scan: &mut Scan<'_>, entry: &Entry, child: Input) -> Result<Option<Exceeded>, Halt> {
    if child.depth() as u64 <= scan.budget.limits().depth {
        return scan.child(child).map(|()| None);
    }
    let limit = scan.budget.limits().depth;
    if begins_as_archive(&child)? {
        let detail = format!("an archive {} levels deep", child.depth());
        let name = entry.display_name();
        let fact = Fact::Member { anomaly: "bomb-nesting", member: &name, container: FORMAT.name, detail: &detail };
        scan.fact(entry.at, 0, fact);
    }
    Ok(Some(Exceeded { what: "levels of nesting", limit }))
}

fn begins_as_archive(input: &Input) -> Result<bool, Halt> {
    Ok(input.read(0, 4)?.starts_with(b"PK\x03\x04"))
}

/// Hands over bytes outside all members: another format may live there.
fn hand_over_region(scan: &mut Scan<'_>, region: Region) -> Result<(), Halt> {
    let name = match region.kind {
        RegionKind::Prefix => "<prefix>",
        RegionKind::Gap => "<gap>",
        RegionKind::Suffix => "<suffix>",
        RegionKind::Comment => "<comment>",
    };
    if region.len < MIN_REGION {
        return Ok(());
    }
    let child = scan.input.slice(name, region.at, region.len);
    if child.depth() as u64 > scan.budget.limits().depth {
        scan.unread(child.name, "levels of nesting", false);
        return Ok(());
    }
    scan.child(child)
}
