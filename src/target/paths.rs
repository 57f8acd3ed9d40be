//! Files as they lie on the disk: files, folders, globs, standard input.
//!
//! Nothing is passed over because git ignores it or because it is hidden: models are usually ignored by git, and a
//! repository could hide one. Only the stores of version control themselves (`.git`…) are left out of folders.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{self, Read, Write as _};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ignore::{DirEntry, WalkBuilder};

use super::filter::{self, Filter, Glob};
use super::links::{self, Link};
use super::name::{self, Names};
use super::pointer::{self, Pointer, System};
use super::store::{self, Stores};
use super::{Content, Context, Held, Plan, Pointed, Request, Target, TargetError};
use crate::bytes::{ReadAt, Spool};

/// Name of standard input in reports.
const STDIN: &str = "<stdin>";

pub(super) fn resolve(request: &Request, context: &Context) -> Result<Plan, TargetError> {
    let filter = Arc::new(Filter::new(&request.include, &request.exclude)?);
    let mut search = Search::new(request, context, filter);
    let here = [".".to_owned()];
    let specs = if request.specs.is_empty() { &here[..] } else { &request.specs };
    for spec in specs {
        search.spec(spec)?;
    }
    links::follow(&mut search);
    Ok(search.finish())
}

/// A file that was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) given: bool,
    /// Set if the file is the object behind a pointer that has this name.
    pub(super) pointed: Option<Pointed>,
}

/// The state of collecting.
pub(super) struct Search<'a> {
    request: &'a Request,
    dir: &'a Path,
    filter: Arc<Filter>,
    /// By canonical path, so that no file is scanned twice.
    pub(super) found: BTreeMap<PathBuf, Found>,
    pub(super) links: Vec<Link>,
    /// Canonical folders that were walked.
    pub(super) roots: Vec<PathBuf>,
    pub(super) plan: Plan,
    /// Files that `include` leaves out.
    left_out: u64,
    stdin: bool,
}

impl<'a> Search<'a> {
    fn new(request: &'a Request, context: &'a Context, filter: Arc<Filter>) -> Self {
        Self {
            request,
            dir: &context.dir,
            filter,
            found: BTreeMap::new(),
            links: Vec::new(),
            roots: Vec::new(),
            plan: Plan::default(),
            left_out: 0,
            stdin: false,
        }
    }

    fn spec(&mut self, spec: &str) -> Result<(), TargetError> {
        if spec == "-" {
            self.standard_input();
        } else if spec.is_empty() {
            // Joined to the current folder it would mean all of it.
            self.plan.errors.push("an empty path was given".to_owned());
        } else if fs::symlink_metadata(self.dir.join(spec)).is_ok() {
            // A file that exists under the literal name is meant, whatever its name looks like.
            self.given(spec);
        } else if filter::is_glob(spec) {
            self.glob(spec)?;
        } else {
            self.plan.errors.push(format!("{spec}: {}", absent(spec)));
        }
        Ok(())
    }

    fn standard_input(&mut self) {
        if std::mem::replace(&mut self.stdin, true) {
            return;
        }
        match spool(&mut io::stdin().lock(), self.request.max_file_size) {
            Ok(Some(source)) => self.plan.targets.push(Target {
                path: STDIN.to_owned(),
                size: source.len(),
                given: true,
                state: Pointed::Plain,
                previous: None,
                unchanged: false,
                member: None,
                content: Content::Held(Held(source)),
            }),
            Ok(None) => self.plan.skip(STDIN, 0, "larger than the limit for one file"),
            Err(error) => self.plan.errors.push(format!("{STDIN}: {error}")),
        }
    }

