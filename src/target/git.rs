//! Changed files in git: between two commits, or from `HEAD` to the index.
//!
//! Content is read from the object database, never checked out. Where the change cannot be told, everything in the
//! head version is scanned and the report says why.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::filter::Filter;
use super::history::{all_and_changes, checkout, versions};
use super::name::{self, Names};
use super::paths;
use super::pointer::{self, Pointer};
use super::scope::{Named, Scope};
use super::store::{self, Stores};
use super::{Blob, base, companions, libgit};
use super::{BlobStore, Content, Context, Mode, Plan, Pointed, Request, Target, TargetError, Versions as Asked};
use crate::bytes::ReadAt;
use crate::report::{Change, Coverage, Diff, Status};

/// What the plan needs of a repository, whoever reads it.
pub(super) trait Repository: Send + Sync {
    /// Root of the worktree; None for a bare repository.
    fn root(&self) -> Option<&Path>;
    /// The git directory that all worktrees share.
    fn common_dir(&self) -> &Path;
    /// True if history is cut off.
    fn is_shallow(&self) -> bool;
    /// The id of the commit that a revision names.
    fn commit(&self, revision: &str) -> Option<String>;
    /// The parents that a commit records, whether this clone has them or not.
    fn parents(&self, id: &str) -> Vec<String>;
    /// The full name of the branch that is checked out; None if `HEAD` is detached.
    fn branch(&self) -> Option<String>;
    /// The full name of the upstream of a branch given by its full name.
    fn upstream(&self, branch: &str) -> Option<String>;
    /// The address of the remote `origin` as configured.
    fn remote(&self) -> Option<String>;
    /// The merge base of two commits, if this clone has one.
    fn merge_base(&self, one: &str, two: &str) -> Result<Option<String>, TargetError>;
    /// What `side` changes against a commit; without one, all that `side` has, as added.
    fn changes(&self, base: Option<&str>, side: &Side) -> Result<Vec<RawChange>, TargetError>;
    /// Sizes of the blobs that are here.
    fn sizes(&self, ids: &[String]) -> HashMap<String, u64>;
    /// Contents of the blobs that are here; for few and small ones.
    fn small(&self, ids: &[String]) -> HashMap<String, Vec<u8>>;
    /// The bytes of a blob of known size.
    fn read(&self, id: &str, size: u64) -> io::Result<Arc<dyn ReadAt>>;
    /// The id that a blob with the bytes of the file has.
    fn hash_file(&self, path: &Path) -> io::Result<String>;
}

/// The version to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Side {
    Commit(String),
    Index,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChangeKind {
    Added,
    Modified,
    Deleted,
    Renamed,
    Copied,
    TypeChanged,
    /// The same in both versions; only where all files are looked at.
    Unchanged,
    /// In the index in several versions, because a merge has not been finished.
    Unmerged,
}

impl ChangeKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Modified => "modified",
            Self::Deleted => "deleted",
            Self::Renamed => "renamed",
            Self::Copied => "copied",
            Self::TypeChanged => "type-changed",
            Self::Unchanged => UNCHANGED,
            Self::Unmerged => "unmerged",
        }
    }
}

/// The kind of an item that is no change.
const UNCHANGED: &str = "unchanged";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileKind {
    File,
    Link,
    Submodule,
    /// No entry (the other side of an addition or deletion).
    None,
}

impl FileKind {
    pub(super) const fn from_mode(mode: u32) -> Self {
        match mode & 0o170_000 {
            0o100_000 => Self::File,
            0o120_000 => Self::Link,
            0o160_000 => Self::Submodule,
            _ => Self::None,
        }
    }
}

/// One file of a version.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Path in the repository, forward slashes, any bytes.
    pub(super) path: Vec<u8>,
    /// Blob id in hex.
    pub(super) id: String,
    pub(super) kind: FileKind,
}

/// One changed file.
#[derive(Debug, Clone)]
pub(super) struct RawChange {
    pub(super) kind: ChangeKind,
    /// The new version; the old one for a deletion.
    pub(super) entry: Entry,
    pub(super) old: Option<Entry>,
}

/// The files of one version by path.
pub(super) type Tree = BTreeMap<Vec<u8>, Entry>;

