//! Symbolic links found in folders.
//!
//! A link is followed if it stays inside what is scanned, if it is part of a Hugging Face cache
//! (`snapshots/<revision>/name -> ../../blobs/<hash>`), or if it leads into the object store of git-annex. Any other
//! link is reported and not followed: a model folder must not make the scanner read elsewhere.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::paths::{Found, Search};
use super::pointer::{self, Pointer};
use super::store::Stores;
use super::{Pointed, name};

/// A symbolic link.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) path: PathBuf,
    pub(super) name: String,
    /// Named by the user.
    pub(super) given: bool,
}

/// Decides about the links that the search met. Called once all files are known.
pub(super) fn follow(search: &mut Search<'_>) {
    let mut outside: u64 = 0;
    let mut links = std::mem::take(&mut search.links);
    links.sort_by(|a, b| a.name.cmp(&b.name));
    for link in links {
        if let Some(pointer) = annexed(&link.path) {
            annex(search, &link, &pointer);
            continue;
        }
        let Ok(real) = fs::canonicalize(&link.path) else {
            search.plan.skip(link.name, 0, "a symbolic link that leads to nothing");
            continue;
        };
        let Ok(meta) = fs::metadata(&real) else { continue };
        let is_inside = search.roots.iter().any(|root| real.starts_with(root)) || is_cached(&link.path, &real);
        if !is_inside {
            outside += 1;
            search.plan.skip(link.name, 0, "a symbolic link that leads outside the scanned folder");
        } else if meta.is_file() {
            take(search, real, link, meta.len());
        } else if !meta.is_dir() {
            search.plan.skip(link.name, 0, "a symbolic link to something that is not a regular file");
        }
        // What a folder inside holds has its own entries.
    }
    if outside > 0 {
        search.plan.notes.push(format!(
            "{outside} symbolic links lead outside the scanned folder and were not followed; name them to scan them"
        ));
    }
}

/// Adds the file behind a link. If it was found under its own name too, it is scanned once: under the name of the
/// link if only that has an extension (the blobs of a cache have none).
fn take(search: &mut Search<'_>, real: PathBuf, link: Link, size: u64) {
    let Some(found) = search.found.get_mut(&real) else { return search.add(real, link.name, size, false) };
    let extension = |name: &str| Path::new(name).extension().is_some();
    if !extension(&found.name) && extension(&link.name) {
        found.name = link.name;
    }
}

/// Adds what an annexed link stands for.
fn annex(search: &mut Search<'_>, link: &Link, pointer: &Pointer) {
    let (kind, object) = (pointer.kind(), pointer.object());
    let folder = link.path.parent().unwrap_or(&link.path);
    let resolved = Stores::around(folder).find(pointer);
    if !search.wanted(&link.name, pointer.size.unwrap_or(0), link.given) {
        return;
    }
    let (name, given) = (link.name.clone(), link.given);
    let (path, found) = match resolved {
        Some((path, size)) => (path, Found { name, size, given, pointed: Some(Pointed::Resolved { kind, object }) }),
        None => {
            let size = pointer.size.unwrap_or(0);
            (link.path.clone(), Found { name, size, given, pointed: Some(Pointed::Unresolved { kind, object }) })
        }
    };
    search.found.entry(path).or_insert(found);
}

/// True if the path is a link into the store of git-annex.
pub(super) fn is_annexed(path: &Path) -> bool {
    annexed(path).is_some()
}

/// Where a link leads, as bytes; empty if it cannot be read.
pub(super) fn text(path: &Path) -> Vec<u8> {
    fs::read_link(path).map(|target| target.as_os_str().as_encoded_bytes().to_vec()).unwrap_or_default()
}

fn annexed(path: &Path) -> Option<Pointer> {
    pointer::parse_annex_link(&text(path))
}

/// True for a link of a Hugging Face cache: `X/snapshots/<revision>/…` leads to `X/blobs/<hash>`.
fn is_cached(link: &Path, real: &Path) -> bool {
    let Some(blobs) = real.parent().filter(|dir| dir.file_name() == Some(OsStr::new("blobs"))) else { return false };
    let Some(repository) = blobs.parent() else { return false };
    let hash = real.file_name().map(|last| name::display(Path::new(last))).unwrap_or_default();
    let is_hash = matches!(hash.len(), 40 | 64) && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    let folder = link.parent().and_then(|dir| fs::canonicalize(dir).ok());
    is_hash && folder.is_some_and(|dir| dir.starts_with(repository.join("snapshots")))
}