    /// A path that the user names: a link is followed wherever it leads.
    fn given(&mut self, spec: &str) {
        let path = self.dir.join(spec);
        let meta = match fs::metadata(&path) {
            Ok(meta) => meta,
            Err(error) => {
                if !links::is_annexed(&path) {
                    return self.plan.errors.push(format!("{spec}: {}", describe(&error)));
                }
                let name = self.name_of(&path, spec, false);
                return self.links.push(Link { path, name, given: true });
            }
        };
        let name = self.name_of(&path, spec, meta.is_dir());
        if meta.is_dir() {
            self.walk(&path, &name, None);
        } else if meta.is_file() {
            match fs::canonicalize(&path) {
                Ok(real) => self.add(real, name, meta.len(), true),
                Err(error) => self.plan.errors.push(format!("{spec}: {}", describe(&error))),
            }
        } else {
            self.plan.skip(name, 0, special(meta.file_type()));
            self.plan
                .errors
                .push(format!("{spec}: {}; use `-` to scan what comes through it", special(meta.file_type())));
        }
    }

    fn glob(&mut self, spec: &str) -> Result<(), TargetError> {
        let (folder, pattern) = filter::split_glob(spec);
        let glob = Glob::anchored(pattern)?;
        let path = self.dir.join(folder);
        if !path.is_dir() {
            self.plan.errors.push(format!("{spec}: no such file or folder"));
            return Ok(());
        }
        let name = self.name_of(&path, folder, true);
        if !self.walk(&path, &name, Some(&glob)) {
            self.plan.errors.push(format!("{spec}: no file matches"));
        }
        Ok(())
    }

    /// The name of a given path in reports: relative to the current folder if it is below it; else a folder has no
    /// name (what is in it is named relative to it) and a file has its own.
    fn name_of(&self, path: &Path, spec: &str, is_folder: bool) -> String {
        let given = Path::new(spec);
        let plain = given.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if plain {
            return name::display(given);
        }
        // The last component keeps its name even if it is a link.
        let real = match (path.parent(), path.file_name()) {
            (Some(parent), Some(last)) => fs::canonicalize(parent).map(|parent| parent.join(last)),
            _ => fs::canonicalize(path),
        };
        let dir = fs::canonicalize(self.dir).unwrap_or_else(|_| self.dir.to_path_buf());
        match real.as_deref().map(|real| real.strip_prefix(&dir)) {
            Ok(Ok(below)) => name::display(below),
            _ if is_folder => String::new(),
            _ => path.file_name().map(|last| name::display(Path::new(last))).unwrap_or_default(),
        }
    }

    /// Walks a folder and says whether anything in it was meant.
    fn walk(&mut self, folder: &Path, prefix: &str, glob: Option<&Glob>) -> bool {
        let root = match fs::canonicalize(folder) {
            Ok(root) => root,
            Err(error) => {
                self.plan.errors.push(format!("{prefix}: {}", describe(&error)));
                return true;
            }
        };
        self.roots.push(root.clone());
        let passed_over: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
        let mut any = false;
        for entry in self.walker(&root, prefix, &passed_over) {
            match entry {
                Ok(entry) => any |= self.entry(&entry, &root, prefix, glob),
                Err(error) => self.walk_error(&error, &root, prefix),
            }
        }
        let excluded = std::mem::take(&mut *passed_over.lock().unwrap_or_else(PoisonError::into_inner));
        for (name, reason) in excluded {
            if glob.is_none_or(|glob| glob.covers(below(&name, prefix))) {
                self.plan.skip(format!("{name}/"), 0, reason);
            }
        }
        any
    }

    /// A walk that sees everything but the stores of version control and the excluded folders.
    fn walker(&self, root: &Path, prefix: &str, excluded: &Arc<Mutex<Vec<(String, String)>>>) -> ignore::Walk {
        let (filter, excluded) = (Arc::clone(&self.filter), Arc::clone(excluded));
        let (base, prefix, everything) = (root.to_path_buf(), prefix.to_owned(), self.request.no_ignore);
        WalkBuilder::new(root)
            .standard_filters(false)
            .follow_links(false)
            .sort_by_file_name(Ord::cmp)
            .filter_entry(move |entry| {
                if entry.depth() == 0 || !entry.file_type().is_some_and(|kind| kind.is_dir()) {
                    return true;
                }
                if !everything && store::is_metadata(entry.path()) {
                    return false;
                }
                let name = join(&prefix, entry.path().strip_prefix(&base).unwrap_or(entry.path()));
                let Some(reason) = filter.excluded(&name) else { return true };
                excluded.lock().unwrap_or_else(PoisonError::into_inner).push((name, reason));
                false
            })
            .build()
    }

