//! `SQLite` databases: tables as B-trees of pages, rows as records.
//!
//! ```text
//! header (100 bytes, big-endian)      page size, reserved bytes, pages, encoding of text
//! page 1                              the table of tables: type, name, table, root page, SQL
//! interior page 5, 2                  child pages, and for trees of records a record each
//! leaf page 13, 10                    cells: length, row number (tables only), record, first overflow page
//! overflow page                       next page, content
//! record                              length of its header, a type for each column, then the values
//! ```
//!
//! A page belongs to one tree: each is read once, so that pages which lead back to each other end the walk. What no tree
//! leads to (free pages, deleted cells) is not read by `SQLite`, either.
//!
//! Specification: <https://www.sqlite.org/fileformat2.html>

mod payload;
mod schema;

use std::cell::RefCell;
use std::collections::HashSet;

use super::Stop;
use crate::bytes::{Budget, Cursor, Malformed, ReadAt, ReadError};

pub use payload::{Column, Payload, Row, Value};
pub use schema::Table;

/// How a database begins.
pub const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Bytes of the header, which page 1 has in front of its own.
const HEADER: u64 = 100;
/// Breaks that are kept; the others are counted by nobody.
const MOST_FAULTS: usize = 64;
/// Work that a page or cell costs beside its bytes.
const STEP: u64 = 64;

/// An open database.
pub struct Database<'s> {
    source: &'s dyn ReadAt,
    budget: &'s Budget,
    /// Bytes of a page, and of those what pages use.
    page: u64,
    usable: u64,
    /// Pages that there are.
    pages: u64,
    /// True if text is UTF-16, and then its byte order.
    wide: Option<bool>,
    /// Pages that have been read.
    seen: RefCell<HashSet<u32>>,
    faults: RefCell<Vec<Malformed>>,
}

/// What a page of a tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Rows with numbers.
    Table,
    /// Records alone: an index, or a table without row numbers.
    Index,
}

impl<'s> Database<'s> {
    /// Reads the header.
    ///
    /// # Errors
    /// It is none, or I/O.
    pub fn open(source: &'s dyn ReadAt, budget: &'s Budget) -> Result<Self, Stop> {
        let head = source.read_range(0, 100)?;
        let mut cursor = Cursor::new(&head, 0);
        if cursor.array::<16>()? != *MAGIC {
            return Err(Malformed { at: 0, what: "no SQLite database" }.into());
        }
        let page = match cursor.u16_be()? {
            1 => 1 << 16,
            size => u64::from(size),
        };
        cursor.skip(2)?;
        let reserved = u64::from(cursor.u8()?);
        let usable = page.saturating_sub(reserved);
        if !page.is_power_of_two() || page < 512 || usable < 480 {
            return Err(Malformed { at: 16, what: "a page size that does not exist" }.into());
        }
        cursor.skip(3)?;
        let changes = cursor.u32_be()?;
        let mut pages = u64::from(cursor.u32_be()?);
        cursor.skip(24)?;
        let wide = match cursor.u32_be()? {
            2 => Some(false),
            3 => Some(true),
            _ => None,
        };
        cursor.skip(32)?;
        // Programs before version 3.7 change a database without counting its pages.
        if pages == 0 || cursor.u32_be()? != changes {
            pages = source.len().checked_div(page).unwrap_or_default();
        }
        let (seen, faults) = (RefCell::default(), RefCell::default());
        Ok(Self { source, budget, page, usable, pages, wide, seen, faults })
    }

    /// Bytes of a page.
    #[must_use]
    pub const fn page_size(&self) -> u64 {
        self.page
    }

