//! Where reports go: standard output, or a file that is whole or not there.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Writes a report to `path`, or to standard output if there is no path or it is `-`.
///
/// A file appears under its name only when `write` has succeeded; until then an older file stays as it is. The last
/// line always ends with a newline. A reader that closes standard output early is no error.
///
/// # Errors
/// Those of `write` and of the file system.
pub fn to_file(path: Option<&Path>, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    match path.filter(|path| path.as_os_str() != OsStr::new("-")) {
        None => quiet(to_stream(io::stdout().lock(), write)),
        Some(path) => match fs::metadata(path) {
            // Pipes and devices cannot be replaced by a rename, and must not be.
            Ok(found) if !found.is_file() && !found.is_dir() => {
                quiet(to_stream(File::options().write(true).open(path)?, write))
            }
            Ok(found) if found.is_dir() => {
                Err(io::Error::new(ErrorKind::IsADirectory, "the report's path is a folder"))
            }
            // A link stays a link: what it points to is replaced.
            Ok(_) => replace(&fs::canonicalize(path)?, write),
            Err(error) if error.kind() == ErrorKind::NotFound => replace(&beyond_link(path), write),
            Err(error) => Err(error),
        },
    }
}

/// As [`to_file`], under a name that nobody gave: whatever stands there may come from the change under review, so a
/// link is replaced and never followed, and only a file is replaced.
///
/// # Errors
/// Those of `write` and of the file system, and a folder, pipe or device under that name.
pub fn to_own_file(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() && !found.is_symlink() => {
            Err(io::Error::new(ErrorKind::AlreadyExists, "something other than a file has this name"))
        }
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => replace(path, write),
    }
}

/// Writes through a buffer, with a newline at the end.
///
/// # Errors
/// Those of `write` and of the stream.
pub fn to_stream(stream: impl Write, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut lines = Lines { inner: BufWriter::new(stream), last: b'\n' };
    write(&mut lines)?;
    lines.finish()
}

/// The target of a link that points to nothing yet; else the path itself.
fn beyond_link(path: &Path) -> PathBuf {
    match fs::read_link(path) {
        Ok(target) => path.parent().map_or_else(|| target.clone(), |folder| folder.join(&target)),
        Err(_) => path.to_owned(),
    }
}

fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".modelaudit-").suffix(".tmp");
    // Temporary files are private by default; a report is read by others, as far as the umask lets them.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder)?;
    to_stream(&mut file, write)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Passes JSON on with the marks spelt out by which hosts of CI know a command anywhere in a line of a log, `##[` and
/// `##vso[`. Two number signs stand in strings only, so the data stay what they are.
pub struct InertJson<'o> {
    out: &'o mut dyn Write,
    /// Number signs right before.
    signs: usize,
}

impl<'o> InertJson<'o> {
    /// For JSON that goes to `out`.
    pub fn new(out: &'o mut dyn Write) -> Self {
        Self { out, signs: 0 }
    }
}

impl Write for InertJson<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        for (at, byte) in bytes.iter().enumerate() {
            if self.signs >= 2 && matches!(byte, b'[' | b'v') {
                let (plain, marked) = rest.split_at(at - (bytes.len() - rest.len()));
                self.out.write_all(plain)?;
                write!(self.out, "\\u{byte:04x}")?;
                rest = marked.get(1..).unwrap_or_default();
            }
            self.signs = if *byte == b'#' { self.signs + 1 } else { 0 };
        }
        self.out.write_all(rest)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Nobody listens any more: that is not the writer's failure.
fn quiet(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Remembers the last byte.
struct Lines<W: Write> {
    inner: BufWriter<W>,
    last: u8,
}

impl<W: Write> Lines<W> {
    fn finish(mut self) -> io::Result<()> {
        if self.last != b'\n' {
            self.inner.write_all(b"\n")?;
        }
        self.inner.flush()
    }
}

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        if let Some(last) = bytes.get(..written).and_then(<[u8]>::last) {
            self.last = *last;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[expect(clippy::disallowed_methods, reason = "a report of this test")]
    fn content(path: &Path) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn the_last_line_ends() {
        let mut out = Vec::new();
        to_stream(&mut out, |out| out.write_all(b"a\nb")).unwrap();
        assert_eq!(out, b"a\nb\n");
    }

    #[test]
    fn json_gives_no_commands_and_says_the_same() {
        for text in ["##vso[a]", "###[x", "##[", "a##", "#[v", "##", "[##v", "####vso[##["] {
            let mut out = Vec::new();
            // Byte by byte: what is a mark may come in pieces.
            for byte in serde_json::to_vec(&[text]).unwrap().chunks(1).scan(InertJson::new(&mut out), |json, byte| {
                json.write_all(byte).unwrap();
                Some(byte)
            }) {
                assert_eq!(byte.len(), 1);
            }
            let shown = String::from_utf8(out).unwrap();
            assert!(!shown.contains("##[") && !shown.contains("##vso["), "{shown}");
            assert_eq!(serde_json::from_str::<Vec<String>>(&shown).unwrap(), [text]);
        }
    }

    #[test]
    fn a_failed_report_leaves_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        to_file(Some(&path), |out| out.write_all(b"old")).unwrap();
        let failed = to_file(Some(&path), |out| {
            out.write_all(&vec![b'x'; 100_000])?;
            Err(io::Error::other("stopped"))
        });
        assert!(failed.is_err());
        assert_eq!(content(&path), "old\n");
        assert_eq!(names(folder.path()), ["report.json"]);
    }

    #[test]
    fn a_broken_pipe_is_quiet_and_a_full_disk_is_not() {
        assert!(quiet(Err(ErrorKind::BrokenPipe.into())).is_ok());
        assert!(quiet(Err(ErrorKind::StorageFull.into())).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_links_and_others_may_read() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        symlink("real", &link).unwrap();
        for text in ["one", "two"] {
            to_file(Some(&link), |out| out.write_all(text.as_bytes())).unwrap();
            assert_eq!(content(&real), format!("{text}\n"));
        }
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        let plain = folder.path().join("plain");
        fs::write(&plain, "").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&real), mode(&plain));
    }

    #[cfg(unix)]
    #[test]
    fn a_name_that_nobody_gave_follows_no_link() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::write(&real, "kept").unwrap();
        for target in ["real", "absent"] {
            let _ = fs::remove_file(&link);
            symlink(target, &link).unwrap();
            to_own_file(&link, |out| out.write_all(b"report")).unwrap();
            assert!(fs::symlink_metadata(&link).unwrap().is_file());
            assert_eq!(content(&link), "report\n");
        }
        assert_eq!(content(&real), "kept");
        assert_eq!(names(folder.path()), ["link", "real"]);
        assert!(to_own_file(folder.path(), |_| Ok(())).is_err());
        assert!(to_own_file(Path::new("/dev/null"), |_| Ok(())).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn devices_are_written_to_and_not_replaced() {
        to_file(Some(Path::new("/dev/null")), |out| out.write_all(b"x")).unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        assert!(to_file(Some(Path::new("/")), |_| Ok(())).is_err());
    }
}