    /// Takes one entry of a walk and says whether it was meant.
    fn entry(&mut self, entry: &DirEntry, root: &Path, prefix: &str, glob: Option<&Glob>) -> bool {
        let below = entry.path().strip_prefix(root).unwrap_or(entry.path());
        if glob.is_some_and(|glob| !glob.covers(&name::display(below))) {
            return false;
        }
        let Some(kind) = entry.file_type().filter(|kind| !kind.is_dir()) else { return entry.depth() > 0 };
        let name = join(prefix, below);
        if kind.is_symlink() {
            self.links.push(Link { path: entry.path().to_path_buf(), name, given: false });
        } else if kind.is_file() {
            match entry.metadata() {
                Ok(meta) => self.add(entry.path().to_path_buf(), name, meta.len(), false),
                Err(_) => self.plan.errors.push(format!("{name}: cannot be read")),
            }
        } else {
            self.plan.skip(name, 0, special(kind));
        }
        true
    }

    fn walk_error(&mut self, error: &ignore::Error, root: &Path, prefix: &str) {
        let mut inner = error;
        let mut place = prefix.to_owned();
        while let ignore::Error::WithPath { err, .. } | ignore::Error::WithDepth { err, .. } = inner {
            if let ignore::Error::WithPath { path, .. } = inner {
                place = join(prefix, path.strip_prefix(root).unwrap_or(Path::new("")));
            }
            inner = err;
        }
        let reason = error.io_error().map_or_else(|| "cannot be read".to_owned(), describe);
        self.plan.errors.push(format!("{place}: {reason}"));
    }

    /// Adds a regular file under its canonical path, unless it is excluded or already there.
    pub(super) fn add(&mut self, real: PathBuf, name: String, size: u64, given: bool) {
        if let Some(found) = self.found.get_mut(&real) {
            found.given |= given;
            return;
        }
        if self.wanted(&name, size, given) {
            self.found.insert(real, Found { name, size, given, pointed: None });
        }
    }

    /// Applies the include and exclude globs.
    pub(super) fn wanted(&mut self, name: &str, size: u64, given: bool) -> bool {
        if let Some(reason) = self.filter.excluded(name) {
            self.plan.skip(name, size, reason);
            return false;
        }
        let wanted = given || self.filter.includes(name);
        self.left_out += u64::from(!wanted);
        wanted
    }

    fn finish(mut self) -> Plan {
        if self.left_out > 0 {
            self.plan.notes.push(format!("{} files match no include pattern and were left out", self.left_out));
        }
        let found = std::mem::take(&mut self.found);
        let mut sorted: Vec<_> = found.iter().collect();
        sorted.sort_by(|a, b| (&a.1.name, a.0).cmp(&(&b.1.name, b.0)));
        let mut names = Names::default();
        let mut stores = HashMap::new();
        for (real, file) in sorted {
            let name = names.unique(&file.name);
            self.plan.targets.extend(targets(real, name, file, &found, &mut stores));
        }
        self.plan
    }
}

