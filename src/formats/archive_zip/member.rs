//! The bytes of a member, whatever its headers claim about them.
//!
//! Loaders ignore encryption flags, CRCs and sizes to different degrees, so none of them keeps a member from being
//! read here: what decodes is scanned, and the lie is a fact.

use super::audit::state;
use super::Container;
use crate::bytes::{Exceeded, Input, Malformed, Role};
use crate::decode::codec::{Aside, Codec, FaultKind, Outcome};
use crate::decode::zip::{self, ENCRYPTED, Entry, Header, REFUSING, STORED};
use crate::fact::Fact;
use crate::formats::pickle::is_pickle;
use crate::formats::{Halt, MIN_REGION, Scan, decoded};

/// Members up to this size are decoded on trial to find out whether a header lies.
const TRIAL_BYTES: u64 = 64 << 20;

/// The limit on members that share their data.
const OVERLAPPING: &str = "overlapping members";

/// A member in one view.
pub struct Opened {
    /// Its bytes under its name.
    pub input: Input,
    /// The header that was followed.
    pub header: Header,
    /// What decoding found; None for stored data.
    pub outcome: Option<Outcome>,
}

/// The bytes of a member and how decoding ended.
struct Bytes {
    input: Input,
    outcome: Option<Outcome>,
    /// What the decoder read over.
    asides: Vec<Aside>,
    /// The limit that stopped it.
    stopped: Option<Exceeded>,
    /// It is a limit of the whole input.
    spent: bool,
    bomb: bool,
}

impl Container {
    /// The bytes of member `n` in each view that differs: the central header's, and the local header's where a reader
    /// that trusts it sees other bytes. States what is wrong with them.
    ///
    /// # Errors
    /// A limit on the whole input, or I/O.
    pub fn open(&mut self, scan: &mut Scan<'_>, n: usize) -> Result<Vec<Opened>, Halt> {
        let Some(entry) = self.archive.entries.get(n).cloned() else { return Ok(Vec::new()) };
        self.taken.insert(n);
        let mut opened = Vec::new();
        if entry.local.is_none() {
            scan.unread(scan.input.name.member(entry.display_name()), "the member has no local header", false);
            return Ok(opened);
        }
        let views = [Some(entry.header()).filter(|_| !entry.is_folder()), entry.local_view()];
        for header in views.into_iter().flatten() {
            opened.extend(self.open_view(scan, n, &entry, header)?);
        }
        Ok(opened)
    }

    /// Member `n` decoded by `header`, nothing stated; None if it cannot be decoded.
    ///
    /// # Errors
    /// I/O.
    pub fn peek(&mut self, scan: &Scan<'_>, n: usize, header: Header) -> Result<Option<Input>, Halt> {
        let Some(entry) = self.archive.entries.get(n).filter(|entry| entry.local.is_some()).cloned() else {
            return Ok(None);
        };
        let decoded = match (header.method, header.codec()) {
            (STORED, _) => stored(scan, &entry, header),
            (_, Some(codec)) => self.decode(scan, n, &entry, header, codec)?,
            _ => return Ok(None),
        };
        Ok(Some(decoded.input))
    }

