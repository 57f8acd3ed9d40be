//! `SQLite` databases, whose cells hold pickles: key-value stores, caches, job queues.
//!
//! `SQLite` itself runs nothing. Some libraries unpickle what they find in their own tables; these are known by their
//! columns (`layout`), and a column of such a table is one input that holds its cells one behind the other. A cell of
//! any other table that is a pickle is dormant: its calls are stated as such.
//!
//! ```text
//! cache.db ─▶ tables ─▶ rows ─▶ cells
//!                        ├── unpickled by its library   cache.db!/table.column
//!                        │     compressed or as text    cache.db!/table.column, row 7
//!                        └── a pickle all the same      dormant
//! ```
//!
//! Specification: <https://www.sqlite.org/fileformat2.html>

mod layout;

use std::sync::Arc;

use super::encoded_text::{armored, pickle_begins};
use super::pickle::{self, is_pickle, looks_like_pickle};
use super::{Format, FormatKind, Halt, Scan};
use crate::bytes::{Joined, Malformed, ReadAt};
use crate::decode::armor::{self, Armor};
use crate::decode::sqlite::{Database, MAGIC, Row, Table, Value};
use crate::decode::Stop;
use crate::fact::Fact;

/// The record.
pub const FORMAT: Format = Format {
    name: "sqlite",
    title: "SQLite database",
    kind: FormatKind::Container,
    extensions: &[],
    runs_code: false,
    refines: None,
    identify: |probe| probe.head.starts_with(MAGIC),
    scan,
    checks: "every row of every table: the pickles of sqlitedict, dbm.sqlite3, diskcache, requests-cache, Celery, \
             APScheduler, persist-queue and Django's cache; pickles in other cells; data behind the last page",
    spec: "https://www.sqlite.org/fileformat2.html",
};

/// Shorter values are no pickle that does anything.
const SHORTEST: u64 = 6;
/// Bytes by which a pickle is suspected, and those by which it is known.
const START: u64 = 32;
const LOOK: u64 = 4096;
/// Largest value that is read to say what it would do.
const LONGEST: u64 = 64 << 20;

/// What the first bytes of a value may be.
#[derive(Clone, Copy)]
enum Suspect {
    Pickle,
    Compressed,
    Text(Armor),
}

fn scan(scan: &mut Scan<'_>) -> Result<(), Halt> {
    let source = Arc::clone(&scan.input.source);
    let db = Database::open(&*source, scan.budget)?;
    let tables = db.tables()?;
    let detail = format!("{} tables, pages of {} bytes", tables.len(), db.page_size());
    scan.whole(Fact::Component { name: FORMAT.name, detail: &detail });
    let mut outcome = Ok(());
    for table in &tables {
        outcome = outcome.and_then(|()| read(scan, &db, &source, table));
    }
    for fault in db.take_faults() {
        scan.halt(&fault.into());
    }
    outcome?;
    if db.end() > source.len() {
        return Err(Malformed { at: source.len(), what: "the file is shorter than its header says" }.into());
    }
    // SQLite reads no further.
    scan.leave("<trailing>", db.end(), source.len().saturating_sub(db.end()));
    Ok(())
}

/// The cells of a column that its library unpickles, one behind the other.
struct Cells {
    column: usize,
    /// The column that says whether a cell is a pickle, and what it says then.
    when: Option<(usize, i64)>,
    joined: Joined,
    starts: Vec<u64>,
}

/// Reads the rows of a table.
fn read(scan: &mut Scan<'_>, db: &Database<'_>, source: &Arc<dyn ReadAt>, table: &Table) -> Result<(), Halt> {
    let pickled = layout::pickled(&table.columns).into_iter();
    let mut loaded: Vec<Cells> = pickled
        .map(|(column, when)| Cells { column, when, joined: Joined::new(Arc::clone(source)), starts: Vec::new() })
        .collect();
    let outcome = db.rows(table.root, &mut |mut row| {
        for n in 0..row.columns.len() {
            let Some(column) = row.columns.get(n) else { continue };
            if column.len >= SHORTEST && matches!(column.value, Value::Blob | Value::Text) {
                let cells = loaded.iter_mut().find(|cells| cells.column == n);
                cell(scan, (db, source, table), &mut row, (n, cells))?;
            }
        }
        Ok(())
    });
    for Cells { column, joined, starts, .. } in loaded.into_iter().filter(|cells| !cells.starts.is_empty()) {
        scan.budget.take_member()?;
        let cells = scan.input.member(name_of(table, column), Arc::new(joined));
        scan.within(&cells, &pickle::FORMAT, |scan| pickle::interpret_each(scan, &starts));
    }
    Ok(outcome?)
}

