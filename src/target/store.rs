//! Where the objects behind pointers are on this machine: the stores of Git LFS, git-annex and DVC.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use md5::{Digest as _, Md5};

use super::pointer::{self, MAX_DVC, Pointer, System};
use crate::bytes::hex;

/// The stores that belong to one place on the disk.
#[derive(Debug, Clone, Default)]
pub(super) struct Stores {
    lfs: Option<PathBuf>,
    annex: Option<PathBuf>,
    dvc: Vec<PathBuf>,
}

/// Largest configuration file that is read.
const MAX_CONFIG: u64 = 1 << 20;

impl Stores {
    /// The stores of the repository and the DVC project that hold `dir`.
    pub(super) fn around(dir: &Path) -> Self {
        let git = dir.ancestors().find_map(git_dir);
        let mut stores = git.as_deref().map(Self::of_git).unwrap_or_default();
        stores.add_dvc(dir);
        stores
    }

    /// The stores inside a git directory that all worktrees share.
    pub(super) fn of_git(common: &Path) -> Self {
        let config = read_capped(&common.join("config"), MAX_CONFIG).unwrap_or_default();
        let storage = setting(&String::from_utf8_lossy(&config), "lfs", "storage").map(PathBuf::from);
        let storage = storage.map_or_else(|| common.join("lfs"), |path| common.join(path));
        Self { lfs: Some(storage.join("objects")), annex: Some(common.join("annex/objects")), dvc: Vec::new() }
    }

    /// Adds the cache of the DVC project that holds `dir`.
    pub(super) fn add_dvc(&mut self, dir: &Path) {
        let Some(project) = dir.ancestors().map(|dir| dir.join(".dvc")).find(|dir| dir.is_dir()) else { return };
        for file in ["config.local", "config"] {
            let text = read_capped(&project.join(file), MAX_CONFIG).unwrap_or_default();
            let dir = setting(&String::from_utf8_lossy(&text), "cache", "dir");
            self.dvc.extend(dir.map(|dir| project.join(dir)));
        }
        self.dvc.push(project.join("cache"));
    }

    /// Replaces each folder that DVC tracks by its files, if the list of them is here.
    pub(super) fn expand(&self, pointers: Vec<Pointer>) -> Vec<Pointer> {
        let mut all = Vec::new();
        for pointer in pointers {
            let is_folder = pointer.system == System::Dvc && pointer.id.ends_with(".dir");
            let list = if is_folder { self.candidates(&pointer) } else { Vec::new() };
            let list = list.iter().find_map(|path| read_capped(path, 16 * MAX_DVC));
            match list.and_then(|json| pointer::parse_dvc_folder(&pointer, &json)) {
                Some(files) => all.extend(files),
                None => all.push(pointer),
            }
        }
        all
    }

    /// The object and its size, if it is here. An object of another size than the pointer says is not it.
    pub(super) fn find(&self, pointer: &Pointer) -> Option<(PathBuf, u64)> {
        // The list of a folder's files is not what the pointer stands for.
        if pointer.system == System::Dvc && pointer.id.ends_with(".dir") {
            return None;
        }
        self.candidates(pointer).into_iter().find_map(|path| {
            let meta = fs::metadata(&path).ok().filter(fs::Metadata::is_file)?;
            let fits = pointer.size.is_none_or(|size| size == meta.len());
            fits.then_some((path, meta.len()))
        })
    }

    fn candidates(&self, pointer: &Pointer) -> Vec<PathBuf> {
        let id = pointer.id.as_str();
        let (first, second) = (id.get(..2).unwrap_or_default(), id.get(2..4).unwrap_or_default());
        match pointer.system {
            System::Lfs => self.lfs.iter().map(|store| store.join(first).join(second).join(id)).collect(),
            System::Annex => {
                let folders = annex_folders(id);
                let path = |store: &PathBuf, dirs: &String| store.join(dirs).join(id).join(id);
                self.annex.iter().flat_map(|store| folders.iter().map(|dirs| path(store, dirs))).collect()
            }
            System::Dvc => {
                let rest = id.get(2..).unwrap_or_default();
                let layouts = |cache: &PathBuf| [cache.join("files/md5"), cache.clone()];
                self.dvc.iter().flat_map(layouts).map(|store| store.join(first).join(rest)).collect()
            }
        }
    }
}

/// The two folders in which git-annex may keep a key: mixed case in ordinary repositories, lower case in bare ones.
/// <https://git-annex.branchable.com/internals/hashing/>
/// Which stores of large files are around `dir`, in words.
pub(super) fn describe(dir: &Path) -> String {
    let stores = Stores::around(dir);
    let here = [
        ("Git LFS", stores.lfs.as_deref().is_some_and(Path::is_dir)),
        ("git-annex", stores.annex.as_deref().is_some_and(Path::is_dir)),
        ("DVC", stores.dvc.iter().any(|path| path.is_dir())),
    ];
    let found: Vec<&str> = here.iter().filter(|(_, here)| *here).map(|(name, _)| *name).collect();
    match found.is_empty() {
        true => "no local store of Git LFS, git-annex or DVC: pointers are reported as not scanned".to_owned(),
        false => format!("local objects of {} are read", found.join(", ")),
    }
}

