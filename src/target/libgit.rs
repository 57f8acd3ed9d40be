//! Git repositories through libgit2, which needs no `git` program for all but the largest blobs.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use git2::Repository as Handle;
use git2::{Delta, DiffFindOptions, DiffOptions, ErrorCode, FileMode, ObjectType, Oid, RepositoryOpenFlags};

use super::command::{Git, GitCommand};
use super::git::{ChangeKind, Entry, FileKind, RawChange, Repository, Side};
use super::history::parents;
use super::{SMALL_BLOB, TargetError};
use crate::bytes::{MemorySource, ReadAt};

/// A repository opened by libgit2.
pub(super) struct LibGit {
    git_dir: PathBuf,
    common: PathBuf,
    root: Option<PathBuf>,
    shallow: bool,
    index_file: Option<PathBuf>,
    /// Handles not in use: one handle serves one thread at a time.
    idle: Mutex<Vec<Handle>>,
}

/// Opens the repository that holds `dir`: by the library, or by the program where the library cannot.
pub(super) fn open(dir: &Path, index_file: Option<&Path>) -> Result<Arc<dyn Repository>, TargetError> {
    let opened = Handle::open_ext(dir, RepositoryOpenFlags::empty(), std::iter::empty::<&Path>());
    // An index with an extension that the library does not know shows only when it is read.
    let checked = opened.and_then(|handle| handle.index().map(|_| handle));
    match checked {
        // The library believes them, and what is compared would be theirs to say.
        Ok(handle) if handle.commondir().join("info/grafts").exists() => {
            Ok(Arc::new(GitCommand::open(dir, index_file, "it has grafts, which only git can pass over")?))
        }
        Ok(handle) => Ok(Arc::new(LibGit {
            git_dir: handle.path().to_path_buf(),
            common: handle.commondir().to_path_buf(),
            root: handle.workdir().map(Path::to_path_buf),
            shallow: handle.is_shallow(),
            index_file: index_file.map(Path::to_path_buf),
            idle: Mutex::new(vec![handle]),
        })),
        Err(error) => match refusal(&error, dir) {
            Some(refusal) => Err(refusal),
            None => Ok(Arc::new(GitCommand::open(dir, index_file, error.message())?)),
        },
    }
}

/// The errors that the program would give too, or must not be asked to pass over.
fn refusal(error: &git2::Error, dir: &Path) -> Option<TargetError> {
    match error.code() {
        ErrorCode::Owner => {
            let quoted = error.message().split('\'').nth(1).filter(|text| !text.is_empty());
            let named = quoted.map_or_else(|| dir.display().to_string(), str::to_owned);
            let dir = named.trim_end_matches('/').trim_end_matches("/.git").to_owned();
            Some(TargetError::Owner { dir })
        }
        ErrorCode::NotFound => Some(TargetError::NotARepository),
        _ => None,
    }
}

impl From<git2::Error> for TargetError {
    fn from(error: git2::Error) -> Self {
        Self::Git { reason: error.message().to_owned() }
    }
}

impl LibGit {
    fn with<T>(&self, run: impl FnOnce(&Handle) -> Result<T, git2::Error>) -> Result<T, git2::Error> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let handle = match idle {
            Some(handle) => handle,
            None => {
                let flags = RepositoryOpenFlags::NO_SEARCH | RepositoryOpenFlags::NO_DOTGIT;
                Handle::open_ext(&self.git_dir, flags, std::iter::empty::<&Path>())?
            }
        };
        let result = run(&handle);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(handle);
        result
    }

    fn compare(&self, base: Option<&str>, side: &Side, renames: Renames) -> Result<Vec<RawChange>, git2::Error> {
        self.with(|handle| {
            let tree = |id: &str| handle.find_commit(Oid::from_str(id)?)?.tree();
            let old = base.map(tree).transpose()?;
            let mut options = DiffOptions::new();
            options.include_typechange(true).skip_binary_check(true);
            let mut diff = match side {
                Side::Commit(id) => handle.diff_tree_to_tree(old.as_ref(), Some(&tree(id)?), Some(&mut options))?,
                Side::Index => {
                    let own = handle.index()?.path().map(Path::to_path_buf);
                    let index = staged(self.index_file.as_deref().or(own.as_deref()))?;
                    handle.diff_tree_to_index(old.as_ref(), Some(&index), Some(&mut options))?
                }
            };
            if base.is_some() {
                let exact = renames == Renames::Exact || !cheap_to_compare(handle, &diff);
                let mut find = DiffFindOptions::new();
                find.renames(true).copies(true).exact_match_only(exact);
                diff.find_similar(Some(&mut find))?;
            }
            Ok(settle_renames(diff.deltas().filter_map(|delta| raw(&delta)).collect()))
        })
    }
}

