//! What to look at: turns paths, globs and git revisions into a plan of files to scan.
//!
//! This is the only part that walks folders or asks git. It opens nothing for the scan itself: a [`Target`] knows how
//! to open its bytes, so that a plan of many thousand files holds no descriptor. Nothing here knows a model format.
//! Planning fetches nothing from a network; [`Repo`] can, by the git program, when a pipeline asks for it.
//!
//! Reading order: [`resolve`] → `paths` or `git` (which asks `base` what to compare with) → `pointer` (files that
//! stand for others: Git LFS, git-annex, DVC).

#[cfg(feature = "git")]
mod base;
#[cfg(feature = "git")]
mod command;
#[cfg(feature = "git")]
mod companions;
mod environment;
mod filter;
#[cfg(feature = "git")]
mod git;
#[cfg(feature = "git")]
mod history;
#[cfg(feature = "git")]
mod libgit;
mod links;
mod name;
mod paths;
mod pointer;
#[cfg(feature = "git")]
mod repo;
#[cfg(feature = "git")]
mod scope;
mod store;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::bytes::{FileSource, InputName, MemorySource, ReadAt};
use crate::report::{Checkout, Coverage, Diff, Status};

#[cfg(feature = "git")]
pub use base::Comparison;
pub use environment::GitEnv;
use pointer::Pointer;
#[cfg(feature = "git")]
pub use repo::{History, Repo};
pub use store::read_capped;

/// What the user asks for.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Paths, globs, or `-` for standard input. None: the current folder, or the whole repository in a git mode,
    /// where paths and globs limit what is looked at.
    pub specs: Vec<String>,
    /// Files as they are, or changes in git.
    pub mode: Mode,
    /// Only files that match one of these globs; files that are named in `specs` are looked at all the same.
    pub include: Vec<String>,
    /// No file or folder that matches one of these globs.
    pub exclude: Vec<String>,
    /// Pass nothing over by itself: walk the internals of version control too.
    pub no_ignore: bool,
    /// Bytes that all targets may have together; the rest is skipped, in order of path.
    pub max_total_size: Option<u64>,
    /// Bytes that one target may have; larger ones are skipped.
    pub max_file_size: Option<u64>,
}

/// Which version of the files to look at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Mode {
    /// As they lie on the disk.
    #[default]
    Paths,
    /// What `head` changes against its merge base with `base`. Uncommitted changes are not looked at.
    Diff {
        /// Revision; None: found from the CI host's variables, the branch and its remote.
        base: Option<String>,
        /// Revision; None: `HEAD`.
        head: Option<String>,
    },
    /// What the index changes against `HEAD`: the commit that is about to be made.
    Staged,
    /// Versions that the caller has found.
    Versions(Versions),
}

/// Two versions by their commits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Versions {
    /// The base as it was given or found; only told.
    pub base: Option<String>,
    /// Commit to compare with; None: every file counts as new.
    pub merge_base: Option<String>,
    /// Commit to scan.
    pub head: String,
    /// Look at every file of the head, not only at what it changes.
    pub whole: bool,
    /// Why every file is looked at; only told.
    pub full_scan_reason: Option<String>,
}

/// Where the request is made.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// The current folder, absolute.
    pub dir: PathBuf,
    /// What the environment says about the change under review.
    pub env: GitEnv,
}

/// What to scan, and what is known before the scan.
#[derive(Debug, Default)]
pub struct Plan {
    /// Files to scan, sorted by path; paths are unique unless a DVC file stands for several files.
    pub targets: Vec<Target>,
    /// Files of the base version that the head has no more.
    pub removed: Vec<Blob>,
    /// Files that are not scanned, with the reason.
    pub skipped: Vec<Coverage>,
    /// True if a limit on sizes left files out.
    pub limited: bool,
    /// What is compared, in the git modes; `fixed` is left to the engine.
    pub diff: Option<Diff>,
    /// The repository and commit that the targets belong to, in the git modes.
    pub checkout: Option<Checkout>,
    /// What was asked for and could not be found or read: the run cannot pass.
    pub errors: Vec<String>,
    /// Things the user should know that fail nothing.
    pub notes: Vec<String>,
}

