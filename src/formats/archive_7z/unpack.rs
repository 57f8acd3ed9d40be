//! Decoding of folders: a graph of coders, each read to its end before the next begins.

use std::io::Write as _;
use std::sync::Arc;

use crate::bytes::{Exceeded, ReadAt, Slice, Spool};
use crate::decode::codec::{Branches, Codec, Fault, FaultKind, bcj2};
use crate::decode::sevenz::{Coder, Folder, START, Streams};
use crate::formats::decoded::{self, Decoded};
use crate::formats::{Halt, Scan};

/// What came of a folder.
pub(super) struct Unpacked {
    /// Its bytes, as far as they could be had.
    pub(super) source: Arc<dyn ReadAt>,
    /// Its offset in the archive, if the bytes lie there as they are.
    pub(super) at: Option<u64>,
    /// Why they are not all there.
    pub(super) stop: Option<Stop>,
    /// A coder gave out of all proportion: bytes out, bytes in.
    pub(super) bomb: Option<(u64, u64)>,
}

/// Why a folder was not decoded to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// It is encrypted.
    Encrypted,
    /// Its method is not read here.
    Unsupported(&'static str),
    /// The data is broken.
    Fault(Fault),
    /// A limit; true if it is one of the whole input.
    Limit(Exceeded, bool),
}

/// What a coder does.
enum Method {
    Copy,
    Codec(Codec),
    /// Four streams into one.
    Bcj2,
}

/// Bytes between two coders.
#[derive(Clone)]
struct Piece {
    source: Arc<dyn ReadAt>,
    /// Offset in the archive, if the bytes lie there as they are.
    at: Option<u64>,
}

/// Decodes a folder.
///
/// # Errors
/// I/O.
pub(super) fn unpack(scan: &Scan<'_>, streams: &Streams, folder: &Folder) -> Result<Unpacked, Halt> {
    let mut work = Work { scan, stop: None, bomb: None };
    let made = work.run(streams, folder)?;
    let made = made.unwrap_or_else(|| Piece { source: crate::bytes::MemorySource::new(Vec::new()), at: None });
    Ok(Unpacked { source: made.source, at: made.at, stop: work.stop, bomb: work.bomb })
}

struct Work<'a, 's> {
    scan: &'a Scan<'s>,
    stop: Option<Stop>,
    bomb: Option<(u64, u64)>,
}

impl Work<'_, '_> {
    /// Runs each coder once its inputs are there.
    fn run(&mut self, streams: &Streams, folder: &Folder) -> Result<Option<Piece>, Halt> {
        let broken = |what| Stop::Fault(Fault { at: 0, what, kind: FaultKind::Broken });
        let Some(last) = folder.last() else {
            self.stop = Some(broken("coders in a circle"));
            return Ok(None);
        };
        let mut made: Vec<Option<Piece>> = vec![None; folder.coders.len()];
        // In each round at least one coder runs, or none ever will.
        for _ in 0..folder.coders.len() {
            let mut first = 0_u64;
            for (n, coder) in folder.coders.iter().enumerate() {
                let inputs = first..first.saturating_add(coder.inputs);
                first = inputs.end;
                if made.get(n).is_none_or(Option::is_some) {
                    continue;
                }
                let ready: Option<Vec<Piece>> =
                    inputs.map(|input| self.input(streams, folder, &made, input)).collect();
                let Some(ready) = ready else { continue };
                let size = folder.sizes.get(n).copied().unwrap_or(u64::MAX);
                let piece = self.code(coder, &ready, size)?;
                if piece.is_none() {
                    return Ok(None);
                }
                if let Some(place) = made.get_mut(n) {
                    *place = piece;
                }
            }
        }
        let result = made.get(last).cloned().flatten();
        if result.is_none() {
            self.stop.get_or_insert(broken("coders or streams are missing"));
        }
        Ok(result)
    }

    /// The bytes that go into an input: what a coder made, or a packed stream.
    fn input(&self, streams: &Streams, folder: &Folder, made: &[Option<Piece>], input: u64) -> Option<Piece> {
        if let Some(&(_, from)) = folder.bonds.iter().find(|(to, _)| *to == input) {
            return usize::try_from(from).ok().and_then(|from| made.get(from)).cloned().flatten();
        }
        let place = folder.inputs.iter().position(|packed| *packed == input)?;
        let &(at, size) = streams.packed.get(folder.first.saturating_add(place))?;
        let at = at.saturating_add(START);
        let source = Slice::clip(Arc::clone(&self.scan.input.source), at, size);
        Some(Piece { source, at: Some(at) })
    }

    /// Runs one coder, which is to give `size` bytes; None if it cannot be run.
    fn code(&mut self, coder: &Coder, inputs: &[Piece], size: u64) -> Result<Option<Piece>, Halt> {
        let method = match method(coder, size) {
            Ok(method) => method,
            Err(stop) => {
                self.stop = Some(stop);
                return Ok(None);
            }
        };
        match (method, inputs) {
            (Method::Copy, [input]) => Ok(Some(Piece {
                source: Slice::clip(Arc::clone(&input.source), 0, size),
                at: input.at,
            })),
            (Method::Codec(codec), [input]) => self.decode(codec, input).map(Some),
            (Method::Bcj2, [main, call, jump, ranges]) => {
                let sources = [main, call, jump, ranges].map(|piece| Arc::clone(&piece.source));
                self.merge(&sources, size).map(Some)
            }
            _ => {
                self.stop = Some(Stop::Unsupported("a coder with an unusual number of streams"));
                Ok(None)
            }
        }
    }