/// Takes one value that may be a pickle.
fn cell(
    scan: &mut Scan<'_>,
    (db, source, table): (&Database<'_>, &Arc<dyn ReadAt>, &Table),
    row: &mut Row,
    (n, cells): (usize, Option<&mut Cells>),
) -> Result<(), Stop> {
    let start = row.head(db, n, START)?;
    let suspect = suspect(&start);
    let mut cells = cells;
    if let Some((column, marker)) = cells.as_ref().and_then(|cells| cells.when)
        && row.integer(db, column)?.is_some_and(|number| number != marker)
    {
        cells = None;
    }
    let is_known = match suspect {
        Some(suspect) => holds_pickle(&row.head(db, n, LOOK)?, suspect),
        // A library unpickles what declares no protocol, too.
        None if cells.is_some() => looks_like_pickle(&start) && is_pickle(&row.value(db, n, source)?),
        None => false,
    };
    if !is_known {
        return Ok(());
    }
    let ranges = row.ranges(db, n)?;
    match (cells, suspect) {
        (Some(cells), Some(Suspect::Pickle) | None) => {
            cells.starts.push(cells.joined.len());
            for &(at, len) in &ranges {
                cells.joined.push(at, len);
            }
        }
        (Some(_), Some(_)) => {
            let name = format!("{}, row {}", name_of(table, n), row.number);
            let child = scan.input.member(name, Arc::new(row.value(db, n, source)?));
            scan.child(child).map_err(stop)?;
        }
        (None, suspect) => {
            let (value, at) = (row.value(db, n, source)?, ranges.first().map_or(0, |&(at, _)| at));
            dormant(scan, &value, suspect, at).map_err(stop)?;
        }
    }
    Ok(())
}

/// What begins like that.
fn suspect(start: &[u8]) -> Option<Suspect> {
    match start {
        [0x80, 2..=5, ..] => Some(Suspect::Pickle),
        // gzip, zlib, bzip2, xz, Zstandard.
        [0x1f, 0x8b, 8, ..] | [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => Some(Suspect::Compressed),
        [b'B', b'Z', b'h', ..] | [0xfd, b'7', b'z', ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Suspect::Compressed),
        _ => armored(start).map(Suspect::Text),
    }
}

fn holds_pickle(head: &[u8], suspect: Suspect) -> bool {
    match suspect {
        Suspect::Text(armor) => {
            let even = head.get(..head.len() & !1).unwrap_or_default();
            armor::decode(armor, even).is_some_and(|bytes| pickle_begins(&bytes))
        }
        Suspect::Pickle | Suspect::Compressed => pickle_begins(head),
    }
}

/// States what a value would call if it were unpickled.
fn dormant(scan: &mut Scan<'_>, value: &Joined, suspect: Option<Suspect>, at: u64) -> Result<(), Halt> {
    scan.budget.take_bytes(value.len())?;
    let bytes = value.read_range(0, usize::try_from(value.len().min(LONGEST)).unwrap_or_default())?;
    let bytes = match suspect {
        Some(Suspect::Text(armor)) => armor::decode(armor, &bytes),
        _ => Some(bytes),
    };
    bytes.map_or(Ok(()), |bytes| pickle::state_dormant(scan, bytes, at))
}

fn name_of(table: &Table, column: usize) -> String {
    let column = table.columns.get(column).map_or("", String::as_str);
    format!("{}.{column}", table.name)
}

/// What a format says, for the walk that is under way.
fn stop(halt: Halt) -> Stop {
    match halt {
        Halt::Malformed(malformed) => malformed.into(),
        Halt::Limit(exceeded) => exceeded.into(),
        Halt::Io(error) => error.into(),
        Halt::Unsupported(what) => Malformed { at: 0, what }.into(),
    }
}
