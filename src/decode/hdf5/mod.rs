//! HDF5 files: groups, datasets and attributes, without the library that loads them.
//!
//! ```text
//! superblock ─▶ object header of the root ─▶ messages: what the object is
//!                 ├── links:      symbol table (B-tree 1, local heap), link messages, or fractal heap (B-tree 2)
//!                 ├── attributes: messages, or fractal heap (B-tree 2)
//!                 └── layout:     compact, contiguous, or chunks (five kinds of index), through filters
//! ```
//!
//! Values of variable length lie in global heap collections, unfiltered, so each is a range of the file.
//!
//! Every address, size and count is the file's own claim. A block is read only if the file holds it, every step pays the
//! budget, and each tree remembers the nodes that it has seen. Checksums of the superblock, of object headers and of
//! chunks are compared, and bytes that the library would refuse are read all the same.
//!
//! Specification: <https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html>

mod arrays;
mod attribute;
mod checksum;
mod chunk;
mod datatype;
mod fractal;
mod global;
mod group;
mod header;
mod layout;
mod lzf;
mod superblock;
mod tree1;
mod tree2;
mod virtuals;

use std::cell::RefCell;

use crate::bytes::{Budget, Cursor, Exceeded, Malformed, ReadAt, ReadError};

pub use attribute::Attribute;
pub use datatype::{Class, Datatype};
pub use group::{Link, Target};
pub use header::Object;
pub use layout::{Dataset, Storage};
pub use superblock::signature;

/// Largest block of structure, attribute or chunk that is read. The library writes attributes of at most 4 GiB and
/// chunks of a few megabytes; Keras stores configurations of some hundred kilobytes.
const MOST_BLOCK: u64 = 64 << 20;
/// Bytes of a block for one step of work.
const STEP: u64 = 64;

/// Why reading stopped.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// The bytes break the format, or the source failed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A limit was reached.
    #[error(transparent)]
    Limit(#[from] Exceeded),
    /// A feature that cannot be read.
    #[error("unsupported: {0}")]
    Unsupported(&'static str),
}

impl From<Malformed> for Stop {
    fn from(malformed: Malformed) -> Self {
        Self::Read(malformed.into())
    }
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self::Read(error.into())
    }
}

impl From<super::Stop> for Stop {
    fn from(stop: super::Stop) -> Self {
        match stop {
            super::Stop::Read(error) => Self::Read(error),
            super::Stop::Limit(exceeded) => Self::Limit(exceeded),
        }
    }
}

/// A range of the file, absolute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Range {
    /// First byte.
    pub at: u64,
    /// Length in bytes.
    pub len: u64,
}

/// An open file.
pub struct File<'a> {
    source: &'a dyn ReadAt,
    budget: &'a Budget,
    /// Where the superblock lies; addresses count from it.
    base: u64,
    /// Bytes of an address and of a length.
    sizes: Sizes,
    /// Version of the superblock.
    pub version: u8,
    /// Address of the root group.
    pub root: u64,
    /// Where the file ends by its own account, absolute.
    pub end: u64,
    heap: RefCell<global::Collection>,
    faults: RefCell<Vec<Stop>>,
}

/// Widths of the two kinds of number.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    offset: u8,
    length: u8,
}

/// Bytes in memory and where they came from.
#[derive(Debug, Clone)]
struct Block {
    /// Absolute offset.
    at: u64,
    bytes: Vec<u8>,
}

impl Block {
    fn cursor(&self) -> Cursor<'_> {
        Cursor::new(&self.bytes, self.at)
    }
}

/// Faults that are kept: the first ones say enough.
const MOST_FAULTS: usize = 16;