/// One file to scan.
#[derive(Debug)]
pub struct Target {
    /// Path relative to the current folder, the scan root or the repository root; forward slashes, never absolute.
    pub path: String,
    /// Size in bytes; for an unresolved pointer what it promises, or its own size if it promises nothing.
    pub size: u64,
    /// Named by the user, not found in a folder or a change.
    pub given: bool,
    /// Whether the file stands for another.
    pub state: Pointed,
    /// The version in the base of the change, if there is one.
    pub previous: Option<Blob>,
    /// True if the base version has the same bytes.
    pub unchanged: bool,
    /// Name of the file that this one stands for, where that is another name (`model.pt` for `model.pt.dvc`).
    pub member: Option<String>,
    content: Content,
}

/// Whether a target is a pointer to content kept elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pointed {
    /// An ordinary file.
    Plain,
    /// A pointer whose object is on this machine: the target reads the object.
    Resolved {
        /// `git-lfs`, `git-annex`, `dvc`.
        kind: &'static str,
        /// Object id (`sha256:…`, `md5:…`) or annex key.
        object: String,
    },
    /// A pointer whose object is not here: the target reads the pointer itself, and nothing behind it was scanned.
    Unresolved {
        /// `git-lfs`, `git-annex`, `dvc`.
        kind: &'static str,
        /// Object id (`sha256:…`, `md5:…`) or annex key.
        object: String,
    },
}

/// Where the bytes of a target are.
#[derive(Debug, Clone)]
enum Content {
    File(PathBuf),
    Held(Held),
    #[cfg_attr(not(feature = "git"), expect(dead_code, reason = "only git has blobs"))]
    Blob(Blob),
}

impl Content {
    fn text(bytes: &[u8]) -> Self {
        Self::Held(Held(MemorySource::new(bytes)))
    }
}

/// Bytes that are already here: standard input, the text of a pointer.
#[derive(Clone)]
struct Held(Arc<dyn ReadAt>);

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Held({} bytes)", self.0.len())
    }
}

/// One version of a file in an object database.
#[derive(Clone)]
pub struct Blob {
    /// Path in that version.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    id: String,
    /// The file of the worktree that may hold the same bytes.
    worktree: Option<PathBuf>,
    store: Arc<dyn BlobStore>,
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({} {}, {} bytes)", self.id, self.path, self.size)
    }
}

/// An object database, as far as opening a target needs it.
trait BlobStore: Send + Sync {
    /// The bytes of a blob.
    fn read(&self, id: &str, size: u64) -> io::Result<Arc<dyn ReadAt>>;
    /// The id that the file's bytes would have.
    fn hash_file(&self, path: &Path) -> io::Result<String>;
    /// Where the object behind a pointer is.
    fn pointed(&self, blob: &Blob) -> Option<Vec<PathBuf>>;
}

/// Blobs up to this size are inflated into memory. Larger ones are read from the worktree where it has them, else
/// inflated to a temporary file.
const SMALL_BLOB: u64 = 8 << 20;

impl Blob {
    fn open(&self) -> io::Result<Arc<dyn ReadAt>> {
        if self.size > SMALL_BLOB
            && let Some(path) = &self.worktree
            && self.is_same(path)
        {
            return Ok(Arc::new(FileSource::open(path)?));
        }
        self.store.read(&self.id, self.size)
    }

    /// Opens the version, or the object that it points to. None if that object is not here.
    ///
    /// # Errors
    /// The operating system's or git's error, inside the option.
    pub fn open_behind(&self) -> Option<io::Result<Arc<dyn ReadAt>>> {
        match self.store.pointed(self) {
            None => Some(self.open()),
            Some(objects) => {
                let file = FileSource::open(objects.first()?);
                Some(file.map(|file| Arc::new(file) as Arc<dyn ReadAt>))
            }
        }
    }

    /// True if the file has the bytes of this blob. Sizes and times are not enough: a filter may have changed it.
    fn is_same(&self, path: &Path) -> bool {
        let same_size = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() == self.size);
        same_size && self.store.hash_file(path).is_ok_and(|id| id == self.id)
    }
}

