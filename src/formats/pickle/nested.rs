//! Pickles inside the literals of a pickle: given to a loader, or lying there.
//!
//! What a loader is given runs while the outer pickle loads; its facts are stated as if it stood in the file. So are
//! those of bytes in the state of an object that unpickles what it holds; bytes there that are something else, a
//! checkpoint of `PyTorch` for one, go to the engine as an input of their own. What only lies there and is a whole
//! pickle is dormant: the calls that it would make are stated as such, a payload that may wait for its second stage.
//! Anything else that begins like a pickle is data.

use std::collections::HashSet;

use super::facts::{self, Place, Verdicts};
use super::identify;
use super::rereading::Rereading;
use super::salvage::is_plausible;
use crate::bytes::{MemorySource, ReadAt};
use crate::decode::codec::literal;
use crate::decode::pickle::{Content, End, Extent, Machine, Nested, Persistence, Purpose, decoded, may_exist, opcode};
use crate::fact::Fact;
use crate::formats::{Halt, Probe, Scan, detect};

/// Pickles within pickles. A loader within a loader is already no model.
const DEEPEST: u64 = 4;
/// Longest literal that is decoded from base64 or hexadecimal.
const LONGEST_ENCODED: u64 = 1 << 20;
/// Computed bytes that are handed on as an input of their own.
const LONGEST_OWNED: u64 = 16 << 20;
/// Bytes written as characters that are looked at; pickles of storages take less than a kilobyte of them.
const LONGEST_LATIN1: usize = 4 << 20;
/// Bytes that a compressed pickle which nobody loads may decode to.
const LONGEST_DORMANT: usize = 64 << 20;
/// The pickles in front of the storages in a checkpoint of `PyTorch` before 1.6.
const TORCH_PICKLES: u64 = 5;

/// Looks into the nested bytes of a run and states what they hold; says what becomes of the uses that load them.
pub(super) fn look_inside(scan: &mut Scan<'_>, machine: &Machine<'_>, place: Place, stream: u64, depth: u64) -> Verdicts {
    let mut verdicts = Verdicts::new();
    let all = &machine.evidence().nested;
    let loads = |nested: &Nested| matches!(nested.purpose, Purpose::Loaded(..) | Purpose::Restored);
    let place_of = |nested: &Nested| nested.content.place();
    let loaded: HashSet<u64> = all.iter().filter(|nested| loads(nested)).filter_map(place_of).collect();
    for nested in all.iter().filter(|nested| loads(nested) || nested.purpose == Purpose::Data) {
        // The same bytes are first seen as a literal, then as the argument of the loader: the loader says more.
        if nested.purpose == Purpose::Data && place_of(nested).is_some_and(|at| loaded.contains(&at)) {
            continue;
        }
        let found = if depth < DEEPEST { look(scan, machine, nested, place, stream, depth) } else { "opaque" };
        if let Purpose::Loaded(used, _) = nested.purpose {
            verdicts.push((used, found));
        }
    }
    verdicts
}

/// Runs nested bytes. `clean` if they are whole pickles to the end that call nothing and make no objects, `dirty` if
/// they do, `opaque` if they cannot be read to their end.
fn look(
    scan: &mut Scan<'_>,
    outer: &Machine<'_>,
    nested: &Nested,
    place: Place,
    stream: u64,
    depth: u64,
) -> &'static str {
    let Some((source, inner, is_cut)) = open(outer, nested, place) else { return "opaque" };
    let torch = matches!(nested.purpose, Purpose::Loaded(_, true) | Purpose::Restored);
    let persistence = if torch { Persistence::Torch } else { Persistence::None };
    let mut machine = Machine::new(&*source, persistence);
    machine.limit_lines(1 << 20);
    let (mut at, mut found) = (0, "clean");
    let (mut pickles, mut is_checkpoint) = (0_u64, false);
    loop {
        machine.begin(at);
        let stopped = matches!(machine.run(scan.budget, u64::MAX), Some(End::Stop));
        let whole = stopped && (torch || machine.offset() >= source.len());
        match nested.purpose {
            Purpose::Data if !whole || !does_something(&machine) => return "opaque",
            // Raw storages follow the pickles of a checkpoint.
            Purpose::Loaded(_, true) | Purpose::Restored
                if at > 0 && !stopped && machine.names().all().is_empty() && !(is_cut && machine.ran_out()) =>
            {
                return found;
            }
            Purpose::Restored if !machine.names().all().iter().any(may_exist) => {
                other_content(scan, nested, &*source, inner);
                return found;
            }
            Purpose::Data => {
                dormant(scan, &machine, place.offset(nested.at));
                return "opaque";
            }
            Purpose::Loaded(..) | Purpose::Restored | Purpose::Unmarshalled | Purpose::Text(_) => {}
        }
        let verdicts = look_inside(scan, &machine, inner, stream, depth.saturating_add(1));
        facts::state(scan, &machine, inner, stream, &verdicts);
        Rereading::default().state(scan, &machine, at, inner, stream);
        let does = !machine.names().uses().is_empty() || !machine.evidence().anomalies.is_empty();
        found = worse(found, match stopped && machine.exhausted().is_none() {
            false => "opaque",
            true if does => "dirty",
            true => "clean",
        });
        pickles = pickles.saturating_add(1);
        is_checkpoint |= at == 0 && torch && identify::is_torch_magic(&machine.result());
        at = machine.offset();
        // What `torch.load` reads behind them are storages.
        if !stopped || !torch || at >= source.len() || is_checkpoint && pickles >= TORCH_PICKLES {
            return found;
        }
    }
}

