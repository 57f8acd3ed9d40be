//! The `git` program: reads the repositories that the library cannot open (SHA-256, partial clones, reftables), and
//! streams blobs that are too large for memory.
//!
//! Only plumbing with fixed options: no hooks, no monitors, no filters, no pager, and no network but where a pipeline
//! asks for it. Revisions never start with `-` (checked where they come in), and paths cross only separated by NUL.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use super::TargetError;
use super::git::{ChangeKind, Entry, FileKind, RawChange, Repository, Side};
use super::history::parents;
use crate::bytes::{ReadAt, Spool};

/// A repository read through the `git` program.
pub(super) struct GitCommand {
    git: Git,
    common: PathBuf,
    root: Option<PathBuf>,
    shallow: bool,
    empty_tree: &'static str,
}

/// How to call git on one repository.
#[derive(Debug, Clone)]
pub(super) struct Git {
    store: Option<PathBuf>,
    dir: PathBuf,
    index_file: Option<PathBuf>,
}

impl Git {
    /// On the repository with that git directory.
    pub(super) fn at(git_dir: &Path, index_file: Option<&Path>) -> Self {
        Self {
            store: Some(git_dir.to_path_buf()),
            dir: git_dir.to_path_buf(),
            index_file: index_file.map(Path::to_path_buf),
        }
    }

    /// On the same, called in the worktree.
    pub(super) fn in_worktree(git_dir: &Path, root: &Path) -> Self {
        Self { store: Some(git_dir.to_path_buf()), dir: root.to_path_buf(), index_file: None }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.bare(&["protocol.allow=never"]);
        command.env("GIT_NO_LAZY_FETCH", "1").args(args);
        command
    }

    /// A call that may use the network: `fetch`, `lfs`. It gives up when nothing comes for half a minute, never asks
    /// for a password, and knows no transport that runs programs.
    pub(super) fn network(&self, args: &[&str]) -> Command {
        let slow = ["http.lowSpeedLimit=1", "http.lowSpeedTime=30"];
        let mut command = self.bare(&[&slow[..], &["protocol.ext.allow=never"]].concat());
        command.args(args);
        command
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that runs git")]
    fn bare(&self, more: &[&str]) -> Command {
        let mut command = Command::new("git");
        for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_EXTERNAL_DIFF", "GIT_TRACE", "GIT_PREFIX"] {
            command.env_remove(name);
        }
        command.args(["--no-pager", "--no-optional-locks", "-C"]).arg(&self.dir);
        for setting in
            ["core.fsmonitor=false", "core.hooksPath=/dev/null", "core.quotePath=false", "core.bigFileThreshold=8m"]
                .iter()
                .chain(more)
        {
            command.args(["-c", setting]);
        }
        if let Some(git_dir) = &self.store {
            command.arg("--git-dir").arg(git_dir);
        }
        if let Some(index) = &self.index_file {
            command.env("GIT_INDEX_FILE", index);
        }
        let nothing = if cfg!(windows) { "NUL" } else { "/dev/null" };
        command.env("GIT_NO_REPLACE_OBJECTS", "1").env("GIT_GRAFT_FILE", nothing).env("GIT_TERMINAL_PROMPT", "0");
        command.env("LC_ALL", "C").stdin(Stdio::null());
        command
    }

    /// Standard output of a call that must succeed.
    fn output(&self, args: &[&str]) -> Result<Vec<u8>, Failure> {
        Self::finish(self.command(args))
    }

    /// As [`Git::output`] with text on standard input. The text goes through a file: a pipe could block on both ends.
    fn output_for(&self, args: &[&str], input: &str) -> Result<Vec<u8>, Failure> {
        let mut file = tempfile::tempfile()?;
        file.write_all(input.as_bytes())?;
        file.rewind()?;
        let mut command = self.command(args);
        command.stdin(file);
        Self::finish(command)
    }

    pub(super) fn finish(mut command: Command) -> Result<Vec<u8>, Failure> {
        let output = command.output()?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        Err(Failure::Git {
            code: output.status.code(),
            reason: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        })
    }

    /// One line of output.
    fn line(&self, args: &[&str]) -> Result<String, Failure> {
        let text = String::from_utf8_lossy(&self.output(args)?).into_owned();
        Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
    }