    /// Where the last page ends.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.pages.saturating_mul(self.page)
    }

    /// What was broken since the last call; reading went on behind it.
    pub fn take_faults(&self) -> Vec<Malformed> {
        std::mem::take(&mut self.faults.borrow_mut())
    }

    /// The offset of a page; None if there is none of that number.
    fn offset(&self, number: u32) -> Option<u64> {
        let n = u64::from(number).checked_sub(1).filter(|&n| n < self.pages)?;
        n.checked_mul(self.page).filter(|&at| at < self.source.len())
    }

    /// Notes what is broken and goes on; other reasons to stop remain.
    fn survive(&self, outcome: Result<(), Stop>) -> Result<(), Stop> {
        match outcome {
            Err(Stop::Read(ReadError::Malformed(fault))) => {
                let mut faults = self.faults.borrow_mut();
                if faults.len() < MOST_FAULTS {
                    faults.push(fault);
                }
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// Visits the rows of the tree below the page `root`.
    ///
    /// # Errors
    /// Those of `visit`, a limit, or I/O. What is broken is kept as a fault.
    pub fn rows(&self, root: u32, visit: &mut dyn FnMut(Row) -> Result<(), Stop>) -> Result<(), Stop> {
        let mut left = vec![root];
        while let Some(number) = left.pop() {
            self.budget.take_work(STEP)?;
            let outcome = self.page(number, &mut left, visit);
            self.survive(outcome)?;
        }
        Ok(())
    }

    fn page(
        &self,
        number: u32,
        left: &mut Vec<u32>,
        visit: &mut dyn FnMut(Row) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let Some(at) = self.offset(number) else {
            return Err(Malformed { at: 0, what: "a page that does not exist" }.into());
        };
        if !self.seen.borrow_mut().insert(number) {
            return Err(Malformed { at, what: "a page in two places" }.into());
        }
        let want = usize::try_from(self.usable).unwrap_or_default();
        let bytes = self.source.read_range(at, want)?;
        self.budget.take_work(bytes.len() as u64)?;
        let mut cursor = Cursor::new(&bytes, at);
        cursor.skip(if number == 1 { HEADER } else { 0 })?;
        let (kind, interior) = match cursor.u8()? {
            5 => (Kind::Table, true),
            13 => (Kind::Table, false),
            2 => (Kind::Index, true),
            10 => (Kind::Index, false),
            _ => return Err(Malformed { at, what: "a page of no known kind" }.into()),
        };
        cursor.skip(2)?;
        let cells = cursor.u16_be()?;
        cursor.skip(3)?;
        let last = if interior { Some(cursor.u32_be()?) } else { None };
        let first = left.len();
        let mut places = HashSet::new();
        for _ in 0..cells {
            let place = u64::from(cursor.u16_be()?);
            if places.insert(place) {
                let outcome = self.cell((at, &bytes, place), (kind, interior), left, visit);
                self.survive(outcome)?;
            }
        }
        left.extend(last);
        // The first child is read first.
        left.get_mut(first..).unwrap_or_default().reverse();
        Ok(())
    }

    fn cell(
        &self,
        (at, bytes, place): (u64, &[u8], u64),
        (kind, interior): (Kind, bool),
        left: &mut Vec<u32>,
        visit: &mut dyn FnMut(Row) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let mut cursor = Cursor::new(bytes, at);
        cursor.skip(place)?;
        if interior {
            left.push(cursor.u32_be()?);
            if kind == Kind::Table {
                return Ok(());
            }
        }
        self.budget.take_work(STEP)?;
        let len = payload::varint(&mut cursor)?;
        let number = if kind == Kind::Table { payload::varint(&mut cursor)? } else { 0 };
        let payload = Payload::read(self, &mut cursor, len, kind == Kind::Table)?;
        visit(Row::read(self, payload, number)?)
    }

    /// Text as it is kept in the database.
    #[must_use]
    pub fn text(&self, bytes: &[u8]) -> String {
        let Some(big) = self.wide else { return String::from_utf8_lossy(bytes).into_owned() };
        let units = bytes.chunks_exact(2).filter_map(|pair| <[u8; 2]>::try_from(pair).ok());
        let units: Vec<u16> =
            units.map(|pair| if big { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }).collect();
        String::from_utf16_lossy(&units)
    }
}
