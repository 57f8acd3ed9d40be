//! The payload of a cell, on its page and the overflow pages behind it, and the record in it.

use std::sync::Arc;

use super::Database;
use crate::bytes::{Cursor, Joined, Malformed, ReadAt};
use crate::decode::Stop;

/// Columns that a table may have.
const MOST_COLUMNS: usize = 32_767;
/// Most bytes that the header of a record is: nine for each column.
const LONGEST_HEADER: u64 = 9 * 32_768;

/// The bytes of a cell, found as far as they were asked for.
#[derive(Debug, Clone)]
pub struct Payload {
    /// Length as the cell says it.
    len: u64,
    /// What of it is on the page of the cell.
    local: Vec<u8>,
    /// Ranges of the file, in their order.
    parts: Vec<(u64, u64)>,
    /// Bytes in them.
    found: u64,
    /// The overflow page that goes on.
    next: u32,
}

/// A row of a table.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its number; 0 where rows have none.
    pub number: u64,
    /// Its columns.
    pub columns: Vec<Column>,
    payload: Payload,
}

/// A value of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// What it is.
    pub value: Value,
    /// Where it begins in the payload.
    at: u64,
    /// Its length.
    pub len: u64,
}

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// NULL, a number with a fraction, or a type that does not exist.
    Other,
    /// An integer of the length of the column.
    Stored,
    /// 0 or 1.
    Constant(i64),
    /// Bytes.
    Blob,
    /// Text.
    Text,
}