    /// Streams a blob of known size.
    pub(super) fn blob(&self, id: &str, size: u64) -> io::Result<Arc<dyn ReadAt>> {
        let mut child = self.command(&["cat-file", "blob", id]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut spool = Spool::default();
        let copied = child.stdout.take().map(|out| io::copy(&mut out.take(size), &mut spool)).transpose();
        if copied.is_err() {
            // The temporary folder is full: git would wait for us for ever.
            let _ = child.kill();
        }
        let status = child.wait()?;
        if copied?.unwrap_or_default() != size || !status.success() {
            return Err(io::Error::other("the blob could not be read from git"));
        }
        spool.finish()
    }

    fn hash_file(&self, path: &Path) -> io::Result<String> {
        let mut command = self.command(&["hash-object", "--no-filters", "--stdin"]);
        command.stdin(File::open(path)?);
        let out = Self::finish(command).map_err(io::Error::other)?;
        Ok(String::from_utf8_lossy(&out).trim().to_owned())
    }
}

/// Why a call of git gave nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{reason}")]
    Git { code: Option<i32>, reason: String },
}

impl From<Failure> for TargetError {
    fn from(failure: Failure) -> Self {
        Self::Git { reason: failure.to_string() }
    }
}

impl GitCommand {
    /// Opens the repository that holds `dir`. `reason` is why the library could not.
    pub(super) fn open(dir: &Path, index_file: Option<&Path>, reason: &str) -> Result<Self, TargetError> {
        let finder = Git { store: None, dir: dir.to_path_buf(), index_file: None };
        let git_dir = match finder.line(&["rev-parse", "--absolute-git-dir"]) {
            Ok(line) => PathBuf::from(line),
            Err(Failure::Io(_)) => return Err(TargetError::Unreadable { reason: reason.to_owned() }),
            Err(Failure::Git { reason, .. }) if reason.contains("dubious ownership") => {
                return Err(TargetError::Owner { dir: name_of_owner(&reason, dir) });
            }
            Err(Failure::Git { reason, .. }) if reason.contains("not a git repository") => {
                return Err(TargetError::NotARepository);
            }
            Err(error) => return Err(error.into()),
        };
        let common = dir.join(finder.line(&["rev-parse", "--git-common-dir"])?);
        let is_bare = finder.line(&["rev-parse", "--is-bare-repository"])? == "true";
        let root = if is_bare { None } else { Some(PathBuf::from(finder.line(&["rev-parse", "--show-toplevel"])?)) };
        let shallow = finder.line(&["rev-parse", "--is-shallow-repository"])? == "true";
        let sha256 = finder.line(&["rev-parse", "--show-object-format"]).is_ok_and(|format| format == "sha256");
        let empty_tree = if sha256 { EMPTY_TREE_SHA256 } else { EMPTY_TREE_SHA1 };
        Ok(Self { git: Git::at(&git_dir, index_file), common, root, shallow, empty_tree })
    }
}

const EMPTY_TREE_SHA1: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
const EMPTY_TREE_SHA256: &str = "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321";

/// The folder in git's complaint, `… in repository at '/x'`, which is the one its configuration must name.
fn name_of_owner(reason: &str, dir: &Path) -> String {
    let quoted = reason.split('\'').nth(1).filter(|text| !text.is_empty());
    quoted.map_or_else(|| dir.display().to_string(), str::to_owned)
}