    fn open_view(
        &mut self,
        scan: &mut Scan<'_>,
        n: usize,
        entry: &Entry,
        header: Header,
    ) -> Result<Option<Opened>, Halt> {
        if let Some(exceeded) = self.exhausted {
            return Err(exceeded.into());
        }
        let decoded = match (header.method, header.codec()) {
            (STORED, _) => Some(stored(scan, entry, header)),
            (_, Some(codec)) => Some(self.decode(scan, n, entry, header, codec)?),
            _ => self.undeclared(scan, n, entry, header)?,
        };
        let refusing = header.flags & REFUSING;
        let known = header.method == STORED || header.codec().is_some();
        if !known {
            let method = format!("method {} ({})", header.method, method_name(header));
            match decoded {
                Some(_) => state(scan, entry, "flag-lies", &format!("{method}, but the data can be read")),
                None => state(scan, entry, "unsupported-method", &method),
            }
        }
        let Some(decoded) = decoded else {
            scan.unread(scan.input.name.member(entry.display_name()), "a compression method that cannot be read", true);
            return Ok(None);
        };
        if refusing != 0 && known {
            if !is_plain(scan, entry, header, &decoded)? {
                let what = if refusing & ENCRYPTED != 0 { "" } else { ", patched or masked data" };
                state(scan, entry, "encrypted", &format!("flags {refusing:#x}{what}"));
                scan.unread(scan.input.name.member(entry.display_name()), "the member is encrypted", true);
                return Ok(None);
            }
            // Where the headers disagree about it, that has been stated.
            if entry.local.is_none_or(|local| local.flags & REFUSING == refusing) {
                state(scan, entry, "flag-lies", &format!("flags {refusing:#x}, but the data can be read"));
            }
        }
        if entry.data.saturating_add(header.compressed) > scan.input.len() {
            let what = "a member reaches past the end of the file";
            scan.halt(&Malformed { at: entry.data, what }.into());
        }
        self.report(scan, entry, header, &decoded)?;
        Ok(Some(Opened { input: decoded.input, header, outcome: decoded.outcome }))
    }

    /// States how decoding went.
    fn report(&mut self, scan: &mut Scan<'_>, entry: &Entry, header: Header, decoded: &Bytes) -> Result<(), Halt> {
        let Some(outcome) = decoded.outcome else { return Ok(()) };
        for aside in &decoded.asides {
            let name = format!("{}{}", entry.display_name(), aside.name);
            scan.child(scan.input.slice(name, aside.at, aside.len))?;
        }
        if decoded.bomb {
            let detail = format!("{} bytes from {}", outcome.produced, outcome.consumed);
            state(scan, entry, "bomb-ratio", &detail);
        }
        let name = scan.input.name.member(entry.display_name());
        if let Some(exceeded) = decoded.stopped {
            if !decoded.bomb && exceeded.what != OVERLAPPING {
                scan.fact(entry.at, 0, Fact::Limit { reason: exceeded.what, format: super::FORMAT.name });
            }
            self.exhausted = Some(exceeded).filter(|_| decoded.spent);
            scan.unread(name, exceeded.what, false);
            return Ok(());
        }
        let at = entry.data.saturating_add(outcome.consumed);
        if let Some(fault) = outcome.fault {
            if fault.kind == FaultKind::Unsupported {
                state(scan, entry, "unsupported-method", &format!("{}: {}", method_name(header), fault.what));
                scan.unread(name, fault.what, true);
            } else {
                scan.halt(&Malformed { at: fault.at, what: fault.what }.into());
            }
            return Ok(());
        }
        let left = header.compressed.saturating_sub(outcome.consumed);
        if outcome.produced != header.size || left > 0 {
            let (size, kept) = (header.size, header.compressed);
            let detail = format!(
                "size: header {size}, data {}; compressed size: header {kept}, data {}",
                outcome.produced, outcome.consumed
            );
            state(scan, entry, "header-disagreement", &detail);
        }
        if left >= MIN_REGION {
            scan.child(scan.input.slice(format!("{}<rest>", entry.display_name()), at, left))?;
        }
        Ok(())
    }

    /// Verifies the CRC that `opened` was stored with. Of large payloads only the first ones are read for it.
    ///
    /// # Errors
    /// A limit on the whole input, or I/O.
    pub fn verify(&mut self, scan: &mut Scan<'_>, entry: &Entry, opened: &Opened, role: Role) -> Result<(), Halt> {
        let header = opened.header;
        let crc = match opened.outcome {
            Some(outcome) if outcome.ended => outcome.crc,
            Some(_) => return Ok(()),
            // A cut member has been reported; of one that was streamed and cut, nothing states a CRC.
            None if opened.input.len() < header.size || (entry.central.is_none() && header.crc == 0) => return Ok(()),
            None => {
                let len = opened.input.len();
                if role == Role::Payload {
                    let Some(left) = self.payload_left.checked_sub(len) else { return Ok(()) };
                    self.payload_left = left;
                }
                let budget = scan.budget;
                zip::checksum(&*opened.input.source, 0, len, |_| Ok(budget.check_time()?))?
            }
        };
        if crc != header.crc {
            state(scan, entry, "crc-mismatch", &format!("header {:#010x}, data {crc:#010x}", header.crc));
        }
        Ok(())
    }