pub(super) fn resolve(request: &Request, context: &Context) -> Result<Plan, TargetError> {
    if request.specs.iter().any(|spec| spec == "-") {
        return Err(TargetError::StandardInput);
    }
    if request.specs.iter().any(String::is_empty) {
        return Err(TargetError::Outside { path: String::new() });
    }
    let index_file = context.env.get("GIT_INDEX_FILE").map(|path| context.dir.join(path));
    let repository = libgit::open(&start(request, context), index_file.as_deref())?;
    let filter = Filter::new(&request.include, &request.exclude)?;
    let scope = Scope::new(&*repository, request, context)?;
    let (side, base, mut diff, notes) = versions(&*repository, request, context)?;
    let checkout = checkout(&*repository, &side);
    let mut compared = base.is_some();
    let base_changes = match (&base, &request.mode) {
        (Some(base), Mode::Versions(Asked { whole: true, .. })) => all_and_changes(&*repository, base, &side),
        _ => repository.changes(base.as_deref(), &side),
    };
    let changes = match base_changes {
        Err(error) if base.is_some() && repository.is_shallow() => {
            diff.full_scan_reason =
                Some(format!("the base version cannot be read in this shallow clone: {}", reason(&error)));
            compared = false;
            repository.changes(None, &side)?
        }
        changes => changes?,
    };
    let is_full = diff.full_scan_reason.is_some();
    let mut stores = Stores::of_git(repository.common_dir());
    if let Some(root) = repository.root() {
        stores.add_dvc(root);
    }
    let store = Arc::new(Objects { repository, stores });
    let mut planner = Planner { store, side, filter, scope, tree: OnceCell::new(), plan: Plan::default(), diff };
    planner.plan.notes = notes;
    planner.plan.checkout = Some(checkout);
    planner.run(changes, is_full, compared);
    planner.check_scope();
    planner.plan.diff = Some(planner.diff);
    Ok(planner.plan)
}

/// Whether a text names one commit of the repository around `dir`.
pub(super) fn is_revision(dir: &Path, text: &str) -> bool {
    base::is_sound(text) && libgit::open(dir, None).is_ok_and(|repository| repository.commit(text).is_some())
}

/// What the repository around `dir` is, in words.
pub(super) fn describe(dir: &Path) -> Result<String, TargetError> {
    let repository = libgit::open(dir, None)?;
    let head = repository.commit("HEAD");
    let branch = repository.branch();
    let branch = branch.as_deref().map(|name| name.strip_prefix("refs/heads/").unwrap_or(name));
    let at = match (&head, branch) {
        (None, _) => "no commit yet".to_owned(),
        (Some(id), Some(branch)) => format!("{branch} at {}", id.get(..12).unwrap_or(id)),
        (Some(id), None) => format!("detached at {}", id.get(..12).unwrap_or(id)),
    };
    let shallow = if repository.is_shallow() { ", shallow: --diff may need `git fetch --deepen`" } else { "" };
    Ok(format!("{at}{shallow}"))
}

fn reason(error: &TargetError) -> String {
    match error {
        TargetError::Git { reason } => reason.clone(),
        other => other.to_string(),
    }
}

/// Where to look for the repository: at the first path that exists, else here.
fn start(request: &Request, context: &Context) -> PathBuf {
    let first = request.specs.first().map(|spec| context.dir.join(spec)).filter(|path| path.exists());
    match first {
        Some(path) if path.is_dir() => path,
        Some(path) => path.parent().map_or_else(|| context.dir.clone(), Path::to_path_buf),
        None => context.dir.clone(),
    }
}

/// The repository as the place where targets read their bytes.
struct Objects {
    repository: Arc<dyn Repository>,
    stores: Stores,
}

impl BlobStore for Objects {
    fn read(&self, id: &str, size: u64) -> io::Result<Arc<dyn ReadAt>> {
        self.repository.read(id, size)
    }

    fn hash_file(&self, path: &Path) -> io::Result<String> {
        self.repository.hash_file(path)
    }

    fn pointed(&self, blob: &Blob) -> Option<Vec<PathBuf>> {
        if !pointer::may_be_pointer(&blob.path, blob.size) {
            return None;
        }
        let bytes = self.repository.small(std::slice::from_ref(&blob.id)).remove(&blob.id)?;
        let pointers = self.stores.expand(pointer::parse(&blob.path, &bytes));
        let found = pointers.iter().filter_map(|pointer| self.stores.find(pointer)).map(|(path, _)| path);
        (!pointers.is_empty()).then(|| found.collect())
    }
}

/// A file to plan: a change, or a companion's model.
struct Item {
    change: &'static str,
    entry: Entry,
    old: Option<Entry>,
    /// The companion that brings it in.
    because: Option<String>,
}