/// Of two words on nested pickles the worse.
pub(super) fn worse(one: &'static str, other: &'static str) -> &'static str {
    let rank = |word: &str| ["clean", "dirty"].iter().position(|known| *known == word).unwrap_or(usize::MAX);
    if rank(other) > rank(one) { other } else { one }
}

/// Hands bytes that an object loads and that are no pickle with names to the engine, if they are of any format.
fn other_content(scan: &mut Scan<'_>, nested: &Nested, source: &dyn ReadAt, inner: Place) {
    let name = format!("state at {:#x}", inner.offset(0));
    let child = match (&nested.content, inner) {
        (Content::Extent(extent), Place::Range(at)) => scan.input.slice(name, at, extent.len),
        _ => {
            let most = usize::try_from(source.len().min(LONGEST_OWNED)).unwrap_or_default();
            let Ok(bytes) = source.read_range(0, most) else { return };
            scan.input.member(name, MemorySource::new(bytes))
        }
    };
    let recognised = Probe::new(&child).is_ok_and(|probe| !detect(&probe).formats.is_empty());
    if recognised && let Err(halt) = scan.child(child) {
        scan.halt(&halt);
    }
}

/// A range of a source.
struct Part<'s> {
    source: &'s dyn ReadAt,
    extent: Extent,
}

impl ReadAt for Part<'_> {
    fn len(&self) -> u64 {
        self.extent.len.min(self.source.len().saturating_sub(self.extent.at))
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        let left = usize::try_from(self.len().saturating_sub(offset)).unwrap_or(usize::MAX);
        let want = left.min(buf.len());
        buf.get_mut(..want).map_or(Ok(0), |buf| self.source.read_at(self.extent.at.saturating_add(offset), buf))
    }
}

/// The nested bytes as a source, where its offsets lie, and whether it has only the first of them.
fn open<'s>(outer: &Machine<'s>, nested: &Nested, place: Place) -> Option<(Box<dyn ReadAt + 's>, Place, bool)> {
    let decoded_here = Place::Decoded(place.offset(nested.at));
    match &nested.content {
        Content::Extent(extent) => {
            let head = outer.source().read_range(extent.at, 4).ok()?;
            if matches!(nested.purpose, Purpose::Data | Purpose::Restored) && matches!(head.as_slice(), [b'g', b'A', ..] | [b'8', b'0', ..]) {
                let want = usize::try_from(extent.len.min(LONGEST_ENCODED)).ok()?;
                let text = outer.source().read_range(extent.at, want).ok()?;
                let bytes = decoded(&text).filter(|bytes| bytes.first() == Some(&0x80));
                if bytes.is_some() || nested.purpose == Purpose::Data {
                    return Some((Box::new(Bytes(bytes?)), decoded_here, false));
                }
            }
            let inner = match place {
                Place::Range(base) => Place::Range(base.saturating_add(extent.at)),
                Place::Decoded(_) => place,
            };
            Some((Box::new(Part { source: outer.source(), extent: *extent }), inner, false))
        }
        Content::Owned(bytes) => Some((Box::new(Bytes(bytes.clone())), decoded_here, false)),
        Content::Latin1(text) => {
            let (bytes, is_cut) = outer.encoded_bytes(*text, LONGEST_LATIN1)?;
            Some((Box::new(Bytes(bytes)), decoded_here, is_cut))
        }
    }
}

/// The nested bytes themselves, unless they are more than `most`.
pub(super) fn bytes_of(machine: &Machine<'_>, nested: &Nested, place: Place, most: usize) -> Option<Vec<u8>> {
    let (source, _, is_cut) = open(machine, nested, place)?;
    let len = usize::try_from(source.len()).ok().filter(|&len| len <= most && !is_cut)?;
    source.read_range(0, len).ok().filter(|bytes| bytes.len() == len)
}

/// Decoded bytes.
struct Bytes(Vec<u8>);

impl ReadAt for Bytes {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|at| self.0.get(at..)).unwrap_or_default();
        let n = rest.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..n), rest.get(..n)) {
            to.copy_from_slice(from);
        }
        Ok(n)
    }
}

fn does_something(machine: &Machine<'_>) -> bool {
    machine.calls() > 0 && !machine.names().all().is_empty() && is_plausible(machine)
}

/// States what `bytes` at `at` would call that nobody unpickles, if they are a whole pickle, compressed or not.
///
/// # Errors
/// A limit.
pub fn state_dormant(scan: &mut Scan<'_>, bytes: Vec<u8>, at: u64) -> Result<(), Halt> {
    let plain = if bytes.first() == Some(&opcode::PROTO) { None } else { literal(&bytes, LONGEST_DORMANT) };
    scan.budget.take_bytes(plain.as_ref().map_or(0, Vec::len) as u64)?;
    let source = Bytes(plain.unwrap_or(bytes));
    let mut machine = Machine::new(&source, Persistence::None);
    machine.limit_lines(1 << 20);
    machine.begin(0);
    match machine.run(scan.budget, u64::MAX) {
        Some(End::Stop) if machine.offset() >= source.len() && does_something(&machine) => {
            dormant(scan, &machine, at);
            Ok(())
        }
        Some(End::Limit(exceeded)) => Err(exceeded.into()),
        _ => Ok(()),
    }
}

/// States what a pickle that nobody loads would call.
fn dormant(scan: &mut Scan<'_>, machine: &Machine<'_>, at: u64) {
    let names = machine.names();
    for entry in names.uses().iter().filter(|entry| entry.invoked) {
        let Some(name) = names.get(entry.name) else { continue };
        let fact = Fact::Dormant {
            module: &name.module,
            function: &name.function,
            call: &entry.call,
            calls: &entry.calls.digest(&entry.call),
            arguments: entry.arguments,
            protocol: u64::from(name.protocol),
        };
        scan.fact(at, 0, fact);
    }
}