impl Target {
    /// Opens the bytes to scan.
    ///
    /// # Errors
    /// The operating system's or git's error.
    pub fn open(&self) -> io::Result<Arc<dyn ReadAt>> {
        match &self.content {
            Content::File(path) => Ok(Arc::new(FileSource::open(path)?)),
            Content::Held(held) => Ok(Arc::clone(&held.0)),
            Content::Blob(blob) => blob.open(),
        }
    }

    /// The file on the disk that is read, if it is one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match &self.content {
            Content::File(path) => Some(path),
            Content::Held(_) | Content::Blob(_) => None,
        }
    }

    /// Opens the base version and gives its path there. None if there is none, or if it is a pointer whose object is
    /// not here.
    ///
    /// # Errors
    /// The operating system's or git's error, inside the option.
    pub fn open_previous(&self) -> Option<io::Result<(String, Arc<dyn ReadAt>)>> {
        let blob = self.previous.as_ref()?;
        let source = blob.open_behind()?;
        Some(source.map(|source| (blob.path.clone(), source)))
    }

    /// The targets behind the pointers that this file consists of: each reads its object if `find` has it, else the
    /// pointer itself.
    fn behind(self, pointers: &[Pointer], find: impl Fn(&Pointer) -> Option<(PathBuf, u64)>) -> Vec<Self> {
        let target = |pointer: &Pointer| {
            let (kind, object) = (pointer.kind(), pointer.object());
            let (state, content, size) = match find(pointer) {
                Some((path, size)) => (Pointed::Resolved { kind, object }, Content::File(path), size),
                None => {
                    let size = pointer.size.unwrap_or(self.size);
                    (Pointed::Unresolved { kind, object }, self.content.clone(), size)
                }
            };
            let (path, member, previous) = (self.path.clone(), pointer.member.clone(), self.previous.clone());
            Self { path, size, given: self.given, state, previous, unchanged: self.unchanged, member, content }
        };
        pointers.iter().map(target).collect()
    }

    /// The name chain under which to scan: the path, and the name of the file that a pointer of another name stands
    /// for.
    #[must_use]
    pub fn name(&self) -> InputName {
        let name = InputName::top(&*self.path);
        self.member.as_ref().map_or_else(|| name.clone(), |member| name.member(&**member))
    }
}

/// Why no plan can be made at all.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// A pattern that is no glob.
    #[error("`{pattern}` is not a valid glob: {reason}\nhelp: quote `[`, `{{` and `*` with a backslash to mean them")]
    Glob {
        /// As given.
        pattern: String,
        /// What is wrong.
        reason: String,
    },
    /// Built without git.
    #[error("this build cannot read git\nhelp: install a build with the feature `git`, or scan paths")]
    NoGitSupport,
    /// There is no repository.
    #[error(
        "not inside a git repository\nhelp: scan paths without --diff or --staged, or run it inside the repository"
    )]
    NotARepository,
    /// Git refuses a repository of another user.
    #[error(
        "the repository belongs to another user\nhelp: if you trust it: git config --global --add safe.directory {dir}"
    )]
    Owner {
        /// Folder of the repository, as the configuration must name it.
        dir: String,
    },
    /// Neither library nor program can read it.
    #[error(
        "the repository cannot be read: {reason}\nhelp: install the `git` program, which reads every kind of repository"
    )]
    Unreadable {
        /// What the library says.
        reason: String,
    },
    /// A revision that cannot be one.
    #[error(
        "`{revision}` is not a single revision\nhelp: give one branch, tag or commit; ranges are --base A --head B"
    )]
    BadRevision {
        /// As given.
        revision: String,
    },
    /// A revision that the repository does not have.
    #[error(
        "revision `{revision}` is not in this repository\nhelp: check its name, or fetch it: git fetch origin {revision}"
    )]
    UnknownRevision {
        /// As given.
        revision: String,
    },
    /// Nothing was ever committed.
    #[error("the repository has no commit yet\nhelp: --staged scans what is about to be committed")]
    NoCommit,
    /// A path that is in no version of the repository.
    #[error("`{path}` is outside the repository\nhelp: run it in the repository of that path")]
    Outside {
        /// As given.
        path: String,
    },
    /// Standard input has no versions.
    #[error("standard input cannot be compared with a base\nhelp: leave out `-`, or --diff and --staged")]
    StandardInput,
    /// Git failed.
    #[error("git failed: {reason}\nhelp: `git fsck` says whether the repository is intact")]
    Git {
        /// What it says.
        reason: String,
    },
}