/// Reads a number of one to nine bytes, seven bits in each but the last.
pub(super) fn varint(cursor: &mut Cursor<'_>) -> Result<u64, Malformed> {
    let mut number = 0_u64;
    for _ in 0..8 {
        let byte = cursor.u8()?;
        number = number << 7 | u64::from(byte & 0x7f);
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Ok(number << 8 | u64::from(cursor.u8()?))
}

impl Payload {
    /// Reads where the payload behind `cursor` is.
    pub(super) fn read(db: &Database<'_>, cursor: &mut Cursor<'_>, len: u64, table: bool) -> Result<Self, Stop> {
        let at = cursor.offset();
        if len > db.source.len() {
            return Err(Malformed { at, what: "a row longer than the file" }.into());
        }
        let share = |n: u64| db.usable.saturating_sub(12).saturating_mul(n) / 255;
        let most = if table { db.usable.saturating_sub(35) } else { share(64).saturating_sub(23) };
        let least = share(32).saturating_sub(23);
        let local = if len <= most {
            len
        } else {
            let chunk = db.usable.saturating_sub(4);
            let fitting = least.saturating_add(len.saturating_sub(least).checked_rem(chunk).unwrap_or_default());
            if fitting <= most { fitting } else { least }
        };
        let bytes = cursor.bytes(local)?.to_vec();
        let next = if local < len { cursor.u32_be()? } else { 0 };
        Ok(Self { len, local: bytes, parts: vec![(at, local)], found: local, next })
    }

    /// Follows the overflow pages until `end` is found.
    fn find(&mut self, db: &Database<'_>, end: u64) -> Result<(), Stop> {
        let end = end.min(self.len);
        while self.found < end {
            db.budget.take_work(super::STEP)?;
            let Some(at) = db.offset(self.next) else {
                let at = self.parts.last().map_or(0, |&(at, _)| at);
                return Err(Malformed { at, what: "an overflow page that does not exist" }.into());
            };
            let head = db.source.read_range(at, 4)?;
            self.next = Cursor::new(&head, at).u32_be()?;
            let len = db.usable.saturating_sub(4).min(self.len.saturating_sub(self.found));
            self.parts.push((at.saturating_add(4), len));
            self.found = self.found.saturating_add(len);
        }
        Ok(())
    }

    /// The ranges of the file with the bytes `at..at + len`.
    fn ranges(&mut self, db: &Database<'_>, at: u64, len: u64) -> Result<Vec<(u64, u64)>, Stop> {
        let end = at.saturating_add(len);
        self.find(db, end)?;
        let (mut start, mut ranges) = (0_u64, Vec::new());
        for &(place, size) in &self.parts {
            let stop = start.saturating_add(size);
            let (from, to) = (at.max(start), end.min(stop));
            if from < to {
                ranges.push((place.saturating_add(from.saturating_sub(start)), to.saturating_sub(from)));
            }
            start = stop;
        }
        Ok(ranges)
    }

    fn bytes(&mut self, db: &Database<'_>, at: u64, len: u64) -> Result<Vec<u8>, Stop> {
        let place = |at| usize::try_from(at).ok();
        if let (Some(from), Some(to)) = (place(at), place(at.saturating_add(len)))
            && let Some(bytes) = self.local.get(from..to)
        {
            return Ok(bytes.to_vec());
        }
        let mut out = Vec::new();
        for (at, len) in self.ranges(db, at, len)? {
            out.extend(db.source.read_range(at, usize::try_from(len).unwrap_or(usize::MAX))?);
        }
        Ok(out)
    }
}

impl Row {
    /// Reads the header of the record.
    pub(super) fn read(db: &Database<'_>, mut payload: Payload, number: u64) -> Result<Self, Stop> {
        let at = payload.parts.first().map_or(0, |&(at, _)| at);
        let start = payload.bytes(db, 0, 9)?;
        let header = varint(&mut Cursor::new(&start, at))?;
        if header > payload.len.min(LONGEST_HEADER) {
            return Err(Malformed { at, what: "the header of a record is longer than the record" }.into());
        }
        let bytes = payload.bytes(db, 0, header)?;
        let mut cursor = Cursor::new(&bytes, at);
        varint(&mut cursor)?;
        let (mut columns, mut place) = (Vec::new(), header);
        while !cursor.is_empty() && columns.len() < MOST_COLUMNS {
            let kind = varint(&mut cursor)?;
            let (value, len) = match kind {
                1..=4 => (Value::Stored, kind),
                5 => (Value::Stored, 6),
                6 => (Value::Stored, 8),
                7 => (Value::Other, 8),
                8 => (Value::Constant(0), 0),
                9 => (Value::Constant(1), 0),
                0 | 10 | 11 => (Value::Other, 0),
                _ if kind % 2 == 0 => (Value::Blob, kind.saturating_sub(12) / 2),
                _ => (Value::Text, kind.saturating_sub(13) / 2),
            };
            columns.push(Column { value, at: place, len });
            place = place.saturating_add(len);
        }
        if place > payload.len {
            return Err(Malformed { at, what: "the values of a record are longer than the record" }.into());
        }
        Ok(Self { number, columns, payload })
    }

    /// The integer in a column; None for anything else.
    ///
    /// # Errors
    /// A broken overflow chain, a limit, or I/O.
    pub fn integer(&mut self, db: &Database<'_>, column: usize) -> Result<Option<i64>, Stop> {
        let Some(&Column { value, at, len }) = self.columns.get(column) else { return Ok(None) };
        Ok(match value {
            Value::Constant(number) => Some(number),
            Value::Stored => {
                let bytes = self.payload.bytes(db, at, len)?;
                let sign = if bytes.first().is_some_and(|&byte| byte >= 0x80) { -1 } else { 0 };
                Some(bytes.iter().fold(sign, |number: i64, &byte| number << 8 | i64::from(byte)))
            }
            _ => None,
        })
    }

    /// The first bytes of a column, at most `most`.
    ///
    /// # Errors
    /// A broken overflow chain, a limit, or I/O.
    pub fn head(&mut self, db: &Database<'_>, column: usize, most: u64) -> Result<Vec<u8>, Stop> {
        let Some(&Column { at, len, .. }) = self.columns.get(column) else { return Ok(Vec::new()) };
        self.payload.bytes(db, at, len.min(most))
    }

    /// The ranges of the file with the whole value of a column.
    ///
    /// # Errors
    /// A broken overflow chain, a limit, or I/O.
    pub fn ranges(&mut self, db: &Database<'_>, column: usize) -> Result<Vec<(u64, u64)>, Stop> {
        let Some(&Column { at, len, .. }) = self.columns.get(column) else { return Ok(Vec::new()) };
        self.payload.ranges(db, at, len)
    }

    /// The whole value of a column as a source of its own; `source` is that of the database.
    ///
    /// # Errors
    /// A broken overflow chain, a limit, or I/O.
    pub fn value(&mut self, db: &Database<'_>, column: usize, source: &Arc<dyn ReadAt>) -> Result<Joined, Stop> {
        let mut joined = Joined::new(Arc::clone(source));
        for (at, len) in self.ranges(db, column)? {
            joined.push(at, len);
        }
        Ok(joined)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_up_to_nine_bytes() {
        let number = |bytes: &[u8]| varint(&mut Cursor::new(bytes, 0));
        assert_eq!(number(&[0x7f]), Ok(0x7f));
        assert_eq!(number(&[0x81, 0]), Ok(0x80));
        assert_eq!(number(&[0xff; 9]), Ok(u64::MAX));
        assert!(number(&[0x80]).is_err());
    }
}