impl File<'_> {
    /// Bytes in front of the superblock, which belong to the user.
    #[must_use]
    pub fn user_block(&self) -> u64 {
        self.base
    }

    /// The faults met so far; reading went on behind each.
    pub fn take_faults(&self) -> Vec<Stop> {
        std::mem::take(&mut self.faults.borrow_mut())
    }

    /// True if something since then could not be read for want of a feature.
    #[must_use]
    pub fn lacks_a_feature(&self) -> bool {
        self.faults.borrow().iter().any(|fault| matches!(fault, Stop::Unsupported(_)))
    }

    /// Reads `len` bytes at `address`.
    fn read(&self, address: u64, len: u64) -> Result<Block, Stop> {
        let at = self.absolute(address, len)?;
        if len > MOST_BLOCK {
            return Err(Stop::Unsupported("a block of more than 64 MiB"));
        }
        self.pay(len)?;
        let bytes = self.source.read_range(at, usize::try_from(len).unwrap_or(usize::MAX))?;
        Ok(Block { at, bytes })
    }

    /// Reads up to `len` bytes at `address`, fewer at the end of the file.
    fn read_up_to(&self, address: u64, len: u64) -> Result<Block, Stop> {
        let at = self.absolute(address, 0)?;
        self.read(address, len.min(self.source.len().saturating_sub(at)))
    }

    /// The offset in the source of `len` bytes at `address`.
    fn absolute(&self, address: u64, len: u64) -> Result<u64, Stop> {
        let at = self.base.saturating_add(address);
        let what = "an address or a size reaches past the end of the file";
        match at.checked_add(len) {
            Some(end) if end <= self.source.len() => Ok(at),
            _ => Err(Malformed { at: at.min(self.source.len()), what }.into()),
        }
    }

    /// Compares `len` bytes at `address` with the checksum behind them; a wrong one is a fault.
    fn verify(&self, address: u64, len: u64) -> Result<(), Stop> {
        // What the file cuts off is told where it is read.
        let Ok(block) = self.read(address, len.saturating_add(4)) else { return Ok(()) };
        let Some((bytes, stated)) = block.bytes.split_last_chunk() else { return Ok(()) };
        if checksum::structure(bytes) == u32::from_le_bytes(*stated) {
            return Ok(());
        }
        self.survive(Err(Malformed { at: block.at, what: "a structure does not have its checksum" }.into()))
    }

    /// Pays for a step that looks at `bytes` bytes.
    fn pay(&self, bytes: u64) -> Result<(), Stop> {
        Ok(self.budget.take_work(bytes.checked_div(STEP).unwrap_or_default().saturating_add(1))?)
    }

    /// Keeps a fault and goes on, unless it concerns everything that follows.
    fn survive(&self, outcome: Result<(), Stop>) -> Result<(), Stop> {
        match outcome {
            Err(stop @ (Stop::Read(ReadError::Malformed(_)) | Stop::Unsupported(_))) => {
                let mut faults = self.faults.borrow_mut();
                if faults.len() < MOST_FAULTS {
                    faults.push(stop);
                }
                Ok(())
            }
            other => other,
        }
    }

    /// Reads an address; None if it is undefined.
    fn address(&self, cursor: &mut Cursor<'_>) -> Result<Option<u64>, Malformed> {
        let value = uint(cursor, self.sizes.offset)?;
        Ok((value != ones(self.sizes.offset)).then_some(value))
    }

    /// Reads a length.
    fn length(&self, cursor: &mut Cursor<'_>) -> Result<u64, Malformed> {
        uint(cursor, self.sizes.length)
    }
}

/// Reads an unsigned number of up to eight bytes.
fn uint(cursor: &mut Cursor<'_>, width: u8) -> Result<u64, Malformed> {
    if width > 8 {
        return Err(cursor.malformed("a number of more than 64 bits"));
    }
    Ok(cursor.bytes(u64::from(width))?.iter().rev().fold(0, |value, byte| (value << 8) | u64::from(*byte)))
}

/// The largest number of that many bytes.
fn ones(width: u8) -> u64 {
    u64::MAX.checked_shr(64_u32.saturating_sub(u32::from(width).saturating_mul(8))).unwrap_or_default()
}

/// Bytes that hold every number up to `limit`.
fn width_for(limit: u64) -> u8 {
    u8::try_from(limit.checked_ilog2().unwrap_or_default() >> 3).unwrap_or_default().saturating_add(1)
}

/// Expects the four bytes that begin a block, and a version of it.
fn expect(cursor: &mut Cursor<'_>, mark: [u8; 4], version: u8, what: &'static str) -> Result<(), Malformed> {
    let wrong = cursor.malformed(what);
    if cursor.array::<4>()? != mark || cursor.u8()? != version {
        return Err(wrong);
    }
    Ok(())
}

/// Text of the file up to a NUL, at most `most` bytes of it.
fn text(bytes: &[u8], most: usize) -> String {
    let end = memchr::memchr(0, bytes).unwrap_or(bytes.len()).min(most);
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

/// Longest name or path that is kept. The library allows more; no writer uses it.
const MOST_NAME: usize = 1024;