/// The index as it will be committed. The library takes entries with the mark "assume unchanged" for unchanged; git
/// commits them.
fn staged(path: Option<&Path>) -> Result<git2::Index, git2::Error> {
    const ASSUME_UNCHANGED: u16 = 0x8000;
    let mut index = match path {
        Some(path) => git2::Index::open(path)?,
        None => git2::Index::new()?,
    };
    let marked: Vec<git2::IndexEntry> = index.iter().filter(|entry| entry.flags & ASSUME_UNCHANGED != 0).collect();
    for mut entry in marked {
        entry.flags &= !ASSUME_UNCHANGED;
        index.add(&entry)?;
    }
    Ok(index)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Renames {
    Similar,
    Exact,
}

/// Bytes of added and deleted files that are compared with each other to find renames with changes. Renames without
/// changes are found at any size.
const SIMILARITY_BYTES: u64 = 64 << 20;

fn cheap_to_compare(handle: &Handle, diff: &git2::Diff<'_>) -> bool {
    let Ok(odb) = handle.odb() else { return false };
    let mut sum: u64 = 0;
    for delta in diff.deltas() {
        let id = match delta.status() {
            _ if delta.new_file().mode() == FileMode::Commit || delta.old_file().mode() == FileMode::Commit => continue,
            Delta::Added => delta.new_file().id(),
            Delta::Deleted | Delta::Modified => delta.old_file().id(),
            _ => continue,
        };
        sum = sum.saturating_add(odb.read_header(id).map_or(u64::MAX, |(size, _)| size as u64));
    }
    sum <= SIMILARITY_BYTES
}

/// A file that is gone became one other file: the one with its content, else the first that resembles it. The library
/// names it as the source of every file that resembles it; the others are new.
fn settle_renames(mut changes: Vec<RawChange>) -> Vec<RawChange> {
    let mut taken: HashMap<Vec<u8>, usize> = HashMap::new();
    let is_same = |change: &RawChange| change.old.as_ref().is_some_and(|old| old.id == change.entry.id);
    for (index, change) in changes.iter().enumerate().filter(|(_, change)| change.kind == ChangeKind::Renamed) {
        let Some(old) = &change.old else { continue };
        let best = taken.entry(old.path.clone()).or_insert(index);
        if is_same(change) && !changes.get(*best).is_some_and(is_same) {
            *best = index;
        }
    }
    for (index, change) in changes.iter_mut().enumerate().filter(|(_, change)| change.kind == ChangeKind::Renamed) {
        if change.old.as_ref().is_some_and(|old| taken.get(&old.path) != Some(&index)) {
            change.kind = ChangeKind::Added;
            change.old = None;
        }
    }
    changes
}

fn raw(delta: &git2::DiffDelta<'_>) -> Option<RawChange> {
    let kind = match delta.status() {
        Delta::Added => ChangeKind::Added,
        Delta::Modified => ChangeKind::Modified,
        Delta::Deleted => ChangeKind::Deleted,
        Delta::Renamed => ChangeKind::Renamed,
        Delta::Copied => ChangeKind::Copied,
        Delta::Typechange => ChangeKind::TypeChanged,
        Delta::Unmodified => return None,
        _ => ChangeKind::Unmerged,
    };
    let entry = |file: git2::DiffFile<'_>| {
        let (path, kind) = (file.path_bytes()?.to_vec(), FileKind::from_mode(u32::from(file.mode())));
        Some(Entry { path, id: file.id().to_string(), kind })
    };
    let old = entry(delta.old_file()).filter(|_| kind != ChangeKind::Added);
    let new = entry(delta.new_file()).or_else(|| old.clone())?;
    Some(RawChange { kind, entry: new, old })
}

