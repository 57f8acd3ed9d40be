//! TAR as a hostile file may be: every view of it that some reader takes.
//!
//! Readers agree about plain archives and differ about the rest: whether reading goes on behind the zero blocks or
//! behind a damaged header, whether a size in an extended header counts, which of several names a member has, whether
//! a link carries data. [`Archive::read`] follows the common reading, remembers each place where another reader would
//! go on elsewhere, and reads what such a reader finds there as well, marked by its [`Origin`]. It judges nothing.
//!
//! Everything is iterative: no block is a header twice, and the search for lost headers is bounded.

mod extended;
mod header;
mod sparse;

pub use header::{Header, Kind, is_header};
pub use sparse::{Expanded, Piece};

use std::collections::HashSet;
use std::sync::Arc;

use crate::bytes::{Budget, Exceeded, Malformed, ReadAt};
use crate::decode::Stop;
use extended::Extended;

/// Bytes of a block: a header is one, and data is padded to whole ones.
pub const BLOCK: u64 = 512;
/// Members of one archive.
const MAX_ENTRIES: usize = 200_000;
/// Bytes that all names of one archive may have together.
const MAX_NAMES: u64 = 32 << 20;
/// Bytes that are searched for headers behind the end or behind damage.
const MAX_SEARCH: u64 = 64 << 20;

/// How a member is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Every reader finds it.
    Chain,
    /// Behind the zero blocks that end the archive for most readers.
    BehindEnd,
    /// Behind damage that ends the archive for some readers.
    BehindDamage,
    /// In what other readers take for the data of a member.
    InData,
}

/// A member.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Offset of its first header, extended ones included.
    pub at: u64,
    /// Offset of its data.
    pub data: u64,
    /// Bytes of its data as stored.
    pub stored: u64,
    /// Where the stored bytes go in the file; None if they are the file.
    pub sparse: Option<Vec<Piece>>,
    /// Size of the file.
    pub size: u64,
    /// What it is.
    pub kind: Kind,
    /// Permissions.
    pub mode: u64,
    /// The name that most readers take.
    pub name: Vec<u8>,
    /// Other names that some readers take.
    pub other_names: Vec<Vec<u8>>,
    /// Target of a link.
    pub target: Vec<u8>,
    /// How it is known.
    pub origin: Origin,
    /// What the headers say differently, in words.
    pub differences: Vec<String>,
}

impl Entry {
    /// The name as text.
    #[must_use]
    pub fn display_name(&self) -> String {
        String::from_utf8_lossy(&self.name).into_owned()
    }

    /// Bytes of all its names, of its target, and of what is said about them.
    fn name_bytes(&self) -> u64 {
        let names = [&self.name, &self.target].into_iter().chain(&self.other_names);
        let names = names.map(|name| name.len() as u64);
        names.chain(self.differences.iter().map(|text| text.len() as u64)).fold(0, u64::saturating_add)
    }

    /// Offset behind its data.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.data.saturating_add(self.stored)
    }
}

/// What lies in the file.
#[derive(Debug, Default)]
pub struct Archive {
    /// Members in the order of the file for each view, the common one first.
    pub entries: Vec<Entry>,
    /// Zero blocks were found where the members end.
    pub has_end: bool,
    /// Where the common view ends: behind its zero blocks, or where it breaks.
    pub end: u64,
    /// Ranges that belong to no member and are not empty.
    pub regions: Vec<(u64, u64)>,
    /// The first fault of the common view.
    pub fault: Option<Malformed>,
    /// A limit that kept members from being found; those before it are here.
    pub exhausted: Option<Exceeded>,
}

/// A place where some reader goes on.
struct Start {
    at: u64,
    origin: Origin,
}

/// What stands at a place.
enum Found {
    Entry(Box<Entry>),
    /// Zeros at this offset.
    Zeros(u64),
    /// The data ends here.
    End,
    Fault(Malformed),
}

impl Archive {
    /// Reads all headers of `source`.
    ///
    /// # Errors
    /// A limit or I/O. Damage is in [`Archive::fault`].
    pub fn read(source: &Arc<dyn ReadAt>, budget: &Budget) -> Result<Self, Stop> {
        let mut walk = Walk {
            source: &**source,
            budget,
            archive: Self::default(),
            seen: HashSet::new(),
            starts: Vec::new(),
            names: 0,
            searched: 0,
        };
        let end = walk.chain(0, Origin::Chain)?;
        walk.archive.end = end;
        walk.behind(end)?;
        // Where else a reader would have gone on, if the common view never came there.
        while let Some(start) = walk.starts.pop().filter(|_| walk.archive.exhausted.is_none()) {
            if !walk.seen.contains(&start.at) {
                walk.chain(start.at, start.origin)?;
            }
        }
        Ok(walk.archive)
    }
}

struct Walk<'a> {
    source: &'a dyn ReadAt,
    budget: &'a Budget,
    archive: Archive,
    /// Offsets at which a member or its extended headers were read.
    seen: HashSet<u64>,
    starts: Vec<Start>,
    names: u64,
    searched: u64,
}

