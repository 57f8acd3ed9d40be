//! The files of an archive, folder by folder and in portions: a folder of many files is decoded once, and what has been
//! handed over is read before more is.

use std::sync::Arc;

use super::unpack::{Stop, Unpacked, unpack};
use super::{Directory, FORMAT, described, state};
use crate::bytes::{Exceeded, Input, Malformed, Slice};
use crate::decode::sevenz::{File, START, Substream};
use crate::fact::Fact;
use crate::formats::decoded::{self, Portion};
use crate::formats::member_audit::Contents;
use crate::formats::{Halt, Scan};

/// The files while they are handed over.
pub(super) struct Members {
    directory: Directory,
    /// Positions of the files that have data: parts of folders belong to them in this order.
    files: Vec<usize>,
    /// How many of them lie in the folders before the one at hand.
    before: usize,
    folder: usize,
    /// The next part of the folder at hand.
    part: usize,
    open: Option<Open>,
    contents: Contents,
    too_deep: Option<Exceeded>,
    /// What is wrong about the archive as a whole.
    last: Result<(), Halt>,
}

/// A folder that has been decoded.
struct Open {
    unpacked: Unpacked,
    /// Where its packed bytes lie.
    place: (u64, u64),
    /// The name of its first file.
    first: String,
    /// Where the next part begins.
    at: u64,
    /// The limit that nothing else gets past.
    spent: Option<Exceeded>,
}

impl Members {
    pub(super) fn new(directory: Directory, last: Result<(), Halt>) -> Self {
        let files = directory.files.iter().enumerate().filter(|(_, file)| file.has_data).map(|(n, _)| n).collect();
        Self {
            directory,
            files,
            before: 0,
            folder: 0,
            part: 0,
            open: None,
            contents: Contents::default(),
            too_deep: None,
            last,
        }
    }

    /// Decodes the folders that are left and hands their files over.
    pub(super) fn go_on(mut self, scan: &mut Scan<'_>) -> Result<(), Halt> {
        let mut portion = Portion::default();
        while let Some(parts) = self.directory.streams.folders.get(self.folder).map(|folder| folder.parts.len()) {
            let mut open = match self.open.take() {
                Some(open) => open,
                None => self.open(scan, parts)?,
            };
            while self.part < parts {
                if portion.is_full() {
                    self.open = Some(open);
                    scan.later(Box::new(move |scan| self.go_on(scan)));
                    return Ok(());
                }
                self.hand_over(scan, &mut open, &mut portion)?;
                self.part = self.part.saturating_add(1);
            }
            rest(scan, &open.unpacked, open.place, &open.first, open.at)?;
            if let Some(exceeded) = open.spent {
                return Err(exceeded.into());
            }
            self.before = self.before.saturating_add(parts);
            self.folder = self.folder.saturating_add(1);
            self.part = 0;
        }
        self.contents.conclude(scan, FORMAT.name, self.directory.header());
        self.too_deep.map_or(self.last, |exceeded| Err(exceeded.into()))
    }

    /// Decodes the folder at hand.
    fn open(&self, scan: &mut Scan<'_>, parts: usize) -> Result<Open, Halt> {
        scan.budget.check_time()?;
        let streams = &self.directory.streams;
        let Some(folder) = streams.folders.get(self.folder) else {
            return Err(Malformed { at: 0, what: "a folder is missing" }.into());
        };
        let unpacked = unpack(scan, streams, folder)?;
        let place = streams.packed.get(folder.first).copied().unwrap_or_default();
        let place = (place.0.saturating_add(START), place.1);
        let first = if parts == 0 { format!("<folder {}>", self.folder) } else { self.named(0).0 };
        let spent = report(scan, &unpacked, place, &first, (0..parts).map(|part| self.named(part).0))?;
        Ok(Open { unpacked, place, first, at: 0, spent })
    }

    /// The name of a part of the folder at hand, and its file.
    fn named(&self, part: usize) -> (String, Option<&File>) {
        let position = self.files.get(self.before.saturating_add(part)).copied();
        let file = position.and_then(|position| self.directory.files.get(position));
        let name = file.map(|file| file.name.clone()).filter(|name| !name.is_empty());
        (name.unwrap_or_else(|| format!("<folder {}, file {part}>", self.folder)), file)
    }

