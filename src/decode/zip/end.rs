//! Where the central directories are.
//!
//! Readers look for the end record from the end of the file, but they differ in which one they take when a comment
//! holds another, in whether they trust the ZIP64 record, and in whether the directory's place follows from its size
//! (counting back from the end record) or from its offset. Each reading that leads to a directory is returned.

use memchr::memmem;

use super::record::{CENTRAL, END, END_SIZE, END64_SIZE, End, LOCATOR, LOCATOR_SIZE};
use super::signature::Signatures;
use crate::bytes::{Budget, Cursor, ReadAt};
use crate::decode::Stop;

/// An end record is looked for in the last 64 KiB and 22 bytes, as all readers do.
pub(super) const REACH: u64 = (64 << 10) + 22;
/// End records that are tried outside that reach: the last ones of the file.
const STRAYS: usize = 64;

/// One way to read the end of the file that leads to a central directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Directory {
    /// Offset of the first central header.
    pub(super) start: u64,
    /// Offset of the record that follows the directory.
    pub(super) limit: u64,
    /// What must be added to the offsets in it: the size of data before the archive.
    pub(super) shift: u64,
}

/// The end of an archive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ends {
    /// Readings, the usual one first; none for an empty archive.
    pub(super) directories: Vec<Directory>,
    /// Numbers of entries that the end records state.
    pub(super) counts: Vec<u64>,
    /// Offset of the first record after the directory.
    pub(super) start: u64,
    /// Offset of the classic end record.
    pub(super) end: u64,
    /// Offset after the end record and its comment.
    pub(super) close: u64,
    /// Offset of another end record that some readers take instead.
    pub(super) rival: Option<u64>,
    /// True if no reader would look as far from the end of the file as the record lies.
    pub beyond_reach: bool,
}

/// Finds the end records near the end of the file and, with `everywhere`, in all of it.
///
/// # Errors
/// The budget is spent, or I/O.
pub(super) fn locate(source: &dyn ReadAt, everywhere: bool, budget: &Budget) -> Result<Option<Ends>, Stop> {
    let found = near(source)?;
    if found.is_some() || !everywhere || source.len() <= REACH {
        return Ok(found);
    }
    let mut far = std::collections::VecDeque::new();
    let mut signatures = Signatures::new(source, 0, source.len(), budget);
    while let Some((at, signature)) = signatures.next()? {
        if signature == END {
            if far.len() == STRAYS {
                far.pop_front();
            }
            far.push_back(at);
        }
    }
    let found = choose(source, far.make_contiguous())?;
    Ok(found.map(|ends| Ends { beyond_reach: true, ..ends }))
}

/// Finds the end records where all readers look for them.
///
/// # Errors
/// I/O.
pub(super) fn near(source: &dyn ReadAt) -> Result<Option<Ends>, Stop> {
    let base = source.len().saturating_sub(REACH);
    let tail = source.read_range(base, usize::try_from(REACH).unwrap_or(usize::MAX))?;
    let offsets: Vec<u64> = memmem::find_iter(&tail, &END).map(|at| base.saturating_add(at as u64)).collect();
    choose(source, &offsets)
}

/// Takes the last record that leads to a directory; an empty archive's record only if no other does.
fn choose(source: &dyn ReadAt, offsets: &[u64]) -> Result<Option<Ends>, Stop> {
    let mut chosen: Option<Ends> = None;
    let mut empty: Option<Ends> = None;
    let mut behind = None;
    for &at in offsets.iter().rev() {
        let Some(ends) = read(source, at)? else { continue };
        match &mut chosen {
            None if ends.directories.is_empty() => {
                if ends.counts.iter().all(|&count| count == 0) {
                    empty.get_or_insert(ends);
                }
                behind = Some(at);
            }
            None => chosen = Some(Ends { rival: behind, ..ends }),
            // Only a record behind the chosen directory is its rival; one before it belongs to a member or a prefix.
            Some(first) if first.directories.iter().any(|directory| directory.start <= at) => {
                first.rival = Some(at);
                first.directories.extend(ends.directories);
            }
            Some(_) => break,
        }
    }
    Ok(chosen.or(empty))
}

/// Reads the end record at `at`, with the ZIP64 record before it, and keeps the readings that meet a directory.
fn read(source: &dyn ReadAt, at: u64) -> Result<Option<Ends>, Stop> {
    let fixed = source.read_range(at, usize::try_from(END_SIZE).unwrap_or_default())?;
    let Ok(classic) = End::parse(&mut Cursor::new(&fixed, at)) else { return Ok(None) };
    let mut ends = Ends {
        start: at,
        end: at,
        close: at.saturating_add(END_SIZE).saturating_add(u64::from(classic.comment)).min(source.len()),
        ..Ends::default()
    };
    let mut readings = Vec::new();
    for (wide, place) in wide_records(source, at)? {
        ends.start = ends.start.min(place);
        ends.counts.push(wide.count);
        readings.push((wide, place));
    }
    if readings.is_empty() || !classic.is_sentinel() {
        ends.counts.push(classic.count);
        readings.push((classic, ends.start));
    }
    for (end, limit) in readings.into_iter().filter(|(end, _)| end.count > 0 || end.size > 0) {
        let counted = limit.checked_sub(end.size).map(|start| (start, start.checked_sub(end.offset)));
        let usual = counted.and_then(|(start, shift)| Some((start, shift?)));
        for (start, shift) in [usual, Some((end.offset, 0))].into_iter().flatten() {
            let directory = Directory { start, limit, shift };
            if start < limit && !ends.directories.contains(&directory) && source.read_range(start, 4)? == CENTRAL {
                ends.directories.push(directory);
            }
        }
    }
    Ok(Some(ends))
}

/// The ZIP64 records that the end record at `at` may mean: the one straight before the locator, and the one that the
/// locator points to.
fn wide_records(source: &dyn ReadAt, at: u64) -> Result<Vec<(End, u64)>, Stop> {
    let mut records = Vec::new();
    let Some(locator) = at.checked_sub(LOCATOR_SIZE) else { return Ok(records) };
    let bytes = source.read_range(locator, usize::try_from(LOCATOR_SIZE).unwrap_or_default())?;
    let mut cursor = Cursor::new(&bytes, locator);
    if cursor.array::<4>().ok() != Some(LOCATOR) || cursor.skip(4).is_err() {
        return Ok(records);
    }
    for place in [locator.checked_sub(END64_SIZE), cursor.u64_le().ok()].into_iter().flatten() {
        let bytes = source.read_range(place, usize::try_from(END64_SIZE).unwrap_or_default())?;
        if let Ok(end) = End::parse64(&mut Cursor::new(&bytes, place))
            && place < locator
            && !records.contains(&(end, place))
        {
            records.push((end, place));
        }
    }
    Ok(records)
}
