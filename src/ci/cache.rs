//! A folder of verdicts between runs: nobody else may write there, and what is broken is not there.
//!
//! A verdict that somebody else could plant would pass a hostile file, so the folder belongs to the user of the run
//! alone. Each entry carries a checksum over its key and text: an entry that was cut or moved is removed and missed.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

use crate::bytes::hex;
use crate::run::Memory;

/// Largest entry; the findings of one file.
const MAX_ENTRY: u64 = 4 << 20;
/// Bytes of all entries after which the oldest are removed.
const MAX_BYTES: u64 = 256 << 20;
/// Entries after which the oldest are removed.
const MAX_ENTRIES: usize = 20_000;
/// The first line of an entry.
const HEAD: &str = "modelaudit verdict 1";

/// Verdicts in a folder.
#[derive(Debug)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// Opens a folder, or makes it, and removes the oldest entries of one that is too large.
    ///
    /// # Errors
    /// It cannot be made, or others may write there.
    pub fn open(folder: &Path) -> io::Result<Self> {
        create(folder)?;
        let meta = fs::symlink_metadata(folder)?;
        if !meta.is_dir() {
            return Err(io::Error::other("not a folder"));
        }
        private(folder, &meta)?;
        let cache = Self { folder: folder.to_owned() };
        cache.shrink(MAX_ENTRIES, MAX_BYTES)?;
        Ok(cache)
    }

    fn shrink(&self, entries: usize, bytes: u64) -> io::Result<()> {
        let mut all: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let meta = entry.metadata()?;
            if meta.is_file() && is_key(&entry.file_name().to_string_lossy()) {
                all.push((meta.modified()?, meta.len(), entry.path()));
            }
        }
        let total: u64 = all.iter().map(|(_, size, _)| size).sum();
        if all.len() <= entries && total <= bytes {
            return Ok(());
        }
        // Newest first; a quarter more than needed goes, so that not every run has to look again.
        all.sort_by_key(|(time, _, _)| std::cmp::Reverse(*time));
        let mut kept = 0;
        for (n, (_, size, path)) in all.iter().enumerate() {
            kept += size;
            if n >= entries - entries / 4 || kept > bytes - bytes / 4 {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    fn read(&self, key: &str) -> Option<Vec<u8>> {
        let path = self.folder.join(key);
        // Opening a pipe would wait for somebody who writes to it.
        fs::symlink_metadata(&path).ok().filter(fs::Metadata::is_file)?;
        let file = File::open(path).ok()?;
        let mut bytes = Vec::new();
        #[expect(clippy::disallowed_methods, reason = "bounded by `take`")]
        (&file).take(MAX_ENTRY + 1).read_to_end(&mut bytes).ok()?;
        let head = format!("{HEAD}\n");
        let rest = bytes.strip_prefix(head.as_bytes())?;
        let (sum, text) = rest.split_at_checked(65)?;
        (sum == format!("{}\n", checksum(key, text)).as_bytes()).then(|| {
            // What is used stays.
            let _ = file.set_modified(SystemTime::now());
            text.to_vec()
        })
    }
}

impl Memory for Cache {
    fn load(&self, key: &str) -> Option<Vec<u8>> {
        if !is_key(key) {
            return None;
        }
        let found = self.read(key);
        if found.is_none() {
            let _ = fs::remove_file(self.folder.join(key));
        }
        found
    }

    fn store(&self, key: &str, value: &[u8]) {
        if !is_key(key) || value.len() as u64 > MAX_ENTRY / 2 {
            return;
        }
        // A run that cannot keep a verdict has lost nothing.
        let _ = tempfile::NamedTempFile::new_in(&self.folder).and_then(|mut file| {
            write!(file, "{HEAD}\n{}\n", checksum(key, value))?;
            file.write_all(value)?;
            file.persist(self.folder.join(key)).map_err(|error| error.error)
        });
    }
}

fn is_key(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn checksum(key: &str, text: &[u8]) -> String {
    hex(&Sha256::new().chain_update(key.as_bytes()).chain_update(text).finalize())
}

#[cfg(unix)]
fn create(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn create(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

/// Refuses a folder of another user, or one that others could have written to.
#[cfg(unix)]
fn private(folder: &Path, meta: &fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    // A file of ours says who we are.
    let own = tempfile::tempfile_in(folder)?.metadata()?.uid();
    if meta.uid() != own {
        return Err(io::Error::other("it belongs to another user"));
    }
    if meta.mode() & 0o022 != 0 {
        return Err(io::Error::other("other users may write there"));
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
fn private(_: &Path, _: &fs::Metadata) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u32) -> String {
        format!("{n:064x}")
    }

    #[test]
    fn entries_come_back_as_they_were_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(&folder.path().join("a/cache")).unwrap();
        cache.store(&key(1), b"{}");
        assert_eq!(cache.load(&key(1)).as_deref(), Some(&b"{}"[..]));
        assert_eq!(cache.load(&key(2)), None);
        // Moved under another key, cut, changed.
        fs::copy(cache.folder.join(key(1)), cache.folder.join(key(2))).unwrap();
        assert_eq!(cache.load(&key(2)), None);
        assert!(!cache.folder.join(key(2)).exists(), "removed");
        for bytes in [&b""[..], b"modelaudit verdict 1\n", b"modelaudit verdict 1\n00\n{}"] {
            fs::write(cache.folder.join(key(1)), bytes).unwrap();
            assert_eq!(cache.load(&key(1)), None);
        }
        assert_eq!(cache.load("../x"), None);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_no_entry() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(&folder.path().join("cache")).unwrap();
        let pipe = cache.folder.join(key(1));
        #[expect(clippy::disallowed_methods, reason = "the standard library makes no pipes with names")]
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        assert_eq!(cache.load(&key(1)), None, "and it does not wait");
        assert!(!pipe.exists());
        cache.store(&key(2), b"{}");
        std::os::unix::fs::symlink(cache.folder.join(key(2)), &pipe).unwrap();
        assert_eq!(cache.load(&key(1)), None);
        assert_eq!(cache.load(&key(2)).as_deref(), Some(&b"{}"[..]));
    }

    #[test]
    fn the_oldest_entries_go_first() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(&folder.path().join("cache")).unwrap();
        for n in 0..8 {
            cache.store(&key(n), b"{}");
            let file = File::open(cache.folder.join(key(n))).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(n.into())).unwrap();
        }
        cache.shrink(4, 1 << 20).unwrap();
        let left: Vec<u32> = (0..8).filter(|n| cache.folder.join(key(*n)).exists()).collect();
        assert_eq!(left, [5, 6, 7]);
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_others_may_write_to_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("cache");
        fs::create_dir(&place).unwrap();
        fs::set_permissions(&place, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(Cache::open(&place).is_err());
        fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).unwrap();
        Cache::open(&place).unwrap();
        assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o700);
        std::os::unix::fs::symlink(&place, folder.path().join("link")).unwrap();
        assert!(Cache::open(&folder.path().join("link")).is_err());
    }
}