struct Planner {
    store: Arc<Objects>,
    side: Side,
    filter: Filter,
    scope: Scope,
    tree: OnceCell<Tree>,
    plan: Plan,
    diff: Diff,
}

/// Contents and sizes fetched together.
struct Known {
    sizes: HashMap<String, u64>,
    texts: HashMap<String, Vec<u8>>,
}

impl Planner {
    fn run(&mut self, changes: Vec<RawChange>, is_full: bool, compared: bool) {
        let mut items = Vec::new();
        let mut deleted = Vec::new();
        for RawChange { kind, entry, old } in changes {
            let path = name::display_bytes(&entry.path);
            if !self.scope.covers(&path) {
                continue;
            }
            match kind {
                ChangeKind::Deleted => deleted.push(old.unwrap_or(entry)),
                ChangeKind::Unmerged => self.plan.skip(path, 0, "not merged yet: the index has several versions"),
                _ => items.push(Item { change: kind.as_str(), entry, old, because: None }),
            }
        }
        self.removed(&deleted);
        if !is_full {
            let companions = self.companions(&items);
            items.extend(companions);
            if items.is_empty() {
                self.plan.notes.push("the change touches no file that is still there".to_owned());
            }
        }
        let known = self.fetch(&items);
        let mut names = Names::default();
        for item in items {
            let path = names.unique(&name::display_bytes(&item.entry.path));
            let scanned = self.item(&item, &path, &known);
            if scanned && (compared || !is_full) && item.change != UNCHANGED {
                let renamed = item.old.as_ref().map(|old| name::display_bytes(&old.path)).filter(|old| *old != path);
                let change = item.change.to_owned();
                self.diff.changed.push(Change { path, change, from: item.because.or(renamed) });
            }
        }
        self.diff.changed.sort_by(|a, b| a.path.cmp(&b.path));
    }

    /// Files that the head has no more: what was found in them is fixed.
    fn removed(&mut self, deleted: &[Entry]) {
        if deleted.is_empty() {
            return;
        }
        let files = if deleted.len() == 1 { "file was" } else { "files were" };
        self.plan.notes.push(format!("{} {files} deleted", deleted.len()));
        let files: Vec<&Entry> = deleted.iter().filter(|entry| entry.kind == FileKind::File).collect();
        let ids: Vec<String> = files.iter().map(|entry| entry.id.clone()).collect();
        let sizes = self.store.repository.sizes(&ids);
        for entry in files {
            let path = name::display_bytes(&entry.path);
            let Some(&size) = sizes.get(&entry.id).filter(|_| self.filter.excluded(&path).is_none()) else { continue };
            let blob = self.blob(entry, size, None);
            self.plan.removed.push(blob);
        }
    }

    /// Unchanged models whose companion changed.
    fn companions(&mut self, items: &[Item]) -> Vec<Item> {
        let changed: Vec<&[u8]> = items.iter().map(|item| item.entry.path.as_slice()).collect();
        if !changed.iter().any(|path| companions::is_companion(path)) {
            return Vec::new();
        }
        let repository = Arc::clone(&self.store.repository);
        let read = |entry: &Entry| {
            let size = *repository.sizes(std::slice::from_ref(&entry.id)).get(&entry.id)?;
            let small = size <= companions::MAX_INDEX;
            small.then(|| repository.small(std::slice::from_ref(&entry.id)).remove(&entry.id)).flatten()
        };
        let tree = self.tree();
        let found = companions::models(&changed, tree, read);
        let item = |(model, companion): (Vec<u8>, Vec<u8>)| {
            let entry = tree.get(&model)?.clone();
            let because = Some(name::display_bytes(&companion));
            Some(Item { change: "companion", old: Some(entry.clone()), entry, because })
        };
        let items: Vec<Item> = found.models.into_iter().filter_map(item).collect();
        if found.left_out > 0 {
            let n = found.left_out;
            self.plan
                .notes
                .push(format!("{n} more unchanged models have a companion that changed; they were not scanned"));
        }
        items
    }

    /// All files of the version that is looked at.
    fn tree(&self) -> &Tree {
        self.tree.get_or_init(|| {
            let all = self.store.repository.changes(None, &self.side).unwrap_or_default();
            all.into_iter().map(|change| (change.entry.path.clone(), change.entry)).collect()
        })
    }

