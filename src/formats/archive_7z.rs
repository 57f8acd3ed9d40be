//! 7z archives.
//!
//! Loaders of models do not open them, which is their use in attacks: scanners that know ZIP alone saw nothing in
//! published malicious models that were packed so. Members of a folder lie in one stream that is decoded once. What a
//! tool for repair would still get out of a damaged archive is read: a wrong checksum is a fact and no end, and a header
//! that the start header does not lead to is looked for at the end of the file.
//!
//! Specification: <https://py7zr.readthedocs.io/en/latest/archive_format.html>

mod members;
mod unpack;

use super::member_audit::Described;
use super::region::undescribed;
use super::{Format, FormatKind, Halt, Probe, Scan};
use crate::bytes::{Exceeded, Malformed};
use crate::decode::sevenz::{File, Header, SIGNATURE, START, Start, Streams, crc, header};
use crate::fact::Fact;
use members::Members;
use unpack::{Stop, Unpacked, unpack};

/// The record.
pub const FORMAT: Format = Format {
    name: "7z",
    title: "7z archive",
    kind: FormatKind::Container,
    extensions: &["7z"],
    runs_code: false,
    refines: None,
    identify: |probe: &Probe<'_>| probe.head.starts_with(SIGNATURE),
    scan,
    checks: "Start header and header, packed or plain; every member through LZMA, LZMA2, PPMd, bzip2, DEFLATE, Zstandard, \
             LZ4, Brotli, filters and BCJ2; checksums; duplicates; paths and links that leave the archive; bytes that no file owns; bombs.",
    spec: "https://py7zr.readthedocs.io/en/latest/archive_format.html",
};

/// Largest header that is read. One of a hundred thousand files takes ten megabytes.
const MOST_HEADER: u64 = 24 << 20;
/// Headers packed in headers; writers pack one once.
const MOST_PACKED: usize = 4;
/// Bytes at the end in which a lost header is looked for, and places that are tried.
const SEARCHED: u64 = 1 << 20;
const MOST_TRIED: usize = 64;
/// The name of what the headers are in.
const HEADER: &str = "<header>";

/// A header and where it lies.
struct Directory {
    streams: Streams,
    files: Vec<File>,
    /// What is wrong behind the streams.
    fault: Option<Malformed>,
    /// First byte of the outermost header, and the first one behind it.
    place: (u64, u64),
}

impl Directory {
    /// First byte and length of the outermost header.
    fn header(&self) -> (u64, u64) {
        (self.place.0, self.place.1.saturating_sub(self.place.0))
    }
}

/// Why there is no header.
enum Lost {
    /// It is encrypted.
    Encrypted,
    /// As a halt says.
    Halt(Halt),
}

impl<E: Into<Halt>> From<E> for Lost {
    fn from(error: E) -> Self {
        Self::Halt(error.into())
    }
}

fn scan(scan: &mut Scan<'_>) -> Result<(), Halt> {
    let start = Start::read(&*scan.input.source)??;
    let detail = format!("version {}.{}", start.version.0, start.version.1);
    scan.whole(Fact::Component { name: FORMAT.name, detail: &detail });
    if !start.sound {
        state(scan, (8, START), "crc-mismatch", "<start>", "the start header");
    }
    if start.size == 0 && start.sound {
        return behind(scan, start.at);
    }
    let (directory, found) = match locate(scan, start) {
        Ok(found) => found,
        Err(lost) => return without_header(scan, start, lost),
    };
    for file in &directory.files {
        scan.budget.take_work(1)?;
        described(file, &directory).audit(scan);
    }
    unclaimed(scan, &directory)?;
    behind(scan, directory.place.1)?;
    let last = directory.fault.map_or(found, |fault| Err(fault.into()));
    Members::new(directory, last).go_on(scan)
}

/// The header where the start header says, or else the last one of the file, with what is wrong about that.
fn locate(scan: &mut Scan<'_>, start: Start) -> Result<(Directory, Result<(), Halt>), Lost> {
    let size = usize::try_from(start.size.min(MOST_HEADER)).unwrap_or_default();
    let bytes = scan.input.read(start.at, size)?;
    if bytes.is_empty() {
        let nowhere = Malformed { at: 0, what: "the start header leads to no header" };
        return match search(scan)? {
            Some(directory) => Ok((directory, Err(nowhere.into()))),
            None => Err(nowhere.into()),
        };
    }
    let whole = bytes.len() as u64 == start.size;
    if whole && crc(&bytes) != start.crc {
        state(scan, (start.at, start.size), "crc-mismatch", HEADER, "");
    }
    let error = match open(scan, bytes, start.at) {
        Ok(directory) if whole => return Ok((directory, Ok(()))),
        Err(Lost::Encrypted) => return Err(Lost::Encrypted),
        Ok(_) if start.size > MOST_HEADER => Exceeded { what: "bytes of one header", limit: MOST_HEADER }.into(),
        Ok(_) => Malformed { at: start.at, what: "the header is cut off" }.into(),
        Err(Lost::Halt(halt)) => halt,
    };
    match search(scan)? {
        Some(directory) => Ok((directory, Err(error))),
        None => Err(error.into()),
    }
}

