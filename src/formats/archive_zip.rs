//! ZIP archives, and the ground that formats inside a ZIP stand on.
//!
//! What is stated and why: two readers of one hostile archive can see different members, so everything that makes
//! them differ is a fact (`audit.rs`), and every member is handed on in each view that some reader has (`member.rs`).
//! A format that refines ZIP reads a [`Container`], calls [`Container::audit`], takes the members that it understands
//! with [`Container::open`] and hands over the others with [`Container::finish`].

mod audit;
mod member;

pub use member::Opened;

use std::collections::HashSet;

use super::decoded::{self, Portion};
use super::pickle::{self, is_pickle};
use super::{Format, FormatKind, Halt, Probe, Scan, archive_tar, compressed, pytorch, pytorch_legacy, software};
use crate::bytes::{Budget, Exceeded, Input, Limits, Malformed, Role};
use crate::decode::tar::Header;
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

/// Largest member that is looked at as the manifest of a package.
const MANIFEST_BYTES: u64 = 1 << 20;

/// Does the file start as an archive, or end as one?
pub(super) fn identify(probe: &Probe<'_>) -> bool {
    probe.head.starts_with(b"PK\x03\x04") || probe.head.starts_with(b"PK\x05\x06") || directory(probe).is_some()
}

/// The offset of the central directory, if the end of the file leads to one. Reads the tail only.
pub(super) fn directory(probe: &Probe<'_>) -> Option<u64> {
    memchr::memmem::rfind(probe.tail(), b"PK\x05\x06")?;
    let (directory, close) = Archive::directory_and_close(&*probe.input.source)?;
    (close == probe.input.len() || !is_held(probe, directory, close)).then_some(directory)
}

/// Bytes of the central directory that are searched from its front; its end is searched too.
const DIRECTORY_HEAD: usize = 256 << 10;

/// Does the central directory hold one of `names`, as far as detection looks at it?
pub(super) fn lists(probe: &Probe<'_>, names: &[&str]) -> bool {
    let Some(at) = identify(probe).then(|| directory(probe)).flatten() else { return false };
    let hold = |bytes: &[u8]| names.iter().any(|name| memchr::memmem::find(bytes, name.as_bytes()).is_some());
    hold(&probe.read(at, DIRECTORY_HEAD)) || hold(pytorch::directory_tail(probe, at))
}

/// Does the archive from its first record to `close` lie in what another format of the file hands on? Lenient readers
/// take such a file for an archive, but what they find is read anyway.
fn is_held(probe: &Probe<'_>, directory: u64, close: u64) -> bool {
    let source = &*probe.input.source;
    let tar = Header::parse(probe.head.get(..512).unwrap_or_default()).is_some();
    let compressed = compressed::codec(&probe.head, source);
    let pickle = is_pickle_by_name(&probe.input.name.extension()) && is_pickle(source);
    if !tar && !pickle && compressed.is_none() {
        return false;
    }
    let budget = Budget::new(Limits { timeout: None, ..Limits::default() });
    let Ok(archive) = Archive::read(&probe.input.source, &budget) else { return true };
    let start = archive.entries.iter().map(|entry| entry.at).fold(directory, u64::min);
    // A literal of a pickle is no file of its own, so that its name decides which reader it is for.
    pickle
        || tar && archive_tar::hands_on(probe, |from, to| from <= start && close <= to)
        || compressed.is_some_and(|codec| compressed::gives(codec, source, start, close))
}

/// True for names under which loaders unpickle whatever does not begin as an archive.
fn is_pickle_by_name(extension: &str) -> bool {
    [&pickle::FORMAT, &pytorch_legacy::FORMAT].iter().any(|format| format.extensions.contains(&extension))
}

fn scan(scan: &mut Scan<'_>) -> Result<(), Halt> {
    let mut container = Container::read(scan)?;
    scan.whole(Fact::Component { name: FORMAT.name, detail: "" });
    container.audit(scan)?;
    container.state_package(scan);
    container.finish(scan, |_, _, _, _| Some(Role::Unknown))
}

