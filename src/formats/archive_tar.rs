//! TAR archives, and the ground that formats inside a TAR stand on.
//!
//! A TAR has no directory: each member follows its header, so that readers which disagree about one size or one end
//! mark see different members from there on. What makes them differ is a fact (`audit.rs`), and the members of every
//! view are handed on. Extraction follows links and makes devices, so names and links are resolved as an extractor
//! would (`links.rs`). A format that refines TAR reads a [`Container`] and takes members with [`Container::open`].
//!
//! Specification: <https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html>

mod audit;
mod links;

use std::collections::HashSet;
use std::sync::Arc;

use super::decoded::{self, BOMB_FLOOR, BOMB_RATIO, Portion, STOP_RATIO};
use super::{Format, FormatKind, Halt, Probe, Scan, software};
use crate::bytes::{Budget, Exceeded, Input, Limits, Malformed, Role};
use crate::decode::tar::{Archive, Entry, Expanded, Kind, is_header};
use crate::fact::Fact;

/// The record.
pub const FORMAT: Format = Format {
    name: "tar",
    title: "TAR archive",
    kind: FormatKind::Container,
    extensions: &["tar"],
    runs_code: false,
    refines: None,
    identify,
    scan,
    checks: "Headers, pax and GNU extensions against each other; members behind the end mark, behind damage and in the \
             data of others; duplicates; paths and links that leave the archive; devices; sparse bombs; every member.",
    spec: "https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html",
};

/// Zeros that end an archive, and that make an empty one.
const END: usize = 1024;

/// Does the file begin with a header whose checksum is right? Under its own name, also an archive without members.
pub(super) fn identify(probe: &Probe<'_>) -> bool {
    let Some(block) = probe.head.get(..512) else { return false };
    let empty = || {
        let zeros = probe.head.get(..END).is_some_and(|end| end.iter().all(|byte| *byte == 0));
        zeros && probe.input.name.extension() == "tar"
    };
    is_header(block) || empty()
}

/// Is the file an archive with a member whose bytes are handed on as they are, and of which `is` holds? It gets the
/// range of the data.
pub(super) fn hands_on(probe: &Probe<'_>, is: impl Fn(u64, u64) -> bool) -> bool {
    let budget = Budget::new(Limits { timeout: None, ..Limits::default() });
    let archive = || Archive::read(&probe.input.source, &budget).ok();
    let member = |entry: &Entry| {
        entry.kind.has_data() && entry.sparse.is_none() && entry.end() <= probe.input.len() && is(entry.data, entry.end())
    };
    identify(probe) && archive().is_some_and(|archive| archive.entries.iter().any(member))
}

fn scan(scan: &mut Scan<'_>) -> Result<(), Halt> {
    let mut container = Container::read(scan)?;
    scan.whole(Fact::Component { name: FORMAT.name, detail: "" });
    container.audit(scan)?;
    container.state_package(scan);
    container.finish(scan, |_, _, _| Role::Unknown)
}

