//! Filters that make data compress better and change no size: differences, and targets of branches.
//!
//! Specification: `DOC/Methods.txt` of 7-Zip; <https://tukaani.org/xz/xz-file-format.txt> section 5.3.

use std::io::{self, Read};
use std::sync::Arc;

use lzma_rust2::filter::bcj::BcjReader;
use lzma_rust2::filter::bcj2::Bcj2Reader;
use lzma_rust2::filter::delta::DeltaReader;

use super::feed::Feed;
use super::{Fault, FaultKind, Leave, Out, Stop};
use crate::bytes::{ReadAt, WINDOW};

/// The machine whose branches a filter knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Branches {
    /// x86 and x86-64.
    X86,
    /// 32-bit ARM.
    Arm,
    /// ARM Thumb.
    ArmThumb,
    /// 64-bit ARM.
    Arm64,
    /// PowerPC, big-endian.
    PowerPc,
    /// SPARC.
    Sparc,
    /// Itanium.
    Ia64,
    /// RISC-V.
    RiscV,
}

/// Adds each byte to the one at a distance before it.
pub(super) fn delta(feed: &mut Feed<'_>, out: &mut Out<'_>, distance: u8) -> Result<(), Leave> {
    pump(DeltaReader::new(&mut *feed, usize::from(distance).saturating_add(1)), out, |reader| reader.inner().offset())
}

/// Makes targets of branches relative again.
pub(super) fn branches(feed: &mut Feed<'_>, out: &mut Out<'_>, machine: Branches) -> Result<(), Leave> {
    let make = match machine {
        Branches::X86 => BcjReader::new_x86,
        Branches::Arm => BcjReader::new_arm,
        Branches::ArmThumb => BcjReader::new_arm_thumb,
        Branches::Arm64 => BcjReader::new_arm64,
        Branches::PowerPc => BcjReader::new_ppc,
        Branches::Sparc => BcjReader::new_sparc,
        Branches::Ia64 => BcjReader::new_ia64,
        Branches::RiscV => BcjReader::new_riscv,
    };
    pump(make(&mut *feed, 0), out, |reader: &BcjReader<&mut Feed<'_>>| reader.inner().offset())
}

/// Reads to the end. Filters have no errors of their own: what fails is the source.
fn pump<R: Read>(mut reader: R, out: &mut Out<'_>, at: impl Fn(&R) -> u64) -> Result<(), Leave> {
    let mut piece = vec![0; WINDOW];
    loop {
        match reader.read(&mut piece)? {
            0 => return Ok(()),
            n => out.piece(piece.get(..n).unwrap_or_default(), at(&reader))?,
        }
    }
}

/// Merges the four streams that x86 code was split into, and passes `size` bytes in pieces to `take`, which says whether
/// to go on. The fault that ended it early, if one did.
///
/// # Errors
/// Those of `take`, and I/O.
pub fn bcj2(
    sources: &[Arc<dyn ReadAt>; 4],
    size: u64,
    mut take: impl FnMut(&[u8]) -> Result<bool, Stop>,
) -> Result<Option<Fault>, Stop> {
    let feeds = sources.iter().map(|source| Feed::new(&**source, 0, u64::MAX)).collect();
    let mut reader = Bcj2Reader::new(feeds, size);
    let mut piece = vec![0; WINDOW];
    loop {
        match reader.read(&mut piece) {
            Ok(0) => return Ok(None),
            Ok(n) => {
                if !take(piece.get(..n).unwrap_or_default())? {
                    return Ok(None);
                }
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData) => {
                return Ok(Some(Fault {
                    at: 0,
                    what: "the streams of x86 code do not fit together",
                    kind: FaultKind::Broken,
                }));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Codec, decode};
    use super::*;
    use crate::bytes::MemorySource;

    fn decoded(codec: Codec, bytes: &[u8]) -> Vec<u8> {
        let mut all = Vec::new();
        let outcome = decode(codec, &*MemorySource::new(bytes), 0, u64::MAX, |piece, _| {
            all.extend_from_slice(piece);
            Ok(true)
        });
        assert!(outcome.unwrap().ended);
        all
    }

    #[test]
    fn differences_are_summed_up() {
        assert_eq!(decoded(Codec::Delta(1), &[1, 2, 3, 4, 255, 0]), [1, 2, 4, 6, 3, 6]);
    }

    #[test]
    fn branches_become_relative() {
        // A call whose target, 0x100, is counted from the start; the instruction ends at 5.
        let call = [0xe8, 0, 1, 0, 0, 0x90, 0x90, 0x90, 0x90, 0x90];
        assert_eq!(decoded(Codec::Branches(Branches::X86), &call)[..5], [0xe8, 0xfb, 0, 0, 0]);
    }

    #[test]
    fn streams_that_do_not_fit_are_a_fault() {
        let sources = std::array::from_fn(|_| MemorySource::new(b"".as_slice()));
        let fault = bcj2(&sources, 10, |_| Ok(true)).unwrap();
        assert_eq!(fault.map(|fault| fault.kind), Some(FaultKind::Broken));
    }
}