    /// Hands one part over.
    fn hand_over(&mut self, scan: &mut Scan<'_>, open: &mut Open, portion: &mut Portion) -> Result<(), Halt> {
        let folder = self.directory.streams.folders.get(self.folder);
        let Some(part) = folder.and_then(|folder| folder.parts.get(self.part)).copied() else { return Ok(()) };
        let (name, file) = self.named(self.part);
        let input = input(scan, &open.unpacked, &name, open.at, part.size);
        open.at = open.at.saturating_add(part.size);
        if open.unpacked.stop.is_some() && input.is_empty() {
            return Ok(());
        }
        verify(scan, &input, part, open.place)?;
        if let Some(file) = file {
            if file.is_link() {
                described(file, &self.directory).audit_link(scan, &input)?;
            }
            self.contents.add(scan, &name, &input)?;
        }
        portion.add(&input);
        give(scan, input, &mut self.too_deep)
    }
}

/// States how decoding of a folder went, and which files it kept from being read; the limit that nothing else gets past.
fn report(
    scan: &mut Scan<'_>,
    unpacked: &Unpacked,
    place: (u64, u64),
    first: &str,
    mut names: impl Iterator<Item = String>,
) -> Result<Option<Exceeded>, Halt> {
    if let Some((produced, consumed)) = unpacked.bomb {
        state(scan, place, "bomb-ratio", first, &format!("{produced} bytes from {consumed}"));
    }
    let (anomaly, detail, reason) = match unpacked.stop {
        None => return Ok(None),
        Some(Stop::Encrypted) => ("encrypted", "", "the member is encrypted"),
        Some(Stop::Unsupported(what)) => ("unsupported-method", what, "a compression method that cannot be read"),
        Some(Stop::Fault(fault)) => {
            scan.halt(&Malformed { at: fault.at, what: fault.what }.into());
            return Ok(None);
        }
        Some(Stop::Limit(exceeded, spent)) => {
            if unpacked.bomb.is_none() {
                scan.fact(place.0, 0, Fact::Limit { reason: exceeded.what, format: FORMAT.name });
            }
            scan.unread(scan.input.name.member(first), exceeded.what, false);
            return Ok(Some(exceeded).filter(|_| spent));
        }
    };
    names.try_for_each(|name| {
        scan.budget.take_member()?;
        state(scan, place, anomaly, &name, detail);
        Ok::<_, Halt>(())
    })?;
    // One for all files of the folder.
    scan.unread(scan.input.name.member(first), reason, true);
    Ok(None)
}

/// One file's part of a folder.
fn input(scan: &Scan<'_>, unpacked: &Unpacked, name: &str, at: u64, size: u64) -> Input {
    match unpacked.at {
        Some(base) => scan.input.slice(name, base.saturating_add(at), size.min(unpacked.source.len().saturating_sub(at))),
        None => scan.input.member(name, Slice::clip(Arc::clone(&unpacked.source), at, size)),
    }
}

/// Compares a file with its checksum. One that is cut off has been reported.
fn verify(scan: &mut Scan<'_>, input: &Input, part: Substream, place: (u64, u64)) -> Result<(), Halt> {
    let Some(stated) = part.crc.filter(|_| input.len() == part.size) else { return Ok(()) };
    let budget = scan.budget;
    let found = crate::decode::zip::checksum(&*input.source, 0, part.size, |_| Ok(budget.check_time()?))?;
    if found != stated {
        let detail = format!("header {stated:#010x}, data {found:#010x}");
        state(scan, place, "crc-mismatch", input.name.innermost(), &detail);
    }
    Ok(())
}

/// Hands a file over, unless it lies too deep.
fn give(scan: &mut Scan<'_>, input: Input, too_deep: &mut Option<Exceeded>) -> Result<(), Halt> {
    match decoded::too_deep(scan, &input) {
        Some(exceeded) => {
            too_deep.get_or_insert(exceeded);
            Ok(())
        }
        None => scan.child(input),
    }
}

/// What a folder decodes to beyond its files: no extractor writes it, and repair tools do.
fn rest(scan: &mut Scan<'_>, unpacked: &Unpacked, place: (u64, u64), first: &str, at: u64) -> Result<(), Halt> {
    let length = unpacked.source.len().saturating_sub(at);
    if length == 0 {
        return Ok(());
    }
    let name = format!("{first}<rest>");
    let detail = format!("{length} bytes behind the last file of its folder");
    state(scan, place, "hidden-entry", &name, &detail);
    let input = input(scan, unpacked, &name, at, length);
    give(scan, input, &mut None)
}
