//! Names of files as text: forward slashes, never absolute, and two files never one name.

use std::collections::BTreeSet;
#[cfg(any(feature = "git", test))]
use std::path::PathBuf;
use std::path::{Component, Path};

/// A relative path as text. Bytes that are no UTF-8 are written as `\xNN`.
pub(super) fn display(path: &Path) -> String {
    let parts: Vec<String> = path
        .components()
        .filter_map(|component| match component {
            Component::Normal(part) => Some(display_bytes(part.as_encoded_bytes())),
            Component::ParentDir => Some("..".to_owned()),
            Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
        })
        .collect();
    parts.join("/")
}

/// Bytes of a git path as text, as [`display`].
pub(super) fn display_bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    out
}

/// A git path as a path of this system.
#[cfg(feature = "git")]
pub(super) fn native(bytes: &[u8]) -> PathBuf {
    #[cfg(unix)]
    let path = PathBuf::from(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes));
    #[cfg(not(unix))]
    let path = PathBuf::from(String::from_utf8_lossy(bytes).into_owned());
    path
}

/// Removes `.` and resolves `..` against what stands before it, without looking at the disk.
#[cfg(any(feature = "git", test))]
pub(super) fn normalise(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                if !matches!(out.components().next_back(), Some(Component::Normal(_))) || !out.pop() {
                    out.push(component);
                }
            }
            component => out.push(component),
        }
    }
    out
}

/// Names that are taken.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    /// `name`, or else `name~2`, `name~3`… if it is taken.
    pub(super) fn unique(&mut self, name: &str) -> String {
        let mut candidate = name.to_owned();
        let mut n: u32 = 2;
        while !self.0.insert(candidate.clone()) {
            candidate = format!("{name}~{n}");
            n = n.saturating_add(1);
        }
        candidate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_no_utf8_stay_apart() {
        assert_eq!(display_bytes(b"a\xffb\xfe"), "a\\xffb\\xfe");
        let mut names = Names::default();
        assert_eq!(names.unique("a"), "a");
        assert_eq!(names.unique("a"), "a~2");
    }

    #[test]
    fn parents_are_resolved_as_far_as_they_go() {
        assert_eq!(normalise(Path::new("a/./b/../c")), Path::new("a/c"));
        assert_eq!(normalise(Path::new("../a/../../b")), Path::new("../../b"));
        assert_eq!(display(Path::new("./a/b")), "a/b");
    }
}
