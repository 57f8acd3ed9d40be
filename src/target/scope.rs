//! Which part of a repository is meant: the paths and globs of the request, seen from its root.

use std::path::Path;

use super::filter::{self, Glob};
use super::git::Repository;
use super::{Context, Request, TargetError, name};

/// The part of the repository that the paths and globs of the request name.
pub(super) struct Scope(Vec<Named>);

/// One path or glob of the request.
pub(super) struct Named {
    /// As given.
    pub(super) spec: String,
    /// Path from the repository root; empty for the root.
    pub(super) folder: String,
    pub(super) glob: Option<Glob>,
}

impl Scope {
    pub(super) fn new(repository: &dyn Repository, request: &Request, context: &Context) -> Result<Self, TargetError> {
        let named = |spec: &String| {
            let exists = context.dir.join(spec).symlink_metadata().is_ok();
            let (folder, pattern) =
                if filter::is_glob(spec) && !exists { filter::split_glob(spec) } else { (spec.as_str(), "") };
            let glob = Some(pattern).filter(|pattern| !pattern.is_empty()).map(Glob::anchored).transpose()?;
            Ok(Named { spec: spec.clone(), folder: inside(repository, &context.dir, folder)?, glob })
        };
        request.specs.iter().map(named).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Named> {
        self.0.iter()
    }

    /// True if the file is meant.
    pub(super) fn covers(&self, path: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|named| named.covers(path))
    }

    /// True if the file itself is named.
    pub(super) fn names(&self, path: &str) -> bool {
        self.0.iter().any(|named| named.glob.is_none() && named.folder == path)
    }
}

impl Named {
    pub(super) fn covers(&self, path: &str) -> bool {
        let below = match path.strip_prefix(self.folder.as_str()) {
            Some("") => return self.glob.is_none(),
            Some(rest) if self.folder.is_empty() => rest,
            Some(rest) => match rest.strip_prefix('/') {
                Some(below) => below,
                None => return false,
            },
            None => return false,
        };
        self.glob.as_ref().is_none_or(|glob| glob.covers(below))
    }
}

/// A path given in `dir` as a path from the root of the repository. It need not exist on the disk.
fn inside(repository: &dyn Repository, dir: &Path, spec: &str) -> Result<String, TargetError> {
    let path = name::normalise(&dir.join(spec));
    let root = repository.root().unwrap_or(repository.common_dir());
    let root = std::fs::canonicalize(root).unwrap_or_else(|_| root.to_path_buf());
    // The longest part that exists is made canonical; links below it stay names of the repository.
    let mut ancestors = path.ancestors().skip(usize::from(path.symlink_metadata().is_ok_and(|meta| !meta.is_dir())));
    let real = ancestors.find_map(|part| {
        let rest = path.strip_prefix(part).ok()?;
        Some(std::fs::canonicalize(part).ok()?.join(rest))
    });
    let real = real.unwrap_or(path);
    match real.strip_prefix(&root) {
        Ok(below) => Ok(name::display(below)),
        Err(_) => Err(TargetError::Outside { path: spec.to_owned() }),
    }
}