fn annex_folders(key: &str) -> [String; 2] {
    const LETTERS: &[u8; 32] = b"0123456789zqjxkmvwgpfZQJXKMVWGPF";
    let digest: [u8; 16] = Md5::digest(key.as_bytes()).into();
    let [a, b, c, d, ..] = digest;
    let word = u32::from_le_bytes([a, b, c, d]);
    let letter = |n: u32| {
        let index = usize::try_from((word >> (6 * n)) & 31).unwrap_or_default();
        LETTERS.get(index).copied().map_or('0', char::from)
    };
    let mixed = format!("{}{}/{}{}", letter(1), letter(0), letter(3), letter(2));
    let hex = hex(digest.get(..3).unwrap_or_default());
    let (first, second) = hex.split_at(3);
    [mixed, format!("{first}/{second}")]
}

/// The git directory shared by all worktrees, if `dir` is the root of one.
fn git_dir(dir: &Path) -> Option<PathBuf> {
    let dot_git = dir.join(".git");
    let meta = fs::metadata(&dot_git).ok()?;
    let git = if meta.is_dir() {
        dot_git
    } else {
        let text = read_capped(&dot_git, 64 << 10)?;
        let text = String::from_utf8(text).ok()?;
        dir.join(text.trim_end_matches(['\n', '\r']).strip_prefix("gitdir: ")?)
    };
    match read_capped(&git.join("commondir"), 64 << 10).and_then(|text| String::from_utf8(text).ok()) {
        Some(common) => Some(git.join(common.trim_end_matches(['\n', '\r']))),
        None => git.join("HEAD").is_file().then_some(git),
    }
}

/// True if a folder is version control's own store and not a folder that only has its name.
pub(super) fn is_metadata(dir: &Path) -> bool {
    match dir.file_name().and_then(|name| name.to_str()) {
        Some(".git") => dir.join("HEAD").is_file() && dir.join("objects").is_dir() && dir.join("refs").is_dir(),
        Some(".hg") => dir.join("requires").is_file() && dir.join("store").is_dir(),
        Some(".svn") => dir.join("wc.db").is_file(),
        _ => false,
    }
}

/// The whole of a regular file, or None if it is larger than `cap` or cannot be read.
#[expect(clippy::disallowed_methods, reason = "bounded by `take`")]
#[must_use]
pub fn read_capped(path: &Path, cap: u64) -> Option<Vec<u8>> {
    // Asked before opening: a FIFO would block.
    if !fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(cap.saturating_add(1)).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= cap).then_some(bytes)
}

/// The SHA-256 of a file in hex.
#[cfg(feature = "git")]
pub(super) fn sha256(path: &Path) -> std::io::Result<String> {
    use crate::bytes::{FileSource, ReadAt as _};
    let file = FileSource::open(path)?;
    let mut hash = sha2::Sha256::new();
    let mut buf = vec![0; 1 << 20];
    let mut offset = 0;
    loop {
        let got = file.fill_at(offset, &mut buf)?;
        let Some(bytes) = buf.get(..got).filter(|bytes| !bytes.is_empty()) else { break };
        hash.update(bytes);
        offset += got as u64;
    }
    Ok(hex(&hash.finalize()))
}

/// One setting of a file in git's ini syntax, the last one given.
fn setting(text: &str, section: &str, key: &str) -> Option<String> {
    let mut inside = false;
    let mut found = None;
    for line in text.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            inside = header.trim_end_matches(']').trim().eq_ignore_ascii_case(section);
        } else if inside
            && let Some((name, value)) = line.split_once('=')
            && name.trim().eq_ignore_ascii_case(key)
        {
            found = Some(value.trim().trim_matches('"').to_owned()).filter(|value| !value.is_empty());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_from_their_section() {
        let text = "[core]\n\tstorage = no\n[lfs]\n\tstorage = \"/big/lfs\"\n[lfs \"x\"]\n\tstorage = other\n";
        assert_eq!(setting(text, "lfs", "storage").as_deref(), Some("/big/lfs"));
        assert_eq!(setting(text, "lfs", "url"), None);
    }

    #[test]
    fn annex_keys_have_a_mixed_and_a_lower_folder() {
        // The value that git-annex's page on hashing gives for the empty file.
        let key = "SHA256E-s0--e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(annex_folders(key), ["pX/ZJ", "f87/4d5"]);
    }
}
