//! `NumPy` archives (`.npz`): a ZIP archive of `.npy` members, one for each array.
//!
//! Specification: <https://numpy.org/doc/stable/reference/generated/numpy.savez.html>

use super::archive_zip::{self, Container};
use super::{Format, FormatKind, Halt, Probe, Scan, pytorch};
use crate::bytes::{Cursor, Malformed, Role};
use crate::fact::Fact;

/// The record.
pub const FORMAT: Format = Format {
    name: "npz",
    title: "NumPy archive",
    kind: FormatKind::Model,
    extensions: &["npz"],
    runs_code: true,
    refines: Some("zip"),
    identify,
    scan,
    checks: "All checks of ZIP; each member as a NumPy array, the pickles of object arrays included.",
    spec: "https://numpy.org/doc/stable/reference/generated/numpy.savez.html",
};

/// Bytes of the central directory that detection looks at.
const DIRECTORY_HEAD: usize = 64 << 10;

/// Are all members arrays by name? Under its own name, any archive that is no other model.
fn identify(probe: &Probe<'_>) -> bool {
    if !archive_zip::identify(probe) {
        return false;
    }
    if probe.input.name.extension() == "npz" && !pytorch::identify(probe) {
        return true;
    }
    archive_zip::directory(probe).is_some_and(|at| holds_arrays(&probe.read(at, DIRECTORY_HEAD), at))
}

/// Do all central headers at hand name arrays, and is there one?
fn holds_arrays(directory: &[u8], at: u64) -> bool {
    let mut cursor = Cursor::new(directory, at);
    let mut found = false;
    while let Ok(Some(is_array)) = next_is_array(&mut cursor) {
        if !is_array {
            return false;
        }
        found = true;
    }
    found
}

/// Reads one central header; None behind the last.
fn next_is_array(cursor: &mut Cursor<'_>) -> Result<Option<bool>, Malformed> {
    if !cursor.rest().starts_with(b"PK\x01\x02") {
        return Ok(None);
    }
    cursor.skip(28)?;
    let lengths = [cursor.u16_le()?, cursor.u16_le()?, cursor.u16_le()?].map(u64::from);
    cursor.skip(12)?;
    let [name, extra, comment] = lengths;
    let is_array = cursor.bytes(name)?.ends_with(b".npy");
    cursor.skip(extra)?;
    cursor.skip(comment)?;
    Ok(Some(is_array))
}

fn scan(scan: &mut Scan<'_>) -> Result<(), Halt> {
    let mut container = Container::read(scan)?;
    let detail = format!("{} members", container.archive.entries.len());
    scan.whole(Fact::Component { name: FORMAT.name, detail: &detail });
    container.audit(scan)?;
    container.finish(scan, |_, _, _, _| Some(Role::Unknown))
}
