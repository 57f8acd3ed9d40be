//! Container images in a ZIP archive: a layout that was packed for a download.
//!
//! Everything that is read of an image is in `oci/`; what is different here is how its files are found.

use super::archive_zip::{self, Container};
use super::oci::{self, Kind, MARKER, Names};
use super::{Format, FormatKind, Halt, Probe, Scan, pytorch, pytorch_export};
use crate::bytes::{Budget, Limits, ReadAt};
use crate::decode::codec;
use crate::decode::zip::{Archive, Entry, Origin};

/// The record.
pub const FORMAT: Format = Format {
    name: "oci_zip",
    title: "OCI image layout or docker-save archive (ZIP)",
    kind: FormatKind::Container,
    extensions: &[],
    runs_code: false,
    refines: Some("zip"),
    identify: |probe| kind(probe).is_some(),
    scan,
    checks: "All checks of ZIP; all checks of an image in a TAR archive.",
    spec: "https://github.com/opencontainers/image-spec/blob/main/image-layout.md",
};

/// Names that mark an image.
const MARKERS: [&str; 2] = ["oci-layout", "manifest.json"];

/// Finds the file that marks an image.
fn kind(probe: &Probe<'_>) -> Option<Kind> {
    if !archive_zip::lists(probe, &MARKERS) || pytorch::identify(probe) || pytorch_export::identify(probe) {
        return None;
    }
    let source = &probe.input.source;
    let archive = Archive::read(source, &Budget::new(Limits { timeout: None, ..Limits::default() })).ok()?;
    Kind::best(archive.entries.iter().filter_map(|entry| Kind::of(&entry.display_name(), || marker(&**source, entry))))
}

/// The first bytes of a file.
fn marker(source: &dyn ReadAt, entry: &Entry) -> Vec<u8> {
    let header = entry.header();
    let Some(codec) = header.codec() else {
        let want = usize::try_from(header.size).unwrap_or(MARKER).min(MARKER);
        return source.read_range(entry.data, want).unwrap_or_default();
    };
    let mut bytes = Vec::new();
    let decoded = codec::decode(codec, source, entry.data, header.compressed, |piece, _| {
        bytes.extend_from_slice(piece);
        Ok(bytes.len() < MARKER)
    });
    decoded.map(|_| bytes).unwrap_or_default()
}

fn scan(scan: &mut Scan<'_>) -> Result<(), Halt> {
    let kind = kind(&Probe::new(scan.input)?);
    let mut container = Container::read(scan)?;
    container.audit(scan)?;
    let listed = container.archive.entries.iter().enumerate();
    let listed = listed.filter(|(_, entry)| entry.origin == Origin::Directory && !entry.is_folder());
    let plain = |name: String| name.strip_prefix("./").map_or(name.clone(), str::to_owned).into_bytes();
    let members = listed.map(|(n, entry)| (plain(entry.display_name()), n)).collect();
    let names = Names { members, ..Names::default() };
    let plan = oci::plan(scan, kind, names, |scan, n| {
        let header = container.archive.entries.get(n).map(Entry::header);
        header.map_or(Ok(None), |header| container.peek(scan, n, header))
    });
    container.finish(scan, move |scan, n, _, input| Some(plan.role(scan, n, input)))
}