/// Says what becomes of a member that a format has not opened itself: the role in which it is handed over, or None if
/// there is nothing to read in it. It gets the member's position, its entry and its bytes.
type Choose = Box<dyn FnMut(&mut Scan<'_>, usize, &Entry, &Input) -> Option<Role>>;

/// An archive while its members are handed out.
pub struct Container {
    /// What lies in the file.
    pub archive: Archive,
    overlap_left: u64,
    payload_left: u64,
    /// Members that were opened.
    taken: HashSet<usize>,
    /// Data that was handed over under the name of one of the members that share it.
    shared: HashSet<(u64, u64, u16)>,
    /// A member was refused for its depth.
    too_deep: Option<Exceeded>,
    /// The limit of the whole input that is used up.
    exhausted: Option<Exceeded>,
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
        Ok(Self {
            archive,
            overlap_left: OVERLAP_BYTES,
            payload_left: PAYLOAD_BYTES,
            taken: HashSet::new(),
            shared: HashSet::new(),
            too_deep: None,
            exhausted: None,
        })
    }

    /// States what package of software the archive is, if it is one.
    pub fn state_package(&mut self, scan: &mut Scan<'_>) {
        let names: Vec<String> = self.archive.entries.iter().map(Entry::display_name).collect();
        software::recognise(scan, &names, |scan, n| {
            let header = self.archive.entries.get(n).map(Entry::header).filter(|header| header.size <= MANIFEST_BYTES);
            let opened = header.and_then(|header| self.peek(scan, n, header).ok().flatten());
            opened.and_then(|input| input.read(0, software::MANIFEST).ok()).unwrap_or_default()
        });
    }

    /// Hands over each member that was not opened before and that `choose` gives a role, in each view that differs,
    /// and the regions outside all members. Waits between portions until what was handed over has been read.
    ///
    /// # Errors
    /// A limit or I/O; the archive has no end. A broken member is recorded and does not stop the others.
    pub fn finish(
        self,
        scan: &mut Scan<'_>,
        choose: impl FnMut(&mut Scan<'_>, usize, &Entry, &Input) -> Option<Role> + 'static,
    ) -> Result<(), Halt> {
        for region in &self.archive.regions {
            leave(scan, region);
        }
        self.go_on(scan, 0, Box::new(choose))
    }

    /// Goes on with member `n`.
    fn go_on(mut self, scan: &mut Scan<'_>, mut n: usize, mut choose: Choose) -> Result<(), Halt> {
        let mut portion = Portion::default();
        while n < self.archive.entries.len() {
            if portion.is_full() {
                scan.later(Box::new(move |scan| self.go_on(scan, n, choose)));
                return Ok(());
            }
            let Some(entry) = self.next(n) else {
                n = n.saturating_add(1);
                continue;
            };
            for opened in self.open(scan, n)? {
                portion.add(&opened.input);
                match choose(scan, n, &entry, &opened.input) {
                    Some(role) => self.give(scan, &entry, opened, role)?,
                    None => scan.mention(&opened.input),
                }
            }
            n = n.saturating_add(1);
        }
        self.conclude(scan)
    }

    /// Member `n`, unless it was opened before, or its bytes were under another name.
    fn next(&mut self, n: usize) -> Option<Entry> {
        let entry = self.archive.entries.get(n).filter(|_| !self.taken.contains(&n))?;
        let header = entry.header();
        let shares = self.archive.overlapping.binary_search(&n).is_ok();
        // Where nothing overlaps, nothing need be remembered.
        let fresh = self.archive.overlapping.is_empty()
            || self.shared.insert((entry.data, header.compressed, header.method));
        (fresh || !shares || entry.local.is_none()).then(|| entry.clone())
    }

    /// Hands one opened member over, unless it lies too deep.
    ///
    /// # Errors
    /// A limit on the whole input, or I/O.
    pub fn give(&mut self, scan: &mut Scan<'_>, entry: &Entry, opened: Opened, role: Role) -> Result<(), Halt> {
        self.verify(scan, entry, &opened, role)?;
        let child = opened.input.with_role(role);
        let Some(exceeded) = decoded::too_deep(scan, &child) else { return scan.child(child) };
        self.too_deep.get_or_insert(exceeded);
        Ok(())
    }

    /// The last word: an archive without its end is incomplete, and so is one whose members lie too deep or are too
    /// many to decode.
    fn conclude(&self, scan: &Scan<'_>) -> Result<(), Halt> {
        if let Some(exceeded) = self.exhausted.or(self.too_deep) {
            return Err(exceeded.into());
        }
        if self.archive.has_end {
            return Ok(());
        }
        Err(Malformed { at: scan.input.len(), what: "the archive has no central directory" }.into())
    }
}

/// Leaves bytes outside all members: another format may live there.
fn leave(scan: &mut Scan<'_>, region: &Region) {
    let name = match region.kind {
        RegionKind::Prefix => "<prefix>",
        RegionKind::Gap => "<gap>",
        RegionKind::Suffix => "<suffix>",
        RegionKind::Comment => "<comment>",
        RegionKind::Extra => "<extra field>",
    };
    scan.leave(name, region.at, region.len);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::io::Write as _;

    use super::*;
    use crate::bytes::{Limits, MemorySource};
    use crate::scan::{Options, Recorder, facts};

    fn recorded(bytes: &[u8]) -> Recorder {
        let mut recorder = Recorder::default();
        let options = Options { limits: Limits::default(), payload: false };
        facts(&options, &Input::new("x.zip", MemorySource::new(bytes)), &mut recorder);
        recorder
    }

    fn anomalies(bytes: &[u8]) -> BTreeSet<String> {
        let facts = recorded(bytes).facts.into_iter().filter(|fact| fact.fact == "member");
        facts.filter_map(|fact| Some(fact.fields.get("anomaly")?.as_str()?.to_owned())).collect()
    }

    macro_rules! cases {
        ($($file:literal => [$($anomaly:literal),*]),* $(,)?) => {
            [$( ($file, include_bytes!(concat!("../../fixtures/zip/", $file)).as_slice(), vec![$($anomaly),*]) ),*]
        };
    }

    #[test]
    fn each_archive_has_its_anomalies_and_no_others() {
        let cases: Vec<(&str, &[u8], Vec<&str>)> = cases! {
            "plain.zip" => [], "empty.zip" => [], "folders.zip" => [], "inside.zip" => [], "colon.zip" => [],
            "backslash.zip" => [], "symlink-in.zip" => [], "executable.zip" => [], "streamed-signed.zip" => [],
            "streamed-bare.zip" => [], "streamed-wide.zip" => [], "wide.zip" => [], "unicode-path-same.zip" => [],
            "flag-utf8.zip" => [], "header-in-data.zip" => [], "comment.zip" => [], "prefix-zeros.zip" => [],
            "suffix-zeros.zip" => [], "gap-zeros.zip" => [], "nested-plain.zip" => [], "cut.zip" => [],
            "cut-streamed.zip" => [], "nested-deep.zip" => [], "broken-deflate.zip" => [], "pipe.zip" => [],
            "traversal.zip" => ["path-traversal"],
            "traversal-backslash.zip" => ["path-traversal"],
            "traversal-detour.zip" => ["path-traversal"],
            "absolute.zip" => ["path-traversal"],
            "drive.zip" => ["path-traversal"],
            "unc.zip" => ["path-traversal"],
            "nul.zip" => ["path-traversal"],
            "symlink-out.zip" => ["symlink-escape"],
            "symlink-absolute.zip" => ["symlink-escape"],
            "setuid.zip" => ["special-permission"],
            "fifo.zip" => ["device"],
            "duplicate-same.zip" => ["duplicate-name"],
            "duplicate-differs.zip" => ["duplicate-name-differs"],
            "local-name.zip" => ["header-disagreement"],
            "local-name-traversal.zip" => ["header-disagreement", "path-traversal"],
            "local-method.zip" => ["header-disagreement"],
            "local-size.zip" => ["crc-mismatch", "header-disagreement"],
            "local-crc.zip" => ["header-disagreement"],
            "local-flags.zip" => ["header-disagreement"],
            "local-flags-central.zip" => ["header-disagreement"],
            "stored-sizes.zip" => ["header-disagreement"],
            "unicode-path.zip" => ["header-disagreement"],
            "flag-0x1.zip" => ["flag-lies"],
            "flag-0x20.zip" => ["flag-lies"],
            "flag-0x40.zip" => ["flag-lies"],
            "flag-deflated.zip" => ["flag-lies"],
            "encrypted.zip" => ["encrypted"],
            "encrypted-empty.zip" => ["encrypted"],
            "method-99.zip" => ["unsupported-method"],
            "method-99-plain.zip" => ["flag-lies"],
            "crc.zip" => ["crc-mismatch"],
            "crc-deflated.zip" => ["crc-mismatch"],
            "size-deflated.zip" => ["header-disagreement"],
            "hidden-first.zip" => ["hidden-entry"],
            "hidden-between.zip" => ["hidden-entry"],
            "hidden-last.zip" => ["hidden-entry"],
            "rival-directory.zip" => ["hidden-entry"],
            "rival-wide.zip" => ["hidden-entry"],
            "count.zip" => ["header-disagreement"],
            "end-in-comment.zip" => ["header-disagreement"],
            "prefix.zip" => ["prefix-bytes"],
            "prefix-unshifted.zip" => ["prefix-bytes"],
            "suffix.zip" => ["suffix-bytes"],
            "overlap.zip" => ["bomb-overlap"],
        }
        .into();
        let mut wrong = Vec::new();
        for (file, bytes, expected) in cases {
            let found = anomalies(bytes);
            if found != expected.iter().map(|&anomaly| anomaly.to_owned()).collect() {
                wrong.push(format!("{file}: expected {expected:?}, found {found:?}"));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn a_bomb_is_stopped_by_its_ratio_and_only_above_the_floor() {
        let zeros = |megabytes: usize| {
            let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
            writer.start_file("zeros", zip::write::SimpleFileOptions::default()).unwrap();
            let piece = vec![0; 1 << 20];
            (0..megabytes).for_each(|_| writer.write_all(&piece).unwrap());
            writer.finish().unwrap().into_inner()
        };
        assert_eq!(anomalies(&zeros(40)), BTreeSet::new());
        assert_eq!(anomalies(&zeros(300)), BTreeSet::from(["bomb-ratio".to_owned()]));
    }
}