/// Reads a header, however often it is packed.
fn open(scan: &Scan<'_>, bytes: Vec<u8>, at: u64) -> Result<Directory, Lost> {
    let (most, end) = (scan.budget.limits().members, at.saturating_add(bytes.len() as u64));
    let (mut bytes, mut base, mut first) = (bytes, at, at);
    for _ in 0..MOST_PACKED {
        scan.budget.take_work(bytes.len() as u64 / 8)?;
        let streams = match header(&bytes, base, most)? {
            Header::Plain { streams, files, fault } => {
                return Ok(Directory { streams, files, fault, place: (first, end) });
            }
            Header::Encoded(streams) => streams,
        };
        let [folder] = streams.folders.as_slice() else {
            return Err(Malformed { at: base, what: "a packed header of several folders" }.into());
        };
        first = streams.packed.iter().map(|(at, _)| at.saturating_add(START)).min().unwrap_or(first).min(first);
        let Unpacked { source, stop, .. } = unpack(scan, &streams, folder)?;
        match stop {
            None => {}
            Some(Stop::Encrypted) => return Err(Lost::Encrypted),
            Some(Stop::Unsupported(what)) => return Err(Halt::Unsupported(what).into()),
            Some(Stop::Fault(fault)) => return Err(Malformed { at: fault.at, what: fault.what }.into()),
            Some(Stop::Limit(exceeded, _)) => return Err(Halt::Limit(exceeded).into()),
        }
        if source.len() > MOST_HEADER {
            return Err(Exceeded { what: "bytes of one header", limit: MOST_HEADER }.into());
        }
        bytes = source.read_range(0, usize::try_from(folder.size().min(MOST_HEADER)).unwrap_or_default())?;
        base = 0;
    }
    Err(Malformed { at, what: "a header packed without end" }.into())
}

/// Looks for a header at the end of the file: the start header may never have been written, or be damaged.
fn search(scan: &Scan<'_>) -> Result<Option<Directory>, Halt> {
    let from = scan.input.len().saturating_sub(SEARCHED).max(START);
    let tail = scan.input.read(from, usize::try_from(SEARCHED).unwrap_or_default())?;
    let begins = |pair: &[u8]| matches!(pair, [0x17, 0x06] | [0x01, 0x04 | 0x05]);
    let places = tail.windows(2).enumerate().filter(|(_, pair)| begins(pair)).map(|(place, _)| place);
    let places: Vec<usize> = places.collect();
    for place in places.into_iter().rev().take(MOST_TRIED) {
        let bytes = tail.get(place..).unwrap_or_default().to_vec();
        match open(scan, bytes, from.saturating_add(place as u64)) {
            Ok(directory) if !directory.files.is_empty() && directory.fault.is_none() => return Ok(Some(directory)),
            Err(Lost::Halt(halt @ (Halt::Limit(_) | Halt::Io(_)))) => return Err(halt),
            _ => {}
        }
    }
    Ok(None)
}

/// Nothing says what the archive holds; what lies packed in it without compression can be found all the same.
fn without_header(scan: &mut Scan<'_>, start: Start, lost: Lost) -> Result<(), Halt> {
    let len = scan.input.len().saturating_sub(START);
    match lost {
        Lost::Encrypted => {
            state(scan, (start.at, start.size), "encrypted", HEADER, "names and contents");
            scan.unread(scan.input.name.clone(), "the header is encrypted", true);
            Ok(())
        }
        Lost::Halt(halt) => {
            scan.leave("<packed>", START, len);
            Err(halt)
        }
    }
}

/// Described in the header, packed or not.
fn described<'a>(file: &'a File, directory: &Directory) -> Described<'a> {
    let mode = file.mode().unwrap_or_default();
    Described { container: FORMAT.name, place: directory.header(), name: &file.name, mode }
}

/// Bytes between the start header and the header that no stream holds.
fn unclaimed(scan: &mut Scan<'_>, directory: &Directory) -> Result<(), Halt> {
    let mut at = START;
    let mut streams: Vec<(u64, u64)> =
        directory.streams.packed.iter().map(|(at, size)| (at.saturating_add(START), *size)).collect();
    streams.push((directory.place.0, 0));
    streams.sort_unstable();
    for (next, size) in streams {
        let gap = next.min(directory.place.0).saturating_sub(at);
        undescribed(scan, (at, gap), "trailing-bytes", "file", "<gap>".to_owned())?;
        at = at.max(next.saturating_add(size));
    }
    Ok(())
}

/// Bytes behind the header.
fn behind(scan: &mut Scan<'_>, end: u64) -> Result<(), Halt> {
    let len = scan.input.len().saturating_sub(end);
    let blank = scan.input.read(end, 4096)?.iter().all(|byte| *byte == 0);
    if len == 0 || blank && len <= 4096 {
        return Ok(());
    }
    state(scan, (end, len), "suffix-bytes", "<suffix>", &format!("{len} bytes"));
    scan.leave("<suffix>", end, len);
    Ok(())
}

/// States a fact about a member.
fn state(scan: &mut Scan<'_>, (at, length): (u64, u64), anomaly: &'static str, member: &str, detail: &str) {
    scan.fact(at, length, Fact::Member { anomaly, member, container: FORMAT.name, detail });
}
