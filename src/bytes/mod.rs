//! Bytes, safely: where they come from and how they are read.
//!
//! Every byte of a scanned file passes through [`ReadAt`] (positioned reads: a file that is cut while it is being
//! read gives an error, where a memory map would give a signal that kills the process) and then through a [`Cursor`]
//! or a [`Stream`], which cannot panic and know their offset. Nothing here knows a file format.

mod budget;
mod cursor;
mod joined;
mod source;
mod stream;

pub use budget::{Budget, Exceeded, Limits};
pub use cursor::{Cursor, Malformed};
pub use joined::Joined;
pub use source::{FileSource, MemorySource, ReadAt, Slice, Spool};
pub use stream::{ReadError, Stream, WINDOW};

use std::fmt;
use std::sync::Arc;

/// What a nested input is to the format that found it, when that format knows better than its bytes would tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    /// Nothing is known: detect by content.
    #[default]
    Unknown,
    /// Raw numbers (a tensor storage): never probed as a format, only searched for executables.
    Payload,
    /// A layer of a container image, compressed or not: the top of a root file system, with the programs of one.
    Layer,
    /// A pickle read by a loader that resolves persistent ids to tensor storages.
    TorchPickle,
}

/// The name of an input: the path that the user gave and the chain of members inside it, outermost first.
///
/// Shown as `model.zip!/archive/data.pkl`. Names come from the scanned file; printing escapes them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InputName {
    /// Path relative to the scan root, forward slashes.
    pub path: String,
    /// Names of nested members, outermost first.
    pub members: Vec<String>,
}

impl InputName {
    /// The name of a top-level input.
    #[must_use]
    pub fn top(path: impl Into<String>) -> Self {
        Self { path: path.into(), members: Vec::new() }
    }

    /// The name of a member directly inside this input.
    #[must_use]
    pub fn member(&self, name: impl Into<String>) -> Self {
        let mut members = self.members.clone();
        members.push(short(name.into()));
        Self { path: self.path.clone(), members }
    }

    /// True for `outer` itself and for whatever is nested in it.
    #[must_use]
    pub fn is_within(&self, outer: &Self) -> bool {
        self.path == outer.path && self.members.starts_with(&outer.members)
    }

    /// About how many bytes of memory it takes.
    #[must_use]
    pub fn footprint(&self) -> usize {
        let strings = std::iter::once(&self.path).chain(&self.members);
        strings
            .map(|text| text.len().saturating_add(size_of::<String>() * 2))
            .fold(size_of::<Self>(), usize::saturating_add)
    }

    /// The innermost name: the last member, or the path.
    #[must_use]
    pub fn innermost(&self) -> &str {
        self.members.last().map_or(self.path.as_str(), String::as_str)
    }

    /// Lower-case extension of the innermost name without its dot, empty if there is none.
    #[must_use]
    pub fn extension(&self) -> String {
        let base = self.innermost().rsplit(['/', '\\']).next().unwrap_or_default();
        match base.rsplit_once('.') {
            Some((stem, ext)) if !stem.is_empty() => ext.to_ascii_lowercase(),
            _ => String::new(),
        }
    }
}

/// Longest name of a member that is kept whole: that of a path in most systems.
const MOST_NAME: usize = 4096;

/// The beginning and the end of a name that is too long: it is kept many times over, and the end says what a file is.
fn short(name: String) -> String {
    if name.len() <= MOST_NAME {
        return name;
    }
    let (head, tail) = (name.floor_char_boundary(MOST_NAME / 2), name.ceil_char_boundary(name.len() - MOST_NAME / 2));
    format!("{}…{}", name.get(..head).unwrap_or_default(), name.get(tail..).unwrap_or_default())
}

impl fmt::Display for InputName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        self.members.iter().try_for_each(|member| write!(f, "!/{member}"))
    }
}

/// A container that encloses an input, known again by its bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct Encloser {
    /// Digest of its bytes.
    pub digest: [u8; 32],
    /// The next one outwards.
    pub outer: Option<Arc<Encloser>>,
}

/// One thing to scan: a source of bytes, its name, and how deeply it is nested.
#[derive(Clone)]
pub struct Input {
    /// Name chain, for locations.
    pub name: InputName,
    /// The bytes.
    pub source: Arc<dyn ReadAt>,
    /// What the finder knows about it.
    pub role: Role,
    /// Offset of its first byte in the outermost file, if its bytes lie there as they are; None once decoded.
    pub extent: Option<u64>,
    /// The containers around it whose digests are known, innermost first.
    pub enclosed: Option<Arc<Encloser>>,
}

impl Input {
    /// A top-level input.
    #[must_use]
    pub fn new(path: impl Into<String>, source: Arc<dyn ReadAt>) -> Self {
        Self { name: InputName::top(path), source, role: Role::Unknown, extent: Some(0), enclosed: None }
    }

    /// A member of this input with its own bytes.
    #[must_use]
    pub fn member(&self, name: impl Into<String>, source: Arc<dyn ReadAt>) -> Self {
        let enclosed = self.enclosed.clone();
        Self { name: self.name.member(name), source, role: Role::Unknown, extent: None, enclosed }
    }

    /// A member whose bytes are the range `offset..offset + len` of this input, clipped to its end.
    #[must_use]
    pub fn slice(&self, name: impl Into<String>, offset: u64, len: u64) -> Self {
        let member = self.member(name, Slice::clip(Arc::clone(&self.source), offset, len));
        Self { extent: self.extent.and_then(|start| start.checked_add(offset)), ..member }
    }

    /// The same input with its role set.
    #[must_use]
    pub fn with_role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    /// How many levels further out a container has this digest; 1 for the one straight around it.
    #[must_use]
    pub fn repeats(&self, digest: &[u8; 32]) -> Option<u64> {
        let around = std::iter::successors(self.enclosed.as_deref(), |encloser| encloser.outer.as_deref());
        around.zip(1..).find(|(encloser, _)| encloser.digest == *digest).map(|(_, levels)| levels)
    }

    /// How many containers enclose this input; 0 for a top-level input.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.name.members.len()
    }

    /// Size in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.source.len()
    }

    /// True if there is not one byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Up to `want` bytes from `offset`; shorter at the end of the input.
    ///
    /// # Errors
    /// The source's I/O error.
    pub fn read(&self, offset: u64, want: usize) -> std::io::Result<Vec<u8>> {
        self.source.read_range(offset, want)
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Input({}, {} bytes)", self.name, self.len())
    }
}

/// Bytes in hexadecimal, as digests are written.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_keep_both_ends() {
        let name = InputName::top("x.zip").member(format!("a{}ä.pkl", "ö".repeat(9000)));
        let member = name.innermost();
        assert!(member.len() <= MOST_NAME + 4 && member.starts_with("aö") && member.contains("ö…ö"));
        assert_eq!(name.extension(), "pkl");
    }
}