impl Walk<'_> {
    /// Reads member after member from `at`, and returns the offset behind the last.
    fn chain(&mut self, mut at: u64, origin: Origin) -> Result<u64, Stop> {
        let mut global = Extended::default();
        loop {
            if !self.seen.insert(at) {
                return Ok(at);
            }
            match self.next(at, &mut global, origin)? {
                Found::Entry(mut entry) => {
                    self.budget.take_work(32)?;
                    at = self.after(&mut entry);
                    self.names = self.names.saturating_add(entry.name_bytes());
                    let limits = [
                        (self.archive.entries.len() >= MAX_ENTRIES, "members of one archive", MAX_ENTRIES as u64),
                        (self.names > MAX_NAMES, "bytes of member names", MAX_NAMES),
                    ];
                    if let Some(&(_, what, limit)) = limits.iter().find(|(reached, _, _)| *reached) {
                        self.archive.exhausted = Some(Exceeded { what, limit });
                        return Ok(at);
                    }
                    self.archive.entries.push(*entry);
                }
                Found::Zeros(end) => {
                    self.archive.has_end |= origin == Origin::Chain;
                    return Ok(end);
                }
                Found::End => return Ok(at),
                Found::Fault(fault) => {
                    if origin == Origin::Chain {
                        self.archive.fault.get_or_insert(fault);
                    }
                    return Ok(at);
                }
            }
        }
    }

    /// Where the next header is. Links, folders and devices have no data for most readers, whatever their size says:
    /// where both readings come to a header, the other one is remembered.
    fn after(&mut self, entry: &mut Entry) -> u64 {
        let padded = entry.stored.div_ceil(BLOCK).saturating_mul(BLOCK);
        let end = entry.data.saturating_add(padded);
        if entry.kind.has_data() || entry.stored == 0 {
            return end;
        }
        let goes_on =
            |at: u64| at >= self.source.len() || self.block(at).is_ok_and(|block| is_zero(&block) || is_header(&block));
        if !goes_on(entry.data) {
            return end;
        }
        if self.block(end).is_ok_and(|block| is_header(&block)) {
            self.starts.push(Start { at: end, origin: Origin::InData });
            // Old writers give a hard link the size of its file, and every reader knows.
            if entry.kind != Kind::HardLink {
                entry
                    .differences
                    .push(format!("{} bytes of data, which some readers skip and others do not", entry.stored));
            }
        }
        entry.stored = 0;
        entry.data
    }

    /// Reads what stands at `at`: the extended headers of a member, then its own.
    fn next(&mut self, at: u64, global: &mut Extended, origin: Origin) -> Result<Found, Stop> {
        let mut extended = Extended::default();
        let (mut place, mut pending) = (at, false);
        loop {
            let block = self.block(place)?;
            if block.is_empty() {
                let cut = place > at;
                return Ok(if cut {
                    Found::Fault(fault(place, "the file ends behind an extended header"))
                } else {
                    Found::End
                });
            }
            if is_zero(&block) && !pending {
                return Ok(Found::Zeros(place));
            }
            let Some(header) = Header::parse(&block) else {
                return Ok(Found::Fault(fault(place, "a header of the archive is broken")));
            };
            let data = place.saturating_add(BLOCK);
            if !header.kind.is_extended() {
                return Ok(match extended.apply(global, header, self.source, at, data)? {
                    Ok((entry, alternative)) => {
                        if let Some(alternative) = alternative.filter(|_| origin != Origin::InData) {
                            self.starts.push(Start { at: alternative, origin: Origin::InData });
                        }
                        Found::Entry(Box::new(Entry { origin, ..entry }))
                    }
                    Err(what) => Found::Fault(fault(place, what)),
                });
            }
            self.budget.take_work(32)?;
            // An archive may end behind a header for all members, but not behind one for the next.
            pending |= header.kind != Kind::Global;
            let target = if header.kind == Kind::Global { &mut *global } else { &mut extended };
            if let Err(what) = target.take(&header, self.source, data)? {
                return Ok(Found::Fault(fault(place, what)));
            }
            place = data.saturating_add(header.size.div_ceil(BLOCK).saturating_mul(BLOCK));
            self.seen.insert(place);
        }
    }

    /// Looks at what follows the end of the common view: zeros, further members, something else.
    fn behind(&mut self, end: u64) -> Result<(), Stop> {
        let origin = if self.archive.fault.is_some() { Origin::BehindDamage } else { Origin::BehindEnd };
        let (mut at, mut region) = (end, None);
        while at < self.source.len() && self.archive.exhausted.is_none() {
            if self.searched >= MAX_SEARCH {
                let what = "bytes searched behind the end of an archive";
                self.archive.exhausted = Some(Exceeded { what, limit: MAX_SEARCH });
                break;
            }
            self.searched = self.searched.saturating_add(BLOCK);
            self.budget.take_work(1)?;
            let block = self.block(at)?;
            if is_header(&block) && !self.seen.contains(&at) {
                self.close(region.take(), at);
                at = self.chain(at, origin)?.max(at.saturating_add(BLOCK));
                continue;
            }
            if region.is_none() && !is_zero(&block) && !self.seen.contains(&at) {
                region = Some(at);
            }
            if region.is_none() && origin == Origin::BehindEnd {
                self.archive.end = at.saturating_add(BLOCK).min(self.source.len());
            }
            at = at.saturating_add(BLOCK);
        }
        let len = self.source.len();
        self.close(region, len);
        Ok(())
    }

    fn close(&mut self, region: Option<u64>, end: u64) {
        if let Some(start) = region {
            self.archive.regions.push((start, end.saturating_sub(start)));
        }
    }

    /// The block at `at`; shorter at the end of the file.
    fn block(&self, at: u64) -> std::io::Result<Vec<u8>> {
        self.source.read_range(at, usize::try_from(BLOCK).unwrap_or_default())
    }
}

const fn fault(at: u64, what: &'static str) -> Malformed {
    Malformed { at, what }
}

fn is_zero(block: &[u8]) -> bool {
    block.iter().all(|byte| *byte == 0)
}