    /// Asks for all sizes and all texts that may be pointers or links at once: a process for each would be slow.
    fn fetch(&self, items: &[Item]) -> Known {
        let entries = || items.iter().flat_map(|item| [Some(&item.entry), item.old.as_ref()]).flatten();
        let has_blob = |entry: &&Entry| matches!(entry.kind, FileKind::File | FileKind::Link);
        let ids: Vec<String> = entries().filter(has_blob).map(|entry| entry.id.clone()).collect();
        let sizes = self.store.repository.sizes(&ids);
        let is_text = |entry: &&Entry| {
            let size = sizes.get(&entry.id).copied().unwrap_or(u64::MAX);
            let is_link = entry.kind == FileKind::Link && size <= MAX_LINK;
            is_link || pointer::may_be_pointer(&name::display_bytes(&entry.path), size)
        };
        let new = items.iter().map(|item| &item.entry).filter(has_blob).filter(is_text);
        let ids: Vec<String> = new.map(|entry| entry.id.clone()).collect();
        let texts = self.store.repository.small(&ids);
        Known { sizes, texts }
    }

    /// Plans one file and says whether it will be scanned.
    fn item(&mut self, item: &Item, path: &str, known: &Known) -> bool {
        let given = self.scope.names(path);
        let size = known.sizes.get(&item.entry.id).copied();
        if let Some(reason) = self.filter.excluded(path) {
            self.plan.skip(path, size.unwrap_or(0), reason);
            return false;
        }
        if !given && !self.filter.includes(path) {
            return false;
        }
        match item.entry.kind {
            FileKind::File => {
                // What a copy holds is new at its place, whatever the original held.
                let old = item.old.as_ref().filter(|_| item.change != ChangeKind::Copied.as_str());
                self.file(&item.entry, old, path, given, known)
            }
            FileKind::Link => self.link(&item.entry, path, given, known),
            FileKind::Submodule => {
                self.plan.skip(path, 0, "a submodule: its content is in another repository");
                false
            }
            FileKind::None => false,
        }
    }

    fn file(&mut self, entry: &Entry, old: Option<&Entry>, path: &str, given: bool, known: &Known) -> bool {
        let worktree = self.worktree(&entry.path);
        let Some(&size) = known.sizes.get(&entry.id) else { return self.missing(entry, path, given) };
        let previous = old.filter(|old| old.kind == FileKind::File).and_then(|old| {
            let size = *known.sizes.get(&old.id)?;
            Some(self.blob(old, size, None))
        });
        let content = Content::Blob(self.blob(entry, size, worktree.clone()));
        let path = path.to_owned();
        let unchanged = previous.as_ref().is_some_and(|old| old.id == entry.id);
        let target = Target { path, size, given, state: Pointed::Plain, previous, unchanged, member: None, content };
        let text = known.texts.get(&entry.id).map(Vec::as_slice).unwrap_or_default();
        let pointers = self.store.stores.expand(pointer::parse(&target.path, text));
        if pointers.is_empty() {
            self.plan.targets.push(target);
            return true;
        }
        let find =
            |pointer: &Pointer| self.store.stores.find(pointer).or_else(|| checked_out(worktree.as_deref(), pointer));
        let targets = target.behind(&pointers, find);
        self.plan.targets.extend(targets);
        true
    }

    /// A blob that this clone does not have, as in a partial clone. The worktree may have its bytes.
    fn missing(&mut self, entry: &Entry, path: &str, given: bool) -> bool {
        let worktree = self.worktree(&entry.path);
        let size = worktree.as_deref().and_then(|path| path.symlink_metadata().ok()).map_or(0, |meta| meta.len());
        let blob = self.blob(entry, size, worktree.clone());
        if let Some(file) = worktree.filter(|file| blob.is_same(file)) {
            let (path, content) = (path.to_owned(), Content::File(file));
            let state = Pointed::Plain;
            self.plan.targets.push(Target {
                path,
                size,
                given,
                state,
                previous: None,
                unchanged: false,
                member: None,
                content,
            });
            return true;
        }
        let reason = Some("its content is not in this clone; fetch it with `git fetch --refetch`".to_owned());
        self.plan.skipped.push(Coverage { path: path.to_owned(), status: Status::Failed, reason, bytes: 0 });
        false
    }

    /// A symbolic link: the annexed object that it stands for, or the file of the same version that it leads to, which
    /// may be unchanged and yet new under this name.
    fn link(&mut self, entry: &Entry, path: &str, given: bool, known: &Known) -> bool {
        let text = known.texts.get(&entry.id).cloned().unwrap_or_default();
        if let Some(pointer) = pointer::parse_annex_link(&text) {
            let (path, content, size) = (path.to_owned(), Content::text(&text), text.len() as u64);
            let state = Pointed::Plain;
            let target = Target { path, size, given, state, previous: None, unchanged: false, member: None, content };
            self.plan.targets.extend(target.behind(&[pointer], |pointer| self.store.stores.find(pointer)));
            return true;
        }
        match self.follow(entry, &text) {
            Ok(found) => {
                let known = self.fetch(&[Item { change: "", entry: found.clone(), old: None, because: None }]);
                self.file(&found, None, path, given, &known)
            }
            Err(reason) => {
                self.plan.skip(path, text.len() as u64, reason);
                false
            }
        }
    }