    /// Decodes compressed data under all limits.
    fn decode(&mut self, scan: &Scan<'_>, n: usize, entry: &Entry, header: Header, codec: Codec) -> Result<Bytes, Halt> {
        let overlapping = self.archive.overlapping.binary_search(&n).is_ok();
        let limit = scan.budget.limits().member_bytes;
        let most = if overlapping && self.overlap_left < limit {
            Exceeded { what: OVERLAPPING, limit: self.overlap_left }
        } else {
            Exceeded { what: "decoded bytes of one member", limit }
        };
        let decoded = decoded::decode(scan, codec, entry.data, header.compressed, most)?;
        if overlapping {
            self.overlap_left = self.overlap_left.saturating_sub(decoded.outcome.produced);
        }
        Ok(Bytes {
            input: scan.input.member(entry.display_name(), decoded.source),
            outcome: Some(decoded.outcome),
            asides: decoded.asides,
            stopped: decoded.stopped,
            spent: decoded.spent,
            bomb: decoded.bomb,
        })
    }

    /// Data under a method that is not read here, if it is plain or DEFLATE all the same.
    fn undeclared(
        &mut self,
        scan: &Scan<'_>,
        n: usize,
        entry: &Entry,
        header: Header,
    ) -> Result<Option<Bytes>, Halt> {
        let plain = stored(scan, entry, header);
        if is_pickle(&*plain.input.source) {
            return Ok(Some(plain));
        }
        if header.compressed > TRIAL_BYTES {
            return Ok(None);
        }
        let budget = scan.budget;
        let pace = |_| Ok(budget.check_time()?);
        if zip::checksum(&*scan.input.source, entry.data, header.size, pace)? == header.crc && header.size > 0 {
            return Ok(Some(plain));
        }
        let decoded = self.decode(scan, n, entry, header, Codec::Deflate)?;
        Ok(Some(decoded).filter(|decoded| decoded.outcome.is_some_and(|outcome| outcome.ended && outcome.produced > 0)))
    }
}

/// Stored data: readers differ in which of the two sizes they follow, so the larger one is taken.
fn stored(scan: &Scan<'_>, entry: &Entry, header: Header) -> Bytes {
    let len = header.compressed.max(header.size);
    let input = scan.input.slice(entry.display_name(), entry.data, len);
    Bytes { input, outcome: None, asides: Vec::new(), stopped: None, spent: false, bomb: false }
}

/// Is the data that a flag calls encrypted really plain?
fn is_plain(scan: &Scan<'_>, entry: &Entry, header: Header, decoded: &Bytes) -> Result<bool, Halt> {
    if let Some(outcome) = decoded.outcome {
        if outcome.ended && (outcome.produced == header.size || outcome.crc == header.crc) {
            return Ok(true);
        }
    } else if header.compressed == header.size {
        // Encryption adds at least its 12-byte header.
        return Ok(true);
    } else if (1..=TRIAL_BYTES).contains(&header.size) {
        let budget = scan.budget;
        let crc = zip::checksum(&*scan.input.source, entry.data, header.size, |_| Ok(budget.check_time()?))?;
        if crc == header.crc {
            return Ok(true);
        }
    }
    let head = decoded.input.read(0, 4)?;
    Ok(head == b"PK\x03\x04" || is_pickle(&*decoded.input.source))
}

fn method_name(header: Header) -> &'static str {
    match header.method {
        1 => "Shrink",
        2..=5 => "Reduce",
        6 => "Implode",
        9 => "Deflate64",
        12 => "bzip2",
        14 => "LZMA",
        16 | 18 | 19 => "an IBM method",
        93 | 20 => "Zstandard",
        94 => "MP3",
        95 => "XZ",
        96 => "JPEG",
        97 => "WavPack",
        98 => "PPMd",
        99 => "AES encryption",
        _ => "unassigned",
    }
}

