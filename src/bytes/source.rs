//! Sources of bytes: files, memory, ranges of another source, and spooled members.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

/// Random access to a fixed number of bytes.
pub trait ReadAt: Send + Sync {
    /// Size in bytes, fixed when the source was opened.
    fn len(&self) -> u64;

    /// Reads at most `buf.len()` bytes from `offset` and says how many; 0 only at or past the end.
    ///
    /// # Errors
    /// Any I/O error; a file that became shorter than [`ReadAt::len`] gives [`io::ErrorKind::UnexpectedEof`].
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize>;

    /// True if there is not one byte.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills as much of `buf` as the source has from `offset` and says how many bytes that was.
    ///
    /// # Errors
    /// As [`ReadAt::read_at`].
    fn fill_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.read_at(offset.saturating_add(done as u64), rest) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    /// Up to `want` bytes from `offset`. The allocation is bounded by what the source can hold.
    ///
    /// # Errors
    /// As [`ReadAt::read_at`].
    fn read_range(&self, offset: u64, want: usize) -> io::Result<Vec<u8>> {
        let available = self.len().saturating_sub(offset);
        let mut buf = vec![0; usize::try_from(available).unwrap_or(usize::MAX).min(want)];
        let got = self.fill_at(offset, &mut buf)?;
        buf.truncate(got);
        Ok(buf)
    }
}

/// A file on disk, read by position.
#[derive(Debug)]
pub struct FileSource {
    file: File,
    len: u64,
}

impl FileSource {
    /// Opens a regular file.
    ///
    /// # Errors
    /// The operating system's error, or [`io::ErrorKind::InvalidInput`] for a FIFO, device or directory: reading
    /// those could block for ever.
    pub fn open(path: &Path) -> io::Result<Self> {
        // Asked before opening: opening a FIFO would already block.
        if !std::fs::metadata(path)?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Self::from_file(File::open(path)?)
    }

    /// Takes an open regular file.
    ///
    /// # Errors
    /// The operating system's error when its size cannot be read.
    pub fn from_file(file: File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        Ok(Self { file, len })
    }
}

impl ReadAt for FileSource {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let want = clip(self.len, offset, buf.len());
        let Some(buf) = buf.get_mut(..want).filter(|buf| !buf.is_empty()) else { return Ok(0) };
        let got = positioned_read(&self.file, buf, offset)?;
        if got == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter while it was read"));
        }
        Ok(got)
    }
}

#[cfg(unix)]
fn positioned_read(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buf, offset)
}

#[cfg(windows)]
fn positioned_read(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buf, offset)
}

/// Bytes held in memory: a small decoded member, a git blob, standard input.
#[derive(Debug, Clone)]
pub struct MemorySource(Arc<[u8]>);

impl MemorySource {
    /// Takes the bytes.
    #[must_use]
    #[expect(clippy::new_ret_no_self, reason = "sources are only used through the trait")]
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Arc<dyn ReadAt> {
        Arc::new(Self(bytes.into()))
    }
}

impl ReadAt for MemorySource {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|at| self.0.get(at..)).unwrap_or_default();
        let n = rest.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..n), rest.get(..n)) {
            to.copy_from_slice(from);
        }
        Ok(n)
    }
}

/// A range of another source: a stored member, nothing copied.
pub struct Slice {
    inner: Arc<dyn ReadAt>,
    start: u64,
    len: u64,
}

impl Slice {
    /// The range `start..start + len` of `inner`, clipped to its end.
    #[must_use]
    pub fn clip(inner: Arc<dyn ReadAt>, start: u64, len: u64) -> Arc<dyn ReadAt> {
        let start = start.min(inner.len());
        let len = len.min(inner.len().saturating_sub(start));
        Arc::new(Self { inner, start, len })
    }
}

impl ReadAt for Slice {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let want = clip(self.len, offset, buf.len());
        buf.get_mut(..want).map_or(Ok(0), |buf| self.inner.read_at(self.start.saturating_add(offset), buf))
    }
}

/// Collects decoded bytes of unknown size: in memory while they are few, then in an unlinked private temporary file.
#[derive(Debug, Default)]
pub struct Spool {
    memory: Vec<u8>,
    file: Option<File>,
}

impl Spool {
    /// More than this goes to disk, so that nested archives cannot add up in memory.
    pub const IN_MEMORY: usize = 4 << 20;

    /// The collected bytes as a source.
    ///
    /// # Errors
    /// I/O errors of the temporary file.
    pub fn finish(self) -> io::Result<Arc<dyn ReadAt>> {
        match self.file {
            Some(file) => Ok(Arc::new(FileSource::from_file(file)?)),
            None => Ok(MemorySource::new(self.memory)),
        }
    }
}

impl Write for Spool {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if let Some(file) = &mut self.file {
            file.write_all(buf)?;
        } else if self.memory.len() + buf.len() > Self::IN_MEMORY {
            let mut file = tempfile::tempfile()?;
            file.write_all(&self.memory)?;
            file.write_all(buf)?;
            self.memory = Vec::new();
            self.file = Some(file);
        } else {
            self.memory.extend_from_slice(buf);
        }
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn clip(len: u64, offset: u64, want: usize) -> usize {
    usize::try_from(len.saturating_sub(offset)).unwrap_or(usize::MAX).min(want)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_clipped_to_their_source() {
        let whole = MemorySource::new(*b"0123456789");
        let slice = Slice::clip(Arc::clone(&whole), 8, 100);
        assert_eq!(slice.len(), 2);
        assert_eq!(slice.read_range(0, 10).unwrap(), b"89");
        assert_eq!(Slice::clip(whole, u64::MAX, u64::MAX).len(), 0);
    }

    #[test]
    fn a_spool_reads_back_across_the_memory_limit() {
        for len in [10, Spool::IN_MEMORY, Spool::IN_MEMORY + 10] {
            let mut spool = Spool::default();
            for chunk in vec![7_u8; len].chunks(65_536) {
                spool.write_all(chunk).unwrap();
            }
            let source = spool.finish().unwrap();
            assert_eq!(source.len(), len as u64);
            assert_eq!(source.read_range(len as u64 - 3, 8).unwrap(), [7, 7, 7]);
        }
    }
}