    /// The file that a link leads to, over further links, inside this version.
    fn follow(&self, link: &Entry, text: &[u8]) -> Result<Entry, &'static str> {
        let (mut from, mut text) = (link.path.clone(), text.to_vec());
        for _ in 0..MAX_HOPS {
            let path = lead(&from, &text).ok_or("a symbolic link that leads outside the repository")?;
            let Some(entry) = self.tree().get(&path) else {
                let folder = [path.as_slice(), b"/"].concat();
                let is_folder =
                    self.tree().range(folder.clone()..).next().is_some_and(|(key, _)| key.starts_with(&folder));
                return Err(if is_folder || path.is_empty() {
                    "a symbolic link to a folder of the repository, whose files have their own entries"
                } else {
                    "a symbolic link that leads to nothing in this version"
                });
            };
            match entry.kind {
                FileKind::File => return Ok(entry.clone()),
                FileKind::Link => {
                    let read = self.store.repository.small(std::slice::from_ref(&entry.id));
                    (from, text) = (path, read.get(&entry.id).cloned().unwrap_or_default());
                }
                FileKind::Submodule | FileKind::None => return Err("a symbolic link into a submodule"),
            }
        }
        Err("a symbolic link that leads to itself")
    }

    fn blob(&self, entry: &Entry, size: u64, worktree: Option<PathBuf>) -> Blob {
        let store = Arc::clone(&self.store) as Arc<dyn BlobStore>;
        Blob { path: name::display_bytes(&entry.path), size, id: entry.id.clone(), worktree, store }
    }

    fn worktree(&self, path: &[u8]) -> Option<PathBuf> {
        self.store.repository.root().map(|root| root.join(name::native(path)))
    }

    /// Reports paths that no version has: most likely mistyped.
    fn check_scope(&mut self) {
        let exists = |named: &Named| {
            let is_root = named.folder.is_empty() && named.glob.is_none();
            let on_disk = self.store.repository.root().is_some_and(|root| root.join(&named.folder).exists());
            is_root || on_disk || self.tree().keys().any(|path| named.covers(&name::display_bytes(path)))
        };
        let absent = self.scope.iter().filter(|named| !exists(named));
        let errors: Vec<String> = absent.map(|named| format!("{}: no such file or folder", named.spec)).collect();
        self.plan.errors.extend(errors);
    }
}

/// Links of links that are followed; Linux follows 40.
const MAX_HOPS: usize = 40;
/// Longest link text that is read; systems allow 4,096 bytes.
const MAX_LINK: u64 = 4096;

/// Where a link leads inside the repository, or None if it leaves it.
fn lead(from: &[u8], text: &[u8]) -> Option<Vec<u8>> {
    if text.starts_with(b"/") || text.contains(&b'\\') || text.is_empty() {
        return None;
    }
    let mut parts: Vec<&[u8]> = from.split(|&byte| byte == b'/').collect();
    parts.pop();
    for part in text.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join(&b'/'))
}

/// The file of the worktree that has the content behind a pointer: proven by its digest, or by DVC's size.
fn checked_out(worktree: Option<&Path>, pointer: &Pointer) -> Option<(PathBuf, u64)> {
    let path = worktree?;
    if pointer.member.is_some() {
        return paths::workspace(path.parent()?, pointer);
    }
    let meta = path.symlink_metadata().ok().filter(|meta| meta.is_file() && pointer.size == Some(meta.len()))?;
    let digest = pointer.sha256()?;
    (store::sha256(path).ok()? == digest).then(|| (path.to_path_buf(), meta.len()))
}

#[cfg(test)]
mod tests {
    use super::lead;

    #[test]
    fn links_lead_inside_or_nowhere() {
        assert_eq!(lead(b"a/b/link", b"../c/./d").as_deref(), Some(&b"a/c/d"[..]));
        assert_eq!(lead(b"link", b"../x"), None);
        assert_eq!(lead(b"link", b"/etc/passwd"), None);
        assert_eq!(lead(b"a/link", b"..").as_deref(), Some(&b""[..]));
    }
}