impl Repository for LibGit {
    fn root(&self) -> Option<&Path> {
        self.root.as_deref()
    }

    fn common_dir(&self) -> &Path {
        &self.common
    }

    fn is_shallow(&self) -> bool {
        self.shallow
    }

    fn commit(&self, revision: &str) -> Option<String> {
        self.with(|handle| Ok(handle.revparse_single(revision)?.peel_to_commit()?.id().to_string())).ok()
    }

    fn parents(&self, id: &str) -> Vec<String> {
        self.with(|handle| Ok(parents(handle.odb()?.read(Oid::from_str(id)?)?.data()))).unwrap_or_default()
    }

    fn branch(&self) -> Option<String> {
        let head = |handle: &Handle| {
            let head = handle.find_reference("HEAD")?;
            Ok(head.symbolic_target()?.map(str::to_owned))
        };
        self.with(head).ok().flatten()
    }

    fn remote(&self) -> Option<String> {
        self.with(|handle| Ok(handle.find_remote("origin")?.url().ok().map(str::to_owned))).ok().flatten()
    }

    fn upstream(&self, branch: &str) -> Option<String> {
        self.with(|handle| Ok(handle.branch_upstream_name(branch)?.as_str().unwrap_or_default().to_owned()))
            .ok()
            .filter(|name| !name.is_empty())
    }

    fn merge_base(&self, one: &str, two: &str) -> Result<Option<String>, TargetError> {
        let base = self.with(|handle| handle.merge_base(Oid::from_str(one)?, Oid::from_str(two)?));
        match base {
            Ok(id) => Ok(Some(id.to_string())),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn changes(&self, base: Option<&str>, side: &Side) -> Result<Vec<RawChange>, TargetError> {
        // Measuring similarity fails where a blob is missing; exact renames need none.
        let similar = self.compare(base, side, Renames::Similar);
        Ok(similar.or_else(|_| self.compare(base, side, Renames::Exact))?)
    }

    fn sizes(&self, ids: &[String]) -> HashMap<String, u64> {
        let sizes = self.with(|handle| {
            let odb = handle.odb()?;
            let size = |id: &String| {
                let (size, kind) = odb.read_header(Oid::from_str(id).ok()?).ok()?;
                (kind == ObjectType::Blob).then(|| (id.clone(), size as u64))
            };
            Ok(ids.iter().filter_map(size).collect())
        });
        sizes.unwrap_or_default()
    }

    fn small(&self, ids: &[String]) -> HashMap<String, Vec<u8>> {
        let blobs = self.with(|handle| {
            let blob =
                |id: &String| Some((id.clone(), handle.find_blob(Oid::from_str(id).ok()?).ok()?.content().to_vec()));
            Ok(ids.iter().filter_map(blob).collect())
        });
        blobs.unwrap_or_default()
    }

    fn read(&self, id: &str, size: u64) -> io::Result<Arc<dyn ReadAt>> {
        if size > SMALL_BLOB {
            match Git::at(&self.git_dir, None).blob(id, size) {
                // Without the program, the library inflates it into memory.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                result => return result,
            }
        }
        let bytes = self.with(|handle| Ok(handle.find_blob(Oid::from_str(id)?)?.content().to_vec()));
        bytes.map(MemorySource::new).map_err(|error| io::Error::other(error.message().to_owned()))
    }

    fn hash_file(&self, path: &Path) -> io::Result<String> {
        let id = Oid::hash_file(ObjectType::Blob, path);
        id.map(|id| id.to_string()).map_err(|error| io::Error::other(error.message().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_of_another_user_is_refused_with_the_line_that_trusts_it() {
        let text = "repository path '/srv/models/' is not owned by current user";
        let error = git2::Error::new(ErrorCode::Owner, git2::ErrorClass::Config, text);
        let refusal = refusal(&error, Path::new("/x")).unwrap().to_string();
        assert!(refusal.ends_with("git config --global --add safe.directory /srv/models"), "{refusal}");
        let other = git2::Error::new(ErrorCode::GenericError, git2::ErrorClass::Repository, "unsupported extension");
        assert!(super::refusal(&other, Path::new("/x")).is_none());
    }
}