/// The targets that a found file stands for: itself, or what it points to.
fn targets(
    real: &Path,
    path: String,
    file: &Found,
    found: &BTreeMap<PathBuf, Found>,
    stores: &mut HashMap<PathBuf, Stores>,
) -> Vec<Target> {
    let content = match file.pointed {
        // A link without its object: all there is to read is where it leads.
        Some(Pointed::Unresolved { .. }) => Content::text(&links::text(real)),
        _ => Content::File(real.to_path_buf()),
    };
    let plain = Target {
        state: file.pointed.clone().unwrap_or(Pointed::Plain),
        given: file.given,
        size: file.size,
        previous: None,
        unchanged: false,
        member: None,
        path,
        content,
    };
    let file_name = real.file_name().map(|last| name::display(Path::new(last))).unwrap_or_default();
    if plain.state != Pointed::Plain || !pointer::may_be_pointer(&file_name, file.size) {
        return vec![plain];
    }
    let Some(bytes) = store::read_capped(real, pointer::MAX_DVC) else { return vec![plain] };
    let mut pointers = pointer::parse(&file_name, &bytes);
    let folder = real.parent().unwrap_or(real);
    if !pointers.is_empty() {
        let stores = stores.entry(folder.to_path_buf()).or_insert_with(|| Stores::around(folder));
        pointers = stores.expand(pointers);
        // Data that lies beside its DVC file and is found itself needs no pointer.
        pointers.retain(|pointer| !workspace(folder, pointer).is_some_and(|(path, _)| found.contains_key(&path)));
    }
    if pointers.is_empty() {
        return vec![plain];
    }
    let stores = stores.entry(folder.to_path_buf()).or_default();
    let find = |pointer: &Pointer| stores.find(pointer).or_else(|| workspace(folder, pointer));
    plain.behind(&pointers, find)
}

/// The file that DVC checked out beside its pointer, if it is there with the right size.
pub(super) fn workspace(folder: &Path, pointer: &Pointer) -> Option<(PathBuf, u64)> {
    let member = pointer.member.as_deref().filter(|_| pointer.system == System::Dvc)?;
    let inside = Path::new(member).components().all(|part| matches!(part, Component::Normal(_)));
    let path = folder.join(member);
    let meta = fs::symlink_metadata(&path).ok().filter(|meta| inside && meta.is_file())?;
    pointer.size.is_none_or(|size| size == meta.len()).then_some((path, meta.len()))
}

/// Collects a stream, or None once it is longer than `limit` bytes.
fn spool(reader: &mut dyn Read, limit: Option<u64>) -> io::Result<Option<Arc<dyn ReadAt>>> {
    let mut spool = Spool::default();
    let limit = limit.unwrap_or(u64::MAX);
    let copied = io::copy(&mut reader.take(limit.saturating_add(1)), &mut spool)?;
    spool.flush()?;
    if copied > limit { Ok(None) } else { spool.finish().map(Some) }
}

/// A path below a named folder.
fn join(prefix: &str, below: &Path) -> String {
    let below = name::display(below);
    match (prefix, below.as_str()) {
        ("", _) => below,
        (_, "") => prefix.to_owned(),
        _ => format!("{prefix}/{below}"),
    }
}

/// The reverse of [`join`].
fn below<'n>(name: &'n str, prefix: &str) -> &'n str {
    name.strip_prefix(prefix).map_or(name, |rest| rest.trim_start_matches('/'))
}

/// Why a target that is no path here cannot be scanned.
fn absent(spec: &str) -> &'static str {
    if spec.contains("://") || spec.starts_with("models:/") {
        return "this version scans no remote addresses; download the file and scan it";
    }
    "no such file or folder"
}

/// An operating system's error without path and number.
pub(super) fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file or folder".to_owned(),
        kind => kind.to_string(),
    }
}

/// What a file is that is neither file nor folder: reading it could block for ever or change something.
fn special(kind: fs::FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;
        if kind.is_fifo() {
            return "a named pipe, not a file";
        } else if kind.is_socket() {
            return "a socket, not a file";
        } else if kind.is_block_device() || kind.is_char_device() {
            return "a device, not a file";
        }
    }
    let _ = kind;
    "not a regular file"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_kept_up_to_the_limit() {
        let source = spool(&mut &b"abc"[..], Some(3)).unwrap().unwrap();
        assert_eq!(source.read_range(0, 10).unwrap(), b"abc");
        assert!(spool(&mut &b"abcd"[..], Some(3)).unwrap().is_none());
    }
}
