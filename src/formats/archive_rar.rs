//! RAR archives, recognised only: no free description of the compression exists, so nothing in them is read.
//!
//! That is said, as of members that cannot be unpacked: an archive that a scanner cannot open is a way past it.
//!
//! Specification: <https://www.rarlab.com/technote.htm>

use super::{Format, FormatKind, Halt, Scan};
use crate::fact::Fact;

/// The record.
pub const FORMAT: Format = Format {
    name: "rar",
    title: "RAR archive",
    kind: FormatKind::Container,
    extensions: &["rar"],
    runs_code: false,
    refines: None,
    identify: |probe| version(&probe.head).is_some(),
    scan,
    checks: "Recognised, not read: reported as content that was not scanned.",
    spec: "https://www.rarlab.com/technote.htm",
};

/// The version that the first bytes name.
fn version(head: &[u8]) -> Option<&'static str> {
    match head {
        [b'R', b'a', b'r', b'!', 0x1a, 7, 0, ..] => Some("version 4"),
        [b'R', b'a', b'r', b'!', 0x1a, 7, 1, 0, ..] => Some("version 5"),
        _ => None,
    }
}

fn scan(scan: &mut Scan<'_>) -> Result<(), Halt> {
    let detail = version(&scan.input.read(0, 8)?).unwrap_or_default();
    scan.whole(Fact::Component { name: FORMAT.name, detail });
    let member = "<members>";
    scan.whole(Fact::Member { anomaly: "unsupported-method", member, container: FORMAT.name, detail: "RAR" });
    scan.unread(scan.input.name.clone(), "RAR archives cannot be read", true);
    Ok(())
}