    fn decode(&mut self, codec: Codec, input: &Piece) -> Result<Piece, Halt> {
        let most = self.most();
        let range = (0, input.source.len());
        let Decoded { source, outcome, stopped, spent, bomb, .. } =
            decoded::decode_from(self.scan, &*input.source, codec, range, most)?;
        if bomb {
            self.bomb.get_or_insert((outcome.produced, outcome.consumed));
        }
        // Where the bytes lie in the archive, faults can say where they are.
        let base = input.at.unwrap_or_default();
        let fault = outcome.fault.map(|fault| match fault.kind {
            FaultKind::Unsupported => Stop::Unsupported(fault.what),
            _ => Stop::Fault(Fault { at: base.saturating_add(fault.at), ..fault }),
        });
        self.stop = self.stop.or(stopped.map(|exceeded| Stop::Limit(exceeded, spent))).or(fault);
        Ok(Piece { source, at: None })
    }

    fn merge(&mut self, sources: &[Arc<dyn ReadAt>; 4], size: u64) -> Result<Piece, Halt> {
        let (mut spool, most) = (Spool::default(), self.most());
        let (mut produced, mut stopped) = (0_u64, None);
        let fault = bcj2(sources, size, |piece| {
            produced = produced.saturating_add(piece.len() as u64);
            if produced > most.limit {
                stopped = Some(Stop::Limit(most, false));
            } else if let Err(exceeded) = self.scan.budget.take_bytes(piece.len() as u64) {
                stopped = Some(Stop::Limit(exceeded, true));
            } else {
                spool.write_all(piece)?;
            }
            Ok(stopped.is_none())
        })?;
        self.stop = self.stop.or(stopped).or(fault.map(Stop::Fault));
        Ok(Piece { source: spool.finish()?, at: None })
    }

    fn most(&self) -> Exceeded {
        Exceeded { what: "decoded bytes of one member", limit: self.scan.budget.limits().member_bytes }
    }
}

/// What a coder does, by its method and parameters; `size` is that of its output.
fn method(coder: &Coder, size: u64) -> Result<Method, Stop> {
    let codec = match (coder.method, coder.properties.as_slice()) {
        (0, _) => return Ok(Method::Copy),
        (0x21, [coded]) => Codec::Lzma2(dictionary(*coded)),
        (0x03_0101, &[props, a, b, c, d]) => {
            Codec::BareLzma { props, dictionary: u32::from_le_bytes([a, b, c, d]), size }
        }
        (0x0303_011b, _) => return Ok(Method::Bcj2),
        (0x03, [distance]) => Codec::Delta(*distance),
        (0x04 | 0x0303_0103, _) => Codec::Branches(Branches::X86),
        (0x05 | 0x0303_0205, _) => Codec::Branches(Branches::PowerPc),
        (0x06 | 0x0303_0401, _) => Codec::Branches(Branches::Ia64),
        (0x07 | 0x0303_0501, _) => Codec::Branches(Branches::Arm),
        (0x08 | 0x0303_0701, _) => Codec::Branches(Branches::ArmThumb),
        (0x09 | 0x0303_0805, _) => Codec::Branches(Branches::Sparc),
        (0x0a, [] | [0, 0, 0, 0]) => Codec::Branches(Branches::Arm64),
        (0x0b, [] | [0, 0, 0, 0]) => Codec::Branches(Branches::RiscV),
        (0x04_0108, _) => Codec::Deflate,
        (0x04_0109, _) => Codec::Deflate64,
        (0x04_0202, _) => Codec::Bzip2,
        (0x04f7_1101, _) => Codec::Zstd,
        (0x04f7_1104, _) => Codec::Lz4,
        (0x06f1_0701 | 0x06f1_0101..=0x06f1_03ff, _) => return Err(Stop::Encrypted),
        (0x03_0401, &[order, a, b, c, d, ..]) => Codec::PpmdH { order, memory: u32::from_le_bytes([a, b, c, d]), size },
        (0x04f7_1102, _) => Codec::Brotli(size),
        (0x04f7_1105, _) => return Err(Stop::Unsupported("LZ5")),
        (0x04f7_1106, _) => return Err(Stop::Unsupported("Lizard")),
        (0x03 | 0x21 | 0x03_0101 | 0x03_0401 | 0x0a | 0x0b, _) => {
            return Err(Stop::Unsupported("a method with unusual parameters"));
        }
        _ => return Err(Stop::Unsupported("an unknown method")),
    };
    Ok(Method::Codec(codec))
}

/// The size that LZMA2 codes in one byte: powers of two and those times one and a half.
fn dictionary(coded: u8) -> u32 {
    let coded = u32::from(coded & 0x3f);
    if coded >= 40 {
        return u32::MAX;
    }
    (2 | (coded & 1)).checked_shl((coded >> 1).saturating_add(11)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dictionaries_are_coded_in_a_byte() {
        assert_eq!([0, 1, 2, 24, 38, 39, 40, 63].map(dictionary), [
            4096,
            6144,
            8192,
            16 << 20,
            1 << 31,
            3 << 30,
            u32::MAX,
            u32::MAX
        ]);
    }
}
