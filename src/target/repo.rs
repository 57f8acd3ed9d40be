//! A repository for those who plan a pipeline: what it has, and fetching what it lacks.
//!
//! Fetching is left to the git program, which knows the credentials that the host gave it. Only names of branches and
//! ids of commits go there, never text that could be an option.

use std::collections::BTreeMap;
use std::io::{self, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use super::base::{self, Comparison};
use super::command::{Failure, Git};
use super::git::{FileKind, Repository, Side};
use super::{Context, Plan, Pointed, Target, TargetError, libgit, name};

/// A repository on this machine.
pub struct Repo {
    repository: Arc<dyn Repository>,
    dir: PathBuf,
}

/// How much history to fetch. A clone with all its history keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// No more than the commit itself.
    Tip,
    /// So many commits more than there are.
    More(u32),
    /// All of it.
    All,
}

/// Where what is fetched comes from.
const REMOTE: &str = "origin";

impl Repo {
    /// Opens the repository around a folder.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn open(dir: &Path) -> Result<Self, TargetError> {
        Ok(Self { repository: libgit::open(dir, None)?, dir: dir.to_path_buf() })
    }

    /// Root of the worktree; None for a bare repository.
    #[must_use]
    pub fn root(&self) -> Option<&Path> {
        self.repository.root()
    }

    /// True if history is cut off.
    #[must_use]
    pub fn is_shallow(&self) -> bool {
        self.repository.is_shallow()
    }

    /// The id of the commit that a revision names.
    #[must_use]
    pub fn commit(&self, revision: &str) -> Option<String> {
        base::is_sound(revision).then(|| self.repository.commit(revision)).flatten()
    }

    /// The parents that a commit records, whether this clone has them or not.
    #[must_use]
    pub fn parents(&self, id: &str) -> Vec<String> {
        self.repository.parents(id)
    }

    /// True if the history of `commit` has `one` in it, as far as this clone knows.
    #[must_use]
    pub fn has(&self, commit: &str, one: &str) -> bool {
        commit == one
            || self.parents(commit).iter().any(|parent| parent == one)
            || self.repository.merge_base(commit, one).is_ok_and(|base| base.as_deref() == Some(one))
    }

    /// What `head` (None: what is checked out) is to be compared with, from what this clone has.
    ///
    /// # Errors
    /// A revision is wrong or absent, or the repository cannot be read.
    pub fn compare(
        &self,
        context: &Context,
        base: Option<&str>,
        head: Option<&str>,
    ) -> Result<Comparison, TargetError> {
        base::find(&*self.repository, &context.env, base, head)
    }

    /// The files of a commit at some paths, if they are there and not larger than `cap`.
    ///
    /// # Errors
    /// The commit cannot be read.
    pub fn files(&self, commit: &str, paths: &[String], cap: u64) -> Result<BTreeMap<String, Vec<u8>>, TargetError> {
        let all = self.repository.changes(None, &Side::Commit(commit.to_owned()))?;
        let mut found = BTreeMap::new();
        for entry in all.into_iter().map(|change| change.entry).filter(|entry| entry.kind == FileKind::File) {
            let path = name::display_bytes(&entry.path);
            if !paths.contains(&path) {
                continue;
            }
            let ids = std::slice::from_ref(&entry.id);
            let small = self.repository.sizes(ids).get(&entry.id).is_some_and(|size| *size <= cap);
            if small && let Some(bytes) = self.repository.small(ids).remove(&entry.id) {
                found.insert(path, bytes);
            }
        }
        Ok(found)
    }

    /// Fetches one commit by its id, with no more history than this clone has already.
    ///
    /// # Errors
    /// The git program's message.
    pub fn fetch_commit(&mut self, id: &str) -> io::Result<()> {
        if !is_id(id) {
            return Err(io::Error::other("not the id of a commit"));
        }
        // In a clone with all its history, a depth would cut it.
        let depth: &[&str] = if self.is_shallow() { &["--depth=1"] } else { &[] };
        self.fetch(&[depth, &["--end-of-options", REMOTE, id]].concat())
    }

    /// Fetches references under their own names.
    ///
    /// # Errors
    /// The git program's message.
    pub fn fetch_references(&mut self, history: History, references: &[&str]) -> io::Result<()> {
        let depth = match history {
            History::Tip => "--depth=1".to_owned(),
            History::More(by) => format!("--deepen={by}"),
            History::All => "--unshallow".to_owned(),
        };
        let mut args = vec![depth.as_str()];
        if !self.is_shallow() {
            args.clear();
        }
        let specs: Vec<String> = references.iter().filter_map(|reference| specification(reference)).collect();
        if specs.is_empty() {
            return Err(io::Error::other("no reference to fetch"));
        }
        args.extend(["--end-of-options", REMOTE]);
        args.extend(specs.iter().map(String::as_str));
        self.fetch(&args)
    }

    fn fetch(&mut self, args: &[&str]) -> io::Result<()> {
        let git = Git::at(self.repository.common_dir(), None);
        let fixed = ["fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head"];
        Git::finish(git.network(&[&fixed, args].concat())).map_err(said)?;
        // What was cut off, and what is here, has been read when it was opened.
        self.repository = libgit::open(&self.dir, None).map_err(io::Error::other)?;
        Ok(())
    }

    /// Downloads the objects behind the Git LFS pointers of a plan, one by one, through the git-lfs client, but for
    /// those that `known` says are not needed. Gives the number of objects, and for each that did not come the path
    /// and why.
    pub fn fetch_lfs(&self, plan: &Plan, known: impl Fn(&Target) -> bool) -> (usize, Vec<String>) {
        // The client looks for its configuration in the worktree.
        let git = match self.repository.root() {
            Some(root) => Git::in_worktree(self.repository.common_dir(), root),
            None => Git::at(self.repository.common_dir(), None),
        };
        let mut failed = Vec::new();
        let mut asked = 0;
        let unresolved = |state: &Pointed| matches!(state, Pointed::Unresolved { kind: "git-lfs", .. });
        for target in plan.targets.iter().filter(|target| unresolved(&target.state) && !known(target)) {
            asked += 1;
            if let Err(error) = smudge(&git, target) {
                failed.push(format!("{}: {error}", target.path));
            }
        }
        (asked, failed)
    }
}

