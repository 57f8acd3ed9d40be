//! Where links and names lead once an extractor has made the links before them.
//!
//! `a -> .` and then `b -> a/..` stay inside by their letters and leave the folder on disk; published attacks on safe
//! extractors chain links in this way. So each link is resolved over all others.

use std::collections::HashMap;

use crate::decode::tar::{Archive, Entry, Kind};
use crate::formats::member_path;

/// Links that a path may go over: what operating systems allow.
const MOST_HOPS: u32 = 64;
/// Parts of a path, those of its links included, and bytes of one. Longer ones no system takes.
const MOST_PARTS: usize = 256;
const LONGEST_PATH: usize = 16 << 10;

/// The symbolic links of an archive by their normalised names.
pub(super) struct Links {
    targets: HashMap<String, String>,
}

impl Links {
    pub(super) fn of(archive: &Archive) -> Self {
        let links = archive.entries.iter().filter(|entry| entry.kind == Kind::SymbolicLink);
        let targets = links.filter(|entry| entry.target.len() <= LONGEST_PATH);
        let targets = targets.map(|entry| (normal(&entry.display_name()), target(entry))).collect();
        Self { targets }
    }

    /// Why a link leaves by its letters alone. A hard link names a member, counted from the root of the archive.
    pub(super) fn lexical_escape(entry: &Entry) -> Option<&'static str> {
        let (name, target) = (entry.display_name(), target(entry));
        match entry.kind {
            Kind::HardLink => member_path::link_escape("", &target),
            _ => member_path::link_escape(&name, &target),
        }
    }

    /// Does a link leave the archive over other links?
    pub(super) fn link_leaves(&self, entry: &Entry) -> bool {
        let name = entry.display_name();
        let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
        let folder = if entry.kind == Kind::HardLink { "" } else { folder };
        self.leaves(folder, &target(entry))
    }

    /// Does `path`, from `folder` on, leave the archive once all links are made?
    pub(super) fn leaves(&self, folder: &str, path: &str) -> bool {
        if self.targets.is_empty() || path.len() > LONGEST_PATH {
            return false;
        }
        let mut pending: Vec<&str> = path.rsplit('/').chain(folder.rsplit('/')).collect();
        let (mut place, mut hops, mut steps) = (Vec::new(), 0_u32, 0_usize);
        while let Some(part) = pending.pop() {
            steps = steps.saturating_add(1);
            if steps > MOST_PARTS || hops > MOST_HOPS {
                return false;
            }
            match part {
                "" | "." => continue,
                ".." if place.pop().is_none() => return true,
                ".." => continue,
                _ => place.push(part),
            }
            if let Some(target) = self.targets.get(&place.join("/")) {
                hops = hops.saturating_add(1);
                place.pop();
                // An absolute target has been stated with its link.
                if target.starts_with('/') {
                    return false;
                }
                pending.extend(target.rsplit('/'));
            }
        }
        false
    }
}

fn target(entry: &Entry) -> String {
    String::from_utf8_lossy(&entry.target).into_owned()
}

/// A name without empty parts and `.`.
fn normal(name: &str) -> String {
    name.split('/').filter(|part| !matches!(*part, "" | ".")).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(pairs: &[(&str, &str)]) -> Links {
        Links { targets: pairs.iter().map(|&(name, target)| (normal(name), target.to_owned())).collect() }
    }

    #[test]
    fn links_are_followed_over_links() {
        let found = links(&[("a", "."), ("d/up", ".."), ("./deep", "x/y/z")]);
        for (folder, path) in [("", "a/.."), ("", "a/a/../x"), ("", "d/up/.."), ("d", "up/../x")] {
            assert!(found.leaves(folder, path), "{folder} {path}");
        }
        for (folder, path) in [("", "a/x"), ("", "deep/../../.."), ("d", "up/x"), ("", "d/up/d/up"), ("", "a")] {
            assert!(!found.leaves(folder, path), "{folder} {path}");
        }
    }

    #[test]
    fn loops_end() {
        assert!(!links(&[("a", "b"), ("b", "a")]).leaves("", "a/x"));
        assert!(!links(&[("a", "a/a")]).leaves("", "a"));
    }
}
