//! From pickle to pickle through a file.
//!
//! A loader that calls `pickle.load` several times finds them one behind the other; one that seeks finds them behind
//! padding. What stands behind the last STOP and is no pickle belongs to the loader (raw storages) or to nobody.

use std::sync::Arc;

use super::facts::{self, Place};
use super::rereading::Rereading;
use super::salvage::{self, Salvage};
use super::{Dialect, PersistentId, Summary, halt, nested, weights_only};
use crate::bytes::{Exceeded, ReadAt};
use crate::decode::pickle::{End, Machine, opcode};
use crate::fact::Fact;
use crate::formats::{Halt, Scan};

/// Bytes behind the last pickle that are read to see whether they say anything.
const BLANK_WINDOW: usize = 64 << 10;

/// A walk over the pickles of one input.
pub(super) struct Walk {
    dialect: Dialect,
    /// The outcome so far.
    pub(super) summary: Summary,
    /// A limit that kept a run from looking at everything.
    exhausted: Option<Exceeded>,
    rereading: Rereading,
    /// The highest protocol seen.
    pub(super) protocol: u8,
}

impl Walk {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self { dialect, summary: Summary::default(), exhausted: None, rereading: Rereading::default(), protocol: 0 }
    }

    /// Interprets what begins at `offset`, and everything behind it that is a pickle.
    pub(super) fn run(mut self, scan: &mut Scan<'_>, offset: u64) -> Result<Self, Halt> {
        let source = Arc::clone(&scan.input.source);
        let mut machine = Machine::new(&*source, self.dialect.persistence());
        let mut salvage = Salvage::default();
        let mut at = offset;
        self.summary.end = offset;
        loop {
            machine.begin(at);
            let end = machine.run(scan.budget, u64::MAX).unwrap_or(End::Stop);
            let stopped = matches!(end, End::Stop);
            if at != offset && !stopped && !has_effect(&machine) {
                // No pickle, but what a loader reads itself or nobody does.
                if let End::Limit(_) | End::Failed(_) = end {
                    return halt(end).map_or(Ok(self), Err);
                }
                break;
            }
            self.finish(scan, &machine, at, stopped);
            if let Some(halt) = halt(end) {
                self.look_behind(scan, &mut machine, &mut salvage, true);
                return Err(halt);
            }
            at = machine.offset();
            self.summary.end = at;
            if at >= source.len() {
                break;
            }
        }
        if self.summary.end < source.len() {
            self.look_behind(scan, &mut machine, &mut salvage, false);
        }
        self.exhausted.or(salvage.exhausted).map_or(Ok(self), |exceeded| Err(exceeded.into()))
    }

    /// States what a run from `start` on found.
    fn finish(&mut self, scan: &mut Scan<'_>, machine: &Machine<'_>, start: u64, stopped: bool) {
        let verdicts = nested::look_inside(scan, machine, Place::Range(0), self.summary.streams, 0);
        facts::state(scan, machine, Place::Range(0), self.summary.streams, &verdicts);
        let ids = machine.evidence().persistent.iter();
        self.summary.persistent.extend(ids.map(|id| PersistentId { at: id.at, items: id.items.clone() }));
        weights_only::refusals(machine, &mut self.summary.refused);
        self.rereading.state(scan, machine, start, Place::Range(0), self.summary.streams);
        self.exhausted = self.exhausted.or(self.rereading.exhausted);
        self.summary.streams = self.summary.streams.saturating_add(u64::from(stopped));
        self.protocol = self.protocol.max(machine.protocol());
        self.exhausted = self.exhausted.or(machine.exhausted());
    }

    /// Searches what no loader has been seen to read for pickles, and says that it is there.
    fn look_behind(&mut self, scan: &mut Scan<'_>, machine: &mut Machine<'_>, salvage: &mut Salvage, broken: bool) {
        // What a broken stream has read already is known.
        let mut gap = if broken { machine.offset() } else { self.summary.end };
        let mut at = gap;
        while let Some(found) = salvage.next(scan, machine, at) {
            if !is_block(scan, found) {
                let behind = found.saturating_sub(gap);
                let detail = format!("a pickle begins at {found:#x}, behind {behind} bytes of something else");
                let stream = self.summary.streams;
                let effect = Fact::Opcode { effect: "hidden-stream", opcode: "PROTO", detail: &detail, stream };
                scan.fact(found, 0, effect);
            }
            self.finish(scan, machine, found, true);
            gap = machine.offset();
            at = gap.max(found.saturating_add(1));
        }
        let bytes = scan.input.len().saturating_sub(gap);
        if !broken && bytes > 0 && !is_blank(scan, gap) {
            let fact = Fact::Structure {
                anomaly: "trailing-bytes",
                format: super::FORMAT.name,
                detail: "data behind the last pickle",
                bytes,
            };
            scan.fact(gap, bytes, fact);
            scan.leave("<trailing>", gap, bytes);
        }
    }
}