/// Finds what to scan.
///
/// Targets that do not exist are no error here but entries of [`Plan::errors`], so that the others are scanned.
///
/// # Errors
/// The request makes no sense, or the repository cannot be read.
pub fn resolve(request: &Request, context: &Context) -> Result<Plan, TargetError> {
    let mut plan = match &request.mode {
        Mode::Paths => paths::resolve(request, context)?,
        #[cfg(feature = "git")]
        Mode::Diff { .. } | Mode::Staged | Mode::Versions(_) => git::resolve(request, context)?,
        #[cfg(not(feature = "git"))]
        Mode::Diff { .. } | Mode::Staged | Mode::Versions(_) => return Err(TargetError::NoGitSupport),
    };
    plan.targets.sort_by(|a, b| (&a.path, &a.member).cmp(&(&b.path, &b.member)));
    limit_sizes(&mut plan, request);
    plan.removed.retain(|blob| request.max_file_size.is_none_or(|limit| blob.size <= limit));
    plan.skipped.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(plan)
}

/// True if `text` names one commit of the repository around `dir`.
#[cfg(feature = "git")]
#[must_use]
pub fn is_revision(dir: &Path, text: &str) -> bool {
    git::is_revision(dir, text)
}

/// False: this build cannot read git.
#[cfg(not(feature = "git"))]
#[must_use]
pub fn is_revision(_dir: &Path, _text: &str) -> bool {
    false
}

/// What is around `dir` for the git modes and for large files: a name and what was found, or what does not work.
#[must_use]
pub fn examine(dir: &Path) -> Vec<(&'static str, Result<String, String>)> {
    #[cfg(feature = "git")]
    let repository = match git::describe(dir) {
        Err(TargetError::NotARepository) => Ok("not inside a repository: --diff and --staged need one".to_owned()),
        described => described.map_err(|error| error.to_string()),
    };
    #[cfg(not(feature = "git"))]
    let repository = Err::<String, _>(TargetError::NoGitSupport.to_string());
    let stores = store::describe(dir);
    vec![("repository", repository), ("large files", Ok(stores))]
}

/// Moves targets that are too large, or too much together, to the skipped ones.
fn limit_sizes(plan: &mut Plan, request: &Request) {
    let mut total: u64 = 0;
    let targets = std::mem::take(&mut plan.targets);
    for target in targets {
        // Nothing is read behind an unresolved pointer, so it costs nothing.
        let unread = matches!(target.state, Pointed::Unresolved { .. });
        let limit = if let Some(limit) = request.max_file_size.filter(|&limit| target.size > limit && !unread) {
            Some(format!("larger than the limit for one file ({limit} bytes)"))
        } else {
            let limit = request.max_total_size.filter(|&limit| total.saturating_add(target.size) > limit && !unread);
            limit.map(|limit| format!("the limit for all files together ({limit} bytes) is reached"))
        };
        match limit {
            Some(reason) => {
                plan.limited = true;
                plan.skip(target.path, target.size, reason);
            }
            None => {
                total = total.saturating_add(if unread { 0 } else { target.size });
                plan.targets.push(target);
            }
        }
    }
}

impl Plan {
    /// Lists targets as skipped.
    pub fn pass_over(&mut self, targets: Vec<Target>, reason: &str) {
        for target in targets {
            self.skip(target.path, target.size, reason);
        }
    }

    fn skip(&mut self, path: impl Into<String>, bytes: u64, reason: impl Into<String>) {
        let reason = Some(reason.into());
        self.skipped.push(Coverage { path: path.into(), status: Status::Skipped, reason, bytes });
    }
}
