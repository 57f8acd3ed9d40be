//! Layers of root file systems.
//!
//! A layer is unpacked over those below it, with its own top as the root: links to absolute paths, devices and programs
//! with the rights of others are ordinary. A whiteout (`.wh.NAME`) deletes the file NAME of a layer below.
//!
//! Specification: <https://github.com/opencontainers/image-spec/blob/main/layer.md>

use crate::decode::tar::Entry;
use crate::fact::Fact;
use crate::formats::{Scan, member_path};

const CONTAINER: &str = "oci-layer";
const WHITEOUT: &str = ".wh.";

/// States what is unusual about the name of an entry.
pub fn audit(scan: &mut Scan<'_>, entry: &Entry) {
    let names = std::iter::once(&entry.name).chain(&entry.other_names);
    for name in names.map(|name| String::from_utf8_lossy(name)) {
        let mut told = |anomaly, detail| {
            let length = entry.end().saturating_sub(entry.at);
            scan.fact(entry.at, length, Fact::Member { anomaly, member: &name, container: CONTAINER, detail });
        };
        // Names counted from the root are ordinary here.
        if let Some(why) = member_path::escape(name.strip_prefix('/').unwrap_or(&name)) {
            told("path-traversal", why);
            return;
        }
        if let Some(why) = escape(&name) {
            told("layer-escape", why);
            return;
        }
    }
}

/// Why a whiteout deletes what it must not, if it does.
fn escape(name: &str) -> Option<&'static str> {
    let name = name.trim_end_matches('/');
    let file = name.rsplit_once('/').map_or(name, |(_, file)| file);
    let deleted = file.strip_prefix(WHITEOUT)?;
    // Marks of the storage driver, such as that of an opaque folder.
    if deleted.starts_with(WHITEOUT) {
        return None;
    }
    match deleted {
        "" | "." => Some("a whiteout of its own folder"),
        ".." => Some("a whiteout of the folder above"),
        _ if deleted.contains(['\\', '\0']) => Some("a whiteout of a path"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whiteouts_delete_files_of_their_folder() {
        for name in [".wh...", "etc/.wh...", "etc/.wh..", "a/.wh.", ".wh...\\x"] {
            assert!(escape(name).is_some(), "{name}");
        }
        for name in [".wh.passwd", "etc/.wh..wh..opq", ".wh..hidden", "a/.wh..wh.plnk/x", "x.wh..", "etc/.wh....txt"] {
            assert_eq!(escape(name), None, "{name}");
        }
    }
}