/// Reads pickles one at a time, as a loader does that reads other data between them.
pub struct Sequence<'s> {
    machine: Machine<'s>,
    walk: Walk,
}

/// One pickle of a [`Sequence`].
#[derive(Debug)]
pub struct Loaded {
    /// Offset behind its STOP.
    pub end: u64,
    /// The object as text: the items of a tuple or list, or the one value; `?` for what has none.
    pub result: Vec<String>,
    /// Its persistent ids.
    pub persistent: Vec<PersistentId>,
}

impl<'s> Sequence<'s> {
    /// A reader of pickles in `source`, which is the input of the scan that it is used with.
    #[must_use]
    pub fn new(source: &'s dyn ReadAt) -> Self {
        let dialect = Dialect::Plain;
        let mut machine = Machine::new(source, dialect.persistence());
        // Who reads one pickle at a time is not joblib.
        machine.read_arrays(false);
        Self { machine, walk: Walk::new(dialect) }
    }

    /// Interprets the one pickle at `offset` and states what it does.
    ///
    /// # Errors
    /// The stream breaks before its STOP or a limit is reached; facts found until then have been stated.
    pub fn load(&mut self, scan: &mut Scan<'_>, offset: u64, dialect: Dialect) -> Result<Loaded, Halt> {
        self.machine.set_persistence(dialect.persistence());
        self.machine.begin(offset);
        let end = self.machine.run(scan.budget, u64::MAX).unwrap_or(End::Stop);
        self.walk.finish(scan, &self.machine, offset, matches!(end, End::Stop));
        if let Some(halt) = halt(end) {
            return Err(halt);
        }
        Ok(Loaded {
            end: self.machine.offset(),
            result: self.machine.result(),
            persistent: std::mem::take(&mut self.walk.summary.persistent),
        })
    }

    /// What a load that admits only weights refuses in the pickles so far.
    #[must_use]
    pub fn refused(&self) -> &[String] {
        &self.walk.summary.refused
    }

    /// The last word: a limit that kept a pickle from being looked at wholly.
    ///
    /// # Errors
    /// That limit.
    pub fn conclude(self) -> Result<(), Halt> {
        self.walk.exhausted.map_or(Ok(()), |exceeded| Err(exceeded.into()))
    }
}

/// Interprets the pickle at each of the offsets. One that breaks keeps no other from being loaded.
///
/// # Errors
/// The first break, or a limit.
pub fn interpret_each(scan: &mut Scan<'_>, starts: &[u64]) -> Result<(), Halt> {
    let source = Arc::clone(&scan.input.source);
    let mut pickles = Sequence::new(&*source);
    let mut broken = None;
    for start in starts {
        match pickles.load(scan, *start, Dialect::Plain) {
            Ok(_) => {}
            Err(Halt::Limit(exceeded)) => return Err(exceeded.into()),
            Err(halt) => broken = broken.or(Some(halt)),
        }
    }
    broken.map_or(Ok(()), Err)?;
    pickles.conclude()
}

/// True if a run that broke did something that matters before: it is a pickle, a broken one.
pub(super) fn has_effect(machine: &Machine<'_>) -> bool {
    !machine.names().all().is_empty()
        && if machine.calls() > 0 { salvage::has_names(machine) } else { salvage::is_plausible(machine) }
}

/// Blocks in which `dbm.dumb` keeps the values of a shelf, zeros behind each.
const SHELF_BLOCK: u64 = 512;

/// True if a pickle at `at` begins a block of a shelf: it hides no more than the others do.
fn is_block(scan: &Scan<'_>, at: u64) -> bool {
    let before = scan.input.read(at.saturating_sub(1), 1).unwrap_or_default();
    at.is_multiple_of(SHELF_BLOCK) && matches!(before.as_slice(), [0 | opcode::STOP])
}

/// True if what lies behind `from` is padding: zeros or blanks.
fn is_blank(scan: &Scan<'_>, from: u64) -> bool {
    let tail = scan.input.read(from, BLANK_WINDOW).unwrap_or_default();
    let whole = tail.len() as u64 == scan.input.len().saturating_sub(from);
    whole && tail.iter().all(|byte| *byte == 0 || byte.is_ascii_whitespace())
}
