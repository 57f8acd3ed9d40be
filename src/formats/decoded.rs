//! Decoding compressed data under all limits: the one way in which members of archives and compressed files are
//! opened.
//!
//! A bomb and a limit are two things. A ratio that no content has, above a floor, is a fact about the file. A limit
//! that is reached without one is a fact about the scan. In both cases what was decoded until then is looked at.

use std::io::Write as _;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{Halt, Scan};
use crate::bytes::{Exceeded, Input, ReadAt, Spool, hex};
use crate::decode::codec::{self, Aside, Codec, Outcome};

/// A ratio alarms only above this many decoded bytes: small sparse files compress as well.
pub(super) const BOMB_FLOOR: u64 = 256 << 20;
/// Decoded bytes for each compressed byte that alarm.
pub(super) const BOMB_RATIO: u64 = 200;
/// Decoded bytes for each compressed byte at which reading stops.
pub(super) const STOP_RATIO: u64 = 1000;

/// Decoded bytes and how decoding ended.
pub(super) struct Decoded {
    /// The bytes.
    pub(super) source: Arc<dyn ReadAt>,
    /// What the decoder says.
    pub(super) outcome: Outcome,
    /// What the decoder read over.
    pub(super) asides: Vec<Aside>,
    /// The limit that stopped it.
    pub(super) stopped: Option<Exceeded>,
    /// What stopped it is a limit of the whole input: nothing else can be decoded either.
    pub(super) spent: bool,
    /// The ratio alarms.
    pub(super) bomb: bool,
}

/// Decodes `len` bytes at `at` of the input, to no more than `most` bytes.
///
/// # Errors
/// I/O.
pub(super) fn decode(scan: &Scan<'_>, codec: Codec, at: u64, len: u64, most: Exceeded) -> Result<Decoded, Halt> {
    decode_from(scan, &*scan.input.source, codec, (at, len), most)
}

/// The same of any source: what another decoder made.
///
/// # Errors
/// I/O.
pub(super) fn decode_from(
    scan: &Scan<'_>,
    source: &dyn ReadAt,
    codec: Codec,
    (at, len): (u64, u64),
    most: Exceeded,
) -> Result<Decoded, Halt> {
    let mut spool = Spool::default();
    let (mut produced, mut stopped, mut spent, mut bomb) = (0_u64, None, false, false);
    let (outcome, asides) = codec::decode_with_asides(codec, source, at, len, |piece, consumed| {
        produced = produced.saturating_add(piece.len() as u64);
        let over = |ratio: u64| produced > BOMB_FLOOR && produced > consumed.saturating_mul(ratio);
        bomb |= over(BOMB_RATIO);
        if over(STOP_RATIO) {
            stopped = Some(Exceeded { what: "a decompression bomb", limit: STOP_RATIO });
        } else if produced > most.limit {
            stopped = Some(most);
        } else if let Err(exceeded) = scan.budget.take_bytes(piece.len() as u64) {
            stopped = Some(exceeded);
            spent = true;
        }
        if stopped.is_some() {
            return Ok(false);
        }
        spool.write_all(piece)?;
        Ok(true)
    })?;
    Ok(Decoded { source: spool.finish()?, outcome, asides, stopped, spent, bomb })
}

/// The SHA-256 of what `source` decodes to, in hex; None if it breaks off, or decodes to more than a member may have.
///
/// # Errors
/// I/O; a limit of the whole input.
pub(super) fn digest(scan: &Scan<'_>, codec: Codec, source: &dyn ReadAt) -> Result<Option<String>, Halt> {
    let (mut hash, mut produced) = (Sha256::new(), 0_u64);
    let (most, mut spent) = (scan.budget.limits().member_bytes, None);
    let outcome = codec::decode(codec, source, 0, source.len(), |piece, consumed| {
        produced = produced.saturating_add(piece.len() as u64);
        let bomb = produced > BOMB_FLOOR && produced > consumed.saturating_mul(STOP_RATIO);
        spent = scan.budget.take_bytes(piece.len() as u64).and_then(|()| scan.budget.check_time()).err();
        hash.update(piece);
        Ok(!bomb && produced <= most && spent.is_none())
    })?;
    match spent {
        Some(exceeded) => Err(exceeded.into()),
        None => Ok(outcome.ended.then(|| hex(&hash.finalize()))),
    }
}

/// The limit that `child` is nested deeper than, if it is.
pub(super) fn too_deep(scan: &Scan<'_>, child: &Input) -> Option<Exceeded> {
    let limit = scan.budget.limits().depth;
    (child.depth() as u64 > limit).then_some(Exceeded { what: "levels of nesting", limit })
}

/// Decoded bytes that a container may hand over before it waits for them to be read.
const PORTION_BYTES: u64 = 1 << 20;
/// The same in members.
const PORTION_MEMBERS: u64 = 256;

/// What a container has handed over since it last waited.
#[derive(Debug, Default)]
pub(super) struct Portion {
    members: u64,
    bytes: u64,
}

impl Portion {
    /// Counts a member of the container. What lies in the file as it is takes no room.
    pub(super) fn add(&mut self, member: &Input) {
        self.members = self.members.saturating_add(1);
        self.bytes = self.bytes.saturating_add(member.name.footprint() as u64);
        if member.extent.is_none() {
            self.bytes = self.bytes.saturating_add(member.len());
        }
    }

    /// Is it enough?
    pub(super) const fn is_full(&self) -> bool {
        self.members >= PORTION_MEMBERS || self.bytes >= PORTION_BYTES
    }
}