impl Repository for GitCommand {
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
        let commit = format!("{revision}^{{commit}}");
        self.git.line(&["rev-parse", "--verify", "--quiet", &commit]).ok().filter(|id| !id.is_empty())
    }

    fn parents(&self, id: &str) -> Vec<String> {
        self.git.output(&["cat-file", "commit", id]).map(|text| parents(&text)).unwrap_or_default()
    }

    fn branch(&self) -> Option<String> {
        self.git.line(&["symbolic-ref", "--quiet", "HEAD"]).ok()
    }

    fn remote(&self) -> Option<String> {
        self.git.line(&["config", "--get", "remote.origin.url"]).ok().filter(|url| !url.is_empty())
    }

    fn upstream(&self, branch: &str) -> Option<String> {
        let name = self.git.line(&["for-each-ref", "--format=%(upstream)", branch]).ok()?;
        Some(name).filter(|name| !name.is_empty())
    }

    fn merge_base(&self, one: &str, two: &str) -> Result<Option<String>, TargetError> {
        match self.git.line(&["merge-base", one, two]) {
            Ok(id) => Ok(Some(id)),
            Err(Failure::Git { code: Some(1), .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Finds exact renames and copies only: similarity would need blobs that a partial clone does not have.
    fn changes(&self, base: Option<&str>, side: &Side) -> Result<Vec<RawChange>, TargetError> {
        let old = base.unwrap_or(self.empty_tree);
        let options = ["--raw", "-z", "--no-abbrev", "--no-ext-diff", "--ignore-submodules=none"];
        let renames = if base.is_some() { ["-M100%", "-C100%"] } else { ["--no-renames", "-r"] };
        let mut args = match side {
            Side::Commit(_) => vec!["diff-tree", "-r"],
            Side::Index => vec!["diff-index", "--cached"],
        };
        args.extend(options.iter().chain(&renames));
        args.push(old);
        if let Side::Commit(id) = side {
            args.push(id);
        }
        args.push("--");
        parse_raw(&self.git.output(&args)?).ok_or_else(|| TargetError::Git { reason: "unexpected diff output".into() })
    }

    fn sizes(&self, ids: &[String]) -> HashMap<String, u64> {
        let format = ["cat-file", "--batch-check=%(objectname) %(objectsize)"];
        let text = self.git.output_for(&format, &(ids.join("\n") + "\n")).unwrap_or_default();
        let line = |line: &str| {
            let (id, size) = line.split_once(' ')?;
            Some((id.to_owned(), size.parse().ok()?))
        };
        String::from_utf8_lossy(&text).lines().filter_map(line).collect()
    }

    #[expect(clippy::disallowed_methods, reason = "bounded by `take`")]
    fn small(&self, ids: &[String]) -> HashMap<String, Vec<u8>> {
        let out = self.git.output_for(&["cat-file", "--batch"], &(ids.join("\n") + "\n")).unwrap_or_default();
        let mut reader = BufReader::new(&*out);
        let mut blobs = HashMap::new();
        let mut header = String::new();
        while reader.read_line(&mut header).is_ok_and(|n| n > 0) {
            let mut fields = header.trim_end().split(' ');
            if let (Some(id), Some("blob"), Some(size)) = (fields.next(), fields.next(), fields.next()) {
                let Ok(size) = size.parse::<u64>() else { break };
                let mut bytes = Vec::new();
                // The blob is followed by a newline.
                if reader.by_ref().take(size.saturating_add(1)).read_to_end(&mut bytes).is_err() {
                    break;
                }
                bytes.pop();
                blobs.insert(id.to_owned(), bytes);
            }
            header.clear();
        }
        blobs
    }

    fn read(&self, id: &str, size: u64) -> io::Result<Arc<dyn ReadAt>> {
        self.git.blob(id, size)
    }

    fn hash_file(&self, path: &Path) -> io::Result<String> {
        self.git.hash_file(path)
    }
}

/// `:old-mode new-mode old-id new-id status NUL path NUL [new path NUL]`, repeated.
fn parse_raw(bytes: &[u8]) -> Option<Vec<RawChange>> {
    let mut fields = bytes.split(|&byte| byte == 0);
    let mut changes = Vec::new();
    while let Some(header) = fields.next().filter(|header| !header.is_empty()) {
        let header = std::str::from_utf8(header).ok()?.strip_prefix(':')?;
        let mut parts = header.split(' ');
        let (old_mode, new_mode) = (parts.next()?, parts.next()?);
        let (old_id, new_id, status) = (parts.next()?, parts.next()?, parts.next()?);
        let first = fields.next()?.to_vec();
        let kind = match status.chars().next()? {
            'A' => ChangeKind::Added,
            'M' => ChangeKind::Modified,
            'D' => ChangeKind::Deleted,
            'R' => ChangeKind::Renamed,
            'C' => ChangeKind::Copied,
            'T' => ChangeKind::TypeChanged,
            _ => ChangeKind::Unmerged,
        };
        let second = if matches!(kind, ChangeKind::Renamed | ChangeKind::Copied) {
            fields.next()?.to_vec()
        } else {
            first.clone()
        };
        let entry = |path, id: &str, mode| Entry { path, id: id.to_owned(), kind: FileKind::from_mode(mode) };
        let octal = |mode| u32::from_str_radix(mode, 8).ok();
        let old = Some(entry(first, old_id, octal(old_mode)?)).filter(|_| kind != ChangeKind::Added);
        changes.push(RawChange { kind, entry: entry(second, new_id, octal(new_mode)?), old });
    }
    Some(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_diffs_keep_hostile_names() {
        let raw =
            b":000000 100644 0000 aaaa A\0-x\n\xff\0:100644 120000 aaaa bbbb T\0t\0:100644 100644 c c R100\0old\0new\0";
        let changes = parse_raw(raw).unwrap();
        assert_eq!(changes.len(), 3);
        assert_eq!(changes[0].entry.path, b"-x\n\xff");
        assert_eq!(changes[1].entry.kind, FileKind::Link);
        assert_eq!(changes[2].old.as_ref().unwrap().path, b"old");
        assert!(parse_raw(b":100644 100644 a").is_none());
    }

    #[test]
    fn the_folder_to_trust_comes_from_gits_complaint() {
        let reason = "fatal: detected dubious ownership in repository at '/w/x'\nTo add an exception…";
        assert_eq!(name_of_owner(reason, Path::new("/y")), "/w/x");
    }
}