/// Gives one pointer to the client, which keeps the object in its store.
fn smudge(git: &Git, target: &Target) -> io::Result<()> {
    let pointer = target.open()?.read_range(0, 1024)?;
    let mut input = tempfile::tempfile()?;
    input.write_all(&pointer)?;
    input.rewind()?;
    // The repository's own settings may leave files out or pass over what fails; here each object was asked for.
    let settings = ["-c", "lfs.fetchinclude=", "-c", "lfs.fetchexclude=", "-c", "lfs.skipdownloaderrors=false"];
    let mut command = git.network(&[&settings[..], &["lfs", "smudge"]].concat());
    command.env("GIT_LFS_SKIP_SMUDGE", "0").stdin(input).stdout(Stdio::null()).stderr(Stdio::piped());
    Git::finish(command).map(drop).map_err(said)
}

fn said(failure: Failure) -> io::Error {
    match failure {
        Failure::Io(error) => error,
        Failure::Git { reason, .. } => io::Error::other(reason),
    }
}

fn is_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `+refs/heads/x:refs/remotes/origin/x`: without a destination, nothing would name what was fetched.
fn specification(reference: &str) -> Option<String> {
    let sound = base::is_sound(reference) && !reference.contains([':', '*', '?', '[', '\\', '^', '~', ' ']);
    let kept = match reference.strip_prefix("refs/").filter(|_| sound)?.split_once('/')? {
        ("heads", branch) => format!("refs/remotes/{REMOTE}/{branch}"),
        _ => format!("refs/modelaudit/{reference}"),
    };
    Some(format!("+{reference}:{kept}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_kept_under_names_of_the_remote() {
        assert_eq!(specification("refs/heads/a/b").as_deref(), Some("+refs/heads/a/b:refs/remotes/origin/a/b"));
        let pull = "+refs/pull/7/head:refs/modelaudit/refs/pull/7/head";
        assert_eq!(specification("refs/pull/7/head").as_deref(), Some(pull));
        for wrong in ["main", "--upload-pack=x", "refs/heads/a:refs/heads/main", "refs/heads/*", "refs/heads/a b"] {
            assert_eq!(specification(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_whole_ids_are_ids() {
        assert!(is_id(&"a".repeat(40)));
        assert!(!is_id("main") && !is_id(&"g".repeat(40)) && !is_id(&"a".repeat(39)));
    }
}