/// Says in which role a member is handed over that a format has not opened itself. It gets the member's position and its
/// bytes.
type Choose = Box<dyn FnMut(&mut Scan<'_>, usize, &Input) -> Role>;

/// An archive while its members are handed out.
pub struct Container {
    /// What lies in the file.
    pub archive: Archive,
    /// Members that were opened.
    taken: HashSet<usize>,
    /// A member was refused for its depth.
    too_deep: Option<Exceeded>,
}

impl Container {
    /// Reads the structure of the input.
    ///
    /// # Errors
    /// A limit or I/O; the content is no archive at all.
    pub fn read(scan: &Scan<'_>) -> Result<Self, Halt> {
        let archive = Archive::read(&scan.input.source, scan.budget)?;
        if archive.entries.is_empty() && !archive.has_end {
            return Err(Malformed { at: 0, what: "no member and no end of the archive" }.into());
        }
        Ok(Self { archive, taken: HashSet::new(), too_deep: None })
    }

    /// The bytes of member `n`; None if it has none. States what is wrong with them.
    ///
    /// # Errors
    /// A limit on the whole input, or I/O.
    pub fn open(&mut self, scan: &mut Scan<'_>, n: usize) -> Result<Option<Input>, Halt> {
        let Some(entry) = self.archive.entries.get(n) else { return Ok(None) };
        self.taken.insert(n);
        if entry.stored == 0 && !entry.kind.has_data() {
            return Ok(None);
        }
        if entry.end() > scan.input.len() {
            let what = "a member reaches past the end of the file";
            scan.halt(&Malformed { at: entry.data, what }.into());
        }
        let plain = scan.input.slice(entry.display_name(), entry.data, entry.stored);
        let Some(pieces) = &entry.sparse else { return Ok(Some(plain)) };
        let over = |ratio: u64| entry.size > BOMB_FLOOR && entry.size > entry.stored.saturating_mul(ratio);
        if over(BOMB_RATIO) {
            audit::state(scan, entry, "bomb-ratio", &format!("{} bytes from {}", entry.size, entry.stored));
        }
        if over(STOP_RATIO) {
            scan.unread(plain.name.clone(), "a sparse member of giant size", false);
            return Ok(Some(plain));
        }
        match Expanded::of(Arc::clone(&scan.input.source), entry.data, pieces, entry.size) {
            Some(expanded) => {
                scan.budget.take_bytes(entry.size)?;
                Ok(Some(scan.input.member(entry.display_name(), expanded)))
            }
            None => {
                scan.halt(&Malformed { at: entry.at, what: "the map of a sparse member does not fit" }.into());
                Ok(Some(plain))
            }
        }
    }

    /// The stored bytes of member `n`, nothing stated and the member not taken.
    #[must_use]
    pub fn peek(&self, scan: &Scan<'_>, n: usize) -> Option<Input> {
        let entry = self.archive.entries.get(n)?;
        Some(scan.input.slice(entry.display_name(), entry.data, entry.stored))
    }

    /// States what package of software the archive is, if it is one.
    fn state_package(&self, scan: &mut Scan<'_>) {
        let name = |entry: &Entry| match entry.kind {
            Kind::Folder => format!("{}/", entry.display_name()),
            _ => entry.display_name(),
        };
        let names: Vec<String> = self.archive.entries.iter().map(name).collect();
        software::recognise(scan, &names, |scan, n| {
            self.peek(scan, n).and_then(|input| input.read(0, software::MANIFEST).ok()).unwrap_or_default()
        });
    }

    /// Hands over each member that was not opened before, in the role that `choose` gives it, and the regions outside
    /// all members. Waits between portions until what was handed over has been read.
    ///
    /// # Errors
    /// A limit or I/O; damage that ends the archive, or no end. A broken member is recorded and does not stop the
    /// others.
    pub fn finish(
        self,
        scan: &mut Scan<'_>,
        choose: impl FnMut(&mut Scan<'_>, usize, &Input) -> Role + 'static,
    ) -> Result<(), Halt> {
        for &(at, length) in &self.archive.regions {
            scan.leave("<suffix>", at, length);
        }
        self.go_on(scan, 0, Box::new(choose))
    }

    /// Hands one opened member over, unless it lies too deep.
    ///
    /// # Errors
    /// A limit on the whole input.
    fn give(&mut self, scan: &mut Scan<'_>, input: Input, role: Role) -> Result<(), Halt> {
        match decoded::too_deep(scan, &input) {
            Some(exceeded) => {
                self.too_deep.get_or_insert(exceeded);
                Ok(())
            }
            None => scan.child(input.with_role(role)),
        }
    }

    /// Goes on with member `n`.
    fn go_on(mut self, scan: &mut Scan<'_>, mut n: usize, mut choose: Choose) -> Result<(), Halt> {
        let mut portion = Portion::default();
        while n < self.archive.entries.len() {
            if portion.is_full() {
                scan.later(Box::new(move |scan| self.go_on(scan, n, choose)));
                return Ok(());
            }
            let untaken = !self.taken.contains(&n);
            if let Some(input) = if untaken { self.open(scan, n)? } else { None } {
                portion.add(&input);
                let role = choose(scan, n, &input);
                self.give(scan, input, role)?;
            }
            n = n.saturating_add(1);
        }
        self.conclude(scan)
    }

    /// The last word: an archive that breaks or lacks its end is incomplete, and so is one whose members lie too deep.
    fn conclude(&self, scan: &Scan<'_>) -> Result<(), Halt> {
        if let Some(exceeded) = self.archive.exhausted.or(self.too_deep) {
            return Err(exceeded.into());
        }
        if let Some(fault) = self.archive.fault {
            return Err(fault.into());
        }
        if self.archive.has_end {
            return Ok(());
        }
        Err(Malformed { at: scan.input.len(), what: "the archive has no end mark" }.into())
    }

    /// The position of the member that a reader gets by `name`: the last of that name.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        self.archive.entries.iter().rposition(|entry| is_named(entry, name))
    }
}

fn is_named(entry: &Entry, name: &str) -> bool {
    entry.kind.has_data() && entry.name == name.as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::MemorySource;

    macro_rules! files {
        ($($file:literal),* $(,)?) => {
            [$( ($file, include_bytes!(concat!("../../fixtures/tar/", $file)).as_slice()) ),*]
        };
    }

    /// Names, sizes and targets as the `tar` crate reads them.
    fn second_opinion(bytes: &[u8]) -> Vec<(Vec<u8>, u64, Vec<u8>)> {
        let mut archive = tar::Archive::new(bytes);
        let entries = archive.entries().unwrap().map(Result::unwrap);
        // Headers for all members are entries of their own there.
        let entries = entries.filter(|entry| !entry.header().entry_type().is_pax_global_extensions());
        let described = entries.map(|entry| {
            let target = entry.link_name_bytes().map_or_else(Vec::new, std::borrow::Cow::into_owned);
            (entry.path_bytes().into_owned(), entry.size(), target)
        });
        described.collect()
    }

    #[test]
    fn ordinary_archives_are_read_as_others_read_them() {
        let files = files![
            "plain.tar", "empty.tar", "padded.tar", "version-7.tar", "gnu.tar", "prefix.tar", "binary-size.tar",
            "long-gnu.tar", "long-pax.tar", "times-pax.tar", "links.tar", "detour.tar", "sticky-folder.tar",
            "pickle.tar", "symlink-long.tar", "size-pax-same.tar", "duplicate.tar", "sparse-old.tar", "behind-end.tar",
        ];
        for (file, bytes) in files {
            let archive = Archive::read(&MemorySource::new(bytes), &Budget::new(Limits::default())).unwrap();
            let common = archive.entries.iter().filter(|entry| entry.origin == crate::decode::tar::Origin::Chain);
            let described: Vec<_> =
                common.map(|entry| (entry.name.clone(), entry.size, entry.target.clone())).collect();
            assert_eq!(described, second_opinion(bytes), "{file}");
            assert!(archive.has_end && archive.fault.is_none(), "{file}");
        }
    }
}
