//! Members that only their local header names, in a range that nothing else claims.
//!
//! One pass. A header counts if its method exists and its name fits; its data ends where the header says, or where
//! the encoding or a data descriptor ends it, or at the next signature.

use std::ops::Range;

use super::record::{self, CENTRAL, DESCRIPTOR, END, Header, LOCAL, LOCAL_SIZE, Local, STORED, STREAMED};
use super::signature::Signatures;
use super::{Entry, MAX_ENTRIES, Origin, Stop};
use crate::bytes::{Budget, Cursor, Exceeded, ReadAt};
use crate::decode::codec;

/// Appends the members found in `range` to `entries` and returns the parts of it that belong to none.
pub(super) fn sweep(
    source: &dyn ReadAt,
    range: Range<u64>,
    budget: &Budget,
    entries: &mut Vec<Entry>,
) -> Result<Vec<Range<u64>>, Stop> {
    let mut rest = Vec::new();
    let mut claimed = range.start;
    // No data before this offset is inflated again: that keeps nested false starts linear.
    let mut tried = range.start;
    let mut signatures = Signatures::new(source, range.start, range.end, budget);
    while let Some((at, signature)) = signatures.next()? {
        if signature != LOCAL {
            continue;
        }
        let Some(mut entry) = local_entry(source, at, range.end)? else { continue };
        let Some(mut header) = entry.local else { continue };
        if header.flags & STREAMED != 0 && header.compressed == 0 {
            measure(source, &mut entry, &mut header, range.end, &mut tried, budget)?;
        } else {
            entry.end = entry.data.saturating_add(header.compressed).min(range.end);
        }
        entry.local = Some(header);
        if entries.len() >= MAX_ENTRIES {
            return Err(Exceeded { what: "entries of one archive", limit: MAX_ENTRIES as u64 }.into());
        }
        if at > claimed {
            rest.push(claimed..at);
        }
        claimed = entry.end;
        signatures.seek(entry.end);
        entries.push(entry);
    }
    if range.end > claimed {
        rest.push(claimed..range.end);
    }
    Ok(rest)
}

/// The member at `at`, if a local header can be read there.
fn local_entry(source: &dyn ReadAt, at: u64, end: u64) -> Result<Option<Entry>, Stop> {
    let fixed = source.read_range(at, usize::try_from(LOCAL_SIZE).unwrap_or_default())?;
    let Ok(local) = Local::parse(&mut Cursor::new(&fixed, at)) else { return Ok(None) };
    let known = matches!(local.header.method, 0..=10 | 12 | 14 | 16 | 18 | 19 | 20 | 93..=99);
    let start = at.saturating_add(LOCAL_SIZE);
    let data = start.saturating_add(local.variable());
    if !known || local.name == 0 || data > end {
        return Ok(None);
    }
    let variable = source.read_range(start, usize::try_from(local.variable()).unwrap_or(usize::MAX))?;
    let Some((name, extra)) = variable.split_at_checked(usize::from(local.name)) else { return Ok(None) };
    let mut header = local.header;
    let unicode_name = record::extras(extra, name, &mut header, None);
    Ok(Some(Entry {
        origin: Origin::Local,
        name: name.into(),
        local_name: None,
        unicode_name: unicode_name.filter(|text| text.as_bytes() != name),
        central: None,
        local: Some(header),
        descriptor: None,
        attributes: 0,
        at,
        data,
        end: data,
    }))
}

/// Finds where data of unstated size ends.
fn measure(
    source: &dyn ReadAt,
    entry: &mut Entry,
    header: &mut Header,
    end: u64,
    tried: &mut u64,
    budget: &Budget,
) -> Result<(), Stop> {
    let limit = end.saturating_sub(entry.data);
    if let Some(codec) = header.codec().filter(|_| entry.data >= *tried) {
        let outcome = codec::decode(codec, source, entry.data, limit, |piece, _| {
            budget.take_bytes(piece.len() as u64)?;
            Ok(true)
        })?;
        *tried = entry.data.saturating_add(outcome.consumed);
        if outcome.ended {
            (header.compressed, header.size) = (outcome.consumed, outcome.produced);
            header.crc = outcome.crc;
            let after = entry.data.saturating_add(outcome.consumed);
            let descriptor = record::descriptor(&source.read_range(after, 24)?, header.compressed, header.size);
            entry.end = after.saturating_add(descriptor.unwrap_or_default()).min(end);
            return Ok(());
        }
    }
    let mut signatures = Signatures::new(source, entry.data, end, budget);
    while let Some((at, signature)) = signatures.next()? {
        let length = at.saturating_sub(entry.data);
        let closes = match signature {
            DESCRIPTOR => descriptor_at(source, at, length, header)?,
            CENTRAL | END => Some(0),
            _ => local_entry(source, at, end)?.map(|_| 0),
        };
        if let Some(size) = closes {
            close(entry, header, length, size);
            return Ok(());
        }
    }
    close(entry, header, limit, 0);
    Ok(())
}

/// Sets the end of data that has `length` bytes and a descriptor of `descriptor` bytes.
fn close(entry: &mut Entry, header: &mut Header, length: u64, descriptor: u64) {
    header.compressed = length;
    if header.method == STORED {
        header.size = length;
    }
    entry.end = entry.data.saturating_add(length).saturating_add(descriptor);
}

/// The length of the descriptor at `at` if it is about `length` bytes of data; takes its CRC.
fn descriptor_at(source: &dyn ReadAt, at: u64, length: u64, header: &mut Header) -> Result<Option<u64>, Stop> {
    let bytes = source.read_range(at, 24)?;
    let mut cursor = Cursor::new(&bytes, at);
    let (Ok(()), Ok(crc)) = (cursor.skip(4), cursor.u32_le()) else { return Ok(None) };
    let (mut wide, mut narrow) = (cursor, cursor);
    let found = if wide.u64_le() == Ok(length) {
        Some((24, wide.u64_le().unwrap_or(length)))
    } else if narrow.u32_le().map(u64::from) == Ok(length) {
        Some((16, narrow.u32_le().map_or(length, u64::from)))
    } else {
        None
    };
    if let Some((_, size)) = found {
        (header.crc, header.size) = (crc, size);
    }
    Ok(found.map(|(bytes, _)| bytes))
}
